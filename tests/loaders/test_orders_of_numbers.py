"""The order that each number came with, on both APIs, over real HTTP. Every upstream call is counted."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.settings import Settings
from gateway.upstream.records import PhoneNumberOrderPage
from gateway.upstream.requester import Requester
from tests.conftest import Gateway, gateway_over
from tests.execution.in_memory_account import Account
from tests.support.aws import Aws, e164, number_record, order_record
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.support.timed_account import Measured, TimedAccount, run_timed

VOICE = pytest.mark.parametrize("aws", ["chime-sdk-voice"], indirect=True)
ORDERS = "{ phoneNumbers(first: 1000) { nodes { e164PhoneNumber order { phoneNumberOrderId } } } }"


def order_ids(data: Any) -> list[int | None]:
    """Return the index of each number's order, if it has one."""
    orders = [node["order"] for node in data["phoneNumbers"]["nodes"]]
    return [None if order is None else int(order["phoneNumberOrderId"][:8]) for order in orders]


async def test_all_numbers_of_a_query_share_one_walk_of_the_orders(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=130, orders=120, numbers_each=1)
    data = await gateway.query(
        """{ phoneNumbers(first: 1000) { nodes { order { phoneNumberOrderId } } }
             one: phoneNumber(e164PhoneNumber: "+12065550007") { order { phoneNumberOrderId } } }"""
    )
    assert order_ids(data) == [*range(120), *[None] * 10]
    assert data["one"]["order"]["phoneNumberOrderId"].startswith("00000007")
    assert sorted(aws.calls) == ["GetPhoneNumber", *["ListPhoneNumberOrders"] * 2, *["ListPhoneNumbers"] * 2]


async def test_number_that_is_loaded_after_the_walk_needs_no_further_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=3, orders=3, numbers_each=1)
    data = await gateway.query(
        """{ phoneNumbers(first: 1) { nodes { order { orderedPhoneNumbers { phoneNumber { order {
             orderedPhoneNumbers { phoneNumber { order { phoneNumberOrderId } } } } } } } } } }"""
    )
    [number] = data["phoneNumbers"]["nodes"]
    [ordered] = number["order"]["orderedPhoneNumbers"]
    [again] = ordered["phoneNumber"]["order"]["orderedPhoneNumbers"]
    assert again["phoneNumber"]["order"]["phoneNumberOrderId"].startswith("00000000")
    assert aws.calls == ["ListPhoneNumbers", "ListPhoneNumberOrders"]


