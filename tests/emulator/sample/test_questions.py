"""Sample data answer the questions of a telephony administrator on any day, with several rows each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from gateway.emulator.sample.generator import phone_number_orders, phone_numbers
from gateway.emulator.service_model import CHIME, CHIME_SDK_VOICE, ServiceModel
from tests.emulator.aws_clients import Json

# The first and last days of months and weeks, and a leap day.
DAYS = [
    date(2026, 11, 28),
    date(2026, 11, 30),
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(2028, 2, 29),
    date(2028, 3, 1),
]


@dataclass(frozen=True)
class Account:
    """The default sample on one day."""

    service: ServiceModel
    day: date
    numbers: list[Json]
    orders: list[Json]

    def since(self, record: Json, days: int, key: str = "CreatedTimestamp") -> bool:
        """Return whether the record has the timestamp, and the timestamp is not before so many days ago."""
        start = datetime.combine(self.day, time(), UTC) - timedelta(days=days)
        return record[key] is not None and datetime.fromisoformat(record[key]) >= start

    def in_last_month(self, record: Json) -> bool:
        last = self.day.replace(day=1) - timedelta(days=1)
        return bool(record["CreatedTimestamp"].startswith(f"{last:%Y-%m}"))

    def ordered(self) -> list[str]:
        return [each["E164PhoneNumber"] for order in self.orders for each in order["OrderedPhoneNumbers"]]


def of(account: Account, **values: str) -> list[Json]:
    return [number for number in account.numbers if all(number[key] == value for key, value in values.items())]


def messages_without_pictures(account: Account) -> list[Json]:
    return [
        number
        for number in account.numbers
        if number["Capabilities"]["InboundSMS"]
        and number["Capabilities"]["OutboundSMS"]
        and not number["Capabilities"]["InboundMMS"]
        and not number["Capabilities"]["OutboundMMS"]
    ]


def resources(account: Account, *names: str) -> list[tuple[str, str]]:
    """Return the resources of these kinds that have several numbers."""
    counts = Counter((each["Name"], each["Value"]) for number in account.numbers for each in number["Associations"])
    return [resource for resource, count in counts.items() if resource[0] in names and count > 1]


def numbers_with_their_order(account: Account) -> list[Json]:
    """Return the newest numbers, if their order has them."""
    orders = {order["PhoneNumberOrderId"]: order for order in account.orders}
    newest = sorted(account.numbers, key=lambda number: str(number["CreatedTimestamp"]), reverse=True)[:10]
    if account.service is CHIME:
        return [number for number in newest if number["E164PhoneNumber"] in account.ordered()]
    return [
        number
        for number in newest
        if number["E164PhoneNumber"]
        in {each["E164PhoneNumber"] for each in orders[number["OrderId"]]["OrderedPhoneNumbers"]}
    ]


def ordered_but_not_in_the_inventory(account: Account, status: str) -> list[str]:
    inventory = {number["E164PhoneNumber"] for number in account.numbers}
    return [
        each["E164PhoneNumber"]
        for order in account.orders
        for each in order["OrderedPhoneNumbers"]
        if each["Status"] == status and each["E164PhoneNumber"] not in inventory
    ]


QUESTIONS: dict[str, Callable[[Account], list[Any]]] = {
    "toll-free and unassigned": lambda its: of(its, Type="TollFree", Status="Unassigned"),
    "how many per status": lambda its: [
        status for status in its.service.phone_number_statuses if len(of(its, Status=status)) > 1
    ],
    "numbers per Voice Connector": lambda its: resources(its, "VoiceConnectorId"),
    "numbers per group": lambda its: resources(its, "VoiceConnectorGroupId"),
    "numbers per SIP rule": lambda its: resources(its, "SipRuleId"),
    "orders still processing": lambda its: [order for order in its.orders if order["Status"] == "Processing"],
    "numbers of orders still processing": lambda its: of(its, Status="AcquireInProgress"),
    "failed orders of this week": lambda its: [
        order for order in its.orders if order["Status"] == "Failed" and its.since(order, 7)
    ],
    "failed orders of yesterday": lambda its: [
        order for order in its.orders if order["Status"] == "Failed" and its.since(order, 1)
    ],
    "orders with numbers that failed": lambda its: [order for order in its.orders if order["Status"] == "Partial"],
    "numbers bought last month": lambda its: [number for number in its.numbers if its.in_last_month(number)],
    "orders of last month": lambda its: [order for order in its.orders if its.in_last_month(order)],
    "numbers that changed yesterday": lambda its: [n for n in its.numbers if its.since(n, 1, "UpdatedTimestamp")],
    "numbers that leave the deletion queue": lambda its: [
        number for number in its.numbers if its.since(number, 0, "DeletionTimestamp")
    ],
    "SMS without MMS": messages_without_pictures,
    "calls without messages": lambda its: [
        n for n in its.numbers if n["Capabilities"]["InboundCall"] and not n["Capabilities"]["InboundSMS"]
    ],
    "by prefix": lambda its: [n for n in its.numbers if n["E164PhoneNumber"].startswith("+1206")],
    "without calling name": lambda its: [n for n in of(its, Status="Assigned") if n["CallingName"] is None],
    "by part of the calling name": lambda its: [n for n in its.numbers if "sales" in (n["CallingName"] or "").lower()],
    "calling names that could not be updated": lambda its: of(its, CallingNameStatus="UpdateFailed"),
    "without an association": lambda its: [number for number in its.numbers if not number["Associations"]],
    "order of the newest numbers": numbers_with_their_order,
    "ordered and acquired, but not in the inventory": lambda its: ordered_but_not_in_the_inventory(its, "Acquired"),
    "ordered in vain": lambda its: ordered_but_not_in_the_inventory(its, "Failed"),
}
ONLY_CHIME: dict[str, Callable[[Account], list[Any]]] = {
    "numbers per account": lambda its: resources(its, "AccountId"),
    "numbers per user": lambda its: resources(its, "UserId"),
}
ONLY_VOICE: dict[str, Callable[[Account], list[Any]]] = {
    "portings to come": lambda its: [order for order in its.orders if its.since(order, 0, "FocDate")],
    "portings that wait for documents": lambda its: [
        order for order in its.orders if order["OrderType"] == "Porting" and order["FocDate"] is None
    ],
}


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("service", [CHIME, CHIME_SDK_VOICE], ids=lambda service: service.api)
def test_each_question_has_several_answers(service: ServiceModel, day: date) -> None:
    account = Account(
        service, day, list(phone_numbers(service, 250, 40, day)), list(phone_number_orders(service, 40, day))
    )
    questions = QUESTIONS | (ONLY_CHIME if service is CHIME else ONLY_VOICE)
    assert {question: rows for question, responses in questions.items() if len(rows := responses(account)) < 2} == {}
