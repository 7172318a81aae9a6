"""Links from ordered numbers to their records, over real HTTP. Every upstream call is counted."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import Gateway
from tests.loaders.link_queries import LINKED, linked, number_id, to_themselves
from tests.support.aws import Aws, e164, number_record, order_record

BOTH = pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
VOICE = pytest.mark.parametrize("aws", ["chime-sdk-voice"], indirect=True)


def order_numbers(aws: Aws, indexes: Sequence[int], *, orders: int) -> list[str]:
    """Add orders that share these numbers evenly."""
    numbers = [e164(index) for index in indexes]
    aws.adds_orders(order_record(index, numbers[index::orders]) for index in range(orders))
    return numbers


def list_queries(aws: Aws) -> list[str]:
    return [query for call, query in zip(aws.calls, aws.queries, strict=True) if call == "ListPhoneNumbers"]


@BOTH
async def test_twenty_orders_of_five_numbers_over_250_numbers_cost_at_most_four_calls(
    gateway: Gateway, aws: Aws
) -> None:
    aws.holds(inventory=250)
    numbers = order_numbers(aws, random.Random(1).sample(range(250), 100), orders=20)
    assert linked(await gateway.query(LINKED, first=20)) == to_themselves(numbers)
    assert aws.calls == ["ListPhoneNumberOrders"] + ["ListPhoneNumbers"] * 3


@pytest.mark.parametrize("start", [0, 75, 150])
async def test_neighbouring_numbers_cost_at_most_four_calls_anywhere_in_the_list(
    gateway: Gateway, aws: Aws, start: int
) -> None:
    aws.holds(inventory=250)
    numbers = order_numbers(aws, range(start, start + 100), orders=20)
    assert linked(await gateway.query(LINKED, first=20)) == to_themselves(numbers)
    assert len(aws.calls) <= 1 + 3


@BOTH
@pytest.mark.parametrize("inventory", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_hundred_numbers_scattered_in_a_long_list_cost_at_most_103_calls(
    gateway: Gateway, aws: Aws, inventory: int
) -> None:
    aws.holds(inventory=inventory)
    numbers = order_numbers(aws, random.Random(2).sample(range(inventory), 100), orders=20)
    assert linked(await gateway.query(LINKED, first=20)) == to_themselves(numbers)
    assert len(aws.calls) <= 1 + 102


@BOTH
async def test_one_order_of_one_number_costs_two_calls(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    numbers = order_numbers(aws, [200], orders=1)
    assert linked(await gateway.query(LINKED, first=1)) == to_themselves(numbers)
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber"]


async def test_number_in_many_orders_is_fetched_once(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    aws.adds_orders(order_record(index, [e164(200)]) for index in range(20))
    assert linked(await gateway.query(LINKED, first=20)) == {e164(200): e164(200)}
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber"]


async def test_orders_without_selected_numbers_cost_no_lookup(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250, orders=20, numbers_each=5)
    await gateway.query("{ phoneNumberOrders(first: 20) { nodes { orderedPhoneNumbers { e164PhoneNumber } } } }")
    assert aws.calls == ["ListPhoneNumberOrders"]


@BOTH
async def test_number_missing_from_the_inventory_is_null_and_costs_one_get(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=500)
    aws.adds_orders([order_record(0, ["+4930123456"])])
    assert linked(await gateway.query(LINKED, first=1)) == {"+4930123456": None}
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber"]


async def test_many_missing_numbers_are_null_without_a_walk_of_the_whole_list(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=2_000)
    numbers = order_numbers(aws, range(5_000, 5_020), orders=4)
    assert linked(await gateway.query(LINKED, first=4)) == dict.fromkeys(numbers)
    assert Counter(aws.calls) == {"ListPhoneNumberOrders": 1, "ListPhoneNumbers": 2, "GetPhoneNumber": 20}


SPELLINGS = [e164(7), e164(7).removeprefix("+"), e164(7).replace("+", "%2B"), e164(7).replace("+", "%2b")]


@BOTH
async def test_number_is_fetched_once_for_all_spellings_and_fields(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    aliases = " ".join(f's{at}: phoneNumber(e164PhoneNumber: "{text}") {{ ...N }}' for at, text in enumerate(SPELLINGS))
    nodes = " ".join(f'n{at}: node(id: "{number_id(text)}") {{ ...N }}' for at, text in enumerate(SPELLINGS))
    data = await gateway.query(
        f"""
        fragment N on PhoneNumber {{ e164PhoneNumber }}
        query ($ids: [ID!]!, $representations: [_Any!]!) {{
          {aliases} {nodes}
          nodes(ids: $ids) {{ ...N }}
          _entities(representations: $representations) {{ ...N }}
        }}
        """,
        ids=[number_id(text) for text in SPELLINGS],
        representations=[
            *({"__typename": "PhoneNumber", "e164PhoneNumber": text} for text in SPELLINGS),
            *({"__typename": "PhoneNumber", "id": number_id(text)} for text in SPELLINGS),
        ],
    )
    nodes_given, entities = data.pop("nodes"), data.pop("_entities")
    assert [*data.values(), *nodes_given, *entities] == [{"e164PhoneNumber": e164(7)}] * 20
    assert aws.calls == ["GetPhoneNumber"]


async def test_orders_link_numbers_in_any_spelling(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.adds_orders(order_record(index, [spelling]) for index, spelling in enumerate(SPELLINGS))
    data = await gateway.query(LINKED, first=4)
    assert [order["orderedPhoneNumbers"] for order in data["phoneNumberOrders"]["nodes"]] == [
        [{"e164PhoneNumber": e164(7), "phoneNumber": {"e164PhoneNumber": e164(7)}}]
    ] * 4
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber"]


async def test_ordered_and_directly_requested_numbers_share_one_batch(gateway: Gateway, aws: Aws) -> None:
    """All keys of one tick form one batch: ten by `nodes`, and the same ten by `_entities`."""
    aws.holds(inventory=250)
    numbers = [e164(index) for index in range(10)]
    await gateway.query(
        """
        query ($ids: [ID!]!, $representations: [_Any!]!) {
          nodes(ids: $ids) { id }
          _entities(representations: $representations) { ... on PhoneNumber { id } }
        }
        """,
        ids=[number_id(number) for number in numbers],
        representations=[{"__typename": "PhoneNumber", "e164PhoneNumber": number} for number in numbers],
    )
    assert aws.calls == ["ListPhoneNumbers"]


# Records that the same query has listed


def voice_number(index: int, order: int) -> dict[str, Any]:
    """Return a number that names its order, as chime-sdk-voice does."""
    return number_record(index, OrderId=order_record(order, [])["PhoneNumberOrderId"])


ORDERS_OF_NUMBERS = """
query ($first: Int) {
  phoneNumbers(first: $first) {
    nodes { order { phoneNumberOrderId orderedPhoneNumbers { phoneNumber { e164PhoneNumber } } } }
  }
}
"""


@VOICE
async def test_numbers_of_one_order_fetch_it_with_one_call(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(voice_number(index, 3) for index in range(50))
    aws.holds(orders=10, numbers_each=5)
    data = await gateway.query("{ phoneNumbers(first: 50) { nodes { order { phoneNumberOrderId } } } }")
    orders = [node["order"]["phoneNumberOrderId"] for node in data["phoneNumbers"]["nodes"]]
    assert orders == [order_record(3, [])["PhoneNumberOrderId"]] * 50
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumberOrder"]


@VOICE
async def test_distinct_orders_of_numbers_are_fetched_once_and_together(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(voice_number(index, index // 5) for index in range(50))
    aws.holds(orders=40, numbers_each=5)
    data = await gateway.query("{ phoneNumbers(first: 50) { nodes { order { phoneNumberOrderId } } } }")
    orders = [node["order"]["phoneNumberOrderId"] for node in data["phoneNumbers"]["nodes"]]
    assert orders == [order_record(index // 5, [])["PhoneNumberOrderId"] for index in range(50)]
    assert aws.calls == ["ListPhoneNumbers", "ListPhoneNumberOrders"]


@VOICE
async def test_deleted_order_is_null(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers([voice_number(0, 77)])
    data = await gateway.query("{ phoneNumbers { nodes { order { id } } } }")
    assert data["phoneNumbers"]["nodes"] == [{"order": None}]
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumberOrder"]


@VOICE
async def test_numbers_listed_by_the_query_are_linked_without_a_call(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(voice_number(index, index // 5) for index in range(100))
    aws.holds(orders=20, numbers_each=5)
    data = await gateway.query(ORDERS_OF_NUMBERS, first=100)
    for index, node in enumerate(data["phoneNumbers"]["nodes"]):
        ordered = [number["phoneNumber"]["e164PhoneNumber"] for number in node["order"]["orderedPhoneNumbers"]]
        assert ordered == [e164(index // 5 * 5 + each) for each in range(5)]
    assert aws.calls == ["ListPhoneNumbers", "ListPhoneNumberOrders"]


@VOICE
async def test_numbers_listed_for_an_association_are_linked_without_a_call(gateway: Gateway, aws: Aws) -> None:
    connector = [{"Name": "VoiceConnectorId", "Value": "abcdef1ghij2klmno3pqr4"}]
    aws.adds_numbers({**voice_number(index, 0), "Associations": connector} for index in range(5))
    aws.holds(orders=1, numbers_each=5)
    data = await gateway.query(
        """
        query ($number: E164PhoneNumber!) {
          phoneNumber(e164PhoneNumber: $number) {
            associations { target { ... on VoiceConnector {
              phoneNumbers { nodes { order { orderedPhoneNumbers { phoneNumber { e164PhoneNumber } } } } }
            } } }
          }
        }
        """,
        number=e164(0),
    )
    nodes = data["phoneNumber"]["associations"][0]["target"]["phoneNumbers"]["nodes"]
    assert (
        nodes
        == [{"order": {"orderedPhoneNumbers": [{"phoneNumber": {"e164PhoneNumber": e164(each)}} for each in range(5)]}}]
        * 5
    )
    assert aws.calls == ["GetPhoneNumber", "ListPhoneNumbers", "GetPhoneNumberOrder"]


@VOICE
async def test_orders_listed_by_the_query_are_linked_without_a_call(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(voice_number(index, index // 5) for index in range(100))
    aws.holds(orders=20, numbers_each=5)
    data = await gateway.query(
        """
        { phoneNumberOrders(first: 20) { nodes {
            phoneNumberOrderId orderedPhoneNumbers { phoneNumber { order { phoneNumberOrderId } } }
        } } }
        """
    )
    for order in data["phoneNumberOrders"]["nodes"]:
        for ordered in order["orderedPhoneNumbers"]:
            assert ordered["phoneNumber"]["order"]["phoneNumberOrderId"] == order["phoneNumberOrderId"]
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]


@VOICE
async def test_pages_listed_by_a_lookup_are_not_listed_again(gateway: Gateway, aws: Aws) -> None:
    """The first lookup lists the whole inventory for orders 0 to 9. It includes the numbers of orders 10 to 19."""
    aws.adds_numbers(voice_number(index, 10 + index // 5) for index in range(50))
    aws.adds_numbers(voice_number(index, 10) for index in range(50, 100))
    aws.holds(orders=20, numbers_each=5)
    await gateway.query(
        """
        { phoneNumberOrders(first: 10) { nodes { orderedPhoneNumbers { phoneNumber {
            order { orderedPhoneNumbers { phoneNumber { e164PhoneNumber } } }
        } } } } }
        """
    )
    assert Counter(aws.calls)["GetPhoneNumber"] == 0
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers", "ListPhoneNumberOrders"]


# The product type of the orders


@BOTH
async def test_numbers_are_listed_by_product_type_if_all_orders_share_it(gateway: Gateway, aws: Aws) -> None:
    """Two hundred numbers of another product type come first. The list of this type has a single page."""
    other = "SipMediaApplicationDialIn"
    aws.adds_numbers(number_record(index, ProductType=other) for index in range(200))
    aws.adds_numbers(number_record(index) for index in range(200, 250))
    numbers = order_numbers(aws, range(200, 240), orders=8)
    assert linked(await gateway.query(LINKED, first=8)) == to_themselves(numbers)
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]
    assert all("product-type=VoiceConnector" in query for query in list_queries(aws))


@BOTH
async def test_numbers_are_listed_without_a_product_type_if_orders_differ_in_it(gateway: Gateway, aws: Aws) -> None:
    other = "SipMediaApplicationDialIn"
    aws.adds_numbers(number_record(index, ProductType=other if index % 2 else "VoiceConnector") for index in range(40))
    aws.adds_orders([order_record(0, [e164(index) for index in range(0, 40, 2)])])
    aws.adds_orders([order_record(1, [e164(index) for index in range(1, 40, 2)], ProductType=other)])
    numbers = [e164(index) for index in range(40)]
    assert linked(await gateway.query(LINKED, first=2)) == to_themselves(numbers)
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]
    assert not any("product-type" in query for query in list_queries(aws))


@BOTH
async def test_number_is_found_if_its_product_type_differs_from_its_order(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(number_record(index) for index in range(10))
    aws.adds_numbers([number_record(3, ProductType="SipMediaApplicationDialIn")])
    numbers = order_numbers(aws, range(10), orders=2)
    assert linked(await gateway.query(LINKED, first=2)) == to_themselves(numbers)
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers", "GetPhoneNumber"]
    assert "product-type=VoiceConnector" in list_queries(aws)[0]


async def test_product_type_with_a_space_is_sent_as_a_filter_without_it(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.adds_orders([order_record(0, [e164(each) for each in range(5)], ProductType="Voice Connector")])
    await gateway.query(LINKED, first=1)
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]
    assert "product-type=VoiceConnector" in list_queries(aws)[0]


@pytest.mark.parametrize("product_type", ["NewerThanThisGateway", None, ""])
async def test_product_type_unknown_to_the_api_is_not_sent_as_a_filter(
    gateway: Gateway, aws: Aws, product_type: str | None
) -> None:
    aws.holds(inventory=10)
    aws.adds_orders([order_record(0, [e164(each) for each in range(5)], ProductType=product_type)])
    await gateway.query(LINKED, first=1)
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]
    assert "product-type" not in list_queries(aws)[0]


async def test_numbers_of_an_order_requested_by_id_are_listed_by_its_product_type(gateway: Gateway, aws: Aws) -> None:
    """The query may reach the order by any field."""
    aws.adds_numbers(number_record(index, ProductType="SipMediaApplicationDialIn") for index in range(200))
    aws.adds_numbers(number_record(index) for index in range(200, 250))
    order_numbers(aws, range(200, 240), orders=1)
    await gateway.query(
        "query ($id: ID!) { phoneNumberOrder(phoneNumberOrderId: $id) { orderedPhoneNumbers { phoneNumber { id } } } }",
        id=order_record(0, [])["PhoneNumberOrderId"],
    )
    assert aws.calls == ["GetPhoneNumberOrder", "ListPhoneNumbers"]


# Malformed records


@pytest.mark.parametrize(
    "odd",
    [
        {"OrderedPhoneNumbers": [None]},
        {"OrderedPhoneNumbers": ["+12065550001"]},
        {"OrderedPhoneNumbers": [{"E164PhoneNumber": 12065550001}]},
        {"OrderedPhoneNumbers": [{"E164PhoneNumber": None}, {}]},
        {"OrderedPhoneNumbers": None},
        {"ProductType": 7},
        {"ProductType": ["VoiceConnector"]},
    ],
    ids=[
        "a null among its numbers",
        "a text among its numbers",
        "a number that is no text",
        "numbers without a number",
        "no numbers",
        "a number as its type",
        "a list as its type",
    ],
)
async def test_malformed_order_does_not_affect_the_numbers_of_other_orders(
    gateway: Gateway, aws: Aws, odd: dict[str, Any]
) -> None:
    aws.holds(inventory=20, orders=2, numbers_each=5)
    aws.adds_orders([order_record(2, [e164(each) for each in range(10, 15)]) | odd])
    response = await gateway.execute(LINKED, first=3)
    assert "errors" not in response
    assert linked(response["data"]).items() >= to_themselves([e164(index) for index in range(10)]).items()


async def test_numbers_are_listed_without_a_filter_if_their_guessed_product_type_is_wrong(
    gateway: Gateway, aws: Aws
) -> None:
    """A hundred numbers have moved to another product type. They cost two lists instead of a hundred gets."""
    aws.adds_numbers(number_record(index, ProductType="SipMediaApplicationDialIn") for index in range(250))
    aws.holds(orders=20, numbers_each=5)
    await gateway.query("{ phoneNumberOrders(first: 20) { nodes { orderedPhoneNumbers { phoneNumber { status } } } } }")
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers", "ListPhoneNumbers", "GetPhoneNumber"]
