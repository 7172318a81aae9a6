"""Random accounts: records as AWS sends them, and records with odd values in some keys."""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from gateway.errors import Throttled, UpstreamForbidden
from gateway.schema.enums import (
    AwsEnum,
    CallingNameStatus,
    OrderedPhoneNumberStatus,
    PhoneNumberAssociationName,
    PhoneNumberOrderStatus,
    PhoneNumberOrderType,
    PhoneNumberProductType,
    PhoneNumberStatus,
    PhoneNumberType,
)
from gateway.upstream.record_reader import read_phone_number_orders, read_phone_numbers
from gateway.upstream.services import CHIME, CHIME_SDK_VOICE
from tests.execution.in_memory_account import Account
from tests.support.aws import e164, number_record, order_record

NUMBERS: Final = [e164(index) for index in range(7)]
ORDER_IDS: Final = [str(order_record(index, [])["PhoneNumberOrderId"]) for index in range(4)]
TARGET_IDS: Final = ["vc-1", "vc-2", ""]

_MISSING: Final = object()
_ODD: Final = [
    *(0, 1, -7, 2**31, 2**70, 1.5, 0.0, 1.0, math.nan, math.inf, True, False, "", "x" * 5_000, "null", '"\\'),
    *("\u2028é", [], [None], ["a"], [["a"]], {}, {"Name": "x"}, {"Value": {}}, ("a",), b"bytes"),
]
_TEXTS: Final = ["US", "Reception", "+12065550003", '"quoted"\n']
_TIMESTAMPS: Final = [
    *("2019-08-12T22:10:20.521Z", "2019-08-12T22:10:20Z", "2019-08-12T22:10:20.123456789Z", 1_565_647_820, 1e9, True),
    *("2019-08-12T22:10:20+02:00", "2019-08-12", "yesterday", "0001-01-01T00:00:00+23:59", -1e18, 1e300, "+", []),
]
_CAPABILITY_NAMES: Final = ["InboundCall", "OutboundCall", "InboundSMS", "OutboundSMS", "InboundMMS", "OutboundMMS"]
_FAULTS: Final[list[dict[str, Any]]] = [
    {"failing": {"ListPhoneNumbers": Throttled}},
    {"failing": {"ListPhoneNumberOrders": Throttled}},
    {"failing": {"GetPhoneNumber": UpstreamForbidden}},
    {"throttles_gets": True},
]

_Maker = Callable[[Random], Any]


def _one_of(values: list[Any]) -> _Maker:
    return lambda random: random.choice(values)


def _words(kind: type[AwsEnum]) -> _Maker:
    return _one_of([*(member.value for member in kind), "Voice Connector", "Brand New", "assigned", ""])


def _changed(random: Random, record: dict[str, Any], keys: Mapping[str, _Maker]) -> dict[str, Any]:
    """Return the record, or a copy in which some keys have another valid value, no value or an odd value."""
    changes = {}
    share = random.choice([0, 0.1, 0.5])
    for key, make in keys.items():
        if random.random() < share:
            values = (make(random), make(random), None, _MISSING, random.choice(_ODD))
            changes[key] = random.choice(values)
    return {key: value for key, value in {**record, **changes}.items() if value is not _MISSING}


def _association(random: Random) -> Any:
    if random.random() < 0.1:
        return random.choice([None, 3, {}, {"Value": None}, {"Value": 5}, {"Value": ""}, {"Value": "vc-1"}])
    name = random.choice([member.value for member in PhoneNumberAssociationName])
    whole = {"Name": name, "Value": random.choice(TARGET_IDS), "AssociatedTimestamp": "2019-08-12T22:10:20.521Z"}
    return _changed(
        random,
        whole,
        {
            "Name": _words(PhoneNumberAssociationName),
            "Value": _one_of(TARGET_IDS),
            "AssociatedTimestamp": _one_of(_TIMESTAMPS),
        },
    )


def _associations(random: Random) -> list[Any]:
    return [_association(random) for _ in range(random.randint(0, 3))]


def _capabilities(random: Random) -> dict[str, Any]:
    return _changed(random, {}, dict.fromkeys(_CAPABILITY_NAMES, _one_of([True, False, 1, 0.0, "true", []])))


def _ordered_number(random: Random) -> Any:
    if random.random() < 0.1:
        return random.choice([None, 3, {}, {"E164PhoneNumber": e164(3)}, {"E164PhoneNumber": []}])
    number = random.choice([*NUMBERS, f"%2B{e164(1)[1:]}", e164(2)[1:], ""])
    return _changed(random, {"E164PhoneNumber": number}, {"Status": _words(OrderedPhoneNumberStatus)})


