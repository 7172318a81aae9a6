"""Introspection and suggestions in errors: on in `dev`, and off in `serve` unless set."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from gateway.schema.federation import build_schema
from tests.support.processes import BIN, environment, started
from tests.support.serving import gateway_to_nowhere


@pytest.fixture(scope="module")
def closed() -> Iterator[httpx.Client]:
    """Return a gateway with default settings."""
    with gateway_to_nowhere() as http:
        yield http


def execute(http: httpx.Client, text: str, **parameters: Any) -> dict[str, Any]:
    response: dict[str, Any] = http.post("/graphql", json={"query": text, **parameters}).json()
    return response


@pytest.mark.parametrize(
    "text",
    [
        get_introspection_query(),
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Query") { name } }',
        "{ health: __schema { queryType { name } } }",
        "{ __typename ...F } fragment F on Query { s: __schema { __typename } }",
        "query($no: Boolean = false) { __typename __schema @include(if: $no) { __typename } }",
    ],
)
def test_introspection_is_rejected_unless_the_setting_allows_it(
    closed: httpx.Client, endpoint: httpx.Client, text: str
) -> None:
    response = execute(closed, text)
    assert "data" not in response
    for error in response["errors"]:
        assert "introspection has been disabled" in error["message"]
        assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert "errors" not in execute(endpoint, text)


def test_typename_and_service_sdl_work_without_introspection(closed: httpx.Client) -> None:
    response = execute(closed, "{ __typename _service { sdl } }")
    assert response["data"]["__typename"] == "Query"
    assert response["data"]["_service"]["sdl"] == build_schema().as_str()


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("{ phoneNumberz { totalCount } }", {}),
    ("{ phoneNumbers { nodez { id } } }", {}),
    ("{ phoneNumbers(frist: 1) { totalCount } }", {}),
    ("{ phoneNumbers(filter: { statuz: ASSIGNED }) { totalCount } }", {}),
    ("{ phoneNumbers(filter: { status: ASIGNED }) { totalCount } }", {}),
    ('{ phoneNumbers(filter: { association: { voiceConectorId: "v" } }) { totalCount } }', {}),
    ("{ __typename @inclode(if: true) }", {}),
    ("{ __typename @include(iff: true) }", {}),
    ("{ ... on Qery { __typename } }", {}),
    ("query($f: PhoneNumberFiltr) { phoneNumbers(filter: $f) { totalCount } }", {}),
    ("query($f: PhoneNumberFilter) { phoneNumbers(filter: $f) { totalCount } }", {"f": {"statuz": "ASSIGNED"}}),
    ("query($f: PhoneNumberFilter) { phoneNumbers(filter: $f) { totalCount } }", {"f": {"status": "ASIGNED"}}),
    (
        "query($f: PhoneNumberFilter) { phoneNumbers(filter: $f) { totalCount } }",
        {"f": {"association": {"userIdd": 1}}},
    ),
    ("query($s: PhoneNumberStatus) { phoneNumbers(filter: {status: $s}) { totalCount } }", {"s": "ASIGNED"}),
    ("query($s: PhoneNumberStatus = ASIGNED) { phoneNumbers(filter: {status: $s}) { totalCount } }", {}),
    ("{ phoneNumbers { nodes { order { ... on PhoneNumberOrdr { id } } } } }", {}),
    ("{ node(id: 1) { e164PhoneNumber } }", {}),
    ("{ phoneNumbers }", {}),
]


@pytest.mark.parametrize(("text", "variables"), MISTAKES)
def test_errors_hold_no_suggestions_without_introspection(
    closed: httpx.Client, text: str, variables: dict[str, Any]
) -> None:
    response = execute(closed, text, variables=variables)
    assert response["errors"]
    assert "did you mean" not in json.dumps(response).lower()


def test_errors_hold_suggestions_with_introspection(endpoint: httpx.Client) -> None:
    helped = [
        text for text, given in MISTAKES if "Did you mean" in json.dumps(execute(endpoint, text, variables=given))
    ]
    assert len(helped) > 10


@pytest.mark.parametrize("given", [{}, {"GATEWAY_INTROSPECTION": "false", "GATEWAY_GRAPHIQL": "false"}])
def test_dev_has_introspection_and_graphiql_unless_the_settings_forbid_them(
    tmp_path: Path, given: dict[str, str]
) -> None:
    with started(str(BIN / "chime-gateway"), "dev", "--port", "0", env=environment(tmp_path, **given), lines=1) as dev:
        url = dev.lines[0].split()[1]
        response = httpx.post(url, json={"query": "{ __schema { queryType { name } } }"}, timeout=30)
        page = httpx.get(url, headers={"accept": "text/html"}, timeout=30)
    assert ("data" in response.json()) is not bool(given)
    assert page.headers["content-type"].startswith("text/html") is not bool(given)


def test_serve_has_neither_introspection_nor_graphiql_unless_the_settings_allow_them(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    for given in ({}, {"GATEWAY_INTROSPECTION": "true", "GATEWAY_GRAPHIQL": "true"}):
        env = environment(tmp_path, **keys, **given)
        with started(str(BIN / "chime-gateway"), "serve", "--port", "0", env=env, lines=2) as serve:
            url = serve.lines[0].split()[1]
            response = httpx.post(url, json={"query": "{ __schema { queryType { name } } }"}, timeout=30)
            page = httpx.get(url, headers={"accept": "text/html"}, timeout=30)
        assert ("data" in response.json()) is bool(given)
        assert page.headers["content-type"].startswith("text/html") is bool(given)
