from typing import Any

import pytest
from pydantic import SecretBytes

from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, number_record, order_record
from tests.support.scripted import ScriptedResponse, scripted_upstream

PAGE = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: PhoneNumberFilter) {
  phoneNumbers(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    edges { cursor node { e164PhoneNumber } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
EVERY_FIELD = """
{
  phoneNumbers(first: 1) {
    nodes {
      __typename id phoneNumberId e164PhoneNumber country type productType status
      capabilities { inboundCall outboundCall inboundSMS outboundSMS inboundMMS outboundMMS }
      associations { name value associatedTimestamp target { __typename } }
      callingName callingNameStatus name createdTimestamp updatedTimestamp deletionTimestamp
      order { phoneNumberOrderId }
    }
  }
}
"""


def numbers_of(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["e164PhoneNumber"] for edge in page["edges"]]


@pytest.mark.parametrize(("first", "calls"), [(1, 200), (7, 29), (99, 3), (250, 3)])
async def test_pages_of_any_size_return_each_number_once_in_upstream_order(
    gateway: Gateway, aws: Aws, first: int, calls: int
) -> None:
    aws.holds(inventory=200)
    seen: list[str] = []
    after = None
    while True:
        page = (await gateway.query(PAGE, first=first, after=after))["phoneNumbers"]
        seen += numbers_of(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [e164(index) for index in range(200)]
    assert aws.calls == ["ListPhoneNumbers"] * calls


@pytest.mark.parametrize("last", [7, 60])
async def test_backward_pages_return_each_number_once(gateway: Gateway, aws: Aws, last: int) -> None:
    aws.holds(inventory=130)
    seen: list[str] = []
    before = None
    while True:
        page = (await gateway.query(PAGE, last=last, before=before))["phoneNumbers"]
        seen = numbers_of(page) + seen
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert seen == [e164(index) for index in range(130)]


@pytest.mark.parametrize("aws", ["chime-sdk-voice"], indirect=True)
async def test_every_field_of_a_record_is_in_the_response(gateway: Gateway, aws: Aws) -> None:
    aws.adds_orders([order_record(1, [e164(0)])])
    aws.adds_numbers(
        [
            number_record(
                0,
                Associations=[
                    {"Name": "SipRuleId", "Value": "rule", "AssociatedTimestamp": "2019-10-28T18:40:37.453Z"},
                ],
                CallingName="Desk",
                CallingNameStatus="UpdateSucceeded",
                Capabilities={
                    "InboundCall": True,
                    "OutboundCall": False,
                    "InboundSMS": None,
                    "OutboundSMS": True,
                    "InboundMMS": False,
                    "OutboundMMS": None,
                },
                DeletionTimestamp="2019-11-04T18:42:07.964Z",
                Name="front desk",
                OrderId="00000001-0000-4000-8000-000000000000",
                ProductType="SipMediaApplicationDialIn",
                Status="PortinInProgress",
                Type="TollFree",
            )
        ]
    )
    data = await gateway.query(EVERY_FIELD)
    [node] = data["phoneNumbers"]["nodes"]
    assert node.pop("id")
    assert node == {
        "__typename": "PhoneNumber",
        "phoneNumberId": "%2B12065550000",
        "e164PhoneNumber": "+12065550000",
        "country": "US",
        "type": "TOLL_FREE",
        "productType": "SIP_MEDIA_APPLICATION_DIAL_IN",
        "status": "PORTIN_IN_PROGRESS",
        "capabilities": {
            "inboundCall": True,
            "outboundCall": False,
            "inboundSMS": None,
            "outboundSMS": True,
            "inboundMMS": False,
            "outboundMMS": None,
        },
        "associations": [
            {
                "name": "SIP_RULE_ID",
                "value": "rule",
                "associatedTimestamp": "2019-10-28T18:40:37.453Z",
                "target": {"__typename": "SipRule"},
            }
        ],
        "callingName": "Desk",
        "callingNameStatus": "UPDATE_SUCCEEDED",
        "name": "front desk",
        "createdTimestamp": "2019-08-12T22:10:20.521Z",
        "updatedTimestamp": "2019-10-28T18:42:07.964Z",
        "deletionTimestamp": "2019-11-04T18:42:07.964Z",
        "order": {"phoneNumberOrderId": "00000001-0000-4000-8000-000000000000"},
    }


@pytest.mark.parametrize(
    ("given", "requested"),
    [
        ({"status": "ASSIGNED"}, "status=Assigned"),
        ({"productType": "VOICE_CONNECTOR"}, "product-type=VoiceConnector"),
        ({"association": {"userId": "u"}}, "filter-name=UserId&filter-value=u"),
        (
            {"status": "DELETE_FAILED", "productType": "BUSINESS_CALLING", "association": {"accountId": "a"}},
            "filter-name=AccountId&filter-value=a&product-type=BusinessCalling&status=DeleteFailed",
        ),
        ({}, ""),
        (None, ""),
        ({"status": None}, ""),
    ],
)
async def test_a_filter_is_sent_in_the_words_of_aws(
    gateway: Gateway, aws: Aws, given: dict[str, Any], requested: str
) -> None:
    aws.adds_numbers(
        [number_record(0, Associations=[{"Name": "UserId", "Value": "u"}, {"Name": "AccountId", "Value": "a"}])]
    )
    await gateway.query(PAGE, filter=given)
    [query] = aws.queries
    assert sorted(query.split("&")) == sorted(filter(None, [*requested.split("&"), "max-results=50"]))


@pytest.mark.parametrize(
    ("aws", "given", "words"),
    [
        ("chime", {"status": "UNKNOWN"}, "UNKNOWN stands for values newer"),
        ("chime", {"status": "CANCELLED"}, "The upstream API chime does not support Cancelled."),
        ("chime-sdk-voice", {"productType": "BUSINESS_CALLING"}, "does not support BusinessCalling"),
        ("chime-sdk-voice", {"association": {"userId": "u"}}, "does not support UserId"),
        ("chime", {"association": {"userId": ""}}, "1 to 256 characters"),
        ("chime", {"association": {"userId": "u" * 257}}, "1 to 256 characters"),
        ("chime", {"association": {}}, "exactly one key"),
        ("chime", {"association": {"userId": "u", "accountId": "a"}}, "exactly one key"),
    ],
    indirect=["aws"],
)
async def test_an_unsupported_filter_is_rejected_without_a_call(
    gateway: Gateway, aws: Aws, given: dict[str, Any], words: str
) -> None:
    response = await gateway.execute(PAGE, filter=given)
    [error] = response["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert words in error["message"]
    assert aws.calls == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"first": -1}, "BAD_USER_INPUT", "first must be between 0 and 1000"),
        ({"last": 1001}, "BAD_USER_INPUT", "last must be between 0 and 1000"),
        ({"first": 1, "last": 1}, "BAD_USER_INPUT", "not both"),
        ({"after": ""}, "BAD_CURSOR", "not issued by this gateway"),
        ({"before": "[" * 9000}, "BAD_CURSOR", "not issued by this gateway"),
        ({"after": "a" * 100_000}, "BAD_CURSOR", "at most"),
        ({"first": "ten"}, "BAD_USER_INPUT", "Int cannot represent"),
    ],
)
async def test_invalid_page_arguments_are_rejected_without_a_call(
    gateway: Gateway, aws: Aws, arguments: dict[str, Any], code: str, words: str
) -> None:
    response = await gateway.execute(PAGE, **arguments)
    assert [error["extensions"]["code"] for error in response["errors"]] == [code]
    assert words in response["errors"][0]["message"]
    assert aws.calls == []


async def test_a_cursor_of_another_filter_or_list_is_rejected(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=3)
    cursor = (await gateway.query(PAGE, first=1))["phoneNumbers"]["pageInfo"]["endCursor"]
    for document in (
        "query ($after: String) { phoneNumberOrders(after: $after) { nodes { id } } }",
        "query ($after: String) { phoneNumbers(after: $after, filter: { status: ASSIGNED }) { nodes { id } } }",
    ):
        response = await gateway.execute(document, after=cursor)
        assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_CURSOR"]
    assert aws.calls == ["ListPhoneNumbers"]


async def test_another_replica_continues_a_cursor(aws: Aws, settings: Settings) -> None:
    aws.holds(inventory=5)
    sharing_a_key = settings.model_copy(update={"cursor_keys": (SecretBytes(b"k" * 32),)})
    async with gateway_over(sharing_a_key) as gateway:
        cursor = (await gateway.query(PAGE, first=2))["phoneNumbers"]["pageInfo"]["endCursor"]
    async with gateway_over(sharing_a_key) as replica:
        page = (await replica.query(PAGE, first=2, after=cursor))["phoneNumbers"]
    assert numbers_of(page) == [e164(2), e164(3)]


async def test_fields_that_need_no_page_make_no_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=3)
    await gateway.query("{ phoneNumbers { __typename } phoneNumberOrders(first: 0) { nodes { id } } }")
    assert aws.calls == []


