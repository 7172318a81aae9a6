"""Readers of one value of a record, as the text by which lists are sorted and counted.

A reader returns None if the value is missing or null, or if it is of a type that its field cannot show.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.listing.instants import read_instant

Reader = Callable[[Any], str | None]


def text_reader(key: str) -> Reader:
    """Return a reader of a text."""

    def read(record: Mapping[str, Any]) -> str | None:
        value = record.get(key)
        return value if isinstance(value, str) else None

    return read


def instant_reader(key: str) -> Reader:
    """Return a reader of a timestamp. Its texts are in the order of time, whatever form AWS's timestamps have."""

    def read(record: Mapping[str, Any]) -> str | None:
        instant = read_instant(record.get(key))
        return None if instant is None else instant.isoformat(timespec="microseconds")

    return read


def name_reader(key: str, name_of: Callable[[Any], str]) -> Reader:
    """Return a reader of an enumerated value, as the name that GraphQL gives to AWS's word."""

    def read(record: Mapping[str, Any]) -> str | None:
        word = record.get(key)
        return None if word is None else name_of(word)

    return read
