"""The cache of a DataLoader that also knows the records which the request has listed."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TypeVar

from strawberry.dataloader import AbstractCache

R = TypeVar("R")

# For each key its record, if there is one, or the error of the search for it.
Outcomes = Mapping[str, R | Exception | None]
# The outcomes of a whole list of keys, so that a page of orders needs one future and not one for each number.
Lookup = asyncio.Future[Outcomes[R]]


class RecordCache(AbstractCache[list[str], Outcomes[R]]):
    """The lookups of one request by key, and the records that the request has listed.

    The DataLoader loads lists of keys, and this cache finds the lookup of a list by each of its keys. Most queries list
    records without loading any. So this cache indexes listed records when a key is loaded.

    Args:
        key: Returns the key of a record.
    """

    def __init__(self, key: Callable[[R], str | None]) -> None:
        self._key = key
        self._lookups: dict[str, Lookup[R]] = {}
        self._listed: dict[str, R] = {}
        self._not_indexed: list[Iterable[R]] = []

    def __repr__(self) -> str:
        return f"<RecordCache: {len(self._lookups)} keys, {len(self._listed)} listed>"

    @cached_property
    def _listing(self) -> Lookup[R]:
        """The lookup of all listed records."""
        lookup: Lookup[R] = asyncio.get_running_loop().create_future()
        lookup.set_result(self._listed)
        return lookup

    def prime(self, records: Iterable[R]) -> None:
        """Add records that the request has listed, so that their keys need no call."""
        self._not_indexed.append(records)

    def find(self, keys: Iterable[str]) -> dict[str, Lookup[R]]:
        """Return a lookup for each key that was listed or loaded before. A listed record comes first."""
        while self._not_indexed:
            records = self._not_indexed.pop()
            self._listed.update({of: record for record in records if (of := self._key(record)) is not None})
        if not self._listed and not self._lookups:
            return {}
        found = {key: lookup for key in keys if (lookup := self._lookups.get(key)) is not None}
        found.update(dict.fromkeys(self._listed.keys() & set(keys), self._listing))
        return found

    def get(self, key: list[str]) -> Lookup[R] | None:
        """Return the lookup of a list of keys. It has one key, or only keys that `find` does not know."""
        return self.find(key[:1]).get(key[0])

    def set(self, key: list[str], value: Lookup[R]) -> None:
        """Add the lookup of a list of keys."""
        self._lookups.update(dict.fromkeys(key, value))

    def delete(self, key: list[str]) -> None:
        """Remove a list of keys."""
        for each in key:
            self._lookups.pop(each, None)
            self._listed.pop(each, None)

    def clear(self) -> None:
        """Release all records."""
        for lookup in set(self._lookups.values()):
            # asyncio logs exceptions that are never retrieved. A field that is nulled meanwhile retrieves none.
            if lookup.done() and not lookup.cancelled():
                lookup.exception()
        self._lookups.clear()
        self._listed.clear()
        self._not_indexed.clear()