_NUMBER_KEYS: Final[Mapping[str, _Maker]] = {
    "PhoneNumberId": _one_of(_TEXTS),
    "Country": _one_of(_TEXTS),
    "Type": _words(PhoneNumberType),
    "ProductType": _words(PhoneNumberProductType),
    "Status": _words(PhoneNumberStatus),
    "Capabilities": _capabilities,
    "Associations": _associations,
    "CallingName": _one_of(_TEXTS),
    "CallingNameStatus": _words(CallingNameStatus),
    "Name": _one_of(_TEXTS),
    "CreatedTimestamp": _one_of(_TIMESTAMPS),
    "UpdatedTimestamp": _one_of(_TIMESTAMPS),
    "DeletionTimestamp": _one_of(_TIMESTAMPS),
    "OrderId": _one_of([*ORDER_IDS, "gone"]),
}
_NUMBER_IDENTITY: Final[Mapping[str, _Maker]] = {
    "E164PhoneNumber": _one_of([f"%2B{e164(1)[1:]}", e164(2)[1:], e164(3)]),
    # With this key, a record is not a PhoneNumber.
    "PhoneNumberOrderId": _one_of([_MISSING]),
}
_ORDER_KEYS: Final[Mapping[str, _Maker]] = {
    "ProductType": _words(PhoneNumberProductType),
    "Status": _words(PhoneNumberOrderStatus),
    "OrderType": _words(PhoneNumberOrderType),
    "OrderedPhoneNumbers": lambda random: [_ordered_number(random) for _ in range(random.randint(0, 4))],
    "CreatedTimestamp": _one_of(_TIMESTAMPS),
    "UpdatedTimestamp": _one_of(_TIMESTAMPS),
    "FocDate": _one_of(_TIMESTAMPS),
}
_ORDER_IDENTITY: Final[Mapping[str, _Maker]] = {"PhoneNumberOrderId": _one_of(["", "other", "é:"])}


def _number(random: Random, index: int) -> dict[str, Any]:
    rich = {"Associations": _associations(random), "OrderId": random.choice(ORDER_IDS), "Capabilities": {}}
    record = _changed(random, number_record(index, **random.choice([rich, {}])), _NUMBER_KEYS)
    return _changed(random, record, _NUMBER_IDENTITY) if random.random() < 0.1 else record


def _order(random: Random, index: int) -> dict[str, Any]:
    record = _changed(random, order_record(index, NUMBERS[index : index + random.randint(0, 3)]), _ORDER_KEYS)
    return _changed(random, record, _ORDER_IDENTITY) if random.random() < 0.1 else record


def _with_distinct_keys(rows: list[Any], key_of: Callable[[Any], str | None]) -> list[Any]:
    """Return the rows without those whose key an earlier row has, because an account has each record once."""
    rows_by_key: dict[object, Any] = {}
    for row in rows:
        rows_by_key.setdefault(key_of(row) or id(row), row)
    return list(rows_by_key.values())


def _key_of_number(row: Any) -> str | None:
    return next(iter(read_phone_numbers([row], "")[1]), None)


def _key_of_order(row: Any) -> str | None:
    return next((record["PhoneNumberOrderId"] for record in read_phone_number_orders([row], "")), None)


def random_account(random: Random) -> Account:
    """Return an account of one to seven numbers and one to four orders. It lists all records that it has.

    Its calls take time. Otherwise a load would join the batch of another one, or see its records, if an executor
    happened to take fewer turns of the event loop. For the same reason, no get of a listed record is throttled: fields
    that are executed again because of an odd record would find it if it was listed meanwhile.
    """
    numbers = [_number(random, index) for index in [*range(random.randint(0, 6)), 6]]
    orders = [_order(random, index) for index in [*range(random.randint(0, 3)), 3]]
    # A list leaves out records without a usable key, and a get of one of them fails.
    unusable = {
        key: row
        for key, row, key_of in ((NUMBERS[6], numbers[-1], _key_of_number), (ORDER_IDS[3], orders[-1], _key_of_order))
        if key_of(row) is None
    }
    return Account(
        numbers=_with_distinct_keys(numbers, _key_of_number),
        orders=_with_distinct_keys(orders, _key_of_order),
        got=unusable,
        rows_each=random.choice([1, 2, 100, 100]),
        **(random.choice(_FAULTS) if random.random() < 0.1 else {}),
        service=random.choice([CHIME, CHIME_SDK_VOICE]),
        takes_time=True,
    )
