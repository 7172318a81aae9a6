"""Conditions on records that hold unexpected values, and the work of a filter, counted in calls."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.listing.conditions import (
    Condition,
    contains_number,
    contains_number_with_status,
    contains_text,
    has_capabilities,
    has_value,
    has_word,
    is_in_country,
    is_within,
    match_all,
    number_starts_with,
)
from tests.execution.function_calls import count_calls
from tests.support.aws import number_record

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
CREATED = is_within("CreatedTimestamp", NEW_YEAR, None)
ODD_VALUES: list[Any] = [None, "", 7, -1.5, True, [], [7], {}, {"a": None}, "\u0660", "x" * 10_000, 1e300, float("nan")]


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        (has_word("Status", ["Assigned"]), "Status"),
        (is_in_country("US"), "Country"),
        (CREATED, "CreatedTimestamp"),
        (is_within("CreatedTimestamp", None, NEW_YEAR), "CreatedTimestamp"),
        (contains_text("desk"), "Name"),
        (contains_text("desk"), "CallingName"),
        (has_capabilities({"InboundCall": True}), "Capabilities"),
    ],
)
def test_unexpected_value_meets_no_condition_and_raises_no_error(condition: Condition, key: str) -> None:
    assert not condition.holds({"E164PhoneNumber": "+12065550100"})
    for value in ODD_VALUES:
        if condition.description[:3] == ("CreatedTimestamp", "is within", "None") and value in (7, -1.5):
            continue  # Seconds since the epoch.
        assert not condition.holds({"E164PhoneNumber": "+12065550100", key: value}), value


def test_number_lacks_a_capability_that_is_not_true() -> None:
    lacks = has_capabilities({"InboundCall": False})
    assert lacks.holds({})
    for value in ODD_VALUES:
        assert lacks.holds({"Capabilities": value})
        if value is not True:
            assert lacks.holds({"Capabilities": {"InboundCall": value}})


@pytest.mark.parametrize("value", [None, "", []])
def test_empty_value_is_no_value(value: Any) -> None:
    assert has_value("CallingName", wanted=False).holds({"CallingName": value})
    assert not has_value("CallingName", wanted=True).holds({"CallingName": value})


@pytest.mark.parametrize(
    "given", ["2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2020-01-01", 1577836800, 1577836800.0]
)
def test_timestamp_in_any_form_is_compared_as_a_point_in_time(given: Any) -> None:
    assert CREATED.holds({"CreatedTimestamp": given})
    assert not is_within("CreatedTimestamp", None, NEW_YEAR).holds({"CreatedTimestamp": given})


@pytest.mark.parametrize("spelling", ["+12065550100", "%2B12065550100", "%2b12065550100", "12065550100"])
def test_number_in_any_spelling_meets_the_conditions_for_it(spelling: str) -> None:
    record = {"E164PhoneNumber": spelling}
    assert number_starts_with("+1206").holds(record)
    assert not number_starts_with("+2").holds(record)
    assert contains_text("555-0100").holds(record)
    assert contains_text("1 (206)").holds(record)
    # The `2` of `%2B` is no digit of the number.
    assert not contains_text("21206").holds(record)
    order = {"OrderedPhoneNumbers": [record]}
    assert contains_number("+12065550100").holds(order)
    assert not contains_number("+12065550101").holds(order)


def test_text_is_found_in_any_case_and_digits_only_in_numbers() -> None:
    record = {"E164PhoneNumber": "+12065550100", "Name": "Stra\u00dfe 12-34", "CallingName": "ANYCOMPANY"}
    for search in ("STRASSE", "any", "se 1", "12-34", "5550"):
        assert contains_text(search).holds(record), search
    for search in ("1234", "e12", "any company", "+44"):
        assert not contains_text(search).holds(record), search


@pytest.mark.parametrize("value", [None, []])
def test_order_without_numbers_contains_none(value: Any) -> None:
    order = {"OrderedPhoneNumbers": value}
    assert not contains_number("+12065550100").holds(order)
    assert not contains_number_with_status("Failed").holds(order)


def test_descriptions_differ_if_the_conditions_differ() -> None:
    conditions = [
        has_word("Status", ["Assigned"]),
        has_word("Status", ["Assigned", "Unassigned"]),
        has_word("Type", ["Assigned"]),
        has_value("CallingName", wanted=True),
        has_value("CallingName", wanted=False),
        is_in_country("US"),
        is_in_country("CA"),
        number_starts_with("+1206"),
        contains_text("+1206"),
        contains_text("1206"),
        has_capabilities({"InboundCall": True}),
        has_capabilities({"InboundCall": False}),
        has_capabilities({"InboundCall": True, "InboundSMS": True}),
        contains_number("+1206"),
        contains_number_with_status("Failed"),
        contains_number_with_status("Acquired"),
        CREATED,
        is_within("CreatedTimestamp", None, NEW_YEAR),
        is_within("UpdatedTimestamp", NEW_YEAR, None),
    ]
    assert len({condition.description for condition in conditions}) == len(conditions)
    assert is_in_country("us").description == is_in_country("US").description
    assert has_word("Status", ["b", "a"]).description == has_word("Status", ["a", "b", "a"]).description


async def test_three_conditions_cost_at_most_seven_calls_for_each_record() -> None:
    holds = match_all([has_word("Status", ["Unassigned"]), contains_text("desk"), is_in_country("US")])
    records = [number_record(index, CallingName="Desk") for index in range(99)]

    async def matches() -> list[dict[str, Any]]:
        return [record for record in records if holds(record)]

    found, calls = await count_calls(matches())
    assert len(found) == 99
    assert calls.total() <= 7 * 99
    records = [number_record(index, Status="Assigned") for index in range(99)]
    found, calls = await count_calls(matches())
    assert found == []
    # A record that does not meet the first condition is not checked further.
    assert calls.total() <= 3 * 99