@pytest.mark.parametrize(
    "fields",
    [
        "edges { node { id } } totalCount",
        "totalCount edges { cursor }",
        "totalCount",
        "totalCount pageInfo { endCursor }",
    ],
)
async def test_a_count_shares_the_calls_of_the_rows_beside_it(gateway: Gateway, aws: Aws, fields: str) -> None:
    aws.holds(inventory=250)
    data = await gateway.query(f"{{ phoneNumbers(first: 10) {{ {fields} }} }}")
    assert data["phoneNumbers"]["totalCount"] == 250
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_a_count_past_the_page_limit_nulls_only_itself(aws: Aws, settings: Settings) -> None:
    aws.holds(inventory=250)
    async with gateway_over(settings.model_copy(update={"max_upstream_pages": 2})) as gateway:
        response = await gateway.execute("{ phoneNumbers(first: 1) { totalCount nodes { e164PhoneNumber } } }")
    assert response["data"] == {"phoneNumbers": {"totalCount": None, "nodes": [{"e164PhoneNumber": e164(0)}]}}
    [error] = response["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["phoneNumbers", "totalCount"], "PAGE_LIMIT_EXCEEDED")
    assert "first and after" in error["message"]


async def test_a_number_in_any_spelling_is_found_with_one_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=300)
    data = await gateway.query(
        """{ a: phoneNumber(e164PhoneNumber: "+12065550200") { id status }
             b: phoneNumber(e164PhoneNumber: "12065550200") { id status }
             c: phoneNumber(e164PhoneNumber: "%2B12065550200") { id status } }"""
    )
    assert data["a"] == data["b"] == data["c"] != None  # noqa: E711  # A chain of comparisons.
    assert aws.calls == ["GetPhoneNumber"]


