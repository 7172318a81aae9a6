"""The mapping of AWS and network errors to the error codes that callers see."""

import json
from typing import Any

import pytest

from gateway.errors import CursorExpired, UpstreamBadRequest, UpstreamError, WrongUpstreamApi
from gateway.settings import Settings
from gateway.upstream.aws.error_mapping import map_error
from gateway.upstream.aws.response_parser import FailedResponse
from tests.conftest import gateway_over
from tests.support.processes import free_port
from tests.support.scripted import ScriptedResponse, scripted_upstream

NUMBERS = "{ phoneNumbers(first: 2) { nodes { e164PhoneNumber } } }"
SECRET = "arn:aws:iam::123456789012:user/secret"


async def ask(
    *responses: ScriptedResponse, document: str = NUMBERS, **settings: float
) -> tuple[list[str], dict[str, Any]]:
    """Return the upstream calls of a query against this script, and the response."""
    with scripted_upstream(*responses) as upstream:
        async with gateway_over(over(upstream.url, **settings)) as gateway:
            return upstream.requests, await gateway.execute(document)


# The errors of the service: HTTP status, exception name, Code in the body, our code, upstream calls.
ERRORS = [
    (400, "BadRequestException", "BadRequest", "BAD_REQUEST", 1),
    (401, "UnauthorizedClientException", "Unauthorized", "UPSTREAM_UNAUTHORIZED", 1),
    (403, "ForbiddenException", "Forbidden", "UPSTREAM_FORBIDDEN", 1),
    (403, "AccessDeniedException", "AccessDenied", "UPSTREAM_FORBIDDEN", 1),
    (404, "NotFoundException", "NotFound", "NOT_FOUND", 1),
    (429, "ThrottledClientException", "Throttled", "THROTTLED", 3),
    (429, "ThrottlingException", "Throttling", "THROTTLED", 3),
    (500, "ServiceFailureException", "ServiceFailure", "UPSTREAM_FAILURE", 3),
    (503, "ServiceUnavailableException", "ServiceUnavailable", "UPSTREAM_UNAVAILABLE", 3),
]


def over(url: str, **settings: float) -> Settings:
    return Settings(upstream_api="chime", upstream_endpoint_url=url, **settings)  # type: ignore[arg-type]  # Pydantic parses them.


@pytest.mark.parametrize("spelling", ["header", "code in the body"])
@pytest.mark.parametrize(("status", "name", "word", "code", "calls"), ERRORS)
async def test_upstream_error_maps_to_its_code_in_either_spelling(
    status: int, name: str, word: str, code: str, calls: int, spelling: str
) -> None:
    headers = {"x-amzn-ErrorType": name} if spelling == "header" else {}
    body = {"Message": SECRET} | ({"Code": word} if spelling == "code in the body" else {})
    requested, response = await ask(ScriptedResponse(body, status, headers))
    assert len(requested) == calls
    [error] = response["errors"]
    assert error["extensions"] == {
        "code": code,
        "operation": "ListPhoneNumbers",
        "retryable": calls == 3,
        "requestId": "11111111-2222-4333-8444-555555555555",
        **({"retryAfter": 1} if code == "THROTTLED" else {}),
    }
    assert error["path"][0] == "phoneNumbers"
    assert SECRET not in json.dumps(response)


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        (400, "ThrottlingException", "THROTTLED"),
        (403, "UnrecognizedClientException", "UPSTREAM_UNAUTHORIZED"),
        (403, "InvalidSignatureException", "UPSTREAM_UNAUTHORIZED"),
        (400, "ExpiredTokenException", "UPSTREAM_UNAUTHORIZED"),
    ],
)
async def test_common_aws_errors_are_mapped_by_name_with_any_status(status: int, name: str, code: str) -> None:
    headers = {"x-amzn-ErrorType": f"{name}:http://internal.amazon.com/"}
    _, response = await ask(ScriptedResponse({"message": "no"}, status, headers))
    assert [e["extensions"]["code"] for e in response["errors"]] == [code]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "7",
        "<html>welcome</html>",
        '{"PhoneNumbers": [',
        '{"PhoneNumbers": 7}',
        '{"PhoneNumbers": [], "NextToken": 7}',
    ],
)
async def test_2xx_response_without_a_list_is_a_bad_response(body: str) -> None:
    requested, response = await ask(ScriptedResponse(body))
    assert [e["extensions"]["code"] for e in response["errors"]] == ["UPSTREAM_BAD_RESPONSE"]
    assert len(requested) == 1


