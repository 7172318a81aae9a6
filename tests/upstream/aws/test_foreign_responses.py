"""Responses of a proxy, a load balancer or another server. They prove no fact about AWS's records."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.service_model import Api
from gateway.schema.node import global_id
from gateway.settings import Settings, read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import e164, emulated_aws, number_record, order_record
from tests.support.scripted import ScriptedResponse, ScriptedUpstream, scripted_upstream
from tests.support.serving import served

APIS: list[Api] = ["chime", "chime-sdk-voice"]
HTML = {"content-type": "text/html; charset=utf-8"}
XML = {"content-type": "application/xml"}
NUMBER, ORDER = e164(0), order_record(0, [])["PhoneNumberOrderId"]

ONE_PAGE = "query ($after: String) { phoneNumbers(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } }"
PAGE_OF_ORDERS = """
query ($after: String) { phoneNumberOrders(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } }
"""
LINKED = "{ phoneNumberOrders(first: 1) { nodes { orderedPhoneNumbers { phoneNumber { id } } } } }"
ENTITIES = "query ($keys: [_Any!]!) { _entities(representations: $keys) { __typename } }"
# One record each. A record is missing only if the API says so.
RECORDS: list[tuple[str, dict[str, Any]]] = [
    (f'{{ phoneNumber(e164PhoneNumber: "{NUMBER}") {{ id }} }}', {}),
    (f'{{ phoneNumberOrder(phoneNumberOrderId: "{ORDER}") {{ id }} }}', {}),
    ("query ($id: ID!) { node(id: $id) { id } }", {"id": global_id("PhoneNumber", NUMBER)}),
    ("query ($id: ID!) { node(id: $id) { id } }", {"id": global_id("PhoneNumberOrder", ORDER)}),
    (ENTITIES, {"keys": [{"__typename": "PhoneNumber", "e164PhoneNumber": NUMBER}]}),
]

FOREIGN = {
    "404 HTML": ScriptedResponse("<html>no such page</html>", 404, HTML),
    "404 without a body": ScriptedResponse("", 404, {"content-type": ""}),
    "404 JSON of an API gateway": ScriptedResponse({"message": "Not Found"}, 404),
    "404 JSON with a number for its code": ScriptedResponse({"kind": "Status", "reason": "NotFound", "code": 404}, 404),
    "404 JSON in another case": ScriptedResponse({"code": "not_found", "Code": None}, 404),
    "404 JSON of another service": ScriptedResponse({"__type": "com.amazon#ResourceNotFoundException"}, 404),
    "404 JSON list": ScriptedResponse(["NotFound"], 404),
    "404 JSON error below another name": ScriptedResponse({"error": {"code": "NotFound"}}, 404),
    "404 text that looks like a name": ScriptedResponse("NotFoundException", 404, {"content-type": "text/plain"}),
    "404 XML": ScriptedResponse("<Error><Code>NotFound</Code></Error>", 404, XML),
    "404 unknown operation": ScriptedResponse(
        {"Code": "UnknownOperation"}, 404, {"x-amzn-ErrorType": "UnknownOperationException:http://aws/"}
    ),
    "404 unknown operation in XML": ScriptedResponse("<UnknownOperationException/>", 404, XML),
    "404 unknown operation of the older kind": ScriptedResponse(
        {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}, 404
    ),
    "410 of a proxy": ScriptedResponse("gone", 410, HTML),
    "400 HTML": ScriptedResponse("<html>Bad Request</html>", 400, HTML),
    "400 without a body": ScriptedResponse("", 400),
    "400 JSON": ScriptedResponse({"message": "Bad Request", "statusCode": 400}, 400),
    "400 invalid action": ScriptedResponse({"Code": "InvalidAction"}, 400),
    "400 not JSON": ScriptedResponse('{"Code": "BadRequest"', 400),
    "400 not UTF-8": ScriptedResponse(b'{"Code": "BadRequest\xff"}', 400),
    "401 HTML": ScriptedResponse("<html>log in</html>", 401, HTML | {"www-authenticate": "Basic realm=proxy"}),
    "401 JSON": ScriptedResponse({"message": "Unauthorized"}, 401),
    "402": ScriptedResponse("pay", 402, HTML),
    "403 HTML of a firewall": ScriptedResponse("<html>Request blocked</html>", 403, HTML | {"server": "awselb/2.0"}),
    "403 JSON": ScriptedResponse({"message": "Forbidden"}, 403),
    "405": ScriptedResponse("", 405, HTML),
    "406": ScriptedResponse({}, 406),
    "407": ScriptedResponse(
        "<html>Proxy Authentication Required</html>", 407, HTML | {"proxy-authenticate": "Basic realm=p"}
    ),
    "407 with a name": ScriptedResponse({"code": "Unauthorized"}, 407),
    "411": ScriptedResponse("", 411),
    "413": ScriptedResponse("<html>too large</html>", 413, HTML),
    "414": ScriptedResponse("<html>too long</html>", 414, HTML),
    "418": ScriptedResponse("teapot", 418, {"content-type": "text/plain"}),
    "421": ScriptedResponse("", 421),
    "426": ScriptedResponse("", 426),
    "431": ScriptedResponse("<html>fields too large</html>", 431, HTML),
    "451": ScriptedResponse("<html>no</html>", 451, HTML),
    "499": ScriptedResponse("", 499),
    "300": ScriptedResponse("", 300),
    "302": ScriptedResponse("", 302, {"location": "http://127.0.0.1:9/"}),
    "304": ScriptedResponse("", 304),
    "308 with a name": ScriptedResponse({"Code": "NotFound"}, 308),
    "204": ScriptedResponse("", 204),
    "200 HTML": ScriptedResponse("<html>welcome</html>", 200, HTML),
    "200 of another server": ScriptedResponse({"status": "UP"}),
    "200 with an error": ScriptedResponse(
        {"Code": "NotFound", "Message": "no"}, 200, {"x-amzn-ErrorType": "NotFoundException"}
    ),
    "200 without a body": ScriptedResponse(""),
}
# The error name does not match the status.
MISNAMED = {
    "400 not found": ScriptedResponse({"Code": "NotFound"}, 400),
    "403 not found": ScriptedResponse({"__type": "NotFoundException"}, 403),
    "404 bad request": ScriptedResponse({"Code": "BadRequest"}, 404, {"x-amzn-ErrorType": "BadRequestException"}),
    "413 bad request": ScriptedResponse({"Code": "BadRequest"}, 413),
    "404 forbidden": ScriptedResponse({"Code": "Forbidden"}, 404),
}
# These statuses ask the client to retry later, even if a proxy sends them.
RETRYABLE = [
    (ScriptedResponse("<html>slow down</html>", 429, HTML), "THROTTLED", 3),
    (ScriptedResponse("", 429), "THROTTLED", 3),
    (ScriptedResponse("<html>timed out</html>", 408, HTML), "UPSTREAM_TIMEOUT", 1),
    (ScriptedResponse("<html>oh no</html>", 500, HTML), "UPSTREAM_FAILURE", 3),
    (ScriptedResponse({"Code": "NotFound"}, 500, {"x-amzn-ErrorType": "NotFoundException"}), "UPSTREAM_FAILURE", 3),
    (ScriptedResponse({"Code": "BadRequest"}, 500), "UPSTREAM_FAILURE", 3),
    (ScriptedResponse({"__type": "AccessDeniedException"}, 503), "UPSTREAM_UNAVAILABLE", 3),
    (ScriptedResponse({"Code": "BrandNewException"}, 500), "UPSTREAM_FAILURE", 3),
    (ScriptedResponse("<html>bad gateway</html>", 502, HTML), "UPSTREAM_UNAVAILABLE", 1),
    (ScriptedResponse("", 503), "UPSTREAM_UNAVAILABLE", 3),
    (ScriptedResponse("<html>timed out</html>", 504, HTML), "UPSTREAM_UNAVAILABLE", 1),
    (ScriptedResponse("<html>unknown</html>", 520, HTML), "UPSTREAM_FAILURE", 1),
]


@asynccontextmanager
async def gateway_to(url: str, api: Api = "chime") -> AsyncIterator[Gateway]:
    settings: Settings = read_settings(upstream_api=api, upstream_endpoint_url=url)
    async with gateway_over(settings) as gateway:
        yield gateway


async def codes(gateway: Gateway, document: str, **variables: Any) -> list[str]:
    response = await gateway.execute(document, **variables)
    return [error["extensions"]["code"] for error in response.get("errors", [])]


async def cursor(gateway: Gateway, upstream: ScriptedUpstream, document: str) -> str:
    """Return the endCursor of a first page that has a next page."""
    pages = {"PhoneNumbers": [number_record(0)], "PhoneNumberOrders": [order_record(0, [NUMBER])], "NextToken": "t"}
    upstream.responses[:] = [ScriptedResponse(pages)]
    [page] = (await gateway.query(document)).values()
    return str(page["pageInfo"]["endCursor"])


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("foreign", [*FOREIGN.values(), *MISNAMED.values()], ids=[*FOREIGN, *MISNAMED])
async def test_foreign_response_is_a_bad_response_for_any_call(api: Api, foreign: ScriptedResponse) -> None:
    with scripted_upstream(foreign) as upstream:
        async with gateway_to(upstream.url, api) as gateway:
            ready = await gateway.http.get("/readyz")
            assert ready.status_code == 503
            assert "GATEWAY_UPSTREAM_ENDPOINT_URL" in ready.json()["reason"]
            for document, variables in [(ONE_PAGE, {}), (PAGE_OF_ORDERS, {}), *RECORDS]:
                upstream.requests.clear()
                assert await codes(gateway, document, **variables) == ["UPSTREAM_BAD_RESPONSE"], document
                assert len(upstream.requests) == 1
            for document in (ONE_PAGE, PAGE_OF_ORDERS):
                after = await cursor(gateway, upstream, document)
                upstream.responses[:] = [foreign]
                assert await codes(gateway, document, after=after) == ["UPSTREAM_BAD_RESPONSE"]
            upstream.responses[:] = [ScriptedResponse({"PhoneNumberOrders": [order_record(0, [NUMBER])]}), foreign]
            assert await codes(gateway, LINKED) == ["UPSTREAM_BAD_RESPONSE"]


@pytest.mark.parametrize(("says", "code", "calls"), RETRYABLE)
async def test_retryable_status_needs_no_error_name(says: ScriptedResponse, code: str, calls: int) -> None:
    with scripted_upstream(says) as upstream:
        async with gateway_to(upstream.url) as gateway:
            for document, variables in [(ONE_PAGE, {}), RECORDS[0]]:
                upstream.requests.clear()
                assert await codes(gateway, document, **variables) == [code]
                assert len(upstream.requests) == calls
            after = await cursor(gateway, upstream, ONE_PAGE)
            upstream.responses[:] = [says]
            assert await codes(gateway, ONE_PAGE, after=after) == [code]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"x-amzn-ErrorType": "NotFoundException"}, ""),
        ({"x-amzn-ErrorType": "NotFoundException:http://internal.amazon.com/coral/com.amazonaws.chime/"}, {}),
        ({"x-amzn-ErrorType": "com.amazonaws.chime#NotFoundException"}, "<html>"),
        ({"X-AMZN-ERRORTYPE": "NotFound"}, {"Code": "BadRequest"}),
        ({"x-amzn-ErrorType": "SomethingElse"}, {"Code": "NotFound"}),
        ({}, {"Code": "NotFound"}),
        ({}, {"code": "NotFoundException", "message": "no"}),
        ({}, {"code": 404, "Code": "NotFound"}),
        ({}, {"__type": "com.amazonaws.chime#NotFoundException"}),
        ({}, {"Error": {"Code": "NotFound", "Message": "no"}}),
        ({}, {"Error": {"__type": "NotFoundException"}}),
    ],
)
async def test_not_found_error_in_any_spelling_is_a_missing_record(headers: dict[str, str], body: Any) -> None:
    with scripted_upstream(ScriptedResponse(body, 404, headers)) as upstream:
        async with gateway_to(upstream.url) as gateway:
            for document, variables in RECORDS:
                response = await gateway.execute(document, **variables)
                assert "errors" not in response
                assert next(iter(response["data"].values())) in (None, [None])
            assert await codes(gateway, ONE_PAGE) == ["NOT_FOUND"]
            assert (await gateway.http.get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    "refusal",
    [
        ScriptedResponse("", 400, {"x-amzn-ErrorType": "BadRequestException"}),
        ScriptedResponse({"Code": "BadRequest"}, 400),
        ScriptedResponse({"__type": "com.amazonaws.chime#BadRequestException"}, 400),
        ScriptedResponse({"Error": {"Code": "BadRequestException"}}, 400),
    ],
)
async def test_named_token_rejection_expires_the_cursor(refusal: ScriptedResponse) -> None:
    with scripted_upstream(refusal) as upstream:
        async with gateway_to(upstream.url) as gateway:
            for document in (ONE_PAGE, PAGE_OF_ORDERS):
                after = await cursor(gateway, upstream, document)
                upstream.responses[:], upstream.requests[:] = [refusal], []
                assert await codes(gateway, document, after=after) == ["CURSOR_EXPIRED"]
                assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (ScriptedResponse({"Code": "ValidationException"}, 400), "BAD_REQUEST"),
        (ScriptedResponse({"__type": "ValidationError"}, 400), "BAD_REQUEST"),
        (ScriptedResponse({"Code": "Unprocessable"}, 422), "BAD_REQUEST"),
        (ScriptedResponse({"Code": "ExpiredTokenException"}, 400), "UPSTREAM_UNAUTHORIZED"),
        (ScriptedResponse({"Code": "AccessDeniedException"}, 400), "UPSTREAM_FORBIDDEN"),
        (ScriptedResponse({"Code": "NotFound"}, 404), "NOT_FOUND"),
    ],
)
async def test_other_rejection_by_the_api_does_not_expire_the_cursor(refusal: ScriptedResponse, code: str) -> None:
    with scripted_upstream(refusal) as upstream:
        async with gateway_to(upstream.url) as gateway:
            after = await cursor(gateway, upstream, ONE_PAGE)
            upstream.responses[:] = [refusal]
            assert await codes(gateway, ONE_PAGE, after=after) == [code]


async def test_rejected_page_size_does_not_expire_the_cursor() -> None:
    """The older API rejects the newer API's page size. A client that starts again would be rejected every time."""
    document = ONE_PAGE.replace("$after", "$first: Int, $after", 1).replace("first: 1", "first: $first")
    with emulated_aws("chime") as aws:
        aws.holds(inventory=150)
        async with gateway_to(aws.url, "chime-sdk-voice") as gateway:
            after = (await gateway.query(document, first=20))["phoneNumbers"]["pageInfo"]["endCursor"]
            assert await codes(gateway, document, first=100, after=after) == ["BAD_REQUEST"]


