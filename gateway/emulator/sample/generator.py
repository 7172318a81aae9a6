"""A sample account: the records in AWS's API reference, then generated records.

For one day, the generated records are the same on every machine. They are from the two years before that day.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import chain, cycle, islice

from gateway.emulator.sample.documented_records import (
    DOCUMENTED_PHONE_NUMBER_COUNT,
    documented_phone_number_order,
    documented_phone_numbers,
)
from gateway.emulator.sample.number_ranges import SampleNumber, absent_numbers, sample_numbers
from gateway.emulator.sample.order_kinds import COMPLETED_ORDERS, RECENT_ORDERS, OrderKind
from gateway.emulator.service_model import Record, ServiceModel
from gateway.emulator.store import Store

_TWO_YEARS = timedelta(days=2 * 365)
_TWO_YEARS_MS = _TWO_YEARS // timedelta(milliseconds=1)
# This is the golden section of two years. Its multiples, modulo two years, are spread evenly, however many there are.
_AGE_STEP_MS = 38_980_639_739

# AWS processed the order in its API reference in about this time.
_PROCESSING_TIME = timedelta(seconds=11, milliseconds=706)
# The time from a porting order to its firm order commitment (FOC), the date of the transfer.
_PORTING_TIME = timedelta(days=10)

# Amazon Chime keeps numbers in the deletion queue for this time.
_DELETION_QUEUE = timedelta(days=7)
_LONGEST_TIMES_IN_STATUS = {"DeleteInProgress": _DELETION_QUEUE, "ReleaseInProgress": timedelta(days=1)}


def _guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _guids(name: str, how_many: int) -> tuple[str, ...]:
    return tuple(_guid(f"{name} {index}") for index in range(how_many))


# The resources of each kind, in rotation. The first Voice Connector occurs twice, so it gets twice as many numbers.
_VOICE_CONNECTORS = (
    "abcdef1ghij2klmno3pqr4",
    "bcdefg2hijk3lmnop4qrs5",
    "abcdef1ghij2klmno3pqr4",
    "cdefgh3ijkl4mnopq5rst6",
)
_GROUPS = _guids("voice connector group", 2)
_SIP_RULES = _guids("sip rule", 3)
_ACCOUNTS = _guids("account", 2)
_USERS = _guids("user", 5)

# Resources without numbers. A filter with one of them returns an empty list, not an error.
EMPTY_RESOURCES = (
    ("AccountId", _guid("account without numbers")),
    ("UserId", _guid("user without numbers")),
    ("VoiceConnectorId", "zyxwvu9tsrq8ponml7kjih"),
    ("VoiceConnectorGroupId", _guid("voice connector group without numbers")),
    ("SipRuleId", _guid("sip rule without numbers")),
)

# The statuses of acquired numbers, in rotation.
_ACQUIRED_STATUSES = (
    "Assigned",
    "Unassigned",
    "Assigned",
    "Assigned",
    "DeleteInProgress",
    "Assigned",
    "Assigned",
    "ReleaseInProgress",
    "Assigned",
    "Unassigned",
    "Assigned",
    "ReleaseFailed",
    "Assigned",
    "DeleteFailed",
    "Assigned",
    "Assigned",
    "Unassigned",
)

# Calling names and their statuses, in rotation. There are 5 of these and 17 statuses above. All combinations occur,
# because 5 and 17 are coprime.
_CALLING_NAMES = (
    (None, "Unassigned"),
    ("Desk {}", "UpdateSucceeded"),
    (None, "UpdateInProgress"),
    ("Sales {}", "UpdateFailed"),
    ("Support {}", "UpdateInProgress"),
)


# Sets of capabilities, in rotation. Only numbers in the US and Canada have messages.
_CALLS = ("InboundCall", "OutboundCall")
_SMS = ("InboundSMS", "OutboundSMS")
_MMS = ("InboundMMS", "OutboundMMS")
_ALL_CAPABILITIES = (*_CALLS, *_MMS, *_SMS)
_CALL_CAPABILITIES: tuple[tuple[str, ...], ...] = (_CALLS, ("InboundCall",), ("OutboundCall",))
_MESSAGING_CAPABILITIES: tuple[tuple[str, ...], ...] = (
    _ALL_CAPABILITIES,
    (*_CALLS, *_SMS),
    _ALL_CAPABILITIES,
    _CALLS,
    _ALL_CAPABILITIES,
    (*_CALLS, *_SMS),
    _SMS,
    _ALL_CAPABILITIES,
    ("InboundCall", "InboundMMS", "InboundSMS"),
)

_ORDERED_STATUSES = {"A": "Acquired", "G": "Acquired", "P": "Processing", "F": "Failed", "N": "Failed", "R": "Failed"}
# The status of the numbers that were not acquired. For any other porting order, it is PortinInProgress.
_NEW_STATUSES = {"P": "AcquireInProgress", "F": "AcquireFailed"}
_PORTING_STATUSES = {"Cancelled": "Cancelled", "CancelRequested": "PortinCancelRequested"}
_WITHOUT_FOC_DATE = ("PendingDocuments", "Submitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A generated order. It has one number for each letter of its kind."""

    id: str
    kind: OrderKind
    product_type: str
    numbers: tuple[SampleNumber, ...]
    age: timedelta
    created: datetime


