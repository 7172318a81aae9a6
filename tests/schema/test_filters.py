"""Filters of both lists over HTTP: which rows match, which parameters AWS gets, and which filters are rejected."""

from typing import Any

import pytest

from tests.conftest import Gateway
from tests.support.aws import Aws, e164, number_record, order_record

NUMBERS = """
query ($filter: PhoneNumberFilter, $first: Int, $after: String) {
  phoneNumbers(filter: $filter, first: $first, after: $after) {
    nodes { e164PhoneNumber }
    pageInfo { hasNextPage endCursor }
  }
}
"""
ORDERS = """
query ($filter: PhoneNumberOrderFilter) {
  phoneNumberOrders(filter: $filter) { nodes { phoneNumberOrderId } }
}
"""
YEAR_2020 = {"from": "2020-01-01T00:00:00Z", "before": "2021-01-01T00:00:00Z"}


async def numbers(gateway: Gateway, given: dict[str, Any] | None) -> list[str]:
    page = (await gateway.query(NUMBERS, filter=given))["phoneNumbers"]
    return [node["e164PhoneNumber"] for node in page["nodes"]]


async def orders(gateway: Gateway, given: dict[str, Any] | None) -> list[int]:
    page = (await gateway.query(ORDERS, filter=given))["phoneNumberOrders"]
    return [int(node["phoneNumberOrderId"][:8]) for node in page["nodes"]]


async def rejection(gateway: Gateway, document: str, given: dict[str, Any]) -> str:
    """Return the message of the one error, which is BAD_USER_INPUT."""
    response = await gateway.execute(document, filter=given)
    [error] = response["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}, given
    message: str = error["message"]
    return message


# Each number of the account, as the fields in which it differs.
INVENTORY: list[dict[str, Any]] = [
    {"Type": "TollFree", "Status": "Assigned", "Associations": [{"Name": "SipRuleId", "Value": "r"}]},
    {"Country": "CA", "CallingName": "Front Desk", "CallingNameStatus": "UpdateSucceeded"},
    {"Country": "ca", "Name": "Front office 7", "CallingName": ""},
    {"Capabilities": {"OutboundSMS": True, "OutboundMMS": True}, "CreatedTimestamp": "2020-01-01T00:00:00Z"},
    {"Capabilities": {"OutboundSMS": True, "OutboundMMS": False}, "CreatedTimestamp": "2020-12-31T23:59:59.999Z"},
    {"Capabilities": {"OutboundSMS": True}, "CreatedTimestamp": "2021-01-01T00:00:00.000Z"},
    {"Capabilities": None, "UpdatedTimestamp": "2020-06-01T02:00:00+02:00", "CreatedTimestamp": None},
    {"Status": "DeleteInProgress", "DeletionTimestamp": "2020-06-01T00:00:00Z", "E164PhoneNumber": "+442079460000"},
]


def inventory() -> list[dict[str, Any]]:
    return [number_record(index, **given) for index, given in enumerate(INVENTORY)]


@pytest.mark.parametrize("aws", ["chime-sdk-voice"], indirect=True)
async def test_filter_lists_the_numbers_that_meet_all_of_its_conditions(gateway: Gateway, aws: Aws) -> None:
    records = inventory()
    aws.adds_numbers(records)
    every = [record["E164PhoneNumber"] for record in records]
    expected: list[tuple[dict[str, Any] | None, list[int]]] = [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"search": None, "created": {}, "capabilities": {"inboundCall": None}}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"type": "TOLL_FREE"}, [0]),
        ({"type": "LOCAL", "country": "US"}, [3, 4, 5, 6, 7]),
        ({"country": "cA"}, [1, 2]),
        ({"statusIn": ["ASSIGNED", "DELETE_IN_PROGRESS"]}, [0, 7]),
        ({"statusIn": ["DELETE_IN_PROGRESS"]}, [7]),
        ({"statusIn": ["ASSIGNED", "DELETE_IN_PROGRESS"], "status": "ASSIGNED"}, [0]),
        ({"e164StartsWith": "+44"}, [7]),
        ({"e164StartsWith": "120655500"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"search": "FRONT"}, [1, 2]),
        ({"search": "desk"}, [1]),
        ({"search": "e 7"}, [2]),
        ({"search": "(206) 555-0004"}, [4]),
        ({"search": "+44 20"}, [7]),
        ({"search": "2065550"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"hasCallingName": True}, [1]),
        ({"hasCallingName": False, "country": "CA"}, [2]),
        ({"callingNameStatus": "UPDATE_SUCCEEDED"}, [1]),
        ({"capabilities": {"outboundSMS": True, "outboundMMS": False}}, [4, 5]),
        ({"capabilities": {"outboundSMS": False}}, [0, 1, 2, 6, 7]),
        ({"capabilities": {"inboundCall": True}}, [0, 1, 2, 7]),
        ({"associated": True}, [0]),
        ({"associated": False, "country": "US"}, [3, 4, 5, 6, 7]),
        ({"created": YEAR_2020}, [3, 4]),
        ({"created": {"from": "2021-01-01T00:00:00Z"}}, [5]),
        ({"created": {"from": "2021-01-01T00:00:00Z", "before": "2021-01-01T00:00:00Z"}}, []),
        ({"updated": {"from": "2020-06-01T00:00:00Z"}}, [6]),
        ({"deletion": {"before": "2020-06-01T00:00:00.001Z"}}, [7]),
    ]
    for given, places in expected:
        assert await numbers(gateway, given) == [every[place] for place in places], given


