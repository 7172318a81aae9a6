"""Partial responses. A list, page, entity or linked number that fails is null, with its path in an error."""

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
    """Return an account in which single calls can fail."""
    with faulty_aws("chime") as account:
        yield account


def error_codes(response: dict[str, Any]) -> dict[tuple[str | int, ...], str]:
    """Return the codes of a response's errors by their paths."""
    return {tuple(error["path"]): error["extensions"]["code"] for error in response["errors"]}


async def test_a_failing_list_does_not_affect_the_fields_beside_it(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=3, orders=1)
    aws.fails_where(any_list_of_numbers, FORBIDDEN)
    response = await gateway.execute(
        f"""{{ phoneNumbers {{ nodes {{ id }} }}
          phoneNumberOrders {{ nodes {{ phoneNumberOrderId }} pageInfo {{ hasNextPage }} }}
          phoneNumber(e164PhoneNumber: "{e164(1)}") {{ e164PhoneNumber }} }}"""
    )
    assert response["data"] == {
        "phoneNumbers": None,
        "phoneNumberOrders": {"nodes": [{"phoneNumberOrderId": ORDER_ID}], "pageInfo": {"hasNextPage": False}},
        "phoneNumber": {"e164PhoneNumber": e164(1)},
    }
    assert error_codes(response) == {("phoneNumbers", "nodes"): "UPSTREAM_FORBIDDEN"}


async def test_an_invalid_cursor_nulls_only_its_list(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=1, orders=1)
    response = await gateway.execute(
        '{ phoneNumberOrders(after: "none") { nodes { id } } phoneNumbers { nodes { e164PhoneNumber } } }'
    )
    assert response["data"] == {"phoneNumberOrders": None, "phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0)}]}}
    assert error_codes(response) == {("phoneNumberOrders",): "BAD_CURSOR"}


async def test_a_failing_second_page_nulls_only_its_list(gateway: Gateway, aws: FaultyAws) -> None:
    """A part of a connection's rows would look like all of them, so the whole list is null."""
    aws.holds(inventory=300)
    aws.fails_where(second_list_page_of_numbers, FORBIDDEN)
    response = await gateway.execute(
        """{ long: phoneNumbers(first: 300) { edges { cursor node { id } } pageInfo { endCursor } }
             short: phoneNumbers(first: 2) { nodes { e164PhoneNumber } } }"""
    )
    assert response["data"] == {
        "long": None,
        "short": {"nodes": [{"e164PhoneNumber": e164(0)}, {"e164PhoneNumber": e164(1)}]},
    }
    [(path, code)] = error_codes(response).items()
    assert path in {("long", "edges"), ("long", "pageInfo")}
    assert code == "UPSTREAM_FORBIDDEN"
    # The first page of each list, and the second page of one list.
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_a_failing_count_does_not_affect_the_rows_beside_it(gateway: Gateway, aws: FaultyAws) -> None:
    aws.holds(inventory=100)
    aws.fails_where(second_list_page_of_numbers, FORBIDDEN)
    response = await gateway.execute("{ phoneNumbers(first: 1) { totalCount nodes { e164PhoneNumber } } }")
    assert response["data"] == {"phoneNumbers": {"totalCount": None, "nodes": [{"e164PhoneNumber": e164(0)}]}}
    assert error_codes(response) == {("phoneNumbers", "totalCount"): "UPSTREAM_FORBIDDEN"}


async def test_a_failing_list_of_an_entity_does_not_affect_the_entities(gateway: Gateway, aws: FaultyAws) -> None:
    aws.adds_numbers([number_record(0, **CONNECTED)])
    bad, good = ({"__typename": "VoiceConnector", "voiceConnectorId": name} for name in ("bad", "good"))
    aws.fails_where(lambda path, query: any_list_of_numbers(path, query) and "filter-value=bad" in query, FORBIDDEN)
    response = await gateway.execute(
        """query ($it: [_Any!]!) { _entities(representations: $it) { __typename
             ... on VoiceConnector { voiceConnectorId phoneNumbers { nodes { e164PhoneNumber } } } } }""",
        it=[bad, good],
    )
    assert response["data"]["_entities"] == [
        bad | {"phoneNumbers": None},
        good | {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0)}]}},
    ]
    assert error_codes(response) == {("_entities", 0, "phoneNumbers", "nodes"): "UPSTREAM_FORBIDDEN"}


async def test_a_failing_list_within_a_row_does_not_affect_the_row(gateway: Gateway, aws: FaultyAws) -> None:
    aws.adds_numbers([number_record(0, **CONNECTED)])
    aws.fails_where(lambda path, query: any_list_of_numbers(path, query) and "filter-value=good" in query, FORBIDDEN)
    response = await gateway.execute(
        """{ phoneNumbers(first: 1) { nodes { e164PhoneNumber associations {
               value target { ... on VoiceConnector { phoneNumbers { nodes { id } } } } } } } }"""
    )
    associations = [{"value": "good", "target": {"phoneNumbers": None}}]
    assert response["data"] == {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(0), "associations": associations}]}}
    path = ("phoneNumbers", "nodes", 0, "associations", 0, "target", "phoneNumbers", "nodes")
    assert error_codes(response) == {path: "UPSTREAM_FORBIDDEN"}


async def test_a_failing_ordered_number_does_not_affect_its_order_or_other_lists(
    gateway: Gateway, aws: FaultyAws
) -> None:
    aws.holds(inventory=1_000)
    aws.adds_orders([order_record(0, [e164(901), e164(902)])])
    aws.fails_where(get_of(e164(902)), BAD_REQUEST)
    response = await gateway.execute(
        """{ phoneNumberOrders { nodes { orderedPhoneNumbers { e164PhoneNumber phoneNumber { status } } } }
             phoneNumbers(first: 1) { nodes { e164PhoneNumber } } }"""
    )
    [order] = response["data"]["phoneNumberOrders"]["nodes"]
    assert order["orderedPhoneNumbers"] == [
        {"e164PhoneNumber": e164(901), "phoneNumber": {"status": "UNASSIGNED"}},
        {"e164PhoneNumber": e164(902), "phoneNumber": None},
    ]
    assert response["data"]["phoneNumbers"] == {"nodes": [{"e164PhoneNumber": e164(0)}]}
    path = ("phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", 1, "phoneNumber")
    assert error_codes(response) == {path: "BAD_REQUEST"}


async def test_fields_removed_by_an_error_make_no_call_after_the_response(gateway: Gateway, aws: FaultyAws) -> None:
    """Rows cannot be null, so an error in one nulls the list. The count beside it then makes no further call."""
    aws.holds(inventory=1_000)
    first = await gateway.query("{ phoneNumbers(first: 1) { pageInfo { endCursor } } }")
    aws.calls.clear()
    aws.fails_where(lambda _, query: "max-results=5" in query, FORBIDDEN)
    aws.takes_ms(50)
    response = await gateway.execute(
        "query ($after: String) { phoneNumbers(first: 5, after: $after) { nodes { id } totalCount } }",
        after=first["phoneNumbers"]["pageInfo"]["endCursor"],
    )
    assert response["data"] == {"phoneNumbers": None}
    requested = len(aws.calls)
    # Long enough for ten more calls.
    await asyncio.sleep(0.8)
    # One call may have been in flight.
    assert len(aws.calls) <= requested + 1 < 11
