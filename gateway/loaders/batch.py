"""How one batch of keys is carried out: list pages while they pay, gets for the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gateway.errors import GatewayError, PageLimitExceeded, UpstreamBadResponse, UpstreamError, UpstreamForbidden
from gateway.loaders.batch_plan import should_fetch_page
from gateway.telemetry.metrics import count_batch
from gateway.telemetry.tracing import span

R = TypeVar("R")

# Seconds for which a refused get is not tried again. IAM changes take effect within seconds, and a walk in place of
# gets still answers, so a minute costs little either way.
REFUSAL_SECONDS: Final = 60.0


class GetAccess:
    """Whether single records may be got; one for each get operation, kept for the whole process."""

    def __init__(self) -> None:
        self._refused_until = 0.0

    def granted(self) -> bool:
        """True unless a get was refused in the last REFUSAL_SECONDS."""
        return asyncio.get_running_loop().time() >= self._refused_until

    def refused(self) -> None:
        """A get was answered with 403."""
        self._refused_until = asyncio.get_running_loop().time() + REFUSAL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource(Generic[R]):
    """Where the records of one kind come from.

    list_page: token, size and product type (None: any) -> records and the next token.
    list_operation: its name, where a fault must say it.
    get: key -> record, None where there is none.
    key: what a record is known by.
    page_size: the most records of one list page.
    max_pages: list pages that one batch may walk where gets are refused.
    concurrency: gets that one batch has under way at once.
    """

    list_page: Callable[[str | None, int, str | None], Awaitable[tuple[Sequence[R], str | None]]]
    list_operation: str
    get: Callable[[str], Awaitable[R | None]]
    key: Callable[[R], str | None]
    permission: GetAccess
    page_size: int
    max_pages: int
    concurrency: int


class Batch(Generic[R]):
    """The distinct keys of one tick on their way to an outcome each: a record, None where there is none, or a fault."""

    def __init__(self, source: RecordSource[R], keys: list[str], product_type: str | None) -> None:
        self.outcomes: dict[str, R | GatewayError | None] = {}
        self._source = source
        self._left = set(keys)
        self._product_type = product_type
        # Where a walk of the unfiltered list goes on, and how many pages of it are behind.
        self._token: str | None = None
        self._walked = 0
        self._pages = self._gets = 0

    async def run(self) -> None:
        """Settle every key.

        Cost: at most two calls more than keys. Where gets are refused, at most max_pages; at the first refusal, the
        gets under way and pages listed by product type as well.
        """
        keys = len(self._left)
        with span(f"load {self._source.list_operation}", {"chime_gateway.loader.keys": keys}) as batch_span:
            try:
                if self._source.permission.granted():
                    await self._list_while_it_pays()
                    await self._get_the_rest()
                if self._left:
                    await self._list_all()
            finally:
                plan = count_batch(self._source.list_operation, keys=keys, pages=self._pages, gets=self._gets)
                calls = {"chime_gateway.loader.pages": self._pages, "chime_gateway.loader.gets": self._gets}
                batch_span.note({"chime_gateway.loader.plan": plan, **calls})

    async def _list_while_it_pays(self) -> None:
        """Resolve keys by list pages. A page that fails is no loss yet: gets follow."""
        asked, resolved = len(self._left), list[int]()
        token: str | None = None
        while should_fetch_page(asked, len(self._left), resolved):
            self._pages += 1
            try:
                records, token = await self._source.list_page(token, self._source.page_size, self._product_type)
            except UpstreamError:
                return
            resolved.append(self._resolve(records))
            if self._product_type is None:
                self._token, self._walked = token, self._walked + 1
            if token is None and self._product_type is not None:
                # The guess did not hold for all; they may be elsewhere in the list, which then starts anew.
                self._product_type = None
            elif token is None:
                # What a whole list does not hold is nowhere.
                self._resolve_rest(None)
                return

    async def _get_the_rest(self) -> None:
        """Get each key that is left; those for which gets are refused stay left."""
        slots = asyncio.Semaphore(self._source.concurrency)
        await asyncio.gather(*(self._get_one(key, slots) for key in list(self._left)))

    async def _get_one(self, key: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            if not self._source.permission.granted():
                return
            self._gets += 1
            try:
                self.outcomes[key] = await self._source.get(key)
            except UpstreamForbidden:
                self._source.permission.refused()
                return
            except UpstreamError as fault:
                self.outcomes[key] = fault
        self._left.discard(key)

    async def _list_all(self) -> None:
        """Walk the list for the keys that are left, where gets are refused."""
        token = self._token
        met: set[str | None] = {None, token}
        for _ in range(self._walked, self._source.max_pages):
            self._pages += 1
            try:
                records, token = await self._source.list_page(token, self._source.page_size, None)
            except UpstreamError as fault:
                self._resolve_rest(fault)
                return
            self._resolve(records)
            if token is None:
                self._resolve_rest(None)
            elif token in met:
                self._resolve_rest(UpstreamBadResponse(self._source.list_operation, detail="a page token repeats"))
            met.add(token)
            if not self._left:
                return
        self._resolve_rest(
            PageLimitExceeded(
                f"This record is not on the first {self._source.max_pages} upstream pages, "
                "and the gateway's credentials may not fetch it by itself."
            )
        )

    def _resolve(self, records: Iterable[R]) -> int:
        """Take the records of keys that are left; gives how many."""
        found = {key: record for record in records if (key := self._source.key(record)) in self._left}
        for key, record in found.items():
            if key is not None:
                self.outcomes[key] = record
                self._left.discard(key)
        return len(found)

    def _resolve_rest(self, outcome: GatewayError | None) -> None:
        self.outcomes.update(dict.fromkeys(self._left, outcome))
        self._left.clear()
