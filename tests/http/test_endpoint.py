import asyncio
import json
from typing import Any

import pytest

from gateway.execution.error_formatter import MAX_MESSAGE
from tests.conftest import Gateway
from tests.support.aws import Aws

ONE = {"query": "{ phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"}
GRAPHQL_RESPONSE = "application/graphql-response+json"


async def test_post_and_get_return_the_same_result(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    expected = {"data": {"phoneNumbers": {"nodes": [{"e164PhoneNumber": "+12065550000"}]}}}
    posted = await gateway.http.post("/graphql", json=ONE)
    got = await gateway.http.get("/graphql", params=ONE | {"variables": "{}"})
    assert posted.json() == got.json() == expected
    assert posted.headers["content-type"] == "application/json; charset=utf-8"
    assert len(posted.headers["x-request-id"]) == 32


async def test_a_malformed_body_is_400_and_makes_no_upstream_call(gateway: Gateway, aws: Aws) -> None:
    for body in (b"", b"[]", json.dumps([ONE]).encode(), json.dumps(ONE | {"variables": 7}).encode()):
        response = await gateway.http.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400
    assert aws.calls == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query ($n: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $n) { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_an_invalid_document_has_no_data_and_a_status_by_media_type(
    gateway: Gateway, aws: Aws, query: str, code: str
) -> None:
    for accept, status in (("application/json", 200), (GRAPHQL_RESPONSE, 400)):
        response = await gateway.http.post("/graphql", json={"query": query}, headers={"accept": accept})
        assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (status, accept)
        body: dict[str, Any] = response.json()
        assert list(body) == ["errors"]
        assert [error["extensions"]["code"] for error in body["errors"]] == [code]
    assert aws.calls == []


@pytest.mark.parametrize(("accept", "status"), [("application/json", 200), (GRAPHQL_RESPONSE, 400)])
async def test_an_unknown_operation_name_is_an_error(gateway: Gateway, accept: str, status: int) -> None:
    response = await gateway.http.post("/graphql", json=ONE | {"operationName": "Other"}, headers={"accept": accept})
    assert response.status_code == status
    assert "Other" in response.json()["errors"][0]["message"]


async def test_healthz_makes_no_upstream_call(gateway: Gateway, aws: Aws) -> None:
    aws.fails("*", "ServiceUnavailable")
    response = await gateway.http.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")
    assert aws.calls == []


@pytest.mark.parametrize("operation_name", [None, ""])
async def test_several_operations_need_an_operation_name(gateway: Gateway, operation_name: str | None) -> None:
    document = "query A { a: __typename } query B { b: __typename }"
    body = {"query": document, "operationName": operation_name}
    [error] = (await gateway.http.post("/graphql", json=body)).json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "operation name" in error["message"]
    named = await gateway.http.post("/graphql", json=body | {"operationName": "B"})
    assert named.json() == {"data": {"b": "Query"}}


async def test_an_integer_too_long_to_parse_is_a_validation_error(gateway: Gateway) -> None:
    response = await gateway.execute(f"{{ phoneNumbers(first: {'9' * 5_000}) {{ nodes {{ id }} }} }}")
    assert [error["extensions"]["code"] for error in response["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]


LONG, SHORTENED = "7" * 5_000, f"{'7' * 150}..."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            f'phoneNumber(e164PhoneNumber: "{LONG}") {{ id }}',
            "Expected value of type 'E164PhoneNumber', but encountered error 'A phone number must be in E.164 format, "
            "such as +12065550100: the country code first, at most 15 digits.'; found: "
            f'"{SHORTENED}".',
            id="phone number",
        ),
        pytest.param(
            f'node(id: ["{LONG}"]) {{ id }}',
            f'ID cannot represent a non-string and non-integer value: [\n  "{SHORTENED}"\n]',
            id="id",
        ),
        pytest.param(
            f'phoneNumbers(after: ["{LONG}"]) {{ nodes {{ id }} }}',
            f'String cannot represent a non string value: [\n  "{SHORTENED}"\n]',
            id="cursor",
        ),
        pytest.param(
            f'phoneNumbers(filter: {{status: "{LONG}"}}) {{ nodes {{ id }} }}',
            f"Enum 'PhoneNumberStatus' cannot represent non-enum value: \"{SHORTENED}\".",
            id="enum value",
        ),
        pytest.param(
            f'phoneNumbers(filter: "{LONG}") {{ nodes {{ id }} }}',
            f"Expected value of type 'PhoneNumberFilter' to be an object, found: \"{SHORTENED}\".",
            id="filter",
        ),
        pytest.param(
            f'phoneNumbers(sort: {{field: STATUS, direction: "{LONG}"}}) {{ nodes {{ id }} }}',
            f"Enum 'SortDirection' cannot represent non-enum value: \"{SHORTENED}\".",
            id="sort",
        ),
    ],
)
async def test_an_error_quotes_the_start_of_a_long_value_and_keeps_the_reason(
    gateway: Gateway, arguments: str, message: str
) -> None:
    [error] = (await gateway.execute(f"{{ {arguments} }}"))["errors"]
    assert error["message"] == message


@pytest.mark.parametrize("mark", ["", "'", '"', "\\'"])
async def test_an_error_gives_the_reason_that_stands_behind_a_long_variable(gateway: Gateway, mark: str) -> None:
    document = "query($status: PhoneNumberStatus) { phoneNumbers(filter: {status: $status}) { totalCount } }"
    [error] = (await gateway.execute(document, status=mark + LONG))["errors"]
    assert error["message"].startswith("Variable '$status' has invalid value: Value '")
    assert error["message"].endswith("does not exist in 'PhoneNumberStatus' enum.")
    assert len(error["message"]) <= MAX_MESSAGE + len(" ... ")


async def test_a_client_that_disconnects_early_leaves_no_traceback_in_the_log(
    gateway: Gateway, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    url = gateway.http.base_url
    for server, head in (
        (f"{url.host}:{url.port}", b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"),
        (aws.url.removeprefix("http://"), b"GET /phone-numbers HTTP/1.1\r\nhost: x\r\n"),
    ):
        host, _, port = server.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head + b"content-length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    # When the response to this request arrives through both servers, the earlier ones have been handled.
    await gateway.query("{ phoneNumbers { totalCount } }")
    assert [
        record.getMessage() for record in caplog.records if "Traceback" in record.getMessage() or record.exc_info
    ] == []
