"""AWS's JSON objects as they arrive, typed. They are never copied into classes: the schema maps their keys to fields.

Every key may be absent or null, which mean the same; enumerated values are plain strings, since AWS adds to them.
Sources: the response elements of Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypedDict


class CapabilitiesRecord(TypedDict, total=False):
    """What a number can do: PhoneNumberCapabilities."""

    InboundCall: bool | None
    OutboundCall: bool | None
    InboundSMS: bool | None
    OutboundSMS: bool | None
    InboundMMS: bool | None
    OutboundMMS: bool | None


class AssociationRecord(TypedDict, total=False):
    """What a number belongs to: PhoneNumberAssociation."""

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
    # chime-sdk-voice alone
    OrderId: str | None
    Name: str | None


class OrderedPhoneNumberRecord(TypedDict, total=False):
    """A number within an order: OrderedPhoneNumber."""

    E164PhoneNumber: str | None
    Status: str | None


class PhoneNumberOrderRecord(TypedDict, total=False):
    """An order: PhoneNumberOrder."""

    PhoneNumberOrderId: str | None
    ProductType: str | None
    Status: str | None
    OrderedPhoneNumbers: list[OrderedPhoneNumberRecord] | None
    CreatedTimestamp: str | None
    UpdatedTimestamp: str | None
    # chime-sdk-voice alone
    OrderType: str | None
    FocDate: str | None


class PhoneNumberPage(NamedTuple):
    """One answer of ListPhoneNumbers; a next_token of None ends the list."""

    records: list[PhoneNumberRecord]
    next_token: str | None


class PhoneNumberOrderPage(NamedTuple):
    """One answer of ListPhoneNumberOrders; a next_token of None ends the list."""

    records: list[PhoneNumberOrderRecord]
    next_token: str | None


def e164_of(record: PhoneNumberRecord) -> str:
    """The number a record is known by, always with its `+`."""
    return with_plus(record["E164PhoneNumber"] or "")


def names_its_number(record: PhoneNumberRecord) -> bool:
    """Whether a record names its number, in either of its two keys; the other is filled in from it.

    PhoneNumberId is seen as `%2B1206...` in both pages' samples.
    """
    e164, number_id = record.get("E164PhoneNumber"), record.get("PhoneNumberId")
    has_e164, has_id = isinstance(e164, str) and e164 != "", isinstance(number_id, str) and number_id != ""
    if has_e164 and has_id:
        return True
    if not has_e164:
        record["E164PhoneNumber"] = with_plus(number_id) if has_id and number_id else None
    if not has_id:
        record["PhoneNumberId"] = e164
    return has_e164 or has_id


def names_its_order(record: PhoneNumberOrderRecord) -> bool:
    """Whether a record has an order's id."""
    return isinstance(record.get("PhoneNumberOrderId"), str) and bool(record["PhoneNumberOrderId"])


def with_plus(number: str) -> str:
    """`+1206...` for `+1206...`, `%2B1206...` and `1206...`: three spellings of one number."""
    if number.startswith("+"):
        return number
    return "+" + (number[3:] if number[:3] in {"%2B", "%2b"} else number)


def ordered_numbers(order: PhoneNumberOrderRecord) -> Iterator[str]:
    """The numbers of an order, each with its `+`; what is no number is passed over."""
    numbers = order.get("OrderedPhoneNumbers")
    for number in numbers if isinstance(numbers, list) else ():
        if isinstance(number, dict) and isinstance(e164 := number.get("E164PhoneNumber"), str):
            yield with_plus(e164)
