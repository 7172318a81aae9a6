"""Sample data have every case, are consistent, are the same everywhere, and fit botocore's service models."""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice
from typing import Any

import orjson
import pytest
from botocore.session import get_session

from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.sample.generator import phone_number_orders, phone_numbers
from gateway.emulator.sample.number_ranges import sample_numbers
from gateway.emulator.service_model import CHIME, CHIME_SDK_VOICE, ServiceModel
from tests.emulator.aws_clients import Json
from tests.emulator.conftest import Emulate

SERVICE_MODELS = [CHIME, CHIME_SDK_VOICE]
DOCUMENTED = 3
DAY = date(2026, 11, 28)


def numbers_of(service: ServiceModel, count: int = 250, day: date = DAY) -> list[Json]:
    return list(phone_numbers(service, count, 40, day))


def orders_of(service: ServiceModel, count: int = 40, day: date = DAY) -> list[Json]:
    return list(phone_number_orders(service, count, day))


def timestamp(day: date, days: float = 0) -> str:
    """Return the API's form of the start of a day, or of an instant so many days after it."""
    instant = datetime.combine(day, time(), UTC) + timedelta(days=days)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def shape(service: ServiceModel, name: str) -> Any:
    return get_session().get_service_model(service.api).shape_for(name)


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_limits_and_enums_equal_those_of_the_service_model(service: ServiceModel) -> None:
    assert service.max_results == shape(service, "ResultMax").metadata["max"]
    for words, name in (
        (service.association_names, "PhoneNumberAssociationName"),
        (service.product_types, "PhoneNumberProductType"),
        (service.phone_number_statuses, "PhoneNumberStatus"),
        (service.order_statuses, "PhoneNumberOrderStatus"),
    ):
        assert sorted(words) == sorted(shape(service, name).enum)
    if service is CHIME_SDK_VOICE:
        assert list(service.order_types) == shape(service, "PhoneNumberOrderType").enum


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_generated_records_fit_the_service_model(service: ServiceModel) -> None:
    """A record has exactly the keys of its model. Its enums, patterns and timestamps are valid."""
    numbers, orders = numbers_of(service, 2_000)[DOCUMENTED:], orders_of(service)[1:]
    misfits = [
        *(misfit for number in numbers for misfit in misfits_of(shape(service, "PhoneNumber"), number)),
        *(misfit for order in orders for misfit in misfits_of(shape(service, "PhoneNumberOrder"), order)),
    ]
    assert misfits == []


