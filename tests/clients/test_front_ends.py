"""The promises of the pages for Relay, Apollo Client and urql, checked on the screen of a front end built by them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from gateway.settings import Settings
from tests.clients.browser import TO_THE_END, Browser
from tests.clients.conftest import CONNECTOR, INVENTORY, MIXED, NUMBERS, ORDERS
from tests.conftest import gateway_over
from tests.support.aws import Aws, e164, number_record
from tests.support.scripted import ScriptedResponse, scripted_upstream
from tests.support.serving import served_gateway

ORDER_IDS = [order["PhoneNumberOrderId"] for order in ORDERS]


@pytest.mark.parametrize("page_size", [99, 250, 1000])
def test_paging_forwards_shows_every_number_once_in_upstream_order(reader: Browser, page_size: int) -> None:
    screen = reader.opens("PhoneNumbers", pageSize=page_size)
    assert screen.numbers == NUMBERS[:page_size]
    if page_size < len(NUMBERS):
        screen = reader.presses("More", times=TO_THE_END)
    assert screen.numbers == NUMBERS
    assert len(screen.received) == len(set(screen.received)) == len(NUMBERS)
    assert {"More", "Earlier"}.isdisjoint(screen.buttons)


def test_paging_backwards_from_the_end_shows_every_number_once(reader: Browser) -> None:
    screen = reader.opens("PhoneNumbers", pageSize=300, fromEnd=True)
    assert screen.numbers == NUMBERS[-300:]
    screen = reader.presses("Earlier", times=TO_THE_END)
    assert screen.numbers == NUMBERS
    assert len(screen.received) == len(set(screen.received)) == len(NUMBERS)
    assert {"More", "Earlier"}.isdisjoint(screen.buttons)


@pytest.mark.parametrize("page_size", [40, 100])
def test_every_order_is_shown_once_with_the_records_of_its_numbers(reader: Browser, page_size: int) -> None:
    reader.opens("PhoneNumberOrders", pageSize=page_size)
    screen = reader.presses("More", times=TO_THE_END)
    assert screen.headings == ORDER_IDS
    assert screen.items == [f"{number} ASSIGNED {CONNECTOR}Refresh" for number in NUMBERS[: 2 * len(ORDERS)]]
    assert len(screen.received) == len(set(screen.received)) == len(ORDERS)
    assert "More" not in screen.buttons


def test_refetched_number_is_updated_in_every_list(reader: Browser, account: Aws) -> None:
    """The lists, the orders and `node` share one cache entity, because it has one id everywhere."""
    screen = reader.opens("PhoneNumberOrders", "PhoneNumbers", pageSize=3)
    account.adds_numbers([number_record(INVENTORY[0], Status="DeleteInProgress")])
    assert screen.items.count(f"{NUMBERS[0]} ASSIGNED {CONNECTOR}Refresh") == 2
    screen = reader.presses("Refresh")
    assert screen.items.count(f"{NUMBERS[0]} DELETE_IN_PROGRESS Refresh") == 2
    assert screen.numbers == NUMBERS[:6] + NUMBERS[:3]


def test_invalid_cursor_shows_its_error_code_and_keeps_the_list(reader: Browser) -> None:
    before = reader.opens("PhoneNumberOrders", pageSize=50)
    reader.spoils_the_next_cursor("none")
    screen = reader.presses("More")
    assert screen.alerts == ["BAD_CURSOR"]
    assert screen.headings == before.headings
    assert reader.presses("Start again").alerts == []
    assert reader.presses("More", times=TO_THE_END).headings == ORDER_IDS


def test_list_can_be_restarted_after_an_expired_cursor(reader: Browser, account: Aws) -> None:
    reader.opens("PhoneNumberOrders", pageSize=50)
    before = reader.presses("More")
    account.fails("ListPhoneNumberOrders", "BadRequest")  # AWS's response to an expired token.
    screen = reader.presses("More")
    assert screen.alerts == ["CURSOR_EXPIRED"]
    assert screen.headings == before.headings
    account.recovers()
    again = reader.presses("Start again")
    assert again.alerts == []
    assert again.headings == ORDER_IDS[:50]
    assert reader.presses("More", times=TO_THE_END).headings == ORDER_IDS


def test_failing_linked_number_leaves_the_rest_of_the_list(reader: Browser, account: Aws) -> None:
    account.fails("GetPhoneNumber", "BadRequest")
    reader.opens("PhoneNumberOrders", pageSize=1)
    screen = reader.presses("More")
    assert screen.headings == ORDER_IDS[:2]
    assert screen.numbers == NUMBERS[:4]
    assert "BAD_REQUEST" in " ".join(screen.alerts + screen.items)
    account.recovers()
    screen = reader.presses("More")
    assert screen.headings == ORDER_IDS[:3]
    assert screen.items[4:] == [f"{number} ASSIGNED {CONNECTOR}Refresh" for number in NUMBERS[4:6]]


async def test_list_ends_if_its_last_page_is_empty(page_browser: Browser) -> None:
    records = [number_record(index) for index in range(2)]
    with scripted_upstream(
        ScriptedResponse({"PhoneNumbers": records, "NextToken": "more"}),
        ScriptedResponse({"PhoneNumbers": [], "NextToken": None}),
    ) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            page_browser.visits(str(gateway.http.base_url))
            assert "More" in page_browser.opens("PhoneNumbers", pageSize=2).buttons
            screen = page_browser.presses("More")
    assert screen.numbers == [e164(0), e164(1)]
    assert screen.alerts == []
    assert "More" not in screen.buttons


def numbers_of(records: Iterable[dict[str, Any]]) -> list[str]:
    return [record["E164PhoneNumber"] for record in records]


def chips_of(records: Iterable[dict[str, Any]]) -> list[str]:
    """Return the labels of the chips: the highest count first, then by status."""
    names = {"Assigned": "ASSIGNED", "Unassigned": "UNASSIGNED", "DeleteInProgress": "DELETE_IN_PROGRESS"}
    counts = Counter(names[record["Status"]] for record in records)
    return [f"{status} {count}" for status, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


SALES = [record for record in MIXED if record["CallingName"] and "Sales" in record["CallingName"]]
UNASSIGNED_SALES = [record for record in SALES if record["Status"] == "Unassigned"]
TITLES = ["Number", "Status", "Calling name", "Created"]


@pytest.fixture(scope="module")
def table_url(mixed_account: Aws) -> Iterator[str]:
    """Return the URL of a gateway in front of the account of the table's tests."""
    with served_gateway(Settings(upstream_api="chime", upstream_endpoint_url=mixed_account.url)) as url:  # type: ignore[arg-type]  # Pydantic parses the URL.
        yield url