async def test_filter_lists_the_orders_that_meet_all_of_its_conditions(gateway: Gateway, aws: Aws) -> None:
    pair = [
        {"E164PhoneNumber": e164(1), "Status": "Acquired"},
        {"E164PhoneNumber": "%2B12065550002", "Status": "Failed"},
    ]
    aws.adds_orders(
        [
            order_record(0, [e164(0)], Status="Processing", CreatedTimestamp="2020-01-01T00:00:00Z"),
            order_record(1, [], OrderedPhoneNumbers=pair, Status="Partial", UpdatedTimestamp="2020-12-31T23:59:59Z"),
            order_record(2, [e164(1)], ProductType="BusinessCalling", OrderType="Porting"),
            order_record(3, [], OrderedPhoneNumbers=None, Status="Levitating", ProductType="Voice Connector"),
        ]
    )
    expected: list[tuple[dict[str, Any] | None, list[int]]] = [
        (None, [0, 1, 2, 3]),
        ({"status": None, "created": {"from": None}}, [0, 1, 2, 3]),
        ({"status": "PROCESSING"}, [0]),
        ({"statusIn": ["PARTIAL", "PROCESSING"]}, [0, 1]),
        ({"statusIn": ["PARTIAL", "PROCESSING"], "status": "PARTIAL"}, [1]),
        ({"productType": "VOICE_CONNECTOR"}, [0, 1, 3]),
        ({"orderType": "PORTING"}, [2]),
        ({"e164PhoneNumber": "12065550001"}, [1, 2]),
        ({"e164PhoneNumber": "+12065550002"}, [1]),
        ({"orderedPhoneNumberStatus": "FAILED"}, [1]),
        ({"orderedPhoneNumberStatus": "ACQUIRED", "e164PhoneNumber": "%2B12065550001"}, [1, 2]),
        ({"created": YEAR_2020}, [0]),
        ({"updated": YEAR_2020}, [1]),
    ]
    for given, places in expected:
        assert await orders(gateway, given) == places, given


@pytest.mark.parametrize(
    ("given", "requested"),
    [
        ({"statusIn": ["ASSIGNED"]}, "status=Assigned&max-results=50"),
        ({"statusIn": ["ASSIGNED", "ASSIGNED"]}, "status=Assigned&max-results=50"),
        ({"statusIn": ["ASSIGNED", "UNASSIGNED"], "status": "ASSIGNED"}, "status=Assigned&max-results=50"),
        ({"statusIn": ["ASSIGNED", "UNASSIGNED"]}, "max-results=99"),
        ({"status": "ASSIGNED", "type": "LOCAL"}, "status=Assigned&max-results=99"),
        (
            {"productType": "VOICE_CONNECTOR", "association": {"sipRuleId": "r"}, "search": "555"},
            "product-type=VoiceConnector&filter-name=SipRuleId&filter-value=r&max-results=99",
        ),
    ],
)
async def test_aws_applies_what_it_can_of_a_filter(
    gateway: Gateway, aws: Aws, given: dict[str, Any], requested: str
) -> None:
    aws.adds_numbers([number_record(0, Associations=[{"Name": "SipRuleId", "Value": "r"}])])
    await numbers(gateway, given)
    [query] = aws.queries
    assert sorted(query.split("&")) == sorted(requested.split("&"))


