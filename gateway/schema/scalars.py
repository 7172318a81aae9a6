"""The two scalars of the schema: how AWS's text becomes an answer, and a caller's text becomes a value."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from gateway.errors import BadUserInput, UpstreamBadResponse
from gateway.upstream.records import read_e164_number, with_plus

DATE_TIME: Final = "DateTime"
DateTime = NewType("DateTime", str)
E164PhoneNumber = NewType("E164PhoneNumber", str)

_RFC_3339_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
# With nine digits of a second: 2019-08-12T22:10:20.521000000Z.
MAX_TIMESTAMP_LENGTH: Final = 30
# Timestamps that are known to be right, of some 5,000 records. The same records are asked for again and again, and to
# look each of their timestamps through was a fifth of what it took to answer for them.
_KEPT_TIMESTAMPS: Final = 16_384
_E164_BY_EXAMPLE: Final = "a number in E.164 form, such as +12065550100: up to 15 digits, the country code first"


@lru_cache(_KEPT_TIMESTAMPS)
def is_rfc_3339_utc(text: str) -> bool:
    """Whether a timestamp can go out as it stands: in the right form, and an instant that there is."""
    if not _RFC_3339_UTC.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def write_date_time(value: Any) -> str:
    """RFC 3339 in UTC: as it stands where it is that already, else from another offset or from epoch seconds.

    Raises: UpstreamBadResponse, which nulls this one field.
    """
    if isinstance(value, str) and len(value) <= MAX_TIMESTAMP_LENGTH and is_rfc_3339_utc(value):
        return value
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            instant = datetime.fromtimestamp(value, UTC)
        else:
            instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        instant = instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise UpstreamBadResponse(None, detail="a timestamp cannot be read") from None
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_date_time(value: Any) -> DateTime:
    """A caller's timestamp. No argument takes one yet; the scalar is whole all the same.

    Raises: BadUserInput.
    """
    if not isinstance(value, str) or not _RFC_3339_UTC.fullmatch(value):
        raise BadUserInput("Give a DateTime in RFC 3339, in UTC, such as 2019-08-12T22:10:20.521Z.")
    return DateTime(value)


def write_e164(value: Any) -> str:
    """A number with its `+`, whatever form AWS gave it in.

    Raises: UpstreamBadResponse, which nulls this one field.
    """
    if not isinstance(value, str):
        raise UpstreamBadResponse(None, detail="a phone number is no text")
    return with_plus(value)


def read_e164(value: Any) -> E164PhoneNumber:
    """A caller's number, with its `+`.

    Raises: BadUserInput.
    """
    number = read_e164_number(value)
    if number is None:
        raise BadUserInput(f"Give {_E164_BY_EXAMPLE}.")
    return E164PhoneNumber(number)


SCALARS: Final[dict[object, ScalarDefinition]] = {
    DateTime: strawberry.scalar(
        name=DATE_TIME,
        description="An instant in RFC 3339, in UTC, as the upstream gives it: `2019-08-12T22:10:20.521Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=write_date_time,
        parse_value=read_date_time,
    ),
    E164PhoneNumber: strawberry.scalar(
        name="E164PhoneNumber",
        description="A phone number in E.164 form. Input may be `+12065550100`, `12065550100` or the upstream's own "
        "`%2B12065550100`; output always has the `+`.",
        specified_by_url="https://www.itu.int/rec/T-REC-E.164",
        serialize=write_e164,
        parse_value=read_e164,
    ),
}
