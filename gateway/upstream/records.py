"""The types of AWS's JSON objects. The objects are not copied into classes, because the schema maps keys to fields.

Every key may be absent or null, and both mean the same. Enumerated values are plain strings, because AWS adds to them.
Sources: the response elements of Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Required, TypedDict

from gateway.paging.read_ahead import RowsProjection
from gateway.upstream.e164 import with_plus


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


@dataclass(slots=True)
class PhoneNumberPage:
    """One response of ListPhoneNumbers. If it has no next_token, the list ends with it.

    Attributes:
        keys: The number of each record, with its `+`.
    """

    records: list[PhoneNumberRecord]
    keys: tuple[str, ...]
    next_token: str | None
    last_projection: RowsProjection | None = field(default=None, init=False, compare=False)


@dataclass(slots=True)
class PhoneNumberOrderPage:
    """One response of ListPhoneNumberOrders. If it has no next_token, the list ends with it.

    Attributes:
        keys: The id of each order.
    """

    records: list[PhoneNumberOrderRecord]
    keys: tuple[str, ...]
    next_token: str | None
    last_projection: RowsProjection | None = field(default=None, init=False, compare=False)


def e164_of(record: PhoneNumberRecord) -> str:
    """Return the number that identifies a record, always with its `+`."""
    number = record["E164PhoneNumber"] or ""
    # A lookup calls this for each record of its pages, and nearly all numbers have their plus.
    return number if number.startswith("+") else with_plus(number)


def ordered_numbers(order: PhoneNumberOrderRecord) -> Iterator[str]:
    """Yield the numbers of an order, each with its `+`."""
    for number in order.get("OrderedPhoneNumbers") or ():
        yield with_plus(number["E164PhoneNumber"] or "")
