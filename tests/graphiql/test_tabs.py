"""What the page opens on: queries that work as they stand, and cost what they say."""

from typing import Any

import pytest

from tests.conftest import Gateway
from tests.graphiql.tabs import TABS, Tab
from tests.support.aws import Aws


def test_there_is_a_tab_for_each_thing_to_learn() -> None:
    assert [tab.name for tab in TABS] == ["FirstNumbers", "FilteredNumbers", "OrdersWithNumbers", "NextPage"]


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.name)
@pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
async def test_a_tab_shows_sample_data_at_the_upstream_calls_that_it_tells(
    gateway: Gateway, aws: Aws, tab: Tab
) -> None:
    aws.holds_sample_data()
    data = await gateway.query(tab.text)
    [connection] = data.values()
    assert len(connection["nodes"]) >= 3
    assert len(aws.calls) == tab.calls


@pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)
async def test_the_orders_tab_counts_its_linked_numbers(gateway: Gateway, aws: Aws) -> None:
    aws.holds_sample_data()
    tab = TABS[2]
    orders: list[dict[str, Any]] = (await gateway.query(tab.text))["phoneNumberOrders"]["nodes"]
    numbers = [ordered for order in orders for ordered in order["orderedPhoneNumbers"]]
    assert all(ordered["phoneNumber"] for ordered in numbers)
    assert f"all {len(numbers)} numbers" in tab.text


async def test_the_next_page_starts_where_the_one_before_ended_for_one_call_more(gateway: Gateway, aws: Aws) -> None:
    aws.holds_sample_data()
    tab = TABS[3]
    pages = [(await gateway.query(tab.text))["phoneNumbers"]]
    for page in range(2, 5):
        pages.append((await gateway.query(tab.text, after=pages[-1]["pageInfo"]["endCursor"]))["phoneNumbers"])
        assert len(aws.calls) == page * tab.calls
    numbers = [node["e164PhoneNumber"] for page in pages for node in page["nodes"]]
    assert len(set(numbers)) == 4 * 5
