"""Round trips: each cursor, id and number in a response is accepted in a request, or is not in the response."""

import json
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from gateway.server.http1_checks import MAX_URL_BYTES
from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import e164, number_record, order_record
from tests.support.scripted import ScriptedResponse, scripted_upstream

AFTER = "query ($after: String) { phoneNumbers(first: 2, after: $after) { nodes { e164PhoneNumber } } }"


@pytest.fixture
def _long_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lift the limit on URLs. The scripted upstream is served like a gateway, but AWS accepts its own tokens."""
    for module in ("gateway.server.request_reader", "gateway.server.http1_checks"):
        monkeypatch.setattr(f"{module}.MAX_URL_BYTES", 1_000_000)


def over(url: str, **given: Any) -> Settings:
    return Settings(upstream_api="chime", upstream_endpoint_url=url, **given)  # type: ignore[arg-type]  # Pydantic parses the URL.


def codes(response: dict[str, Any]) -> list[str]:
    return [error["extensions"]["code"] for error in response.get("errors", ())]


def page(start: int, token: str | None, count: int = 2) -> ScriptedResponse:
    return ScriptedResponse({"PhoneNumbers": [number_record(start + at) for at in range(count)], "NextToken": token})


def token_requested_in(requested: str) -> str | None:
    return parse_qs(urlsplit(requested).query).get("next-token", [None])[0]


async def sent_back(gateway: Gateway, cursor: str) -> list[dict[str, Any]]:
    """Return the page after a cursor. Send it as a variable, in the document, and in a URL if it fits there."""
    inline = f"{{ phoneNumbers(first: 2, after: {json.dumps(cursor)}) {{ nodes {{ e164PhoneNumber }} }} }}"
    responses = [await gateway.execute(AFTER, after=cursor), await gateway.execute(inline)]
    url = f"/graphql?{urlencode({'query': AFTER, 'variables': json.dumps({'after': cursor})})}"
    if len(url) <= MAX_URL_BYTES:
        responses.append((await gateway.http.get(url)).json())
    return responses


TOKENS = [
    *(
        "t",
        " ",
        "%",
        "%2B",
        "a+b/c=",
        "\x00\x1f\x7f",
        "\u2028\u202e",
        "\ufeff",
        "\ufffd",
        "\U0001f4a9",
        "..",
        '"\\',
        "null",
    ),
    *("t" * 4_096, "t" * 6_200, "/" * 12_000, "\u00e9" * 9_000, "t" * 24_000),
]


@pytest.mark.usefixtures("_long_urls")
@pytest.mark.parametrize("token", TOKENS, ids=lambda token: f"{token[:4]!a} of {len(token)}")
async def test_a_cursor_of_any_token_is_accepted_in_any_encoding(token: str) -> None:
    """One cursor is within the second page. The page's last cursor holds the tokens of two pages."""
    following = f"{token}2"
    pages = [page(0, token), page(2, following, count=3)]
    with scripted_upstream(*pages, page(5, None)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            given = await gateway.query("{ phoneNumbers(first: 5) { edges { cursor } pageInfo { endCursor } } }")
            edges = given["phoneNumbers"]["edges"]
            assert edges[-1]["cursor"] == given["phoneNumbers"]["pageInfo"]["endCursor"]
            for cursor, wanted in ((edges[1]["cursor"], token), (edges[4]["cursor"], following)):
                for response in await sent_back(gateway, cursor):
                    assert [node["e164PhoneNumber"] for node in response["data"]["phoneNumbers"]["nodes"]] == [
                        e164(5),
                        e164(6),
                    ]
                    assert token_requested_in(upstream.requests[-1]) == wanted


@pytest.mark.parametrize("length", [50_000, 66_000, 100_000])
async def test_a_token_too_long_for_a_cursor_is_an_error_of_the_cursor_only(length: int) -> None:
    with scripted_upstream(page(0, "t" * length)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            response = await gateway.execute(
                """{ a: phoneNumbers(first: 2) {
                       nodes { e164PhoneNumber } pageInfo { hasNextPage startCursor endCursor } }
                     b: phoneNumbers(first: 2) { edges { cursor node { e164PhoneNumber } } }
                     c: phoneNumbers(first: 1) { edges { cursor node { e164PhoneNumber } } } }"""
            )
    data = response["data"]
    assert data["a"]["nodes"] == [{"e164PhoneNumber": e164(0)}, {"e164PhoneNumber": e164(1)}]
    # The first row's cursor holds no token, because it is within the first page.
    assert data["a"]["pageInfo"]["hasNextPage"]
    assert data["a"]["pageInfo"]["startCursor"]
    assert data["a"]["pageInfo"]["endCursor"] is None
    assert data["b"] is None
    assert data["c"]["edges"][0]["cursor"]
    assert {tuple(error["path"]) for error in response["errors"]} == {
        ("a", "pageInfo", "endCursor"),
        ("b", "edges", 1, "cursor"),
    }
    for error in response["errors"]:
        assert error["extensions"]["code"] == "CURSOR_TOO_LONG"
        assert (error["extensions"]["operation"], error["extensions"]["retryable"]) == ("ListPhoneNumbers", False)


@pytest.mark.usefixtures("_long_urls")
async def test_a_token_too_long_for_a_cursor_is_still_followed() -> None:
    with scripted_upstream(page(0, "t" * 50_000), page(2, "u" * 60_000), page(4, None)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            data = await gateway.query("{ phoneNumbers(first: 6) { nodes { e164PhoneNumber } totalCount } }")
    assert data["phoneNumbers"] == {"nodes": [{"e164PhoneNumber": e164(at)} for at in range(6)], "totalCount": 6}


async def test_a_cursor_longer_than_a_request_body_is_not_issued() -> None:
    first = page(0, "t" * 600)
    with scripted_upstream(first, first, page(2, None)) as upstream:
        async with gateway_over(over(upstream.url, max_body_bytes=1_000)) as gateway:
            response = await gateway.execute("{ phoneNumbers(first: 2) { nodes { id } pageInfo { endCursor } } }")
        async with gateway_over(over(upstream.url, max_body_bytes=2_500)) as gateway:
            data = await gateway.query("{ phoneNumbers(first: 2) { pageInfo { endCursor } } }")
            assert codes(await gateway.execute(AFTER, after=data["phoneNumbers"]["pageInfo"]["endCursor"])) == []
    assert codes(response) == ["CURSOR_TOO_LONG"]
    assert len(response["data"]["phoneNumbers"]["nodes"]) == 2


@pytest.mark.parametrize("token", ['"\\ud800"', '"t\\udfff"', "7", "[]", "{}", "true", "1e999"])
async def test_a_token_that_cannot_be_sent_back_is_a_bad_response(token: str) -> None:
    """Half of a surrogate pair is valid JSON, but has no UTF-8 form, so it cannot be in a URL."""
    body = json.dumps({"PhoneNumbers": [number_record(0)], "NextToken": "TOKEN"}).replace('"TOKEN"', token)
    with scripted_upstream(ScriptedResponse(body)) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            assert codes(await gateway.execute(AFTER)) == ["UPSTREAM_BAD_RESPONSE"]


ORDER_IDS = [
    *(
        "o",
        "a b",
        "a/b",
        "/",
        "a%2Fb",
        "%",
        "%%",
        "a?b#c",
        "a:b",
        ":",
        "a.b",
        ".a",
        "\u00e9",
        "\U0001f4a9",
        "\u202e",
        "\x00",
    ),
    *("+", "&=", '"', "\\", "o" * 200, "o" * 256, "\U0001f4a9" * 256, "UPPER-lower", "PhoneNumber:x"),
]
ORDER_BY_KEYS = """
query ($id: ID!, $key: ID!, $byId: [_Any!]!, $byKey: [_Any!]!, $byBoth: [_Any!]!) {
  node(id: $id) { ...F } nodes(ids: [$id]) { ...F }
  phoneNumberOrder(phoneNumberOrderId: $key) { ...F }
  a: _entities(representations: $byId) { ...F }
  b: _entities(representations: $byKey) { ...F }
  c: _entities(representations: $byBoth) { ...F }
}
fragment F on PhoneNumberOrder { id phoneNumberOrderId }
"""


@pytest.mark.parametrize("order_id", ORDER_IDS, ids=lambda each: f"{each[:8]!a} of {len(each)}")
async def test_the_ids_of_an_order_are_accepted_by_every_argument(order_id: str) -> None:
    record = order_record(0, [], PhoneNumberOrderId=order_id)
    with scripted_upstream(
        ScriptedResponse({"PhoneNumberOrders": [record]}), ScriptedResponse({"PhoneNumberOrder": record})
    ) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            listed = await gateway.query("{ phoneNumberOrders { nodes { id phoneNumberOrderId } } }")
            [order] = listed["phoneNumberOrders"]["nodes"]
            assert order["phoneNumberOrderId"] == order_id
            typename = {"__typename": "PhoneNumberOrder"}
            data = await gateway.query(
                ORDER_BY_KEYS,
                id=order["id"],
                key=order_id,
                byId=[typename | {"id": order["id"]}],
                byKey=[typename | {"phoneNumberOrderId": order_id}],
                byBoth=[typename | order],
            )
    assert [data["node"], *data["nodes"], data["phoneNumberOrder"], *data["a"], *data["b"], *data["c"]] == [order] * 6
    [path] = set(upstream.paths[1:])
    assert path == f"/phone-number-orders/{order_id}"


@pytest.mark.parametrize("order_id", ["", ".", "..", "...", "o" * 257, "\u00e9" * 300, 7, None, ["o"]])
async def test_an_order_whose_id_cannot_be_sent_back_is_left_out(order_id: Any) -> None:
    records = [order_record(0, [], PhoneNumberOrderId=order_id), order_record(1, [])]
    with scripted_upstream(ScriptedResponse({"PhoneNumberOrders": records})) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            listed = await gateway.query("{ phoneNumberOrders { nodes { phoneNumberOrderId } } }")
    assert listed["phoneNumberOrders"]["nodes"] == [{"phoneNumberOrderId": records[1]["PhoneNumberOrderId"]}]


NUMBERS = ["+12065550100", "%2B12065550100", "%2b12065550100", "12065550100", "12", "+123456789012345", "+911"]
NUMBER_BY_KEYS = """
query ($id: ID!, $key: E164PhoneNumber!, $byId: [_Any!]!, $byKey: [_Any!]!) {
  node(id: $id) { ...F } phoneNumber(e164PhoneNumber: $key) { ...F }
  a: _entities(representations: $byId) { ...F }
  b: _entities(representations: $byKey) { ...F }
}
fragment F on PhoneNumber { id e164PhoneNumber }
"""


@pytest.mark.parametrize("key", ["E164PhoneNumber", "PhoneNumberId"])
@pytest.mark.parametrize("number", NUMBERS)
async def test_the_ids_of_a_number_are_accepted_by_every_argument(key: str, number: str) -> None:
    record = {"Status": "Unassigned", key: number}
    with scripted_upstream(
        ScriptedResponse({"PhoneNumbers": [record]}), ScriptedResponse({"PhoneNumber": record})
    ) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            listed = await gateway.query("{ phoneNumbers { nodes { id e164PhoneNumber phoneNumberId } } }")
            [given] = listed["phoneNumbers"]["nodes"]
            for key_sent in (given["e164PhoneNumber"], given.pop("phoneNumberId")):
                typename = {"__typename": "PhoneNumber"}
                data = await gateway.query(
                    NUMBER_BY_KEYS,
                    id=given["id"],
                    key=key_sent,
                    byId=[typename | {"id": given["id"]}],
                    byKey=[typename | {"e164PhoneNumber": key_sent}],
                )
                assert [data["node"], data["phoneNumber"], *data["a"], *data["b"]] == [given] * 4
    assert set(upstream.paths[1:]) == {f"/phone-numbers/{given['e164PhoneNumber']}"}


@pytest.mark.parametrize(
    "value", ["vc", "a b", "a/b", "%2F", "&filter-name=x", "\u00e9", "\U0001f4a9", "\x00", '"', "v" * 256, "."]
)
async def test_the_id_of_an_association_is_accepted_as_filter_and_entity(value: str) -> None:
    record = number_record(0, Associations=[{"Name": "VoiceConnectorId", "Value": value}])
    target = (
        "target { ... on VoiceConnector { voiceConnectorId phoneNumbers(first: 1) { nodes { e164PhoneNumber } } } }"
    )
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": [record]})) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            listed = await gateway.query(
                f"{{ phoneNumbers(first: 1) {{ nodes {{ associations {{ value {target} }} }} }} }}"
            )
            [association] = listed["phoneNumbers"]["nodes"][0]["associations"]
            number = {"nodes": [{"e164PhoneNumber": e164(0)}]}
            assert association == {"value": value, "target": {"voiceConnectorId": value, "phoneNumbers": number}}
            data = await gateway.query(
                """query ($value: String!, $it: [_Any!]!) {
                  phoneNumbers(filter: {association: {voiceConnectorId: $value}}) { nodes { e164PhoneNumber } }
                  _entities(representations: $it) {
                    ... on VoiceConnector { phoneNumbers { nodes { e164PhoneNumber } } }
                  }
                }""",
                value=value,
                it=[{"__typename": "VoiceConnector", "voiceConnectorId": value}],
            )
    assert data == {"phoneNumbers": number, "_entities": [{"phoneNumbers": number}]}
    for requested in upstream.requests[1:]:
        assert parse_qs(urlsplit(requested).query)["filter-value"] == [value]


@pytest.mark.parametrize("value", ["v" * 257, "\u00e9" * 1_000, 7])
async def test_an_association_whose_id_cannot_be_sent_back_is_left_out(value: Any) -> None:
    associations = [{"Name": "VoiceConnectorId", "Value": each} for each in (value, "vc")]
    with scripted_upstream(
        ScriptedResponse({"PhoneNumbers": [number_record(0, Associations=associations)]})
    ) as upstream:
        async with gateway_over(over(upstream.url)) as gateway:
            data = await gateway.query("{ phoneNumbers { nodes { associations { value } } } }")
    assert data["phoneNumbers"]["nodes"] == [{"associations": [{"value": "vc"}]}]
