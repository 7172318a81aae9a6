"""Readers of AWS's responses. They correct records or leave them out if a key is unusable.

If one of E164PhoneNumber and PhoneNumberId is unusable, a copy of the record takes the other's value. If a record has
no usable key, it can be neither shown nor requested again. Only that record is left out, and the rest of its page, or
of the record around it, stays. Such records are counted in a metric, and each response with some of them is logged with
one warning. Any other odd value stays in its record. It causes an error in its own field only, when the schema writes
the field (gateway/schema).
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from gateway.telemetry.metrics import count_records_left_out
from gateway.telemetry.request_record import current_record
from gateway.upstream.e164 import are_e164_with_plus, is_e164_number, read_e164_number
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of
from gateway.upstream.services import MAX_ID_LENGTH

R = TypeVar("R")

# The keys that are read in every row. orjson caches keys, so these objects are the ones in the rows. If both are one
# object, a lookup need not compare texts.
_NUMBER, _NUMBER_ID, _ORDER_ID, _ASSOCIATIONS, _VALUE, _ORDERED_NUMBERS = orjson.loads(
    '{"E164PhoneNumber":0,"PhoneNumberId":0,"PhoneNumberOrderId":0,"Associations":0,"Value":0,"OrderedPhoneNumbers":0}'
)

logger = logging.getLogger("gateway")


def read_phone_numbers(rows: list[Any], operation: str) -> tuple[list[PhoneNumberRecord], tuple[str, ...]]:
    """Return the phone numbers of a response, in its order, and the number of each with its `+`."""
    numbers = _numbers_if_whole(rows)
    if numbers is not None:
        return rows, tuple(numbers)
    records = _read(rows, _phone_number, operation)
    return records, tuple(map(e164_of, records))


def read_phone_number_orders(rows: list[Any], operation: str) -> list[PhoneNumberOrderRecord]:
    """Return the orders of a response, in its order."""
    return rows if _are_whole_orders(rows) else _read(rows, _phone_number_order, operation)


def _read(rows: list[Any], read: Callable[[dict[str, Any]], tuple[R | None, int]], operation: str) -> list[R]:
    """Return the records of rows.

    Args:
        rows: The rows of a response.
        read: Returns a row's record, if it has one, and the number of records that are left out.
        operation: The operation's name.
    """
    records: list[R] = []
    left_out = 0
    for row in rows:
        record, odd = read(row) if isinstance(row, dict) else (None, 1)
        left_out += odd
        if record is not None:
            records.append(record)
    if left_out:
        count_records_left_out(operation, left_out)
        request_id = current_record().id
        logger.warning("request %s: %s: left out %d records without a usable key", request_id, operation, left_out)
    return records


# Nearly all responses are whole. The next two functions run for each of their rows, so they check types for all rows
# at once. If a row or a record within it is no object, or has no such key, Python raises one of two errors.


def _numbers_if_whole(rows: list[Any]) -> list[str] | None:
    """Return the number of each row, if all have their `+` and `_phone_number` would return the rows as they are."""
    numbers, ids, values = [], [], []
    try:
        for row in rows:
            if _ORDER_ID in row:
                return None
            numbers.append(row[_NUMBER])
            ids.append(row[_NUMBER_ID])
            associations = row.get(_ASSOCIATIONS)
            if associations is None:
                continue
            if not isinstance(associations, list):
                return None
            for association in associations:
                values.append(association[_VALUE])  # noqa: PERF401  # One loop takes less time than two.
    except (KeyError, TypeError):
        return None
    is_whole = (
        all(ids)
        and set(map(type, ids + values)) <= {str}
        and max(map(len, values), default=0) <= MAX_ID_LENGTH
        and are_e164_with_plus(numbers)
    )
    return numbers if is_whole else None


def _are_whole_orders(rows: list[Any]) -> bool:
    """Return whether all numbers have their `+`, and `_phone_number_order` would return the rows as they are."""
    numbers = []
    try:
        for row in rows:
            if not is_order_id(row[_ORDER_ID]):
                return False
            ordered = row.get(_ORDERED_NUMBERS)
            if ordered is None:
                continue
            if not isinstance(ordered, list):
                return False
            for number in ordered:
                numbers.append(number[_NUMBER])  # noqa: PERF401  # One loop takes less time than two.
    except (KeyError, TypeError):
        return False
    return are_e164_with_plus(numbers)


def _phone_number(row: dict[str, Any]) -> tuple[PhoneNumberRecord | None, int]:
    """Return the row and the number of its associations that are left out, or None and 1 if the row names no number.

    The number is in both E164PhoneNumber and PhoneNumberId. If one of them is not usable, the other replaces it.
    """
    changes: dict[str, Any] = {}
    number, number_id = row.get("E164PhoneNumber"), row.get("PhoneNumberId")
    if read_e164_number(number) is None:
        number = changes["E164PhoneNumber"] = read_e164_number(number_id)
        if number is None:
            return None, 1
    if not isinstance(number_id, str) or not number_id:
        changes["PhoneNumberId"] = number
    # The schema tells an order from a phone number by this key.
    if "PhoneNumberOrderId" in row:
        changes["PhoneNumberOrderId"] = None
    left_out = _leave_out(row, "Associations", _is_association, changes)
    record: Any = {**row, **changes} if changes else row
    return record, left_out


def _phone_number_order(row: dict[str, Any]) -> tuple[PhoneNumberOrderRecord | None, int]:
    """Return the row, unless it has no usable id, and the number of its ordered numbers that are left out."""
    if not is_order_id(row.get("PhoneNumberOrderId")):
        return None, 1
    changes: dict[str, Any] = {}
    left_out = _leave_out(row, "OrderedPhoneNumbers", _is_ordered_number, changes)
    record: Any = {**row, **changes} if changes else row
    return record, left_out


def is_order_id(value: object) -> bool:
    """Return whether a value can be an order's id.

    If an id consisted of dots only, it would lead to another resource when it is in a URL's path.
    """
    return isinstance(value, str) and len(value) <= MAX_ID_LENGTH and value.strip(".") != ""


def _leave_out(row: dict[str, Any], key: str, is_usable: Callable[[Any], bool], changes: dict[str, Any]) -> int:
    """Return how many records of a list within a row are left out. If any are, put the shorter list into `changes`."""
    value = row.get(key)
    if value is None:
        return 0
    usable = [each for each in value if is_usable(each)] if isinstance(value, list) else []
    # If the value is not a list, it counts as one record.
    odd = len(value) - len(usable) if isinstance(value, list) else 1
    if odd:
        changes[key] = usable
    return odd


def _is_association(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(name := value.get("Value"), str) and len(name) <= MAX_ID_LENGTH


def _is_ordered_number(value: Any) -> bool:
    return isinstance(value, dict) and is_e164_number(value.get("E164PhoneNumber"))