@pytest.mark.parametrize("request_id", ["123456789012", "AKIAIOSFODNN7EXAMPLE", SECRET, "a" * 36, "", " "])
async def test_malformed_request_id_is_not_returned(request_id: str) -> None:
    _, response = await ask(ScriptedResponse({"Message": SECRET}, 403, {"x-amzn-requestid": request_id}))
    assert [error["extensions"]["requestId"] for error in response["errors"]] == [None]


async def test_two_throttled_responses_are_retried_transparently() -> None:
    throttled = ScriptedResponse({"Code": "Throttled"}, 429)
    requested, response = await ask(throttled, throttled, ScriptedResponse({"PhoneNumbers": []}))
    assert response == {"data": {"phoneNumbers": {"nodes": []}}}
    assert len(requested) == 3


async def test_hanging_upstream_times_out_at_the_deadline_after_one_call() -> None:
    requested, response = await ask(
        ScriptedResponse({"PhoneNumbers": []}, after_seconds=5), request_timeout_seconds=0.3
    )
    assert [e["extensions"]["code"] for e in response["errors"]] == ["UPSTREAM_TIMEOUT"]
    assert len(requested) == 1


async def test_refused_connection_is_unreachable() -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    async with gateway_over(over(gone)) as gateway:
        response = await gateway.execute(NUMBERS)
    [error] = response["errors"]
    assert (error["extensions"]["code"], error["extensions"]["requestId"]) == ("UPSTREAM_UNREACHABLE", None)
    assert gone not in json.dumps(response)


async def test_rejected_token_is_an_expired_cursor() -> None:
    first_page = ScriptedResponse({"PhoneNumbers": [{"E164PhoneNumber": "+12065550100"}], "NextToken": "t"})
    refusal = ScriptedResponse({"Code": "BadRequest"}, 400, {"x-amzn-ErrorType": "BadRequestException"})
    requested, response = await ask(first_page, refusal)
    [error] = response["errors"]
    assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    assert "Start again from the first page" in error["message"]
    assert len(requested) == 2


async def test_malformed_part_of_a_record_nulls_only_its_own_field() -> None:
    _, response = await ask(
        ScriptedResponse({"PhoneNumbers": [{"E164PhoneNumber": "+12065550100", "Capabilities": SECRET}]}),
        document="{ phoneNumbers { nodes { e164PhoneNumber capabilities { inboundCall } } } }",
    )
    assert response["data"] == {"phoneNumbers": {"nodes": [{"e164PhoneNumber": "+12065550100", "capabilities": None}]}}
    [error] = response["errors"]
    assert (error["extensions"]["code"], error["path"]) == (
        "UPSTREAM_BAD_RESPONSE",
        ["phoneNumbers", "nodes", 0, "capabilities"],
    )
    assert SECRET not in json.dumps(response)


