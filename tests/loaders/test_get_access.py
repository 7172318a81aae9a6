"""Credentials that may list but not get. Lookups walk the list, up to the page limit."""

from collections import Counter

import pytest

from gateway.settings import Settings
from tests.conftest import Gateway
from tests.loaders.link_queries import LINKED, linked, number_id, to_themselves
from tests.support.aws import Aws, e164, number_record, order_record

MAX_WALK_PAGES = 2
PHONE_NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"
BOTH = pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return Settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, max_upstream_pages=MAX_WALK_PAGES)  # type: ignore[arg-type]  # Pydantic parses the URL.


@pytest.fixture(autouse=True)
def _refused(aws: Aws) -> None:
    aws.fails("GetPhoneNumber", "Forbidden")
    aws.fails("GetPhoneNumberOrder", "AccessDenied")


@BOTH
async def test_one_number_is_found_by_walking(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=150)
    aws.adds_orders([order_record(0, [e164(120)])])
    assert linked(await gateway.query(LINKED)) == {e164(120): e164(120)}
    assert aws.calls == ["ListPhoneNumberOrders", "GetPhoneNumber", "ListPhoneNumbers", "ListPhoneNumbers"]


async def test_many_numbers_are_found_by_walking(gateway: Gateway, aws: Aws) -> None:
    """The numbers have moved to another product type since. The pages listed by the ordered type hold none of them."""
    aws.holds(inventory=150)
    numbers = [e164(index) for index in range(0, 150, 10)]
    aws.adds_orders([order_record(0, numbers, ProductType="BusinessCalling")])
    assert linked(await gateway.query(LINKED)) == to_themselves(numbers)
    counts = Counter(aws.calls)
    assert counts["GetPhoneNumber"] <= 16
    assert counts["ListPhoneNumbers"] <= 1 + MAX_WALK_PAGES


async def test_number_missing_from_the_whole_list_is_null(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=150)
    assert await gateway.query(PHONE_NUMBER, number="+4930123456") == {"phoneNumber": None}
    assert aws.calls == ["GetPhoneNumber", "ListPhoneNumbers", "ListPhoneNumbers"]


async def test_walk_ends_once_all_numbers_are_found(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    await gateway.query(PHONE_NUMBER, number=e164(5))
    assert aws.calls == ["GetPhoneNumber", "ListPhoneNumbers"]


async def test_denial_is_remembered_by_later_queries(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=150)
    await gateway.query(PHONE_NUMBER, number=e164(5))
    aws.calls.clear()
    assert await gateway.query(PHONE_NUMBER, number=e164(6)) == {"phoneNumber": {"e164PhoneNumber": e164(6)}}
    assert await gateway.query(PHONE_NUMBER, number="+4930123456") == {"phoneNumber": None}
    assert aws.calls == ["ListPhoneNumbers"] * 3


async def test_denied_get_of_numbers_does_not_affect_orders(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10, orders=1, numbers_each=1)
    await gateway.query(PHONE_NUMBER, number=e164(5))
    aws.recovers()
    aws.calls.clear()
    order_id = order_record(0, [])["PhoneNumberOrderId"]
    await gateway.query("query ($id: ID!) { phoneNumberOrder(phoneNumberOrderId: $id) { id } }", id=order_id)
    assert aws.calls == ["GetPhoneNumberOrder"]


async def test_order_is_found_by_walking(gateway: Gateway, aws: Aws) -> None:
    aws.holds(orders=150)
    order_id = order_record(120, [])["PhoneNumberOrderId"]
    data = await gateway.query(
        "query ($id: ID!) { phoneNumberOrder(phoneNumberOrderId: $id) { phoneNumberOrderId } }", id=order_id
    )
    assert data == {"phoneNumberOrder": {"phoneNumberOrderId": order_id}}
    assert aws.calls == ["GetPhoneNumberOrder", "ListPhoneNumberOrders", "ListPhoneNumberOrders"]


async def test_number_beyond_the_page_limit_is_an_error_of_its_own_field(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    aws.adds_orders([order_record(0, [e164(5), e164(240)])])
    response = await gateway.execute(LINKED)
    assert linked(response["data"]) == {e164(5): e164(5), e164(240): None}
    [error] = response["errors"]
    assert error["path"] == ["phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", 1, "phoneNumber"]
    assert error["extensions"] == {"code": "PAGE_LIMIT_EXCEEDED"}
    assert "2 upstream pages" in error["message"]
    assert Counter(aws.calls)["ListPhoneNumbers"] == MAX_WALK_PAGES


async def test_page_limit_applies_to_all_lookups_after_a_remembered_denial(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=500)
    await gateway.query(PHONE_NUMBER, number=e164(5))
    aws.calls.clear()
    response = await gateway.execute(
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[number_id(e164(index)) for index in range(400, 440)]
    )
    assert response["data"] == {"nodes": [None] * 40}
    assert [error["path"] for error in response["errors"]] == [["nodes", index] for index in range(40)]
    assert {error["extensions"]["code"] for error in response["errors"]} == {"PAGE_LIMIT_EXCEEDED"}
    assert aws.calls == ["ListPhoneNumbers"] * MAX_WALK_PAGES


async def test_pages_listed_before_the_denial_count_towards_the_page_limit(gateway: Gateway, aws: Aws) -> None:
    """Two pages resolve no key, then the gets are denied. The page limit includes those two pages."""
    aws.holds(inventory=500)
    ids = [number_id(e164(index)) for index in range(400, 410)]
    await gateway.execute("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids)
    assert Counter(aws.calls)["ListPhoneNumbers"] <= MAX_WALK_PAGES


async def test_pages_of_a_wrongly_guessed_product_type_do_not_count_towards_the_page_limit(
    gateway: Gateway, aws: Aws
) -> None:
    """The list of the orders' product type holds none of the numbers. The full list keeps the whole page limit."""
    aws.adds_numbers(
        number_record(index, ProductType="SipMediaApplicationDialIn") for index in range(99 * MAX_WALK_PAGES)
    )
    aws.adds_orders([order_record(0, [e164(99 * MAX_WALK_PAGES - 1 - index) for index in range(5)])])
    data = await gateway.query("{ phoneNumberOrders { nodes { orderedPhoneNumbers { phoneNumber { id } } } } }")
    [order] = data["phoneNumberOrders"]["nodes"]
    assert all(ordered["phoneNumber"] for ordered in order["orderedPhoneNumbers"])
    assert Counter(aws.calls)["ListPhoneNumbers"] == 1 + MAX_WALK_PAGES
