"""Lists, filters and paging, compared with a simple model."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.emulator.sample.generator import EMPTY_RESOURCES
from gateway.emulator.service_model import SERVICE_MODELS, Api
from tests.emulator.aws_clients import Caller, Json, aws_client
from tests.emulator.conftest import Emulate, Emulated, running_emulator

PATIENT = settings(
    deadline=timedelta(seconds=5),
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def inventory(caller: Caller, target: str = "/phone-numbers") -> list[Json]:
    return list(itertools.chain(*caller.walk(target, itertools.repeat(None))))


def passes(number: Json, filters: Json) -> bool:
    """Return whether the number matches the filters, by a simple model."""
    if "status" in filters and number["Status"] != filters["status"]:
        return False
    if "product_type" in filters and number["ProductType"].replace(" ", "") != filters["product_type"]:
        return False
    return "filter_name" not in filters or any(
        (each["Name"], each["Value"]) == (filters["filter_name"], filters["filter_value"])
        for each in number["Associations"]
    )


def filters_of(api: Api, numbers: list[Json]) -> st.SearchStrategy[Json]:
    """Return any combination of the three filters. The association is one of the sample's."""
    service = SERVICE_MODELS[api]
    associations = sorted({(each["Name"], each["Value"]) for number in numbers for each in number["Associations"]})
    association = st.sampled_from(associations).map(lambda pair: {"filter_name": pair[0], "filter_value": pair[1]})
    status = st.sampled_from(service.phone_number_statuses).map(lambda word: {"status": word})
    product_type = st.sampled_from(service.product_types).map(lambda word: {"product_type": word})
    nothing: st.SearchStrategy[Json] = st.just({})
    return st.tuples(association | nothing, status | nothing, product_type | nothing).map(
        lambda parts: parts[0] | parts[1] | parts[2]
    )


@given(data=st.data())
@PATIENT
def test_paging_returns_each_matching_number_once_and_in_order(sample: Emulated, data: st.DataObject) -> None:
    """The page size changes from page to page. Each page but the last is full."""
    numbers = inventory(sample.caller)
    filters = data.draw(filters_of(sample.service.api, numbers))
    sizes = data.draw(st.lists(st.integers(20, sample.service.max_results), min_size=1, max_size=5))
    pages = list(sample.caller.walk("/phone-numbers", itertools.cycle(sizes), **filters))
    assert list(itertools.chain(*pages)) == [number for number in numbers if passes(number, filters)]
    for page, size in zip(pages[:-1], itertools.cycle(sizes), strict=False):
        assert len(page) == size


def test_each_filter_returns_its_numbers(sample: Emulated) -> None:
    numbers = inventory(sample.caller)
    assert len(numbers) == 250
    service = sample.service
    filters: list[Json] = [
        *({"status": status} for status in service.phone_number_statuses),
        *({"product_type": product_type} for product_type in service.product_types),
        *(
            {"filter_name": name, "filter_value": value}
            for name, value in sorted({(a["Name"], a["Value"]) for n in numbers for a in n["Associations"]})
        ),
    ]
    for each in filters:
        wanted = [number for number in numbers if passes(number, each)]
        assert wanted, f"no sample number for {each}"
        got = list(itertools.chain(*sample.caller.walk("/phone-numbers", itertools.repeat(None), **each)))
        assert got == wanted


