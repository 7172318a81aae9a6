"""Records by key for one request: Strawberry's DataLoader, whose batches follow the batch plan."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from strawberry.dataloader import DataLoader

from gateway.loaders.batch import Batch, RecordSource
from gateway.loaders.record_cache import RecordCache

K = TypeVar("K")
R = TypeVar("R")


class LinkSource(Generic[K, R]):
    """Records of one kind, each found by a key that another record holds.

    Attributes:
        future: Returns the future of a key's record. All fields that load the key share it, so do not cancel it.
    """

    future: Callable[[K], asyncio.Future[R | None]]

    def load(self, key: K) -> R | Awaitable[R | None] | None:
        """Return the record of a key, or an awaitable of it. The result is None if there is no such record.

        Raises:
            UpstreamError: When awaited, if AWS fails.
            PageLimitExceeded: When awaited, if the record is too many list pages away.

        Cost: No call if the record was listed or loaded before.
        """
        future = self.future(key)
        if future.done() and future.exception() is None:
            return future.result()
        # A cancelled field must not cancel the future, because other fields may wait for it.
        return asyncio.shield(future)


class DataSource(LinkSource[str, R]):
    """The records of one kind by their own keys. Each distinct key is requested from upstream at most once.

    Cost: See batch_plan.

    Attributes:
        cache: The lookups so far, and the records that the request has listed.
    """

    def __init__(self, source: RecordSource[R]) -> None:
        self._source = source
        self.cache = RecordCache(source.key)
        self._loader = DataLoader(self._load_batch, cache_map=self.cache)
        self.future = self._loader.load  # type: ignore[assignment]  # It returns the cache's futures, and is declared as Awaitable.
        self._batches: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<{type(self).__name__}: {self.cache!r}, {len(self._batches)} batches{state}>"

    def close(self) -> None:
        """Cancel batches that no field waits for, and release all records."""
        self._closed = True
        for batch in self._batches:
            batch.cancel()
        # The loader still holds its last batch, with all of its records.
        self._loader.batch = None
        self.cache.clear()

    async def _load_batch(self, keys: list[str]) -> list[R | Exception | None]:
        """Return the record of each key, if there is one, or the error of the search for it."""
        task = asyncio.current_task()
        if task is None or self._closed:
            raise asyncio.CancelledError
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)
        batch = Batch(self._source, keys, self._product_type_of(keys))
        await batch.run()
        return [batch.outcomes[key] for key in keys]

    def _product_type_of(self, _keys: list[str]) -> str | None:
        """Return the product type that all records of these keys probably have, if it is known."""
        return None
