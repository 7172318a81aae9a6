"""The queries of the page's tabs: they run unchanged, at the stated cost in upstream calls."""

import re
from typing import Any

import pytest

from tests.conftest import Gateway
from tests.graphiql.tabs import TABS, Tab, tab_of
from tests.support.aws import Aws
from tests.support.processes import ROOT


def test_tabs_cover_each_subject_in_order() -> None:
    assert [tab.name for tab in TABS] == [
        "FirstNumbers",
        "FilteredNumbers",
        "Search",
        "Counts",
        "OrdersWithNumbers",
        "OrdersInProgress",
        "NextPage",
    ]


def test_guide_lists_the_tabs_with_their_calls() -> None:
    rows = re.findall(r"^\| (\w+) \| .* \| (\d+)[^|]* \|$", (ROOT / "docs" / "graphiql.md").read_text(), re.MULTILINE)
    assert [(name, int(calls)) for name, calls in rows] == [(tab.name, tab.calls) for tab in TABS]


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.name)
@pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
async def test_tab_returns_sample_data_at_its_stated_cost(gateway: Gateway, aws: Aws, tab: Tab) -> None:
    aws.holds_sample_data()
    data = await gateway.query(tab.text)
    [connection] = data.values()
    rows = connection["nodes"] if "nodes" in connection else connection["facets"]["status"]
    assert len(rows) >= 3
    assert len(aws.calls) == tab.calls


@pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
@pytest.mark.parametrize("name", ["OrdersWithNumbers", "OrdersInProgress"])
async def test_orders_tab_states_the_count_of_its_linked_numbers(gateway: Gateway, aws: Aws, name: str) -> None:
    aws.holds_sample_data()
    tab = tab_of(name)
    orders: list[dict[str, Any]] = (await gateway.query(tab.text))["phoneNumberOrders"]["nodes"]
    numbers = [ordered for order in orders for ordered in order["orderedPhoneNumbers"]]
    assert all(ordered["phoneNumber"] for ordered in numbers)
    assert f"all {len(numbers)} numbers" in tab.text


async def test_next_page_tab_continues_after_the_previous_page_for_one_more_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds_sample_data()
    tab = tab_of("NextPage")
    pages = [(await gateway.query(tab.text))["phoneNumbers"]]
    for page in range(2, 5):
        pages.append((await gateway.query(tab.text, after=pages[-1]["pageInfo"]["endCursor"]))["phoneNumbers"])
        assert len(aws.calls) == page * tab.calls
    numbers = [node["e164PhoneNumber"] for page in pages for node in page["nodes"]]
    assert len(set(numbers)) == 4 * 5