async def test_rejected_token_on_a_larger_page_expires_the_cursor_if_the_size_is_accepted() -> None:
    refusal, good = (
        ScriptedResponse({"Code": "BadRequest"}, 400),
        ScriptedResponse({"PhoneNumbers": [number_record(0)]}),
    )
    document = "query ($after: String) { phoneNumbers(first: 50, after: $after) { nodes { id } } }"
    with scripted_upstream(refusal) as upstream:
        async with gateway_to(upstream.url) as gateway:
            after = await cursor(gateway, upstream, ONE_PAGE)
            upstream.responses[:], upstream.requests[:] = [refusal, good], []
            assert await codes(gateway, document, after=after) == ["CURSOR_EXPIRED"]
            assert ["next-token" in requested for requested in upstream.requests] == [True, False]


@pytest.mark.parametrize("foreign", [FOREIGN["403 HTML of a firewall"], FOREIGN["403 JSON"], FOREIGN["401 HTML"]])
async def test_gets_continue_after_a_foreign_403(foreign: ScriptedResponse) -> None:
    """If the gateway listed instead, it would make many calls and find less."""
    record = ScriptedResponse({"PhoneNumber": number_record(0)})
    with scripted_upstream(foreign, record) as upstream:
        async with gateway_to(upstream.url) as gateway:
            assert await codes(gateway, RECORDS[0][0]) == ["UPSTREAM_BAD_RESPONSE"]
            assert await codes(gateway, RECORDS[0][0]) == []
    assert [requested.split("?")[0] for requested in upstream.requests] == [f"/phone-numbers/{NUMBER}"] * 2


