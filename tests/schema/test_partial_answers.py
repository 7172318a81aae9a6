"""What fails of an answer, a list, a page, an entity or a linked number, is null by itself and says its path."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.emulator.aws_errors import BAD_REQUEST, FORBIDDEN
from tests.conftest import Gateway
from tests.loaders.faulty import (
    FaultyAws,
    any_list_of_numbers,
    faulty_aws,
    get_of,
    second_list_page_of_numbers,
)
from tests.support.aws import e164, number_record, order_record

ORDER_ID = order_record(0, [])["PhoneNumberOrderId"]
CONNECTED = {"Associations": [{"Name": "VoiceConnectorId", "Value": "good"}]}


@pytest.fixture
def aws() -> Iterator[FaultyAws]:
    """An account of which single calls can be made to fail."""
    with faulty_aws("chime") as account:
        yield account


def faults(answer: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    """Codes of the answer's errors by their paths."""
    return {tuple(error["path"]): error["extensions"]["code"] for error in answer["errors"]}


async def test_a_failing_list_does_not_affect_the_fields_beside_it(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=3, orders=1)
    aws.fails_where(any_list_of_numbers, FORBIDDEN)
    answer = await gateway.answer(
        f"""{{ phoneNumbers {{ nodes {{ id }} }}
          phoneNumberOrders {{ nodes {{ phoneNumberOrderId }} pageInfo {{ hasNextPage }} }}
          phoneNumber(e164PhoneNumber: "{e164(1)}") {{ e164PhoneNumber }} }}"""
    )
    assert answer["data"] == {
        "phoneNumbers": None,
        "phoneNumberOrders": {"nodes": [{"phoneNumberOrderId": ORDER_ID}], "pageInfo": {"hasNextPage": False}},
        "phoneNumber": {"e164PhoneNumber": e164(1)},
    }
    assert faults(answer) == {("phoneNumbers", "nodes"): "UPSTREAM_FORBIDDEN"}


async def test_an_invalid_cursor_nulls_only_its_list(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=1, orders=1)
    answer = await gateway.answer(
        '{ phoneNumberOrders(after: "none") { nodes { id } } phoneNumbers { nodes { e164PhoneNumber } } }'
    )
    assert answer["data"] == {"phoneNumberOrders": None, "phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0)}]}}
    assert faults(answer) == {("phoneNumberOrders",): "BAD_CURSOR"}


async def test_a_failing_second_page_nulls_only_its_list(gateway: Gateway, aws: FaultyAws) -> None:
    """The rows of one connection are one answer: some of them would pass for all of them."""
    aws.holds(inventory=300)
    aws.fails_where(second_list_page_of_numbers, FORBIDDEN)
    answer = await gateway.answer(
        """{ long: phoneNumbers(first: 300) { edges { cursor node { id } } pageInfo { endCursor } }
             short: phoneNumbers(first: 2) { nodes { e164PhoneNumber } } }"""
    )
    assert answer["data"] == {
        "long": None,
        "short": {"nodes": [{"e164PhoneNumber": e164(0)}, {"e164PhoneNumber": e164(1)}]},
    }
    [(path, code)] = faults(answer).items()
    assert path in {("long", "edges"), ("long", "pageInfo")}
    assert code == "UPSTREAM_FORBIDDEN"
    # The first page of each list, and the second of one of them.
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_a_failing_count_does_not_affect_the_rows_beside_it(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=100)
    aws.fails_where(second_list_page_of_numbers, FORBIDDEN)
    answer = await gateway.answer("{ phoneNumbers(first: 1) { totalCount nodes { e164PhoneNumber } } }")
    assert answer["data"] == {"phoneNumbers": {"totalCount": None, "nodes": [{"e164PhoneNumber": e164(0)}]}}
    assert faults(answer) == {("phoneNumbers", "totalCount"): "UPSTREAM_FORBIDDEN"}


async def test_a_failing_list_of_an_entity_does_not_affect_the_entities(gateway: Gateway, aws: FaultyAws) -> None:
    aws.adds_numbers([number_record(0, **CONNECTED)])
    bad, good = ({"__typename": "VoiceConnector", "voiceConnectorId": name} for name in ("bad", "good"))
    aws.fails_where(lambda path, query: any_list_of_numbers(path, query) and "filter-value=bad" in query, FORBIDDEN)
    answer = await gateway.answer(
        """query ($it: [_Any!]!) { _entities(representations: $it) { __typename
             ... on VoiceConnector { voiceConnectorId phoneNumbers { nodes { e164PhoneNumber } } } } }""",
        it=[bad, good],
    )
    assert answer["data"]["_entities"] == [
        bad | {"phoneNumbers": None},
        good | {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0)}]}},
    ]
    assert faults(answer) == {("_entities", 0, "phoneNumbers", "nodes"): "UPSTREAM_FORBIDDEN"}


