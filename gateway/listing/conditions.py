"""Conditions that AWS cannot check in a list, as functions of one record.

A condition is built once for each request. Then it is called for each record of the pages that are read, so it does no
work that depends on the filter alone. A value that is missing, null or of an unexpected type meets a condition only
if the condition requires its absence.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from gateway.listing.instants import read_instant
from gateway.upstream.records import e164_of, ordered_numbers

# A record of either list: PhoneNumberRecord or PhoneNumberOrderRecord.
Record = Any
Predicate = Callable[[Record], bool]

# Characters that people write in phone numbers, between the digits.
_PHONE_NUMBER_PUNCTUATION: Final = str.maketrans("", "", "+ -()")


class Condition(NamedTuple):
    """A condition on each record of a filtered list. A record is a row if it meets all of them.

    Attributes:
        description: The condition's name and values. Equal descriptions mean equal conditions, so a cursor is bound to
            them. They do not depend on the order in which a client lists values.
        holds: Returns whether a record meets the condition.
    """

    description: tuple[str, ...]
    holds: Predicate


def has_word(key: str, words: Collection[str]) -> Condition:
    """Return the condition that an enumerated value is one of these, in AWS's spelling."""
    accepted = frozenset(words)
    return Condition((key, *sorted(accepted)), lambda record: _is_one_of(record.get(key), accepted))


def has_value(key: str, *, wanted: bool) -> Condition:
    """Return the condition that a key has a value that is not empty, or that it lacks one if `wanted` is false."""
    return Condition((key, "is set" if wanted else "is not set"), lambda record: bool(record.get(key)) is wanted)


def is_within(key: str, start: datetime | None, end: datetime | None) -> Condition:
    """Return the condition that a timestamp is at `start` or later, and before `end`."""

    def holds(record: Record) -> bool:
        instant = read_instant(record.get(key))
        return instant is not None and (start is None or start <= instant) and (end is None or instant < end)

    return Condition((key, "is within", str(start), str(end)), holds)


def is_in_country(code: str) -> Condition:
    """Return the condition that a number belongs to a country, which is a code of two letters in any case."""
    wanted = code.upper()

    def holds(record: Record) -> bool:
        country = record.get("Country")
        return isinstance(country, str) and country.upper() == wanted

    return Condition(("Country", wanted), holds)


def number_starts_with(prefix: str) -> Condition:
    """Return the condition that a number starts with a prefix, which begins with `+`."""
    return Condition(("E164PhoneNumber", "starts with", prefix), lambda record: e164_of(record).startswith(prefix))


def contains_text(search: str) -> Condition:
    """Return the condition that a text is part of a number's digits, of its name, or of its calling name, in any case.

    When digits are compared, the punctuation of phone numbers in the text is ignored.
    """
    text = search.casefold()
    digits = search.translate(_PHONE_NUMBER_PUNCTUATION)
    is_number = digits.isascii() and digits.isdigit()

    def holds(record: Record) -> bool:
        if is_number and digits in e164_of(record):
            return True
        name, calling_name = record.get("Name"), record.get("CallingName")
        return (isinstance(name, str) and text in name.casefold()) or (
            isinstance(calling_name, str) and text in calling_name.casefold()
        )

    return Condition(("contains", text), holds)


def has_capabilities(wanted: Mapping[str, bool]) -> Condition:
    """Return the condition that a number has the capabilities that are true, and lacks those that are false.

    A number lacks a capability if its value is false, null or missing.
    """
    flags = sorted(wanted.items())

    def holds(record: Record) -> bool:
        capabilities = record.get("Capabilities")
        if not isinstance(capabilities, dict):
            capabilities = {}
        for key, flag in flags:  # noqa: SIM110  # `all` with a generator takes twice as long.
            if (capabilities.get(key) is True) is not flag:
                return False
        return True

    return Condition(("Capabilities", *(f"{key}={flag}" for key, flag in flags)), holds)


def contains_number(number: str) -> Condition:
    """Return the condition that an order contains a number, which begins with `+`."""
    return Condition(("OrderedPhoneNumbers", number), lambda order: number in ordered_numbers(order))


def contains_number_with_status(word: str) -> Condition:
    """Return the condition that at least one number of an order has a status, in AWS's spelling."""
    accepted = frozenset({word})

    def holds(order: Record) -> bool:
        return any(_is_one_of(number.get("Status"), accepted) for number in order.get("OrderedPhoneNumbers") or ())

    return Condition(("OrderedPhoneNumbers", "Status", word), holds)


def match_all(conditions: Sequence[Condition]) -> Predicate:
    """Return a function that returns whether a record meets all conditions.

    Cost: Three conditions take less than a microsecond for each record (benchmarks/filters.py).
    """
    checks = tuple(condition.holds for condition in conditions)
    if len(checks) == 1:
        return checks[0]

    def holds(record: Record) -> bool:
        for check in checks:  # noqa: SIM110  # `all` with a generator takes twice as long.
            if not check(record):
                return False
        return True

    return holds


def _is_one_of(value: object, words: frozenset[str]) -> bool:
    # The sample in AWS's API reference has "Voice Connector" for VoiceConnector.
    return isinstance(value, str) and (value in words or value.replace(" ", "") in words)
