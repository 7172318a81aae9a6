"""Counts of the values in a list's records. The most frequent value is first, and ties are in the order of values."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from gateway.listing.record_values import Reader
from gateway.upstream.records import PhoneNumberRecord


class Resource(NamedTuple):
    """A resource that numbers are associated with.

    Attributes:
        value: Its id.
        name: The name of its kind.
    """

    value: str
    name: str


def count_values(records: Iterable[Any], read: Reader) -> list[tuple[str, int]]:
    """Return each value, and the number of records that have it. Nulls are not counted."""
    return _most_frequent(Counter(value for value in map(read, records) if value is not None))


def count_kinds(records: Iterable[PhoneNumberRecord], name_of: Callable[[Any], str]) -> list[tuple[str, int]]:
    """Return each kind of associated resource, and the number of phone numbers that have one or more of the kind.

    Args:
        records: The phone numbers.
        name_of: Returns the name of a kind for AWS's word.
    """
    return _most_frequent(
        Counter(
            kind
            for record in records
            for kind in {name_of(association.get("Name")) for association in record.get("Associations") or ()}
        )
    )


def count_resources(
    records: Iterable[PhoneNumberRecord], name_of: Callable[[Any], str], *, limit: int
) -> list[tuple[Resource, int]]:
    """Return the most frequent associated resources, at most `limit`, and their numbers of phone numbers.

    Args:
        records: The phone numbers.
        name_of: Returns the name of a kind for AWS's word.
        limit: The most resources to return.
    """
    counts = Counter(
        resource
        for record in records
        for resource in {
            Resource(association["Value"] or "", name_of(association.get("Name")))
            for association in record.get("Associations") or ()
        }
    )
    return _most_frequent(counts)[:limit]


def _most_frequent(counts: Counter[Any]) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
