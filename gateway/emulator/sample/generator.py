"""A sample account: the records in AWS's API reference, then generated records. It is the same on every machine."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.emulator.sample.documented_records import (
    DOCUMENTED_PHONE_NUMBER_COUNT,
    documented_phone_number_order,
    documented_phone_numbers,
)
from gateway.emulator.sample.number_ranges import SampleNumber, released_number, sample_number
from gateway.emulator.service_model import Record, ServiceModel
from gateway.emulator.store import Store

_ORDERS_BEGIN = datetime(2019, 11, 4, 9, 30, 12, 480_000, tzinfo=UTC)

# Amazon Chime keeps numbers in the deletion queue for this time.
_DELETION_QUEUE = timedelta(days=7)

_VOICE_CONNECTORS = ("abcdef1ghij2klmno3pqr4", "bcdefg2hijk3lmnop4qrs5", "cdefgh3ijkl4mnopq5rst6")


def _guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


_ACCOUNTS = tuple(_guid(f"account {index}") for index in range(2))
_GROUPS = tuple(_guid(f"voice connector group {index}") for index in range(2))
_SIP_RULES = tuple(_guid(f"sip rule {index}") for index in range(3))

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _OrderKind:
    """A kind of order.

    `processing` and `failed` are how many of its numbers were not acquired. They are the last numbers of the order.
    """

    status: str
    size: int
    type: str = "New"
    processing: int = 0
    failed: int = 0
    # The status of the numbers that were not acquired.
    phone_number_status: str = "AcquireInProgress"
    # If true, the first number is the last number of the previous order, in which it failed.
    reorders: bool = False
    # If true, the order has one more number, which was released later and is not in the inventory.
    released: bool = False


_NEW_ORDERS = (
    _OrderKind(status="Successful", size=3),
    _OrderKind(status="Partial", size=4, failed=1, phone_number_status="AcquireFailed"),
    _OrderKind(status="Successful", size=2, reorders=True),
    _OrderKind(status="Processing", size=3, processing=2),
    _OrderKind(status="Failed", size=2, failed=2, phone_number_status="AcquireFailed"),
    _OrderKind(status="Successful", size=5, released=True),
    _OrderKind(status="Successful", size=1),
    _OrderKind(status="Successful", size=12),
)


def _porting_order(status: str, phone_number_status: str = "PortinInProgress", *, failed: bool = False) -> _OrderKind:
    size = 2
    return _OrderKind(
        status=status,
        size=size,
        type="Porting",
        processing=0 if failed else size,
        failed=size if failed else 0,
        phone_number_status=phone_number_status,
    )


_PORTING_ORDERS = (
    _OrderKind(status="Successful", size=3, type="Porting"),
    _porting_order("PendingDocuments"),
    _porting_order("Submitted"),
    _porting_order("FOC"),
    _porting_order("ChangeRequested"),
    _porting_order("Exception"),
    _porting_order("CancelRequested", "PortinCancelRequested"),
    _porting_order("Cancelled", "Cancelled", failed=True),
)
_WITHOUT_FOC_DATE = ("PendingDocuments", "Submitted")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """A generated order. A number is given by its index in the inventory, which begins with the documented numbers."""

    index: int
    kind: _OrderKind
    first: int
    product_type: str

    @property
    def id(self) -> str:
        return _guid(f"order {self.index}")

    @property
    def created(self) -> datetime:
        # After 1,500 orders the dates start again, so that no date is in the future.
        return _ORDERS_BEGIN + self.index % 1_500 * timedelta(hours=31, minutes=17, seconds=5, milliseconds=137)

    @property
    def end(self) -> int:
        return self.first + self.kind.size

    def ordered_status(self, number: int) -> str:
        from_last = self.end - number
        if from_last <= self.kind.failed:
            return "Failed"
        if from_last <= self.kind.failed + self.kind.processing:
            return "Processing"
        return "Acquired"


def fill(store: Store, service: ServiceModel, *, numbers: int, orders: int) -> None:
    """Store sample data in one transaction.

    The first three numbers and the first order are those in AWS's API reference. If there are at least 250 numbers and
    40 orders, every case occurs at least once. A million numbers take about a minute.

    Raises:
        EmulatorError: If there are not enough sample numbers.
    """
    with store.transaction():
        store.put_phone_numbers(phone_numbers(service, numbers, orders))
        store.put_phone_number_orders(phone_number_orders(service, orders))
        if numbers:
            store.put_resources(resource for resource in EMPTY_RESOURCES if resource[0] in service.association_names)


def phone_numbers(service: ServiceModel, numbers: int, orders: int) -> Iterator[Record]:
    """Yield the inventory. Numbers without an order were created before the first order."""
    yield from documented_phone_numbers(service)[:numbers]
    order_of = {
        number: order
        for order in _orders(service, orders)
        if order.first < numbers
        for number in range(order.first, order.end)
    }
    for index in range(DOCUMENTED_PHONE_NUMBER_COUNT, numbers):
        yield _phone_number(service, index, order_of.get(index))


def phone_number_orders(service: ServiceModel, orders: int) -> Iterator[Record]:
    """Yield the orders, the oldest first. If the inventory is too small, they have numbers that are not in it."""
    if orders:
        yield documented_phone_number_order(service)
    for order in _orders(service, orders):
        yield _phone_number_order(service, order)


def _orders(service: ServiceModel, orders: int) -> Iterator[_Order]:
    kinds = _NEW_ORDERS + (_PORTING_ORDERS if service.order_types else ())
    product_types = service.product_types
    first = DOCUMENTED_PHONE_NUMBER_COUNT
    for index in range(1, orders):
        round_, step = divmod(index - 1, len(kinds))
        kind = kinds[step]
        first -= kind.reorders
        order = _Order(
            index=index,
            kind=kind,
            first=first,
            product_type=product_types[(round_ + step - kind.reorders) % len(product_types)],
        )
        yield order
        first = order.end


def _phone_number_order(service: ServiceModel, order: _Order) -> Record:
    ordered = [(_number_at(number).e164, order.ordered_status(number)) for number in range(order.first, order.end)]
    if order.kind.released:
        ordered.append((released_number(order.index), "Acquired"))
    record: Record = {
        "CreatedTimestamp": _timestamp(order.created),
        "OrderedPhoneNumbers": [{"E164PhoneNumber": e164, "Status": status} for e164, status in ordered],
        "PhoneNumberOrderId": order.id,
        "ProductType": order.product_type,
        "Status": order.kind.status,
        "UpdatedTimestamp": _timestamp(order.created + timedelta(seconds=11, milliseconds=706)),
    }
    if service.order_types:
        has_foc_date = order.kind.type == "Porting" and order.kind.status not in _WITHOUT_FOC_DATE
        record["FocDate"] = _timestamp(order.created + timedelta(days=10)) if has_foc_date else None
        record["OrderType"] = order.kind.type
    return record


def _phone_number(service: ServiceModel, index: int, order: _Order | None) -> Record:
    number = _number_at(index)
    acquired = order is None or order.ordered_status(index) == "Acquired"
    if order is None:
        product_type = service.product_types[index % len(service.product_types)]
        created = _ORDERS_BEGIN - timedelta(minutes=7 * (index % 100_000), milliseconds=index % 1_000)
    else:
        product_type = order.product_type
        created = order.created + timedelta(milliseconds=17 + index % 30)
    if acquired or order is None:
        status = _ACQUIRED_STATUSES[index % len(_ACQUIRED_STATUSES)]
    else:
        status = order.kind.phone_number_status
    updated = created + timedelta(days=3, minutes=index % 1_000)
    calling_name, calling_name_status = (
        _CALLING_NAMES[index % len(_CALLING_NAMES)] if acquired and number.country == "US" else (None, "Unassigned")
    )
    record: Record = {
        "Associations": _associations(product_type, index, created) if status == "Assigned" else [],
        "CallingName": calling_name and calling_name.format(index),
        "CallingNameStatus": calling_name_status,
        "Capabilities": _capabilities(number, product_type, acquired=acquired),
        "Country": number.country,
        "CreatedTimestamp": _timestamp(created),
        "DeletionTimestamp": _timestamp(updated + _DELETION_QUEUE) if status.startswith("Delete") else None,
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


def _number_at(index: int) -> SampleNumber:
    return sample_number(index - DOCUMENTED_PHONE_NUMBER_COUNT)


def _associations(product_type: str, index: int, created: datetime) -> list[Record]:
    """Return associations with one or two resources, of kinds that fit the product type."""
    step = index // 7
    resources: tuple[tuple[str, str], ...]
    if product_type == "BusinessCalling":
        account = ("AccountId", _ACCOUNTS[step % len(_ACCOUNTS)])
        resources = (account, ("UserId", _guid(f"user {index}"))) if index // 3 % 2 else (account,)
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
            "AssociatedTimestamp": _timestamp(created + timedelta(days=1, seconds=position)),
            "Name": name,
            "Value": value,
        }
        for position, (name, value) in enumerate(resources)
    ]


def _capabilities(number: SampleNumber, product_type: str, *, acquired: bool) -> Record:
    """Return the capabilities. Only numbers in the US and Canada have messages.

    The capabilities of a number that was never acquired are null.
    """
    if not acquired:
        return dict.fromkeys(("InboundCall", "InboundMMS", "InboundSMS", "OutboundCall", "OutboundMMS", "OutboundSMS"))
    messages = number.country in {"US", "CA"} and product_type != "SipMediaApplicationDialIn"
    pictures = messages and number.type == "Local"
    return {
        "InboundCall": True,
        "InboundMMS": pictures,
        "InboundSMS": messages,
        "OutboundCall": product_type != "SipMediaApplicationDialIn",
        "OutboundMMS": pictures,
        "OutboundSMS": messages,
    }


def _timestamp(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