def fill(store: Store, service: ServiceModel, *, numbers: int, orders: int, day: date) -> None:
    """Store sample data in one transaction.

    The first three numbers and the first order are those in AWS's API reference. If there are at least 250 numbers and
    40 orders, every case occurs at least once. A million numbers take about a minute.

    Args:
        store: The store to fill.
        service: The API of the records.
        numbers: Number of phone numbers.
        orders: Number of orders.
        day: The day on which the sample is made, in UTC. All records were created and updated before it. Only the end
            of a deletion queue and the date of a porting may be later.

    Raises:
        EmulatorError: If there are not enough sample numbers.
    """
    with store.transaction():
        store.put_phone_numbers(phone_numbers(service, numbers, orders, day))
        store.put_phone_number_orders(phone_number_orders(service, orders, day))
        if numbers:
            store.put_resources(resource for resource in EMPTY_RESOURCES if resource[0] in service.association_names)


def phone_numbers(service: ServiceModel, numbers: int, orders: int, day: date) -> Iterator[Record]:
    """Yield the inventory: the documented numbers, the numbers of each order, then numbers without an order."""
    end = _start_of(day)
    generated = (
        _phone_number(service, index, entry, end)
        for index, entry in enumerate(_inventory(service, orders, end), start=DOCUMENTED_PHONE_NUMBER_COUNT)
    )
    return islice(chain(documented_phone_numbers(service), generated), numbers)


def phone_number_orders(service: ServiceModel, orders: int, day: date) -> Iterator[Record]:
    """Yield the orders. If the inventory is too small, they have numbers that are not in it."""
    generated = (_phone_number_order(service, order) for order in _orders(service, _start_of(day), sample_numbers()))
    return islice(chain([documented_phone_number_order(service)], generated), orders)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _age(index: int) -> timedelta:
    return timedelta(milliseconds=index * _AGE_STEP_MS % _TWO_YEARS_MS)


def _orders(service: ServiceModel, end: datetime, unused: Iterator[SampleNumber]) -> Iterator[_Order]:
    """Yield generated orders without end. They take their numbers from `unused`."""
    kinds = (
        kind for kind in chain(RECENT_ORDERS, cycle(COMPLETED_ORDERS)) if service.order_types or kind.type == "New"
    )
    absent = absent_numbers()
    numbers: tuple[SampleNumber, ...] = ()
    for index, kind in enumerate(kinds, start=1):
        sources = {"G": absent, "N": absent, "R": iter(numbers[-1:])}
        numbers = tuple(next(sources.get(letter, unused)) for letter in kind.numbers)
        # The seconds keep recent orders from having round times.
        age = _age(index) if kind.days is None else timedelta(days=kind.days, seconds=131.071 * index)
        # A number that is ordered again has the same product type.
        product_type = service.product_types[(index - ("R" in kind.numbers)) % len(service.product_types)]
        yield _Order(
            id=_guid(f"order {index}"),
            kind=kind,
            product_type=product_type,
            numbers=numbers,
            age=age,
            created=end - age,
        )


def _phone_number_order(service: ServiceModel, order: _Order) -> Record:
    kind = order.kind
    processing_time, foc_date = _PROCESSING_TIME, None
    if kind.type == "Porting":
        successful = kind.status == "Successful"
        porting_time = min(_PORTING_TIME, order.age / 2) if successful else _PORTING_TIME
        processing_time = porting_time if successful else min(_PORTING_TIME, order.age) / 2
        foc_date = None if kind.status in _WITHOUT_FOC_DATE else _timestamp(order.created + porting_time)
    record: Record = {
        "CreatedTimestamp": _timestamp(order.created),
        "OrderedPhoneNumbers": [
            {"E164PhoneNumber": number.e164, "Status": _ORDERED_STATUSES[letter]}
            for letter, number in zip(kind.numbers, order.numbers, strict=True)
        ],
        "PhoneNumberOrderId": order.id,
        "ProductType": order.product_type,
        "Status": kind.status,
        "UpdatedTimestamp": _timestamp(order.created + processing_time),
    }
    if service.order_types:
        record["FocDate"] = foc_date
        record["OrderType"] = kind.type
    return record