@pytest.mark.parametrize(
    "given", [{"statusIn": []}, {"statusIn": ["ASSIGNED", "UNASSIGNED"], "status": "DELETE_FAILED"}]
)
async def test_filter_that_no_status_meets_matches_nothing_without_a_call(
    gateway: Gateway, aws: Aws, given: dict[str, Any]
) -> None:
    aws.holds(inventory=3, orders=3)
    whole = "phoneNumbers(filter: $filter) { totalCount nodes { id } pageInfo { hasNextPage endCursor } }"
    data = await gateway.query(f"query ($filter: PhoneNumberFilter) {{ {whole} }}", filter=given)
    nothing = {"totalCount": 0, "nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
    assert data["phoneNumbers"] == nothing
    assert await orders(gateway, {"statusIn": []}) == []
    assert aws.calls == []


async def test_filter_of_a_resource_is_combined_with_its_association(gateway: Gateway, aws: Aws) -> None:
    held = [{"Name": "VoiceConnectorId", "Value": "vc", "AssociatedTimestamp": None}]
    aws.adds_numbers(
        [
            number_record(0, Associations=held),
            number_record(1, Associations=held, Type="TollFree"),
            number_record(2, Type="TollFree"),
        ]
    )
    document = """query ($filter: PhoneNumberFilter) { phoneNumber(e164PhoneNumber: "+12065550000") { associations {
      target { ... on VoiceConnector { phoneNumbers(filter: $filter) { nodes { e164PhoneNumber } } } } } } }"""
    data = await gateway.query(document, filter={"type": "TOLL_FREE", "status": "UNASSIGNED"})
    [association] = data["phoneNumber"]["associations"]
    assert association["target"]["phoneNumbers"]["nodes"] == [{"e164PhoneNumber": e164(1)}]
    assert sorted(aws.queries[-1].split("&")) == [
        "filter-name=VoiceConnectorId",
        "filter-value=vc",
        "max-results=99",
        "status=Unassigned",
    ]
    calls = len(aws.calls)
    response = await gateway.execute(document, filter={"association": {"voiceConnectorId": "vc"}})
    [error] = response["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "Leave association out" in error["message"]
    assert aws.calls[calls:] == ["GetPhoneNumber"]


REJECTED: dict[str, list[dict[str, Any]]] = {
    "search must have at least 2": [{"search": each} for each in ("", "a", " ", "--", "+( )", "\t\n")],
    "country must be a code": [{"country": each} for each in ("", "U", "USA", "U1", " US", "\u00dcS", "United States")],
    "e164StartsWith must be": [
        {"e164StartsWith": each} for each in ("", "+", "+0", "abc", "+1 206", "+1-206", "1" * 16, "++1", "+\u0661")
    ],
    "ends before it starts": [
        {name: {"from": "2021-01-01T00:00:00Z", "before": "2020-01-01T00:00:00Z"}}
        for name in ("created", "updated", "deletion")
    ],
    "A DateTime must be": [
        {"created": {"from": each}}
        for each in ("yesterday", "", "2021-02-30T00:00:00Z", "2021-01-01", "2021-01-01T25:00:00Z", 1565647820, True)
    ],
    "UNKNOWN stands for": [
        {"status": "UNKNOWN"},
        {"statusIn": ["ASSIGNED", "UNKNOWN"]},
        {"type": "UNKNOWN"},
        {"productType": "UNKNOWN"},
        {"callingNameStatus": "UNKNOWN"},
    ],
    "does not support Cancelled": [
        {"status": "CANCELLED"},
        {"statusIn": ["CANCELLED"]},
        {"statusIn": ["ASSIGNED", "CANCELLED"]},
        {"status": "CANCELLED", "statusIn": []},
    ],
}


@pytest.mark.parametrize("words", REJECTED)
async def test_filter_of_numbers_without_meaning_is_rejected_without_a_call(
    gateway: Gateway, aws: Aws, words: str
) -> None:
    for given in REJECTED[words]:
        assert words in await rejection(gateway, NUMBERS, given), given
    assert aws.calls == []


REJECTED_FOR_ORDERS: dict[str, list[dict[str, Any]]] = {
    "UNKNOWN stands for": [
        {"status": "UNKNOWN"},
        {"statusIn": ["UNKNOWN"]},
        {"status": "UNKNOWN", "statusIn": []},
        {"productType": "UNKNOWN"},
        {"orderType": "UNKNOWN"},
        {"orderedPhoneNumberStatus": "UNKNOWN"},
    ],
    "must be in E.164": [{"e164PhoneNumber": each} for each in ("", "+0123", "+1 206", "abc", 12)],
    "ends before it starts": [
        {name: {"from": "2021-01-01T00:00:00.001Z", "before": "2021-01-01T00:00:00Z"}}
        for name in ("created", "updated")
    ],
    "A DateTime must be": [
        {"updated": {"before": each}} for each in ("now", "2021-13-01T00:00:00Z", "0000-01-01T00:00:00Z")
    ],
}


@pytest.mark.parametrize("words", REJECTED_FOR_ORDERS)
async def test_filter_of_orders_without_meaning_is_rejected_without_a_call(
    gateway: Gateway, aws: Aws, words: str
) -> None:
    for given in REJECTED_FOR_ORDERS[words]:
        assert words in await rejection(gateway, ORDERS, given), given
    assert aws.calls == []
