"""Sample data have every case, are consistent, are the same everywhere, and fit botocore's service models."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import pytest
from botocore.session import get_session

from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.sample.generator import phone_number_orders, phone_numbers
from gateway.emulator.sample.number_ranges import sample_number
from gateway.emulator.service_model import CHIME, CHIME_SDK_VOICE, ServiceModel
from tests.emulator.aws_clients import Json

SERVICE_MODELS = [CHIME, CHIME_SDK_VOICE]
DOCUMENTED = 3


def numbers_of(service: ServiceModel, count: int = 250) -> list[Json]:
    return list(phone_numbers(service, count, 40))


def orders_of(service: ServiceModel) -> list[Json]:
    return list(phone_number_orders(service, 40))


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
    for capability in numbers[0]["Capabilities"]:
        assert None in {number["Capabilities"][capability] for number in numbers}
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
        for order in orders_of(service)
        for each in order["OrderedPhoneNumbers"]
    }
    never_acquired = {"AcquireFailed", "AcquireInProgress", "Cancelled", "PortinCancelRequested", "PortinInProgress"}
    for number in numbers_of(service):
        order, status = latest.get(number["E164PhoneNumber"], (None, "Acquired"))
        assert (number["Status"] in never_acquired) == (status != "Acquired")
        assert bool(number["Associations"]) == (number["Status"] == "Assigned")
        assert number["CreatedTimestamp"] <= number["UpdatedTimestamp"]
        if order:
            assert order["ProductType"] == number["ProductType"]
            assert order["CreatedTimestamp"] <= number["CreatedTimestamp"]
        if service is CHIME_SDK_VOICE:
            assert number["OrderId"] == (order["PhoneNumberOrderId"] if order else None)


def test_sample_data_are_the_same_on_every_machine() -> None:
    """The digests change only if the sample data change."""
    for service, digest in ((CHIME, "5efdad2a284955f3"), (CHIME_SDK_VOICE, "9d0c448cef48f88f")):
        data = orjson.dumps([numbers_of(service), orders_of(service)], option=orjson.OPT_SORT_KEYS)
        assert hashlib.sha256(data).hexdigest()[:16] == digest


def test_smaller_sample_is_the_start_of_a_larger_one() -> None:
    assert numbers_of(CHIME, 1_000)[:250] == numbers_of(CHIME, 250)
    assert len(numbers_of(CHIME, 2)) == 2


def test_a_million_sample_numbers_are_different() -> None:
    e164s = {sample_number(index).e164 for index in range(1_000_000)}
    assert len(e164s) == 1_000_000
    assert all(re.fullmatch(r"\+[1-9]\d{1,14}", e164) for e164 in list(e164s)[::1_000])


def test_too_large_sample_is_rejected() -> None:
    assert sample_number(5_000_000).e164.startswith("+1")
    with pytest.raises(EmulatorError, match="not enough sample numbers"):
        sample_number(10_000_000)
