"""Records by their keys, for one request: the keys of a tick are one batch."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Generic, TypeVar

from gateway.loaders.batch import Batch, RecordSource

R = TypeVar("R")


class RecordLoader(Generic[R]):
    """Finds records by key; asks upstream for each distinct key once a request."""

    def __init__(self, source: RecordSource[R]) -> None:
        self._source = source
        # What is known of a key: its record, None where there is none, or why it could not be found.
        self._outcomes: dict[str | None, R | Exception | None] = {}
        self._not_yet_indexed: list[Iterable[R]] = []
        self._asked: _Asked | None = None
        # For each key whose outcome is on its way, the batch it is in.
        self._under_way: dict[str, _Asked] = {}
        self._batches: set[asyncio.Task[None]] = set()
        self._closed = False

    def load(self, key: str) -> R | Awaitable[R | None]:
        """The record of a key; None where the upstream has none.

        Cost: see plan; none where the record was listed or loaded before.
        Raises, when awaited: UpstreamError; PageLimitExceeded where gets are refused and the list is too long to walk.
        """
        record = self.known(key)
        if record is not None:
            return record
        self.ask_for(key)
        return self._load(key)

    def known(self, key: str) -> R | None:
        """The record of a key that was listed or loaded before, None where it is yet to be found, or is not there."""
        while self._not_yet_indexed:
            self._outcomes.update((self._source.key(record), record) for record in self._not_yet_indexed.pop())
        outcome = self._outcomes.get(key)
        return None if isinstance(outcome, Exception) else outcome

    def ask_for(self, key: str) -> None:
        """Have a key be in the batch of this tick, for one who waits for it later."""
        if key in self._outcomes or key in self._under_way:
            return
        if self._asked is None:
            self._asked = _Asked()
            # Once all that runs in this tick has asked.
            asyncio.get_running_loop().call_soon(self._begin)
        self._asked.keys.append(key)
        self._under_way[key] = self._asked

    async def load_all(self, keys: Sequence[str]) -> list[R | Exception | None]:
        """What `load` gives for each key, or raises, in their order.

        One wait for all of them, where `load` is a task for each.
        """
        for key in keys:
            self.ask_for(key)
        for asked in {self._under_way[key] for key in keys if key in self._under_way}:
            await asked.done.wait()
        return [self._outcomes[key] for key in keys]

    def close(self) -> None:
        """End what nobody waits for any more, and let go of every record."""
        self._closed = True
        for batch in self._batches:
            batch.cancel()
        self._outcomes.clear()
        self._not_yet_indexed.clear()

    def _listed(self, records: Iterable[R]) -> None:
        """Records that the same request has listed: their keys need no call any more."""
        # Most queries list and load nothing: the index waits for the first load.
        self._not_yet_indexed.append(records)

    async def _load(self, key: str) -> R | None:
        (outcome,) = await self.load_all([key])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _begin(self) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not self._closed:
            batch = asyncio.create_task(self._carry_out(asked))
            self._batches.add(batch)
            batch.add_done_callback(self._batches.discard)

    async def _carry_out(self, asked: "_Asked") -> None:
        batch = Batch(self._source, asked.keys, self._product_type_of(asked.keys))
        try:
            await batch.run()
            for key, outcome in batch.outcomes.items():
                # A record that was listed meanwhile stays what is known of its key.
                self._outcomes.setdefault(key, outcome)
        except Exception as error:  # noqa: BLE001  # Those who wait must hear of it, or they would wait for ever.
            self._outcomes.update(dict.fromkeys(asked.keys, error))
        for key in asked.keys:
            del self._under_way[key]
        asked.done.set()

    def _product_type_of(self, _keys: list[str]) -> str | None:
        """The product type that all records of these keys probably have; None where there is no such guess."""
        return None


class _Asked:
    """The distinct keys of one tick."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.done = asyncio.Event()
