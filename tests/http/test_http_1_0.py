"""A client of HTTP/1.0: it gets no chunks, no interim response, and a connection that ends with the response."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.settings import Settings, read_settings
from tests.support.aws import Aws, e164, emulated_aws
from tests.support.raw_http import Wire, post, query, wire
from tests.support.serving import served_gateway

LINE = b"POST /graphql HTTP/1.0"
STREAMED = "{ phoneNumbers(first: 150) { nodes @stream(initialCount: 1) { e164PhoneNumber } } }"
DEFERRED = "{ phoneNumbers(first: 2) { nodes { e164PhoneNumber } ... @defer { totalCount } } }"
PLAIN = "{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"
GET = b"GET /graphql?query={phoneNumbers(first:1){nodes{e164PhoneNumber}}} HTTP/1.0\r\n"
ACCEPTS = [b"multipart/mixed", b"multipart/mixed;deferSpec=20220824, application/json", b"multipart/mixed, */*"]


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime") as aws:
        aws.holds(inventory=150)
        yield aws


@pytest.fixture(scope="module")
def settings(account: Aws) -> Settings:
    return read_settings(upstream_api="chime", upstream_endpoint_url=account.url)


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    with served_gateway(settings) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Wire]:
    with wire(url) as client:
        yield client


def whole_response(client: Wire) -> Any:
    """Return the JSON of a response. Assert that it has no chunks and that the connection ends with it."""
    response = client.read_response()
    assert response.status == 200
    assert response.header("transfer-encoding") is None
    assert response.header("content-type") == "application/json; charset=utf-8"
    assert response.header("connection") == "close"
    assert client.closed()
    return json.loads(response.body)


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("document", [STREAMED, DEFERRED, PLAIN])
@pytest.mark.parametrize("fields", [[], [b"connection: keep-alive"], [b"connection: close"]])
def test_a_response_that_could_be_incremental_is_sent_whole(
    client: Wire, accept: bytes, document: str, fields: list[bytes]
) -> None:
    body = query(document)
    client.sends(post(b"accept: " + accept, b"content-length: %d" % len(body), *fields, body=body, line=LINE))
    response = whole_response(client)
    assert set(response) == {"data"}
    assert response["data"]["phoneNumbers"]["nodes"][0] == {"e164PhoneNumber": e164(0)}
    assert len(response["data"]["phoneNumbers"]["nodes"]) == {STREAMED: 150, DEFERRED: 2, PLAIN: 1}[document]


def test_the_same_request_by_http_1_1_gets_chunks(client: Wire) -> None:
    body = query(STREAMED)
    client.sends(post(b"accept: multipart/mixed", b"content-length: %d" % len(body), body=body))
    assert client.read_response().header("transfer-encoding") == "chunked"


def test_a_request_without_a_host_is_answered(client: Wire) -> None:
    client.sends(GET + b"\r\n")
    assert whole_response(client)["data"]


@pytest.mark.parametrize("host", [b"", b"host: gateway\r\n", b"host: gateway:80\r\n", b"host: GATEWAY\r\n"])
def test_a_url_may_hold_the_host(client: Wire, host: bytes) -> None:
    client.sends(GET.replace(b"GET /", b"GET http://gateway/") + host + b"\r\n")
    assert whole_response(client)["data"]


@pytest.mark.parametrize("host", [b"host: other\r\n", b"host: gateway:8080\r\n"])
def test_a_url_with_another_host_than_the_header_is_400(client: Wire, host: bytes) -> None:
    client.sends(GET.replace(b"GET /", b"GET http://gateway/") + host + b"\r\n")
    response = client.read_response()
    assert (response.status, response.refused()) == (400, "The URL and the Host header name different hosts.")


def test_the_host_in_a_url_is_checked_against_the_allowed_hosts(settings: Settings) -> None:
    with served_gateway(settings.model_copy(update={"allowed_hosts": ("gateway",)})) as url:
        for host, status in ((b"gateway", 200), (b"gateway:80", 200), (b"evil.example", 421)):
            with wire(url) as client:
                client.sends(GET.replace(b"GET /", b"GET http://" + host + b"/") + b"\r\n")
                assert client.read_response().status == status
        with wire(url) as client:
            client.sends(GET + b"\r\n")
            assert client.read_response().status == 421


def test_head_gets_no_body(client: Wire) -> None:
    client.sends(GET.replace(b"GET", b"HEAD") + b"accept: multipart/mixed\r\n\r\n")
    head = client._until(b"\r\n\r\n").decode()  # noqa: SLF001  # `read_response` would wait for a body of the stated length.
    assert head.startswith("HTTP/1.1 200 ")
    assert "transfer-encoding" not in head
    assert client.closed()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /nothing", 404), (b"PUT /graphql", 405), (b"GET /graphql?query={", 200), (b"GET /graphql", 400)],
)
def test_errors_have_a_length(client: Wire, request_line: bytes, status: int) -> None:
    client.sends(request_line + b" HTTP/1.0\r\naccept: multipart/mixed, application/json\r\n\r\n")
    response = client.read_response()
    assert response.status == status
    assert response.header("transfer-encoding") is None
    assert json.loads(response.body)["errors"]
    assert client.closed()


def test_no_interim_response_is_sent(client: Wire) -> None:
    body = query(PLAIN)
    head = post(b"expect: 100-continue", b"content-length: %d" % len(body), body=b"", line=LINE)
    client.sends(head)
    client.sends(body)
    assert whole_response(client)["data"]


@pytest.mark.parametrize("host", [b"gateway", b"gateway:80", b"GATEWAY"])
def test_a_url_may_omit_its_default_port_in_http_1_1_too(client: Wire, host: bytes) -> None:
    line = GET.replace(b"1.0", b"1.1").replace(b"GET /", b"GET http://" + host + b"/")
    client.sends(line + b"host: gateway\r\n\r\n")
    assert json.loads(client.read_response().body)["data"]
