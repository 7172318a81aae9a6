"""Records by key for one request. The keys of one tick are one batch."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Generic, TypeVar

from gateway.loaders.batch import Batch, RecordSource

R = TypeVar("R")


class RecordLoader(Generic[R]):
    """A DataLoader for records, which requests each distinct key from upstream at most once.

    It differs from Strawberry's DataLoader in two ways. Records that the request has listed are primed at once, but
    indexed only if a key is loaded. And the keys of a whole list are awaited together, without a task for each key.
    """

    def __init__(self, source: RecordSource[R]) -> None:
        self._source = source
        # For each resolved key its record, if there is one, or the error of the search for it.
        self._outcomes: dict[str | None, R | Exception | None] = {}
        self._not_indexed: list[Iterable[R]] = []
        self._next: _PendingBatch | None = None
        # For each key that is not resolved yet, the batch that holds it.
        self._pending: dict[str, _PendingBatch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __repr__(self) -> str:
        counts = f"{len(self._outcomes)} resolved, {len(self._pending)} pending"
        return f"<{type(self).__name__}: {counts}{', closed' if self._closed else ''}>"

    def load(self, key: str) -> R | Awaitable[R | None]:
        """Return the record of a key, or an awaitable of it. The result is None if there is no such record.

        Raises:
            UpstreamError: When awaited, if AWS fails.
            PageLimitExceeded: When awaited, if gets are denied and the record is too many list pages away.

        Cost: See batch_plan. No call if the record was listed or loaded before.
        """
        record = self.known(key)
        if record is not None:
            return record
        self.enqueue(key)
        return self._load(key)

    def known(self, key: str) -> R | None:
        """Return the record of a key if it was listed or loaded before."""
        while self._not_indexed:
            self._outcomes.update((self._source.key(record), record) for record in self._not_indexed.pop())
        outcome = self._outcomes.get(key)
        return None if isinstance(outcome, Exception) else outcome

    def enqueue(self, key: str) -> None:
        """Add a key to the batch of this tick, so that a later `load_many` finds it requested."""
        if key in self._outcomes or key in self._pending:
            return
        if self._next is None:
            self._next = _PendingBatch()
            # The batch begins when everything that runs in this tick has added its keys.
            asyncio.get_running_loop().call_soon(self._begin)
        self._next.keys.append(key)
        self._pending[key] = self._next

    async def load_many(self, keys: Sequence[str]) -> list[R | Exception | None]:
        """Return the record of each key, if there is one, or the error of the search for it, in the order of the keys.

        All keys are awaited at once, while `load` needs a task for each key.
        """
        for key in keys:
            self.enqueue(key)
        for batch in {self._pending[key] for key in keys if key in self._pending}:
            await batch.done.wait()
        return [self._outcomes[key] for key in keys]

    def prime(self, records: Iterable[R]) -> None:
        """Add records that the request has listed, so that their keys need no call."""
        # Most queries list records without loading any. So the index waits for the first load.
        self._not_indexed.append(records)

    def close(self) -> None:
        """Cancel batches that no field waits for, and release all records."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._outcomes.clear()
        self._not_indexed.clear()

    async def _load(self, key: str) -> R | None:
        (outcome,) = await self.load_many([key])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _begin(self) -> None:
        batch, self._next = self._next, None
        if batch is not None and not self._closed:
            task = asyncio.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, pending: "_PendingBatch") -> None:
        batch = Batch(self._source, pending.keys, self._product_type_of(pending.keys))
        try:
            await batch.run()
            for key, outcome in batch.outcomes.items():
                # A record that was listed in the meantime stays the outcome of its key.
                self._outcomes.setdefault(key, outcome)
        except Exception as error:  # noqa: BLE001  # The waiting fields need the error, or they would wait for ever.
            self._outcomes.update(dict.fromkeys(pending.keys, error))
        for key in pending.keys:
            del self._pending[key]
        pending.done.set()

    def _product_type_of(self, _keys: list[str]) -> str | None:
        """Return the product type that all records of these keys probably have, if it is known."""
        return None


class _PendingBatch:
    """The distinct keys of one tick, until they are resolved."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.done = asyncio.Event()