async def test_a_failing_list_within_a_row_does_not_affect_the_row(gateway: Gateway, aws: FaultyAws) -> None:
    aws.adds_numbers([number_record(0, **CONNECTED)])
    aws.fails_where(lambda path, query: any_list_of_numbers(path, query) and "filter-value=good" in query, FORBIDDEN)
    answer = await gateway.answer(
        """{ phoneNumbers(first: 1) { nodes { e164PhoneNumber associations {
               value target { ... on VoiceConnector { phoneNumbers { nodes { id } } } } } } } }"""
    )
    associations = [{"value": "good", "target": {"phoneNumbers": None}}]
    assert answer["data"] == {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0), "associations": associations}]}}
    path = ("phoneNumbers", "nodes", 0, "associations", 0, "target", "phoneNumbers", "nodes")
    assert faults(answer) == {path: "UPSTREAM_FORBIDDEN"}


async def test_a_failing_ordered_number_does_not_affect_its_order_or_other_lists(
    gateway: Gateway, aws: FaultyAws
) -> None:
    aws.holds(inventory=1_000)
    aws.adds_orders([order_record(0, [e164(901), e164(902)])])
    aws.fails_where(get_of(e164(902)), BAD_REQUEST)
    answer = await gateway.answer(
        """{ phoneNumberOrders { nodes { orderedPhoneNumbers { e164PhoneNumber phoneNumber { status } } } }
             phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"""
    )
    [order] = answer["data"]["phoneNumberOrders"]["nodes"]
    assert order["orderedPhoneNumbers"] == [
        {"e164PhoneNumber": e164(901), "phoneNumber": {"status": "UNASSIGNED"}},
        {"e164PhoneNumber": e164(902), "phoneNumber": None},
    ]
    assert answer["data"]["phoneNumbers"] == {"nodes": [{"e164PhoneNumber": e164(0)}]}
    path = ("phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", 1, "phoneNumber")
    assert faults(answer) == {path: "BAD_REQUEST"}


async def test_fields_removed_by_an_error_make_no_call_after_the_response(gateway: Gateway, aws: FaultyAws) -> None:
    """Rows cannot be null, so where they fail their list goes, and what else it would have counted is not asked."""
    aws.holds(inventory=1_000)
    first = await gateway.query("{ phoneNumbers(first: 1) { pageInfo { endCursor } } }")
    aws.calls.clear()
    aws.fails_where(lambda _, query: "max-results=5" in query, FORBIDDEN)
    aws.takes_ms(50)
    answer = await gateway.answer(
        "query ($after: String) { phoneNumbers(first: 5, after: $after) { nodes { id } totalCount } }",
        after=first["phoneNumbers"]["pageInfo"]["endCursor"],
    )
    assert answer["data"] == {"phoneNumbers": None}
    asked = len(aws.calls)
    # Long enough for the ten other pages to be asked for.
    await asyncio.sleep(0.8)
    # One may have been on its way.
    assert len(aws.calls) <= asked + 1 < 11