def misfits_of(model: Any, value: Any) -> Iterator[str]:
    fits = True
    if value is None:
        return
    if model.type_name == "structure":
        fits = value.keys() == model.members.keys()
        for key, member in model.members.items():
            yield from misfits_of(member, value.get(key))
    elif model.type_name == "list":
        for each in value:
            yield from misfits_of(model.member, each)
    elif model.type_name == "timestamp":
        fits = bool(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))
    elif model.type_name == "boolean":
        fits = isinstance(value, bool)
    else:
        fits = value in (model.enum or [value]) and bool(re.search(model.metadata.get("pattern", ""), value))
    if not fits:
        yield f"{model.name}: {value}"


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_sample_numbers_have_every_case(service: ServiceModel) -> None:
    numbers = numbers_of(service)[DOCUMENTED:]
    assert {number["Status"] for number in numbers} == set(service.phone_number_statuses)
    assert {number["ProductType"] for number in numbers} == set(service.product_types)
    assert {number["Type"] for number in numbers} == {"Local", "TollFree"}
    assert {number["Country"] for number in numbers} >= {"US", "CA", "GB", "DE", "FR", "AU", "IE"}
    assert {len(number["Associations"]) for number in numbers} == {0, 1, 2}
    assert {each["Name"] for number in numbers for each in number["Associations"]} == set(service.association_names)
    assert {number["CallingNameStatus"] for number in numbers} == set(shape(service, "CallingNameStatus").enum)
    assert {bool(number["CallingName"]) for number in numbers} == {True, False}
    assert {bool(number["DeletionTimestamp"]) for number in numbers} == {True, False}
    assert {
        "".join(sorted(capability for capability, held in number["Capabilities"].items() if held)) for number in numbers
    } == {
        "InboundCallInboundMMSInboundSMSOutboundCallOutboundMMSOutboundSMS",
        "InboundCallInboundSMSOutboundCallOutboundSMS",
        "InboundCallInboundMMSInboundSMS",
        "InboundSMSOutboundSMS",
        "InboundCallOutboundCall",
        "InboundCall",
        "OutboundCall",
        "",
    }
    for capability in numbers[0]["Capabilities"]:
        assert {number["Capabilities"][capability] for number in numbers} == {True, False, None}
    resources = Counter((each["Name"], each["Value"]) for number in numbers for each in number["Associations"])
    assert min(resources.values()) >= 2
    if service is CHIME_SDK_VOICE:
        assert {bool(number["Name"]) for number in numbers} == {True, False}
        assert {bool(number["OrderId"]) for number in numbers} == {True, False}


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_sample_orders_have_every_case(service: ServiceModel) -> None:
    orders = orders_of(service)
    held = {number["E164PhoneNumber"] for number in numbers_of(service)}
    assert {order["Status"] for order in orders} == set(service.order_statuses)
    ordered = [each for order in orders for each in order["OrderedPhoneNumbers"]]
    assert {each["Status"] for each in ordered} == set(shape(service, "OrderedPhoneNumberStatus").enum)
    times_ordered = Counter(each["E164PhoneNumber"] for each in ordered)
    assert {times for e164, times in times_ordered.items()} == {1, 2}
    assert 0 < len(times_ordered.keys() - held) < len(orders)
    assert len(times_ordered.keys() & held) > 50
    if service is CHIME_SDK_VOICE:
        assert {order["OrderType"] for order in orders} == set(service.order_types)
        assert {bool(order["FocDate"]) for order in orders if order["OrderType"] == "Porting"} == {True, False}
        assert not any(order["FocDate"] for order in orders if order["OrderType"] == "New")


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_orders_and_numbers_are_consistent(service: ServiceModel) -> None:
    latest = {
        each["E164PhoneNumber"]: (order, each["Status"])
        for order in sorted(orders_of(service), key=lambda order: order["CreatedTimestamp"])
        for each in order["OrderedPhoneNumbers"]
    }
    # A number that is ordered twice has the same product type in both orders.
    product_types = {
        (each["E164PhoneNumber"], order["ProductType"])
        for order in orders_of(service)
        for each in order["OrderedPhoneNumbers"]
    }
    assert len(product_types) == len(latest)
    never_acquired = {"AcquireFailed", "AcquireInProgress", "Cancelled", "PortinCancelRequested", "PortinInProgress"}
    for number in numbers_of(service)[DOCUMENTED:]:
        order, status = latest.get(number["E164PhoneNumber"], (None, "Acquired"))
        assert (number["Status"] in never_acquired) == (status != "Acquired")
        assert bool(number["Associations"]) == (number["Status"] == "Assigned")
        assert number["CreatedTimestamp"] <= number["UpdatedTimestamp"] <= timestamp(DAY)
        for each in number["Associations"]:
            assert number["CreatedTimestamp"] <= each["AssociatedTimestamp"] <= number["UpdatedTimestamp"]
        if order:
            assert (number["E164PhoneNumber"], number["ProductType"]) in product_types
            assert order["CreatedTimestamp"] <= number["CreatedTimestamp"] <= order["UpdatedTimestamp"]
        if service is CHIME_SDK_VOICE:
            assert number["OrderId"] == (order["PhoneNumberOrderId"] if order else None)


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_statuses_fit_the_dates(service: ServiceModel) -> None:
    """Only recent orders are in progress. A number leaves the deletion queue within the next seven days."""
    completed = {"Successful", "Partial", "Failed", "Cancelled"}
    for order in orders_of(service, 1_000)[1:]:
        assert timestamp(DAY, -730) <= order["CreatedTimestamp"] <= order["UpdatedTimestamp"] <= timestamp(DAY)
        assert order["Status"] in completed or order["CreatedTimestamp"] > timestamp(DAY, -14)
        statuses = {each["Status"] for each in order["OrderedPhoneNumbers"]}
        assert ("Processing" in statuses) == (order["Status"] not in completed)
        assert ({"Acquired", "Failed"} <= statuses) == (order["Status"] == "Partial")
        if order.get("FocDate") and order["Status"] == "Successful":
            assert order["CreatedTimestamp"] < order["FocDate"] <= timestamp(DAY)
        if order["Status"] == "FOC":
            assert order["FocDate"] > timestamp(DAY)
    for number in numbers_of(service, 1_000)[DOCUMENTED:]:
        deletion = number["DeletionTimestamp"]
        assert (deletion is None) == (number["Status"] not in {"DeleteInProgress", "DeleteFailed"})
        if deletion is not None:
            assert (timestamp(DAY) < deletion < timestamp(DAY, 7)) == (number["Status"] == "DeleteInProgress")


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
@pytest.mark.parametrize("size", [1, 100])
def test_sample_data_spread_over_two_years(service: ServiceModel, size: int) -> None:
    """There are also records of each month, of the last week and of the last day."""
    records = [*numbers_of(service, 250 * size)[DOCUMENTED:], *orders_of(service, 40 * size)[1:]]
    ages = [
        datetime.combine(DAY, time(), UTC) - datetime.fromisoformat(record["CreatedTimestamp"]) for record in records
    ]
    assert timedelta() < min(ages) < timedelta(days=1)
    assert timedelta(days=700) < max(ages) < timedelta(days=730)
    months = Counter(age.days // 31 for age in ages)
    assert min(months[month] for month in range(23)) >= 2 * size


def test_sample_data_are_the_same_on_every_machine() -> None:
    """The digests change only if the sample data change."""
    for service, digest in ((CHIME, "0b9c74b139ae9033"), (CHIME_SDK_VOICE, "a9405f7e3c1555cd")):
        data = orjson.dumps([numbers_of(service), orders_of(service)], option=orjson.OPT_SORT_KEYS)
        assert hashlib.sha256(data).hexdigest()[:16] == digest


@pytest.mark.parametrize("service", SERVICE_MODELS, ids=lambda service: service.api)
def test_sample_data_of_another_day_differ_in_their_dates_only(service: ServiceModel) -> None:
    leap_day = date(2028, 2, 29)

    def moved(text: str) -> str:
        return re.sub(
            r"20[\d-]+(?=T[\d:.]+Z)",
            lambda day: (date.fromisoformat(day[0]) + (leap_day - DAY)).isoformat(),
            text,
        )

    documented = [numbers_of(service, 3), orders_of(service, 1)]
    assert documented == [numbers_of(service, 3, leap_day), orders_of(service, 1, leap_day)]
    for records, on_leap_day in (
        (numbers_of(service)[DOCUMENTED:], numbers_of(service, day=leap_day)[DOCUMENTED:]),
        (orders_of(service)[1:], orders_of(service, day=leap_day)[1:]),
    ):
        assert moved(orjson.dumps(records).decode()) == orjson.dumps(on_leap_day).decode()


def test_emulator_makes_sample_data_on_the_current_day_in_utc_or_on_another_one(emulate: Emulate) -> None:
    just_before_midnight = datetime(2027, 6, 30, 23, 59, 59, tzinfo=UTC).timestamp()
    for options, day in (({}, date(2027, 6, 30)), ({"sample_day": DAY}, DAY)):
        caller = emulate(clock=lambda: just_before_midnight, **options).caller
        assert caller.get("/phone-numbers").json["PhoneNumbers"] == numbers_of(CHIME, day=day)[:99]
        assert caller.get("/phone-number-orders").json["PhoneNumberOrders"] == orders_of(CHIME, day=day)


def test_smaller_sample_is_the_start_of_a_larger_one() -> None:
    assert numbers_of(CHIME, 1_000)[:250] == numbers_of(CHIME, 250)
    assert orders_of(CHIME, 1_000)[:40] == orders_of(CHIME, 40)
    assert len(numbers_of(CHIME, 2)) == 2
    assert (orders_of(CHIME, 0), len(orders_of(CHIME, 1))) == ([], 1)


def test_a_million_sample_numbers_are_different() -> None:
    e164s = {number.e164 for number in islice(sample_numbers(), 1_000_000)}
    assert len(e164s) == 1_000_000
    assert all(re.fullmatch(r"\+[1-9]\d{1,14}", e164) for e164 in list(e164s)[::1_000])


@pytest.mark.slow
def test_too_large_sample_is_rejected() -> None:
    """There are more than the 5,000,000 numbers that the command line allows."""
    numbers = sample_numbers()
    [last] = deque(islice(numbers, 5_000_000), maxlen=1)
    assert last.e164.startswith("+1")
    with pytest.raises(EmulatorError, match="not enough sample numbers"):
        deque(numbers, maxlen=0)