def test_orders_are_listed_once_and_in_order_with_any_page_size(sample: Emulated) -> None:
    orders = inventory(sample.caller, "/phone-number-orders")
    assert len(orders) == 40
    for size in (1, 7, 39, 40, 99):
        pages = list(sample.caller.walk("/phone-number-orders", itertools.repeat(size)))
        assert list(itertools.chain(*pages)) == orders
        assert len(pages) == -(-40 // size)


def test_page_has_the_maximum_size_without_max_results(sample: Emulated) -> None:
    assert len(sample.caller.get("/phone-numbers").json["PhoneNumbers"]) == sample.service.max_results


def test_known_resource_without_numbers_returns_an_empty_list(sample: Emulated) -> None:
    for name, value in EMPTY_RESOURCES:
        if name in sample.service.association_names:
            response = sample.caller.get("/phone-numbers", filter_name=name, filter_value=value)
            assert response.json == {"NextToken": None, "PhoneNumbers": []}


def test_empty_account_has_empty_lists(emulate: Emulate) -> None:
    caller = emulate(numbers=0, orders=0).caller
    assert caller.get("/phone-numbers").json == {"NextToken": None, "PhoneNumbers": []}
    assert caller.get("/phone-number-orders").json == {"NextToken": None, "PhoneNumberOrders": []}


def test_resource_stays_known_after_its_last_number_is_deleted(emulate: Emulate) -> None:
    emulated = emulate(numbers=3)
    connector = {"filter_name": "VoiceConnectorId", "filter_value": "abcdef1ghij2klmno3pqr4"}
    for e164 in ("+12065550100", "+12065550101"):
        emulated.store.delete_phone_number(e164)
    assert emulated.caller.get("/phone-numbers", **connector).json["PhoneNumbers"] == []


def test_replaced_number_keeps_its_place_and_leaves_its_old_filters(emulate: Emulate) -> None:
    emulated = emulate(numbers=3)
    number = emulated.caller.get("/phone-numbers/%2B12065550100").json["PhoneNumber"]
    emulated.store.put_phone_numbers([{**number, "Status": "Unassigned", "Associations": []}])
    connector = {"filter_name": "VoiceConnectorId", "filter_value": "abcdef1ghij2klmno3pqr4"}
    assert [each["E164PhoneNumber"] for each in inventory(emulated.caller)] == [
        "+12065550100",
        "+12065550101",
        "+12065550102",
    ]
    assert [n["E164PhoneNumber"] for n in emulated.caller.get("/phone-numbers", **connector).json["PhoneNumbers"]] == [
        "+12065550101"
    ]
    assert len(emulated.caller.get("/phone-numbers", status="Unassigned").json["PhoneNumbers"]) == 2


def test_record_is_returned_as_it_was_stored(emulate: Emulate, api: Api) -> None:
    """This includes keys that AWS does not document."""
    emulated = emulate(api=api, numbers=0, orders=0)
    number = {"E164PhoneNumber": "+12065550150", "Status": "Paused", "Note": {"b": [1, None], "a": "ä"}}
    order = {"PhoneNumberOrderId": "an order/of mine?", "OrderedPhoneNumbers": [{"E164PhoneNumber": None}]}
    emulated.store.put_phone_numbers([number])
    emulated.store.put_phone_number_orders([order])
    assert emulated.caller.get("/phone-numbers").json["PhoneNumbers"] == [number]
    assert emulated.caller.get("/phone-number-orders").json["PhoneNumberOrders"] == [order]
    assert emulated.caller.get("/phone-number-orders/an%20order%2Fof%20mine%3F").json == {"PhoneNumberOrder": order}


def record(index: int) -> Json:
    return {
        "E164PhoneNumber": f"+1206555{index:04}",
        "Status": "Assigned",
        "ProductType": "VoiceConnector",
        "Associations": [{"Name": "SipRuleId", "Value": "one"}],
    }


@given(
    changes=st.lists(
        st.tuples(
            st.integers(1, 7),
            st.lists(st.integers(0, 59), max_size=6),
            st.lists(st.integers(0, 59), max_size=6),
        ),
        min_size=1,
        max_size=8,
    ),
    filters=st.sampled_from(
        [{}, {"status": "Assigned"}, {"filter_name": "SipRuleId", "filter_value": "one", "status": "Assigned"}]
    ),
)
@PATIENT
def test_records_stored_or_deleted_between_pages_do_not_shift_others(
    changing: Emulated, changes: list[tuple[int, list[int], list[int]]], filters: Json
) -> None:
    """Numbers that exist all the time are listed exactly once. New numbers are listed at the end."""
    for index in range(60):
        changing.store.delete_phone_number(record(index)["E164PhoneNumber"])
    changing.store.put_phone_numbers(record(index) for index in range(30))
    # The model: the stored numbers, in the order in which they were first stored.
    held = [record(index)["E164PhoneNumber"] for index in range(30)]
    always = set(held)
    seen: list[str] = []
    sizes = itertools.chain((size for size, _, _ in changes), itertools.repeat(7))
    steps = iter(changes)
    for page in changing.caller.walk("/phone-numbers", sizes, **filters):
        seen += [number["E164PhoneNumber"] for number in page]
        held_at_the_end = list(held)
        _, removed, put = next(steps, (0, [], []))
        for index in removed:
            e164 = record(index)["E164PhoneNumber"]
            changing.store.delete_phone_number(e164)
            held = [each for each in held if each != e164]
            always.discard(e164)
        for index in put:
            e164 = record(index)["E164PhoneNumber"]
            changing.store.put_phone_numbers([record(index)])
            if e164 not in held:
                held.append(e164)
    assert [e164 for e164 in seen if e164 in always] == [e164 for e164 in held if e164 in always]
    assert set(held_at_the_end) <= set(seen)


@pytest.fixture(scope="module")
def changing() -> Iterator[Emulated]:
    with running_emulator(numbers=0, orders=0) as emulated:
        yield emulated


def test_number_stored_after_the_last_listed_one_was_deleted_is_not_skipped(emulate: Emulate) -> None:
    """The deleted number's place in the list is not used again."""
    emulated = emulate(numbers=0, orders=0)
    emulated.store.put_phone_numbers(record(index) for index in range(3))
    token = emulated.caller.get("/phone-numbers", max_results=2).json["NextToken"]
    for index in (1, 2):
        emulated.store.delete_phone_number(record(index)["E164PhoneNumber"])
    emulated.store.put_phone_numbers([record(9)])
    page = emulated.caller.get("/phone-numbers", max_results=2, next_token=token).json
    assert page == {"NextToken": None, "PhoneNumbers": [record(9)]}


async def test_client_pages_through_two_thousand_numbers_without_repeats(emulate: Emulate, api: Api) -> None:
    emulated = emulate(api=api, numbers=2_000, orders=0)
    seen: list[str] = []
    calls = 0
    async with aws_client(emulated.url, api) as client:
        more: Json = {}
        while calls == 0 or more:
            page = await client.list_phone_numbers(MaxResults=emulated.service.max_results, **more)
            seen += [number["E164PhoneNumber"] for number in page["PhoneNumbers"]]
            more = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
            calls += 1
    assert len(seen) == len(set(seen)) == 2_000
    assert calls == -(-2_000 // emulated.service.max_results)