@dataclass(frozen=True, slots=True)
class _Entry:
    """A number of the inventory. `order` is None if no order has it. `letter` is explained in OrderKind."""

    number: SampleNumber
    order: _Order | None = None
    letter: str = "A"

    @property
    def acquired(self) -> bool:
        return self.letter == "A"

    def status(self, index: int) -> str:
        if self.order is None or self.acquired:
            return _ACQUIRED_STATUSES[index % len(_ACQUIRED_STATUSES)]
        if self.order.kind.type == "Porting":
            return _PORTING_STATUSES.get(self.order.kind.status, "PortinInProgress")
        return _NEW_STATUSES[self.letter]


def _inventory(service: ServiceModel, orders: int, end: datetime) -> Iterator[_Entry]:
    unused = sample_numbers()
    for order in islice(_orders(service, end, unused), max(0, orders - 1)):
        for letter, number in zip(order.kind.numbers, order.numbers, strict=True):
            if letter in "APF":
                yield _Entry(number, order, letter)
    yield from map(_Entry, unused)


def _phone_number(service: ServiceModel, index: int, entry: _Entry, end: datetime) -> Record:
    number, order = entry.number, entry.order
    status = entry.status(index)
    if order is None:
        product_type = service.product_types[index % len(service.product_types)]
        created = end - _age(index)
    else:
        product_type = order.product_type
        created = order.created + timedelta(milliseconds=17 + index % 30)
    if entry.acquired:
        longest = _LONGEST_TIMES_IN_STATUS.get(status, _TWO_YEARS)
        updated = end - min(end - created, longest) * (1 + index * 37 % 99) / 100
    else:
        updated = created + _PROCESSING_TIME
    calling_name, calling_name_status = None, "Unassigned"
    if entry.acquired and number.country == "US":
        calling_name, calling_name_status = _CALLING_NAMES[index % len(_CALLING_NAMES)]
    record: Record = {
        "Associations": _associations(product_type, index, created, updated) if status == "Assigned" else [],
        "CallingName": calling_name and calling_name.format(index),
        "CallingNameStatus": calling_name_status,
        "Capabilities": _capabilities(entry, product_type, index),
        "Country": number.country,
        "CreatedTimestamp": _timestamp(created),
        "DeletionTimestamp": _deletion_timestamp(status, updated),
        "E164PhoneNumber": number.e164,
        "PhoneNumberId": number.e164.replace("+", "%2B"),
        "ProductType": product_type,
        "Status": status,
        "Type": number.type,
        "UpdatedTimestamp": _timestamp(updated),
    }
    if service.api == "chime-sdk-voice":
        record["Name"] = f"Line-{index}" if index % 3 == 0 else None
        record["OrderId"] = order and order.id
    return record


def _deletion_timestamp(status: str, updated: datetime) -> str | None:
    """Return the end of the deletion queue. A failed deletion was tried at that time."""
    if status == "DeleteInProgress":
        return _timestamp(updated + _DELETION_QUEUE)
    return _timestamp(updated) if status == "DeleteFailed" else None


def _associations(product_type: str, index: int, created: datetime, updated: datetime) -> list[Record]:
    """Return associations with one or two resources, of kinds that fit the product type."""
    step = index // 7
    resources: tuple[tuple[str, str], ...]
    if product_type == "BusinessCalling":
        account = ("AccountId", _ACCOUNTS[step % len(_ACCOUNTS)])
        user = ("UserId", _USERS[step % len(_USERS)])
        resources = (account, user) if index // 3 % 2 else (account,)
    elif product_type == "VoiceConnector":
        connector = ("VoiceConnectorId", _VOICE_CONNECTORS[step % len(_VOICE_CONNECTORS)])
        group = ("VoiceConnectorGroupId", _GROUPS[step % len(_GROUPS)])
        resources = ((connector,), (connector, group), (group,))[index // 2 % 3]
    else:
        rule = ("SipRuleId", _SIP_RULES[step % len(_SIP_RULES)])
        other_rule = ("SipRuleId", _SIP_RULES[(step + 1) % len(_SIP_RULES)])
        resources = (rule, other_rule) if index % 4 == 0 else (rule,)
    return [
        {
            "AssociatedTimestamp": _timestamp(updated - (updated - created) / (2 + position)),
            "Name": name,
            "Value": value,
        }
        for position, (name, value) in enumerate(resources)
    ]


def _capabilities(entry: _Entry, product_type: str, index: int) -> Record:
    """Return the capabilities. Those of a number that was never acquired are null."""
    if not entry.acquired:
        return dict.fromkeys(_ALL_CAPABILITIES)
    if entry.number.country not in {"US", "CA"} or product_type == "SipMediaApplicationDialIn":
        mixes = _CALL_CAPABILITIES
    else:
        mixes = _MESSAGING_CAPABILITIES
    capabilities = mixes[index % len(mixes)]
    return {name: name in capabilities for name in _ALL_CAPABILITIES}


def _timestamp(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