async def test_number_of_several_orders_came_with_the_newest_one_that_acquired_it(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(number_record(index) for index in range(4))
    failed = [{"E164PhoneNumber": e164(index), "Status": "Failed"} for index in range(3)]
    odd_spelling = [{"E164PhoneNumber": f"%2B{e164(1)[1:]}", "Status": "Acquired"}]
    aws.adds_orders(
        [
            order_record(0, [], OrderedPhoneNumbers=failed, CreatedTimestamp="2022-01-01T00:00:00Z"),
            order_record(1, [e164(0)], CreatedTimestamp="2020-01-01T00:00:00Z"),
            order_record(2, [e164(0), e164(3)], CreatedTimestamp="2021-01-01T00:00:00Z"),
            order_record(3, [], OrderedPhoneNumbers=odd_spelling, CreatedTimestamp=None),
            order_record(4, [], OrderedPhoneNumbers=None),
            order_record(5, [e164(3)], CreatedTimestamp="soon"),
        ]
    )
    assert order_ids(await gateway.query(ORDERS)) == [2, 3, 0, 2]


async def test_query_without_numbers_reads_no_orders(gateway: Gateway, aws: Aws) -> None:
    aws.holds(orders=3)
    assert await gateway.query(ORDERS) == {"phoneNumbers": {"nodes": []}}
    assert aws.calls == ["ListPhoneNumbers"]


async def test_number_beyond_the_page_limit_of_the_orders_has_an_error_of_its_own(aws: Aws, settings: Settings) -> None:
    aws.holds(inventory=100, orders=100, numbers_each=1)
    aws.adds_numbers([number_record(200)])
    async with gateway_over(settings.model_copy(update={"max_upstream_pages": 1})) as gateway:
        response = await gateway.execute(ORDERS.replace("order {", "order @include(if: true) {"))
        assert aws.calls == ["ListPhoneNumbers", "ListPhoneNumbers", "ListPhoneNumberOrders"]
    assert order_ids(response["data"]) == [*range(99), None, None]
    assert [error["path"] for error in response["errors"]] == [
        ["phoneNumbers", "nodes", at, "order"] for at in (99, 100)
    ]
    assert {error["extensions"]["code"] for error in response["errors"]} == {"PAGE_LIMIT_EXCEEDED"}
    assert response["errors"][0]["message"].startswith("The gateway read 1 upstream pages of orders, and the order of")


async def test_failing_list_of_orders_nulls_only_the_orders(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=2, orders=2, numbers_each=1)
    aws.fails("ListPhoneNumberOrders", "ServiceFailureException")
    response = await gateway.execute(ORDERS)
    assert [node["e164PhoneNumber"] for node in response["data"]["phoneNumbers"]["nodes"]] == [e164(0), e164(1)]
    assert order_ids(response["data"]) == [None, None]
    assert {error["extensions"]["code"] for error in response["errors"]} == {"UPSTREAM_FAILURE"}


async def test_list_of_orders_whose_tokens_repeat_is_an_error_of_the_numbers_that_it_lacks() -> None:
    numbers = ScriptedResponse({"PhoneNumbers": [number_record(0), number_record(1)]})
    page = ScriptedResponse({"PhoneNumberOrders": [order_record(0, [e164(0)])], "NextToken": "again"})
    with scripted_upstream(numbers, page) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            response = await gateway.execute(ORDERS)
    assert order_ids(response["data"]) == [0, None]
    [error] = response["errors"]
    assert error["extensions"]["code"] == "UPSTREAM_BAD_RESPONSE"
    assert len(upstream.requests) == 3


@VOICE
async def test_voice_api_names_the_order_so_no_list_is_read(gateway: Gateway, aws: Aws) -> None:
    aws.holds(orders=2, numbers_each=1)
    aws.adds_numbers([number_record(0, OrderId=order_record(1, [])["PhoneNumberOrderId"]), number_record(1)])
    assert order_ids(await gateway.query(ORDERS)) == [1, None]
    assert aws.calls == ["ListPhoneNumbers", "GetPhoneNumberOrder"]


@dataclass
class SlowAccount(Account):
    """An account whose lists of orders wait until the test lets them return.

    Attributes:
        may_return: Set by the test.
        cancelled: The number of lists that were cancelled.
    """

    may_return: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0

    async def list_phone_number_orders(
        self, token: str | None, size: int, *, requester: Requester
    ) -> PhoneNumberOrderPage:
        page = await super().list_phone_number_orders(token, size, requester=requester)
        try:
            await self.may_return.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return page


async def test_walk_in_flight_is_shared_without_the_client_that_joins_equal_calls() -> None:
    account = SlowAccount(
        numbers=[number_record(index) for index in range(2)], orders=[order_record(0, [e164(0), e164(1)])]
    )
    numbers = account.numbers
    orders = account.context().orders_of_numbers
    waiting = [orders.lookups(numbers[:1]), orders.lookups(numbers)]
    await asyncio.sleep(0)
    waiting.append(orders.lookups(numbers[1:]))
    account.may_return.set()
    for lookup, number in (each for lookups in waiting for each in lookups):
        assert (await lookup)[number] == account.orders[0]
    assert account.calls == ["ListPhoneNumberOrders"]


async def test_end_of_the_request_cancels_the_walk() -> None:
    account = SlowAccount(numbers=[number_record(0)])
    context = account.context()
    ((lookup, _),) = context.orders_of_numbers.lookups(account.numbers)
    await asyncio.sleep(0)
    context.close()
    for _ in range(10):
        await asyncio.sleep(0)
    assert account.cancelled == 1
    assert not lookup.done()


def test_known_pages_of_orders_are_walked_at_the_same_time() -> None:
    async def main() -> None:
        account = TimedAccount(range(1_100))
        account.orders = [[number] for number in account.rows]
        costs = []
        for _ in range(3):
            account.orders.append([account.rows[0]])
            context = account.context()
            with Measured(account) as measured:
                for lookup, number in context.orders_of_numbers.lookups([{"E164PhoneNumber": e164(1_099)}]):
                    order = (await lookup)[number]
                    assert not isinstance(order, Exception)
                    assert order is not None
                    assert order["PhoneNumberOrderId"] == order_record(1_099, [])["PhoneNumberOrderId"]
            context.close()
            costs.append((measured.calls, measured.waits))
        assert costs == [(12, 12), (12, 3), (12, 2)]

    run_timed(main)


def test_pages_of_orders_after_a_changed_token_are_read_anew() -> None:
    async def main() -> None:
        account = TimedAccount(range(990), unstable_tokens=True)
        account.orders = [[number] for number in account.rows]
        for _ in range(3):
            context = account.context()
            with Measured(account) as measured:
                ((lookup, number),) = context.orders_of_numbers.lookups([{"E164PhoneNumber": e164(989)}])
                assert (await lookup)[number] is not None
            context.close()
            assert (measured.calls, measured.waits) == (10, 10)

    run_timed(main)
