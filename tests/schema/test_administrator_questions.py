"""Questions of a telephony administrator: each is one query, and a plain model over the records has the same answer."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.emulator.sample.generator import phone_number_orders, phone_numbers
from gateway.emulator.service_model import SERVICE_MODELS, Api
from tests.conftest import Gateway
from tests.support.aws import SAMPLE_DAY, Aws

Record = dict[str, Any]
APIS: tuple[Api, ...] = ("chime", "chime-sdk-voice")


class Account:
    """The records of the sample data on SAMPLE_DAY, a Saturday in November."""

    def __init__(self, api: Api) -> None:
        service = SERVICE_MODELS[api]
        self.numbers: list[Record] = list(phone_numbers(service, 250, 40, SAMPLE_DAY))
        self.orders: list[Record] = list(phone_number_orders(service, 40, SAMPLE_DAY))
        self.number = {number["E164PhoneNumber"]: number for number in self.numbers}

    def order_id_of(self, number: Record) -> str | None:
        """Return the id of the order that a number came with. If its record has no OrderId, search the orders."""
        if "OrderId" in number:
            order_id: str | None = number["OrderId"]
            return order_id
        e164 = number["E164PhoneNumber"]
        containing = newest(order for order in self.orders if e164 in dict(ordered(order)))
        acquiring = [order for order in containing if dict(ordered(order))[e164] == "Acquired"]
        return next((order["PhoneNumberOrderId"] for order in acquiring + containing), None)

    def with_calling_name(self, part: str) -> list[Record]:
        return [number for number in self.numbers if part in (number["CallingName"] or "").lower()]


@dataclass(frozen=True)
class Question:
    """A question of an administrator.

    Attributes:
        query: The query for it.
        read: Read the answer from the response's data.
        model: Compute the answer from the account's records.
        calls: The upstream calls of the query.
    """

    query: str
    read: Callable[[Any], Any]
    model: Callable[[Account], Any]
    calls: int


def graphql(value: str) -> str:
    """Return the schema's name of AWS's enum value."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()


def e164s(numbers: Iterable[Record]) -> list[str]:
    return [number["E164PhoneNumber"] for number in numbers]


def ordered(order: Record) -> list[tuple[str, str]]:
    """Return each number of an order with its status there."""
    return [(each["E164PhoneNumber"], each["Status"]) for each in order["OrderedPhoneNumbers"]]


