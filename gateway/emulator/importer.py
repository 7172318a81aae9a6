"""Imports an account's own data from the output of the `aws` command."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson

from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.service_model import Record
from gateway.emulator.store import Store, normalize_e164

_TIMESTAMPS = ("AssociatedTimestamp", "CreatedTimestamp", "DeletionTimestamp", "FocDate", "UpdatedTimestamp")


def import_files(paths: Iterable[Path], store: Store) -> None:
    """Store the records of all files in one transaction. If a record is given twice, the last one is stored.

    A file holds the JSON that `aws chime list-phone-numbers`, `aws chime-sdk-voice list-phone-number-orders` or a
    similar command prints: an object with PhoneNumbers, PhoneNumberOrders, or both.

    Raises:
        EmulatorError: If a file cannot be used. The message names the file and the entry.
    """
    with store.transaction():
        for path in paths:
            document = _read(path)
            store.put_phone_numbers(_entries(path, document, "PhoneNumbers", _phone_number))
            store.put_phone_number_orders(_entries(path, document, "PhoneNumberOrders", _phone_number_order))


def _read(path: Path) -> Record:
    try:
        content = path.read_bytes()
        # PowerShell writes files in UTF-16.
        document = orjson.loads(content.decode(json.detect_encoding(content)))
    except OSError as error:
        raise EmulatorError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise EmulatorError(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict) or not document.keys() & {"PhoneNumbers", "PhoneNumberOrders"}:
        raise EmulatorError(
            f"{path} has neither PhoneNumbers nor PhoneNumberOrders. Use the output of `aws chime list-phone-numbers`."
        )
    return document


def _entries(path: Path, document: Record, key: str, read: Callable[[Record], Record]) -> Iterator[Record]:
    entries = document.get(key, [])
    if not isinstance(entries, list):
        raise EmulatorError(f"{path}: {key} is not a list.")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise EmulatorError(f"{path}: {key}[{index}] is not an object.")
        try:
            yield read(entry)
        except _UnusableError as error:
            raise EmulatorError(f"{path}: {key}[{index}] {error}.") from error


class _UnusableError(Exception):
    """An entry is not a record. The message is the predicate of a sentence about the entry."""


def _phone_number(entry: Record) -> Record:
    record = _with_api_timestamps(entry)
    e164 = normalize_e164(_text(record, "E164PhoneNumber"))
    if e164 is None:
        raise _UnusableError(f"has an E164PhoneNumber that is not in E.164 format: {entry['E164PhoneNumber']}")
    if not record.get("PhoneNumberId"):
        record["PhoneNumberId"] = e164.replace("+", "%2B")
    for key in ("ProductType", "Status"):
        if record.get(key) is not None:
            _text(record, key)
    associations = record.get("Associations")
    if associations is not None:
        if not isinstance(associations, list) or not all(isinstance(each, dict) for each in associations):
            raise _UnusableError("has Associations that are not a list of objects")
        for association in associations:
            _text(association, "Name")
            _text(association, "Value")
        record["Associations"] = [_with_api_timestamps(each) for each in associations]
    return record


def _phone_number_order(entry: Record) -> Record:
    _text(entry, "PhoneNumberOrderId")
    return _with_api_timestamps(entry)


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise _UnusableError(f"has no {key}" if value in (None, "") else f"has a {key} that is not text")
    return value


def _with_api_timestamps(record: Record) -> Record:
    """Return the record with timestamps as the API sends them.

    The `aws` command prints 2019-08-12T22:10:20.504Z as 2019-08-12T22:10:20.504000+00:00.
    """
    return {
        key: _timestamp(key, value) if key in _TIMESTAMPS and value is not None else value
        for key, value in record.items()
    }


def _timestamp(key: str, value: object) -> str:
    try:
        # The `aws` command can be configured to print timestamps as the API sent them, which may be numbers.
        instant = (
            datetime.fromtimestamp(value, UTC) if isinstance(value, int | float) else datetime.fromisoformat(str(value))
        )
    except (ValueError, OverflowError, OSError):
        raise _UnusableError(f"has a {key} that is not a timestamp: {value}") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
