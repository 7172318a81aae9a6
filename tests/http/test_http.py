"""HTTP behaviour of the endpoint and of the other paths, apart from GraphQL."""

import json

import httpx
import pytest

QUERY = {"query": "{ __typename }"}
DATA = {"data": {"__typename": "Query"}}
METHODS = "GET, HEAD, POST, OPTIONS"


def assert_rejected(response: httpx.Response, status: int) -> str:
    """Assert that the response is a JSON error with a code. Return its message."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert len(response.headers["x-request-id"]) == 32
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    message: str = error["message"]
    return message


def test_head_has_the_headers_of_get_and_no_body(endpoint: httpx.Client) -> None:
    for parameters, status in ((QUERY, 200), ({}, 400), ({"query": "mutation { __typename }"}, 405)):
        got = endpoint.get("/graphql", params=parameters)
        head = endpoint.head("/graphql", params=parameters)
        assert got.status_code == head.status_code == status
        assert head.content == b""
        same = set(got.headers) - {"date", "x-request-id"}
        assert {name: got.headers[name] for name in same} == {name: head.headers.get(name) for name in same}


def test_options_lists_the_methods(endpoint: httpx.Client) -> None:
    response = endpoint.options("/graphql", headers={"accept": "text/html"})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == METHODS
    assert "content-type" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_an_unsupported_method_is_405_with_allow(endpoint: httpx.Client, method: str) -> None:
    response = endpoint.request(method, "/graphql", content=json.dumps(QUERY))
    assert method in assert_rejected(response, 405)
    assert response.headers["allow"] == METHODS


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "mutation { __typename }"},
        {"query": "query A { __typename } mutation B { __typename }", "operationName": "B"},
        {"query": "subscription { __typename }"},
        {"query": "mutation { nothing }"},
    ],
)
def test_get_rejects_an_operation_that_is_not_a_query(
    endpoint: httpx.Client, method: str, parameters: dict[str, str]
) -> None:
    for accept in ("application/json", "application/graphql-response+json"):
        response = endpoint.request(method, "/graphql", params=parameters, headers={"accept": accept})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/jsonx", "application/json; charset=utf-16", "application/graphql"],
)
def test_an_unsupported_content_type_is_415_with_accept(endpoint: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = endpoint.post("/graphql", content=json.dumps(QUERY), headers=headers)
    assert "application/json" in assert_rejected(response, 415)
    assert response.headers["accept"] == "application/json"


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x"])
def test_a_compressed_body_is_415(endpoint: httpx.Client, coding: str) -> None:
    headers = {"content-type": "application/json", "content-encoding": coding}
    response = endpoint.post("/graphql", content=b"\x1f\x8b", headers=headers)
    assert "coding" in assert_rejected(response, 415)
    assert response.headers["accept-encoding"] == "identity"
    plain = endpoint.post("/graphql", json=QUERY, headers={"content-encoding": "Identity"})
    assert plain.json() == DATA


def test_a_chunked_body_is_read_whole(endpoint: httpx.Client) -> None:
    pieces = (bytes([each]) for each in json.dumps(QUERY | {"variables": {"a": "x" * 200}}).encode())
    response = endpoint.post("/graphql", content=pieces, headers={"content-type": "application/json"})
    assert response.json() == DATA


@pytest.mark.parametrize("path", ["/", "/graphql/", "/graphqlx", "/graphql/x", "//graphql", "/GraphQL", "/healthz/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404(endpoint: httpx.Client, method: str, path: str) -> None:
    assert "/graphql" in assert_rejected(endpoint.request(method, f"{endpoint.base_url}".rstrip("/") + path), 404)


def test_an_unsupported_method_of_an_admin_path_is_405_with_allow(endpoint: httpx.Client) -> None:
    response = endpoint.delete("/healthz")
    assert "method" in assert_rejected(response, 405)
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/graphql"),
        ("GET", "/graphql?query={__typename}"),
        ("GET", "/graphql?query={"),
        ("OPTIONS", "/graphql"),
        ("PUT", "/graphql"),
        ("GET", "/healthz"),
        ("DELETE", "/healthz"),
        ("GET", "/nowhere"),
        ("BREW", "/graphql"),
    ],
)
def test_every_response_has_the_security_headers(endpoint: httpx.Client, method: str, path: str) -> None:
    response = endpoint.request(method, path)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "server" not in response.headers