def test_table_is_searched_filtered_and_sorted_without_a_lost_or_repeated_row(
    page_browser: Browser, table_url: str
) -> None:
    page_browser.visits(table_url)
    screen = page_browser.opens("PhoneNumberTable", pageSize=15)
    assert screen.rows == numbers_of(MIXED[:15])
    assert screen.buttons == [*chips_of(MIXED), *TITLES, "More"]
    screen = page_browser.types("sales")
    assert screen.rows == numbers_of(SALES[:15])
    assert screen.buttons == [*chips_of(SALES), *TITLES, "More"]
    screen = page_browser.presses(f"UNASSIGNED {len(UNASSIGNED_SALES)}")
    assert screen.rows == numbers_of(UNASSIGNED_SALES[:15])
    assert screen.buttons == [*chips_of(SALES), *TITLES, "More"]
    for descending in (False, True):
        ordered = sorted(UNASSIGNED_SALES, key=lambda record: str(record["E164PhoneNumber"]))
        ordered.sort(key=lambda record: str(record["CreatedTimestamp"]), reverse=descending)
        before = page_browser.presses("Created")
        assert before.rows == numbers_of(ordered[:15])
        screen = page_browser.presses("More", times=TO_THE_END)
        assert screen.rows == numbers_of(ordered)
        assert len(screen.received) - len(before.received) == len(ordered) - 15
    assert screen.alerts == []
    assert page_browser.presses("Created").rows[:15] == numbers_of(UNASSIGNED_SALES[:15])


def test_chosen_status_stays_if_the_search_finds_no_number_with_it(page_browser: Browser, table_url: str) -> None:
    page_browser.visits(table_url)
    page_browser.opens("PhoneNumberTable", pageSize=15)
    page_browser.presses(chips_of(MIXED)[0])
    [other] = [record for record in MIXED if record["Status"] == "Unassigned"][:1]
    screen = page_browser.types(other["E164PhoneNumber"])
    assert screen.rows == []
    assert screen.buttons == ["UNASSIGNED 1", "ASSIGNED 0", *TITLES]
    screen = page_browser.presses("ASSIGNED 0")
    assert screen.rows == [other["E164PhoneNumber"]]
    assert screen.buttons == ["UNASSIGNED 1", *TITLES]
    # One character is no search.
    assert page_browser.types("+").rows == numbers_of(MIXED[:15])


async def test_table_continues_over_pages_without_a_match(page_browser: Browser, mixed_account: Aws) -> None:
    """At the limit of one upstream page for each request, most pages of a rare match are empty."""
    settings = Settings(upstream_api="chime", upstream_endpoint_url=mixed_account.url, max_upstream_pages=1)  # type: ignore[arg-type]  # Pydantic parses the URL.
    last = MIXED[-1]["E164PhoneNumber"]
    async with gateway_over(settings) as gateway:
        page_browser.visits(str(gateway.http.base_url))
        page_browser.opens("PhoneNumberTable", pageSize=15)
        screen = page_browser.types(last)
        assert screen.rows == []
        assert screen.alerts == ["PAGE_LIMIT_EXCEEDED"]
        assert screen.buttons == [*TITLES, "More"]
        screen = page_browser.presses("More", times=TO_THE_END)
    assert screen.rows == [last]
    assert "More" not in screen.buttons


async def test_chip_of_unknown_statuses_cannot_be_pressed(page_browser: Browser) -> None:
    page = ScriptedResponse({"PhoneNumbers": [number_record(0, Status="Levitating")], "NextToken": None})
    with scripted_upstream(page, page) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            page_browser.visits(str(gateway.http.base_url))
            assert page_browser.opens("PhoneNumberTable").buttons == ["UNKNOWN 1", *TITLES]
            screen = page_browser.presses("UNKNOWN 1")
    assert screen.rows == [e164(0)]
    assert screen.alerts == []
