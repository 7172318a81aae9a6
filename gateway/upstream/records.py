"""The types of AWS's JSON objects. The objects are not copied into classes, because the schema maps keys to fields.

Every key may be absent or null, and both mean the same. Enumerated values are plain strings, because AWS adds to them.
Sources: the response elements of Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Required, TypedDict, TypeGuard

# E164PhoneNumber of both service models: ^\+?[1-9]\d{1,14}$. AWS's responses also write `%2B` for the `+`.
_E164: Final = re.compile(r"(?:\+|%2[Bb])?[1-9]\d{1,14}", re.ASCII)
# Any count of them with their `+`, one on each line.
_E164_LINES: Final = re.compile(r"(?:\+[1-9]\d{1,14}\n)*+", re.ASCII)


class CapabilitiesRecord(TypedDict, total=False):
    """The capabilities of a number: PhoneNumberCapabilities."""

    InboundCall: bool | None
    OutboundCall: bool | None
    InboundSMS: bool | None
    OutboundSMS: bool | None
    InboundMMS: bool | None
    OutboundMMS: bool | None


class AssociationRecord(TypedDict, total=False):
    """A resource that a number is associated with: PhoneNumberAssociation."""

    Name: str | None
    Value: str | None
    AssociatedTimestamp: str | None


class PhoneNumberRecord(TypedDict, total=False):
    """A number in the inventory: PhoneNumber."""

    PhoneNumberId: str | None
    E164PhoneNumber: str | None
    Country: str | None
    Type: str | None
    ProductType: str | None
    Status: str | None
    Capabilities: CapabilitiesRecord | None
    Associations: list[AssociationRecord] | None
    CallingName: str | None
    CallingNameStatus: str | None
    CreatedTimestamp: str | None
    UpdatedTimestamp: str | None
    DeletionTimestamp: str | None
    # The following keys exist in chime-sdk-voice only.
    OrderId: str | None
    Name: str | None


class OrderedPhoneNumberRecord(TypedDict, total=False):
    """A number within an order: OrderedPhoneNumber."""

    E164PhoneNumber: str | None
    Status: str | None


class PhoneNumberOrderRecord(TypedDict, total=False):
    """An order: PhoneNumberOrder."""

    # The reader leaves out orders without an id.
    PhoneNumberOrderId: Required[str]
    ProductType: str | None
    Status: str | None
    OrderedPhoneNumbers: list[OrderedPhoneNumberRecord] | None
    CreatedTimestamp: str | None
    UpdatedTimestamp: str | None
    # The following keys exist in chime-sdk-voice only.
    OrderType: str | None
    FocDate: str | None


class PhoneNumberPage(NamedTuple):
    """One response of ListPhoneNumbers. If it has no next_token, the list ends with it.

    Attributes:
        keys: The number of each record, with its `+`.
    """

    records: list[PhoneNumberRecord]
    keys: tuple[str, ...]
    next_token: str | None


class PhoneNumberOrderPage(NamedTuple):
    """One response of ListPhoneNumberOrders. If it has no next_token, the list ends with it.

    Attributes:
        keys: The id of each order.
    """

    records: list[PhoneNumberOrderRecord]
    keys: tuple[str, ...]
    next_token: str | None


def e164_of(record: PhoneNumberRecord) -> str:
    """Return the number that identifies a record, always with its `+`."""
    number = record["E164PhoneNumber"] or ""
    # A lookup calls this for each record of its pages, and nearly all numbers have their plus.
    return number if number.startswith("+") else with_plus(number)


def with_plus(number: str) -> str:
    """Return `+1206...` for `+1206...`, `%2B1206...` and `1206...`, three spellings of one number."""
    if number.startswith("+"):
        return number
    return "+" + (number[3:] if number[:3] in {"%2B", "%2b"} else number)


def is_e164_number(value: object) -> TypeGuard[str]:
    """Return whether a value is the text of an E.164 number, in any of its spellings."""
    return isinstance(value, str) and _E164.fullmatch(value) is not None


def are_e164_with_plus(values: list[Any]) -> bool:
    """Return whether all values are texts of E.164 numbers with their `+`.

    Cost: 5 microseconds for 99 numbers. One by one, their checks take 17.
    """
    try:
        lines = "\n".join(values)
    except TypeError:
        return False
    # A value with a line break could look like two numbers.
    return not values or (lines.count("\n") == len(values) - 1 and _E164_LINES.fullmatch(lines + "\n") is not None)


def read_e164_number(value: object) -> str | None:
    """Return an E.164 number with its `+`, or None if the value is not the text of one.

    Clients' numbers are read by this function too, so a request may contain any number of a response.
    """
    return with_plus(value) if is_e164_number(value) else None


def ordered_numbers(order: PhoneNumberOrderRecord) -> Iterator[str]:
    """Yield the numbers of an order, each with its `+`."""
    for number in order.get("OrderedPhoneNumbers") or ():
        yield with_plus(number["E164PhoneNumber"] or "")
