"""Records by key for one request: Strawberry's DataLoader, whose batches follow the batch plan."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Generic, TypeVar

from strawberry.dataloader import DataLoader

from gateway.loaders.batch import Batch, RecordSource
from gateway.loaders.record_cache import Lookup, Outcomes, RecordCache

K = TypeVar("K")
R = TypeVar("R")


class LinkSource(ABC, Generic[K, R]):
    """Records of one kind, each found by a key that another record holds."""

    @abstractmethod
    def lookups(self, keys: Sequence[K]) -> list[tuple[Lookup[R], str]]:
        """Return for each key a lookup, and the key of the record's outcome in it.

        Many keys share one lookup, and all fields share the lookups, so do not cancel them. Errors are those of `load`.
        """

    def load(self, key: K) -> R | Awaitable[R | None] | None:
        """Return the record of a key, or an awaitable of it. The result is None if there is no such record.

        Raises:
            UpstreamError: When awaited, if AWS fails.
            PageLimitExceeded: When awaited, if the record is too many list pages away.

        Cost: No call if the record was listed or loaded before.
        """
        ((lookup, outcome_key),) = self.lookups([key])
        if lookup.done() and lookup.exception() is None:
            outcome = lookup.result()[outcome_key]
            if not isinstance(outcome, Exception):
                return outcome
        return _record_of(lookup, outcome_key)


class DataSource(LinkSource[str, R]):
    """The records of one kind by their own keys. Each distinct key is requested from upstream at most once.

    The DataLoader loads lists of keys: one key for a resolver, and all keys of a list for a projection.

    Cost: See batch_plan.

    Args:
        key: Returns the key of a record.

    Attributes:
        cache: The lookups so far, and the records that the request has listed.
    """

    def __init__(self, key: Callable[[R], str | None]) -> None:
        self.cache = RecordCache(key)
        self._batches: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<{type(self).__name__}: {self.cache!r}, {len(self._batches)} batches{state}>"

    def lookups(self, keys: Sequence[str]) -> list[tuple[Lookup[R], str]]:
        """Return for each key a lookup, and the key. All keys that were neither listed nor loaded have the same one."""
        found = self.cache.find(keys)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            load: Callable[[list[str]], Lookup[R]] = self._loader.load  # type: ignore[assignment]  # It returns the cache's futures, and is declared as Awaitable.
            found |= dict.fromkeys(missing, load(missing))
        return [(found[key], key) for key in keys]

    def close(self) -> None:
        """Cancel batches that no field waits for, and release all records."""
        self._closed = True
        for batch in self._batches:
            batch.cancel()
        # The loader refers to this object, and to its last batch with all of its records. Without this, they would stay
        # until the garbage collector finds them.
        vars(self).pop("_loader", None)
        self.cache.clear()

    @cached_property
    def _loader(self) -> DataLoader[list[str], Outcomes[R]]:
        """The DataLoader. Most requests list records and load none, so it is made when a key is first loaded."""
        return DataLoader(self._load_batch, cache_map=self.cache)

    @abstractmethod
    def _record_source(self) -> RecordSource[R]:
        """Return the calls and limits of a batch."""

    async def _load_batch(self, lists: list[list[str]]) -> list[Outcomes[R]]:
        """Return for each list the outcomes of its keys."""
        task = asyncio.current_task()
        if task is None or self._closed:
            raise asyncio.CancelledError
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)
        keys = list(chain.from_iterable(lists))
        batch = Batch(self._record_source(), keys, self._product_type_of(keys))
        await batch.run()
        return [batch.outcomes] * len(lists)

    def _product_type_of(self, _keys: list[str]) -> str | None:
        """Return the product type that all records of these keys probably have, if it is known."""
        return None


async def _record_of(lookup: Lookup[R], key: str) -> R | None:
    """Return the record of a key when its lookup is done, or raise the error of the search for it."""
    # A cancelled field must not cancel the lookup, because other fields may wait for it.
    outcome = (await asyncio.shield(lookup))[key]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
