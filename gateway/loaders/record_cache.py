"""The cache of a DataLoader that also knows the records which the request has listed."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from strawberry.dataloader import AbstractCache

R = TypeVar("R")


class RecordCache(AbstractCache[str, R | None]):
    """The lookups of one request by key, and the records that the request has listed.

    Most queries list records without loading any, and DataLoader's `prime_many` makes a future for each record. This
    cache indexes listed records when a key is loaded, and makes futures only for the keys that are loaded.

    Args:
        key: Returns the key of a record.
    """

    def __init__(self, key: Callable[[R], str | None]) -> None:
        self._key = key
        self._lookups: dict[str, asyncio.Future[R | None]] = {}
        self._listed: dict[str | None, R] = {}
        self._not_indexed: list[Iterable[R]] = []

    def __repr__(self) -> str:
        return f"<RecordCache: {len(self._lookups)} lookups, {len(self._listed)} listed>"

    def prime(self, records: Iterable[R]) -> None:
        """Add records that the request has listed, so that their keys need no call."""
        self._not_indexed.append(records)

    def get(self, key: str) -> asyncio.Future[R | None] | None:
        """Return the future of a key's record, if the key was listed or loaded before. A listed record comes first."""
        while self._not_indexed:
            self._listed.update((self._key(record), record) for record in self._not_indexed.pop())
        record = self._listed.get(key)
        if record is None:
            return self._lookups.get(key)
        future: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        future.set_result(record)
        return future

    def set(self, key: str, value: asyncio.Future[R | None]) -> None:
        """Add the future of a key that is loaded."""
        self._lookups[key] = value

    def delete(self, key: str) -> None:
        """Remove a key."""
        self._lookups.pop(key, None)
        self._listed.pop(key, None)

    def clear(self) -> None:
        """Release all records."""
        for future in self._lookups.values():
            # asyncio logs exceptions that are never retrieved. A field that is nulled meanwhile retrieves none.
            if future.done() and not future.cancelled():
                future.exception()
        self._lookups.clear()
        self._listed.clear()
        self._not_indexed.clear()