def facet(counts: Counter[Any]) -> list[tuple[Any, int]]:
    """Return the counts as a facet lists them: the highest first, then by value."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def newest(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: str(record["CreatedTimestamp"]), reverse=True)


def listed(data: Any) -> list[str]:
    """Return the numbers of a list of numbers. Fail if the list has more."""
    assert data["phoneNumbers"]["pageInfo"]["hasNextPage"] is False
    return [node["e164PhoneNumber"] for node in data["phoneNumbers"]["nodes"]]


def numbers_by(arguments: str) -> str:
    """Return a query of all numbers with these arguments."""
    return f"{{ phoneNumbers(first: 500, {arguments}) {{ nodes {{ e164PhoneNumber }} pageInfo {{ hasNextPage }} }} }}"


def has(number: Record, *capabilities: str) -> bool:
    return all(number["Capabilities"][capability] for capability in capabilities)


def lacks(number: Record, *capabilities: str) -> bool:
    return not any(number["Capabilities"][capability] for capability in capabilities)


def voice_connectors(number: Record) -> list[str]:
    return [each["Value"] for each in number["Associations"] if each["Name"] == "VoiceConnectorId"]


QUESTIONS: dict[str, Question] = {
    "which toll-free numbers are unassigned": Question(
        numbers_by("filter: { status: UNASSIGNED, type: TOLL_FREE }"),
        listed,
        lambda its: e164s(n for n in its.numbers if n["Status"] == "Unassigned" and n["Type"] == "TollFree"),
        calls=1,
    ),
    "how many numbers have each status": Question(
        "{ phoneNumbers(first: 0) { totalCount facets { status { value count } } } }",
        lambda data: (
            data["phoneNumbers"]["totalCount"],
            [(each["value"], each["count"]) for each in data["phoneNumbers"]["facets"]["status"]],
        ),
        lambda its: (250, facet(Counter(graphql(number["Status"]) for number in its.numbers))),
        calls=3,
    ),
    "how many numbers has each Voice Connector": Question(
        "{ phoneNumbers(first: 0) { facets { resource { name value count } } } }",
        lambda data: [
            (each["value"], each["count"])
            for each in data["phoneNumbers"]["facets"]["resource"]
            if each["name"] == "VOICE_CONNECTOR_ID"
        ],
        lambda its: facet(Counter(value for number in its.numbers for value in voice_connectors(number))),
        calls=3,
    ),
    "which numbers has each Voice Connector": Question(
        """{ phoneNumbers(first: 0) { facets { resource { target { ... on VoiceConnector {
               voiceConnectorId phoneNumbers(first: 40) { nodes { e164PhoneNumber } } } } } } } }""",
        lambda data: {
            each["target"]["voiceConnectorId"]: {
                node["e164PhoneNumber"] for node in each["target"]["phoneNumbers"]["nodes"]
            }
            for each in data["phoneNumbers"]["facets"]["resource"]
            if each["target"]
        },
        lambda its: {
            connector: {n["E164PhoneNumber"] for n in its.numbers if connector in voice_connectors(n)}
            for number in its.numbers
            for connector in voice_connectors(number)
        },
        # One for each of the three Voice Connectors.
        calls=3 + 3,
    ),
    "which orders are still processing, with the records of their numbers": Question(
        """{ phoneNumberOrders(filter: { status: PROCESSING }) { nodes {
               phoneNumberOrderId orderedPhoneNumbers { e164PhoneNumber status phoneNumber { status } } } } }""",
        lambda data: [
            (
                node["phoneNumberOrderId"],
                [
                    (each["e164PhoneNumber"], each["status"], each["phoneNumber"]["status"])
                    for each in node["orderedPhoneNumbers"]
                ],
            )
            for node in data["phoneNumberOrders"]["nodes"]
        ],
        lambda its: [
            (
                order["PhoneNumberOrderId"],
                [(number, status.upper(), graphql(its.number[number]["Status"])) for number, status in ordered(order)],
            )
            for order in its.orders
            if order["Status"] == "Processing"
        ],
        calls=1 + 1,
    ),
    "which orders failed this week": Question(
        """{ phoneNumberOrders(filter: { status: FAILED, created: { from: "2026-11-23T00:00:00Z" } }) {
               nodes { phoneNumberOrderId } } }""",
        lambda data: [node["phoneNumberOrderId"] for node in data["phoneNumberOrders"]["nodes"]],
        lambda its: [
            order["PhoneNumberOrderId"]
            for order in its.orders
            if order["Status"] == "Failed" and order["CreatedTimestamp"] >= "2026-11-23"
        ],
        calls=1,
    ),
    "which numbers were bought last month": Question(
        numbers_by('filter: { created: { from: "2026-10-01T00:00:00Z", before: "2026-11-01T00:00:00Z" } }'),
        listed,
        lambda its: e164s(number for number in its.numbers if number["CreatedTimestamp"].startswith("2026-10-")),
        calls=3,
    ),
    "which numbers have SMS without MMS": Question(
        numbers_by(
            "filter: { capabilities: { inboundSMS: true, outboundSMS: true, inboundMMS: false, outboundMMS: false } }"
        ),
        listed,
        lambda its: e164s(
            number
            for number in its.numbers
            if has(number, "InboundSMS", "OutboundSMS") and lacks(number, "InboundMMS", "OutboundMMS")
        ),
        calls=3,
    ),
    "which numbers start with a prefix": Question(
        numbers_by('filter: { e164StartsWith: "+1212" }'),
        listed,
        lambda its: e164s(number for number in its.numbers if number["E164PhoneNumber"].startswith("+1212")),
        calls=3,
    ),
    "which numbers in use have no calling name": Question(
        numbers_by("filter: { status: ASSIGNED, hasCallingName: false }"),
        listed,
        lambda its: e164s(n for n in its.numbers if n["Status"] == "Assigned" and n["CallingName"] is None),
        # AWS applies the status: 135 of 250 numbers on chime, 129 on chime-sdk-voice.
        calls=2,
    ),
    "which numbers are the newest": Question(
        """{ phoneNumbers(first: 10, sort: { field: CREATED_TIMESTAMP, direction: DESC }) {
               nodes { e164PhoneNumber createdTimestamp } } }""",
        lambda data: [node["e164PhoneNumber"] for node in data["phoneNumbers"]["nodes"]],
        lambda its: e164s(newest(its.numbers)[:10]),
        calls=3,
    ),
    "which order did a number come from": Question(
        """{ phoneNumber(e164PhoneNumber: "+12125550100") { order { phoneNumberOrderId } } }""",
        lambda data: data["phoneNumber"]["order"]["phoneNumberOrderId"],
        lambda its: its.order_id_of(its.number["+12125550100"]),
        calls=2,
    ),
    "which orders did the newest numbers come from": Question(
        """{ phoneNumbers(first: 50, sort: { field: CREATED_TIMESTAMP, direction: DESC }) {
               nodes { e164PhoneNumber order { phoneNumberOrderId } } } }""",
        lambda data: [
            (node["e164PhoneNumber"], node["order"] and node["order"]["phoneNumberOrderId"])
            for node in data["phoneNumbers"]["nodes"]
        ],
        lambda its: [(number["E164PhoneNumber"], its.order_id_of(number)) for number in newest(its.numbers)[:50]],
        calls=3 + 1,
    ),
    "which numbers were ordered and acquired, but are not in the inventory": Question(
        """{ phoneNumberOrders(first: 100, filter: { orderedPhoneNumberStatus: ACQUIRED }) {
               nodes { orderedPhoneNumbers { e164PhoneNumber status phoneNumber { id } } } } }""",
        lambda data: [
            each["e164PhoneNumber"]
            for node in data["phoneNumberOrders"]["nodes"]
            for each in node["orderedPhoneNumbers"]
            if each["status"] == "ACQUIRED" and each["phoneNumber"] is None
        ],
        lambda its: [
            number
            for order in its.orders
            for number, status in ordered(order)
            if status == "Acquired" and number not in its.number
        ],
        calls=1 + 3,
    ),
    "which numbers does a search box find, and how many for each status": Question(
        """{ phoneNumbers(first: 5, filter: { search: "sales" }) {
               totalCount facets { status { value count } } nodes { e164PhoneNumber } } }""",
        lambda data: (
            data["phoneNumbers"]["totalCount"],
            [(each["value"], each["count"]) for each in data["phoneNumbers"]["facets"]["status"]],
            [node["e164PhoneNumber"] for node in data["phoneNumbers"]["nodes"]],
        ),
        lambda its: (
            len(its.with_calling_name("sales")),
            facet(Counter(graphql(number["Status"]) for number in its.with_calling_name("sales"))),
            e164s(its.with_calling_name("sales"))[:5],
        ),
        calls=3,
    ),
    "which numbers are British": Question(
        numbers_by('filter: { country: "GB" }, sort: { field: E164_PHONE_NUMBER }'),
        listed,
        lambda its: sorted(e164s(number for number in its.numbers if number.get("Country") == "GB")),
        calls=3,
    ),
    "which numbers leave the deletion queue by the first of December": Question(
        numbers_by('filter: { status: DELETE_IN_PROGRESS, deletion: { before: "2026-12-01T00:00:00Z" } }'),
        listed,
        lambda its: e164s(
            number
            for number in its.numbers
            if number["Status"] == "DeleteInProgress" and number["DeletionTimestamp"] < "2026-12-01"
        ),
        calls=1,
    ),
}


@pytest.fixture(scope="module")
def accounts() -> dict[Api, Account]:
    return {api: Account(api) for api in APIS}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("aws", APIS, indirect=True)
async def test_question_is_one_query(gateway: Gateway, aws: Aws, accounts: dict[Api, Account], question: str) -> None:
    asked = QUESTIONS[question]
    aws.holds_sample_data()
    answer = asked.read(await gateway.query(asked.query))
    assert answer == asked.model(accounts[aws.api])
    assert answer, "an empty answer proves little"
    assert len(aws.calls) == asked.calls