async def test_redirect_is_a_bad_response_and_is_not_followed() -> None:
    """If the client followed it, the other host would receive the session token."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": []})) as elsewhere:
        requested, response = await ask(ScriptedResponse("", 307, {"location": f"{elsewhere.url}/phone-numbers"}))
    assert [e["extensions"]["code"] for e in response["errors"]] == ["UPSTREAM_BAD_RESPONSE"]
    assert (len(requested), elsewhere.requests) == (1, [])


async def test_clock_skew_is_a_credentials_error_and_does_not_expire_the_cursor() -> None:
    first_page = ScriptedResponse({"PhoneNumbers": [{"E164PhoneNumber": "+12065550100"}], "NextToken": "t"})
    _, response = await ask(first_page, ScriptedResponse({"Code": "RequestExpired"}, 400))
    assert [e["extensions"]["code"] for e in response["errors"]] == ["UPSTREAM_UNAUTHORIZED"]


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"CallingName": {}}, "callingName"),
        ({"Capabilities": {"InboundCall": "yes"}}, "capabilities { inboundCall }"),
        ({"OrderId": {"a": 1}}, "order { id }"),
        ({"Associations": {}}, "associations { name }"),
        ({"PhoneNumberId": {"a": 1}}, "phoneNumberId"),
        ({"PhoneNumberOrderId": None}, "id"),
    ],
)
async def test_unexpected_value_affects_only_its_own_field(record: dict[str, Any], field: str) -> None:
    odd = {"E164PhoneNumber": "+12065550100"} | record
    page = ScriptedResponse({"PhoneNumbers": [odd, None, 7, {"E164PhoneNumber": "+12065550101"}]})
    _, response = await ask(page, document=f"{{ phoneNumbers {{ nodes {{ e164PhoneNumber {field} }} }} }}")
    numbers = [node["e164PhoneNumber"] for node in response["data"]["phoneNumbers"]["nodes"]]
    assert numbers == ["+12065550100", "+12065550101"]
    assert {e["extensions"]["code"] for e in response.get("errors", ())} <= {"UPSTREAM_BAD_RESPONSE"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"PhoneNumber": {}}, 'phoneNumber(e164PhoneNumber: "+12065550100")'),
        ({"PhoneNumber": {"E164PhoneNumber": "+12065550199"}}, 'phoneNumber(e164PhoneNumber: "+12065550100")'),
        ({"PhoneNumber": None}, 'phoneNumber(e164PhoneNumber: "+12065550100")'),
        ({"PhoneNumberOrder": {}}, 'phoneNumberOrder(phoneNumberOrderId: "o")'),
        ({"PhoneNumberOrder": {"PhoneNumberOrderId": "p"}}, 'phoneNumberOrder(phoneNumberOrderId: "o")'),
    ],
)
async def test_record_of_another_key_is_a_bad_response(body: dict[str, Any], field: str) -> None:
    _, response = await ask(ScriptedResponse(body), document=f"{{ {field} {{ id }} }}")
    assert list(response["data"].values()) == [None]
    assert [e["extensions"]["code"] for e in response["errors"]] == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize(
    ("parameters", "message", "kind"),
    [
        ({"MaxResults": 100}, "", WrongUpstreamApi),
        ({"MaxResults": 100}, "Value '100' at 'maxResults' failed", WrongUpstreamApi),
        ({"MaxResults": 100, "NextToken": "t"}, "Value '100' at 'maxResults' failed", WrongUpstreamApi),
        ({"MaxResults": 100, "Status": "Assigned"}, "max-results is above 99", WrongUpstreamApi),
        ({"MaxResults": 100, "FilterValue": "x"}, "Value 'x' at 'filterValue' failed", UpstreamBadRequest),
        ({"MaxResults": 100}, "No such account", UpstreamBadRequest),
        ({"MaxResults": 99}, "Value '99' at 'maxResults' failed", UpstreamBadRequest),
        ({"MaxResults": 100, "NextToken": "t"}, "The token is not valid", CursorExpired),
    ],
)
def test_rejected_page_size_names_the_setting_only_if_the_upstream_api_is_wrong(
    parameters: dict[str, str | int], message: str, kind: type[UpstreamError]
) -> None:
    response = FailedResponse(400, {}, error_names=("BadRequestException",), message=message)
    fault = map_error(response, "ListPhoneNumbers", parameters, "upstream.example")
    assert type(fault) is kind
    assert ("set GATEWAY_UPSTREAM_API=chime" in str(fault)) == (kind is WrongUpstreamApi)