async def test_a_number_that_is_not_in_the_inventory_is_null(gateway: Gateway, aws: Aws) -> None:
    assert await gateway.query('{ phoneNumber(e164PhoneNumber: "+12065550200") { id } }') == {"phoneNumber": None}
    assert aws.calls == ["GetPhoneNumber"]


@pytest.mark.parametrize(
    "number", ["", "+0123", "+1 206", "+1234567890123456", "abc", "+1206555\u0660\u0661\u0660\u0660"]
)
async def test_an_invalid_number_is_rejected_with_a_message(gateway: Gateway, aws: Aws, number: str) -> None:
    document = "query ($n: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $n) { id } }"
    for response in (
        await gateway.execute(document, n=number),
        await gateway.execute(document.replace("$n)", f'"{number}")').replace("query ($n: E164PhoneNumber!) ", "")),
    ):
        [error] = response["errors"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT"}
        assert "+12065550100" in error["message"]
    assert aws.calls == []


async def test_an_association_lists_its_other_numbers(gateway: Gateway, aws: Aws) -> None:
    held = [{"Name": "VoiceConnectorId", "Value": "vc", "AssociatedTimestamp": None}]
    aws.adds_numbers([number_record(0, Associations=held), number_record(1), number_record(2, Associations=held)])
    data = await gateway.query(
        """{ phoneNumber(e164PhoneNumber: "+12065550000") { associations { name target {
               ... on VoiceConnector {
                 voiceConnectorId phoneNumbers { totalCount nodes { e164PhoneNumber } } } } } } }"""
    )
    assert data["phoneNumber"]["associations"] == [
        {
            "name": "VOICE_CONNECTOR_ID",
            "target": {
                "voiceConnectorId": "vc",
                "phoneNumbers": {
                    "totalCount": 2,
                    "nodes": [{"e164PhoneNumber": e164(0)}, {"e164PhoneNumber": e164(2)}],
                },
            },
        }
    ]
    assert aws.calls == ["GetPhoneNumber", "ListPhoneNumbers"]


async def listed(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the response to EVERY_FIELD from an upstream that lists these records."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": records, "PhoneNumberOrders": []})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            return await gateway.execute(EVERY_FIELD.replace("first: 1", "first: 50"))


