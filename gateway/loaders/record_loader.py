"""Records by their keys, for one request: the keys of a tick are one batch."""

from collections.abc import Awaitable, Iterable
from typing import Generic, TypeVar

from strawberry.dataloader import DataLoader

from gateway.loaders.batch import Batch, RecordSource

R = TypeVar("R")


class RecordLoader(Generic[R]):
    """Finds records by key; asks upstream for each distinct key once a request."""

    def __init__(self, source: RecordSource[R]) -> None:
        self._source = source
        self._batches: DataLoader[str, R | None] = DataLoader(self._load_batch)
        self._records: dict[str | None, R] = {}
        self._not_yet_indexed: list[Iterable[R]] = []

    def _listed(self, records: Iterable[R]) -> None:
        """Records that the same request has listed: their keys need no call any more."""
        # Most queries list and load nothing: the index waits for the first load.
        self._not_yet_indexed.append(records)

    def load(self, key: str) -> R | Awaitable[R | None]:
        """The record of a key; None where the upstream has none.

        Cost: see plan; none where the record was listed or loaded before.
        Raises, when awaited: UpstreamFault; WalkLimit where gets are refused and the list is too long to walk.
        """
        while self._not_yet_indexed:
            self._records.update((self._source.key(record), record) for record in self._not_yet_indexed.pop())
        record = self._records.get(key)
        return record if record is not None else self._batches.load(key)

    def _product_type_of(self, _keys: list[str]) -> str | None:
        """The product type that all records of these keys probably have; None where there is no such guess."""
        return None

    async def _load_batch(self, keys: list[str]) -> list[R | BaseException | None]:
        batch = Batch(self._source, keys, self._product_type_of(keys))
        await batch.carry_out()
        return [batch.outcomes[key] for key in keys]
