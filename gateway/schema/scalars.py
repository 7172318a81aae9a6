"""The two custom scalars: conversion of AWS's values for the response, and of a client's values."""

import re
from datetime import datetime
from typing import Any, Final, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import BadUserInput, UpstreamBadResponse
from gateway.listing.instants import read_instant
from gateway.upstream.e164 import read_e164_number, with_plus

DATE_TIME: Final = "DateTime"
E164: Final = "E164PhoneNumber"
DateTime = NewType("DateTime", str)
E164PhoneNumber = NewType("E164PhoneNumber", str)

_RFC_3339_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
# Timestamps of AWS that need no conversion. Clients request the same records again and again, and the check of their
# timestamps took a fifth of the time of a response.
WRITTEN_TIMESTAMPS: Final[set[str]] = set()
# They belong to some 5,000 records. The next one replaces them all.
_MAX_WRITTEN_TIMESTAMPS: Final = 16_384


def write_date_time(value: Any) -> str:
    """Return a timestamp of AWS in RFC 3339 and UTC. AWS may send another offset, or seconds since the epoch.

    Raises:
        UpstreamBadResponse: If it cannot be read. It nulls this one field.
    """
    if isinstance(value, str) and _is_rfc_3339_utc(value):
        if len(WRITTEN_TIMESTAMPS) >= _MAX_WRITTEN_TIMESTAMPS:
            WRITTEN_TIMESTAMPS.clear()
        WRITTEN_TIMESTAMPS.add(value)
        return value
    instant = read_instant(value)
    if instant is None:
        raise UpstreamBadResponse(None, detail="a timestamp cannot be parsed")
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_date_time(value: Any) -> DateTime:
    """Return a client's timestamp.

    Raises:
        BadUserInput: If it is not in RFC 3339 and UTC, or if there is no such time.
    """
    if not isinstance(value, str) or not _is_rfc_3339_utc(value):
        raise BadUserInput(
            "A DateTime must be a time that exists, in RFC 3339 and UTC, such as 2019-08-12T22:10:20.521Z."
        )
    return DateTime(value)


def _is_rfc_3339_utc(text: str) -> bool:
    """Return whether a timestamp has the right form, and the instant exists."""
    if not _RFC_3339_UTC.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def write_e164(value: Any) -> str:
    """Return a number of AWS with its `+`, which AWS may omit or encode.

    Raises:
        UpstreamBadResponse: If it is not text. It nulls this one field.
    """
    if not isinstance(value, str):
        raise UpstreamBadResponse(None, detail=f"expected a phone number as a string, got {type(value).__name__}")
    # Nearly all numbers have their plus. The test here saves a call for each of them.
    return value if value.startswith("+") else with_plus(value)


def read_e164(value: Any) -> E164PhoneNumber:
    """Return a client's number, with its `+`.

    Raises:
        BadUserInput: If it is not in E.164 format.
    """
    number = read_e164_number(value)
    if number is None:
        raise BadUserInput(
            "A phone number must be in E.164 format, such as +12065550100: the country code first, at most 15 digits."
        )
    return E164PhoneNumber(number)


SCALARS: Final[dict[object, ScalarDefinition]] = {
    DateTime: strawberry.scalar(
        name=DATE_TIME,
        description="A point in time in RFC 3339 format, in UTC, such as `2019-08-12T22:10:20.521Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=write_date_time,
        parse_value=read_date_time,
    ),
    E164PhoneNumber: strawberry.scalar(
        name=E164,
        description="A phone number in E.164 format, such as `+12065550100`. Output always has the `+`. Input may also "
        "be `12065550100`, or AWS's spelling `%2B12065550100`.",
        specified_by_url="https://www.itu.int/rec/T-REC-E.164",
        serialize=write_e164,
        parse_value=read_e164,
    ),
}