async def test_new_enum_values_are_unknown_and_the_record_is_complete() -> None:
    response = await listed(
        number_record(
            0,
            Status="Levitating",
            Type=7,
            ProductType={},
            CallingNameStatus=[],
            Associations=[{"Name": "MoonId", "Value": "m"}, {"Value": "n"}],
        )
    )
    [node] = response["data"]["phoneNumbers"]["nodes"]
    assert [node[field] for field in ("status", "type", "productType", "callingNameStatus")] == ["UNKNOWN"] * 4
    assert [(a["name"], a["value"], a["target"]) for a in node["associations"]] == [
        ("UNKNOWN", "m", None),
        ("UNKNOWN", "n", None),
    ]
    assert "errors" not in response


async def test_voice_connector_with_a_space_is_voice_connector() -> None:
    response = await listed(number_record(0, ProductType="Voice Connector"))
    assert response["data"]["phoneNumbers"]["nodes"][0]["productType"] == "VOICE_CONNECTOR"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2019-08-12T22:10:20Z", "2019-08-12T22:10:20Z"),
        ("2019-08-12T22:10:20.521+02:00", "2019-08-12T20:10:20.521Z"),
        ("2019-08-12T22:10:20+00:00", "2019-08-12T22:10:20.000Z"),
        ("2019-08-12T22:10:20.5", "2019-08-12T22:10:20.500Z"),
        (1565647820.521, "2019-08-12T22:10:20.521Z"),
        (1565647820, "2019-08-12T22:10:20.000Z"),
    ],
)
async def test_unusual_timestamps_become_rfc_3339_in_utc(given: Any, written: str) -> None:
    response = await listed(number_record(0, CreatedTimestamp=given))
    assert response["data"]["phoneNumbers"]["nodes"][0]["createdTimestamp"] == written


@pytest.mark.parametrize(
    "given",
    [
        "yesterday",
        "",
        "2019-13-12T22:10:20Z",
        "2019-02-30T22:10:20Z",
        "2019-08-12T24:61:20Z",
        {},
        True,
        1e300,
        "0001-01-01T00:00:00+14:00",
        "\u0662\u0660\u0661\u0669-08-12T22:10:20.521Z",
    ],
)
async def test_an_unreadable_timestamp_nulls_only_its_field(given: Any) -> None:
    response = await listed(number_record(0, CreatedTimestamp=given))
    [node] = response["data"]["phoneNumbers"]["nodes"]
    assert (node["createdTimestamp"], node["updatedTimestamp"]) == (None, "2019-10-28T18:42:07.964Z")
    [error] = response["errors"]
    assert (error["path"][-1], error["extensions"]["code"]) == ("createdTimestamp", "UPSTREAM_BAD_RESPONSE")


async def test_a_record_needs_one_of_its_two_keys() -> None:
    response = await listed(
        {"PhoneNumberId": "%2B12065550100"}, {"E164PhoneNumber": "+12065550101"}, {"Status": "Assigned"}
    )
    assert [(n["e164PhoneNumber"], n["phoneNumberId"]) for n in response["data"]["phoneNumbers"]["nodes"]] == [
        ("+12065550100", "%2B12065550100"),
        ("+12065550101", "+12065550101"),
    ]