@pytest.mark.parametrize(
    "refusal",
    [ScriptedResponse({"Code": "Forbidden"}, 403), ScriptedResponse({"__type": "AccessDeniedException"}, 400)],
)
async def test_gets_stop_after_the_api_denies_one(refusal: ScriptedResponse) -> None:
    page = ScriptedResponse({"PhoneNumbers": [number_record(0)]})
    with scripted_upstream(refusal, page) as upstream:
        async with gateway_to(upstream.url) as gateway:
            assert await codes(gateway, RECORDS[0][0]) == []
    assert [requested.split("?")[0] for requested in upstream.requests] == [
        f"/phone-numbers/{NUMBER}",
        "/phone-numbers",
    ]


@pytest.mark.parametrize("path", ["/v1", "/prod/api", "/graphql", "/phone-numbers", "/phone-number-orders"])
@pytest.mark.parametrize("api", APIS)
async def test_wrong_endpoint_path_is_reported_and_no_record_counts_as_missing(
    api: Api, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As AWS does, the emulator sends UnknownOperationException. On the path of a list, lists arrive as gets."""
    arrive_as_gets = path.startswith("/phone-number")
    with served(create_emulator(EmulatorOptions(api=api))) as url:
        async with gateway_to(url + path, api) as gateway:
            for _ in range(2):
                ready = await gateway.http.get("/readyz")
                assert ready.status_code == 503
                assert "UPSTREAM_BAD_RESPONSE" in ready.json()["reason"]
                assert "GATEWAY_UPSTREAM_ENDPOINT_URL" in ready.json()["reason"]
                for document in (ONE_PAGE, PAGE_OF_ORDERS):
                    code = "NOT_FOUND" if arrive_as_gets else "UPSTREAM_BAD_RESPONSE"
                    assert await codes(gateway, document) == [code]
                for document, variables in RECORDS:
                    assert await codes(gateway, document, **variables) == ["UPSTREAM_BAD_RESPONSE"]
    host = url.removeprefix("http://")
    assert f"{host} responded with 404 and application/json" in caplog.text
    assert "UnknownOperationException" in caplog.text
    assert "://" not in caplog.text


async def test_bad_response_to_one_caller_does_not_make_the_gateway_unready() -> None:
    """An example is a proxy's 414 for one long request. One call checks this, even if readiness is requested often."""
    with scripted_upstream(FOREIGN["414"], ScriptedResponse({"PhoneNumbers": []})) as upstream:
        async with gateway_to(upstream.url) as gateway:
            assert await codes(gateway, ONE_PAGE) == ["UPSTREAM_BAD_RESPONSE"]
            for _ in range(3):
                assert (await gateway.http.get("/readyz")).status_code == 200
        assert len(upstream.requests) == 2
