"""One batch of keys: list pages for as long as they pay, and gets for the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gateway.errors import GatewayError, PageLimitExceeded, UpstreamBadResponse, UpstreamError, UpstreamForbidden
from gateway.loaders.batch_plan import should_fetch_page
from gateway.telemetry.metrics import count_batch
from gateway.telemetry.request_record import current_record
from gateway.telemetry.tracing import span

R = TypeVar("R")

# Seconds for which a denied get is not retried. IAM changes take effect within seconds. Until then list pages still
# find the records, so a minute costs little either way.
DENIAL_SECONDS: Final = 60.0


class GetAccess:
    """Whether AWS allows one get operation. There is one for each get operation of the process."""

    def __init__(self) -> None:
        self._denied_until = 0.0

    def is_allowed(self) -> bool:
        """Return True unless AWS denied a get in the last DENIAL_SECONDS."""
        return asyncio.get_running_loop().time() >= self._denied_until

    def deny(self) -> None:
        """Record that AWS rejected a get with 403."""
        self._denied_until = asyncio.get_running_loop().time() + DENIAL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSource(Generic[R]):
    """The calls and limits with which a batch finds the records of one kind.

    Attributes:
        list_page: Returns the records and the next token for a token, a size and a product type (unset for any).
        list_operation: The list's name, for errors and metrics.
        get: Returns the record of a key, if there is one.
        key: Returns the key of a record.
        get_access: Whether AWS allows `get`.
        page_size: The most records of one list page.
        max_pages: The most list pages that one batch reads if gets are denied.
        concurrency: The most gets that one batch makes at the same time.
    """

    list_page: Callable[[str | None, int, str | None], Awaitable[tuple[Sequence[R], str | None]]]
    list_operation: str
    get: Callable[[str], Awaitable[R | None]]
    key: Callable[[R], str | None]
    get_access: GetAccess
    page_size: int
    max_pages: int
    concurrency: int


class Batch(Generic[R]):
    """The distinct keys of one tick. Each is resolved to its record, to an error, or to None if it has no record.

    Args:
        source: The calls that find the records.
        keys: Distinct keys.
        product_type: The product type that all records probably have, if it is known.
    """

    def __init__(self, source: RecordSource[R], keys: list[str], product_type: str | None) -> None:
        self.outcomes: dict[str, R | GatewayError | None] = {}
        self._source = source
        self._left = set(keys)
        self._product_type = product_type
        # The next token of the unfiltered list, and the number of its pages that were read.
        self._token: str | None = None
        self._pages_read = 0
        self._pages = self._gets = 0

    def __repr__(self) -> str:
        counts = f"{len(self.outcomes)} resolved, {len(self._left)} left, {self._pages} pages, {self._gets} gets"
        return f"<Batch {self._source.list_operation}: {counts}>"

    async def run(self) -> None:
        """Resolve every key.

        Cost: At most two calls more than keys. If gets are denied, at most max_pages calls. At the first denial, the
            gets in flight and the pages listed by product type are added to these.
        """
        keys = len(self._left)
        with span(f"load {self._source.list_operation}", {"chime_gateway.loader.keys": keys}) as batch_span:
            try:
                if self._source.get_access.is_allowed():
                    await self._list_while_it_pays()
                    await self._get_the_rest()
                if self._left:
                    await self._list_all()
                current_record().rows += sum(_is_record(outcome) for outcome in self.outcomes.values())
            finally:
                plan = count_batch(self._source.list_operation, keys=keys, pages=self._pages, gets=self._gets)
                calls = {"chime_gateway.loader.pages": self._pages, "chime_gateway.loader.gets": self._gets}
                batch_span.note({"chime_gateway.loader.plan": plan, **calls})

    async def _list_while_it_pays(self) -> None:
        """Resolve keys by list pages. If a page fails, its keys are left for gets."""
        requested, resolved = len(self._left), list[int]()
        token: str | None = None
        while should_fetch_page(requested, len(self._left), resolved):
            self._pages += 1
            try:
                records, token = await self._source.list_page(token, self._source.page_size, self._product_type)
            except UpstreamError:
                return
            resolved.append(self._resolve(records))
            if self._product_type is None:
                self._token, self._pages_read = token, self._pages_read + 1
            if token is None and self._product_type is not None:
                # The keys that are left have another product type. The unfiltered list is read from its start.
                self._product_type = None
            elif token is None:
                # A key that is not in the whole list has no record.
                self._resolve_rest(None)
                return

    async def _get_the_rest(self) -> None:
        """Get each key that is left. Keys whose get is denied stay left."""
        slots = asyncio.Semaphore(self._source.concurrency)
        await asyncio.gather(*(self._get_one(key, slots) for key in list(self._left)))

    async def _get_one(self, key: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            if not self._source.get_access.is_allowed():
                return
            self._gets += 1
            try:
                self.outcomes[key] = await self._source.get(key)
            except UpstreamForbidden:
                self._source.get_access.deny()
                return
            except UpstreamError as error:
                self.outcomes[key] = error
        self._left.discard(key)

    async def _list_all(self) -> None:
        """Resolve the keys that are left by list pages, because gets are denied."""
        token = self._token
        seen_tokens: set[str | None] = {None, token}
        for _ in range(self._pages_read, self._source.max_pages):
            self._pages += 1
            try:
                records, token = await self._source.list_page(token, self._source.page_size, None)
            except UpstreamError as error:
                self._resolve_rest(error)
                return
            self._resolve(records)
            if token is None:
                self._resolve_rest(None)
            elif token in seen_tokens:
                self._resolve_rest(UpstreamBadResponse(self._source.list_operation, detail="a page token repeats"))
            seen_tokens.add(token)
            if not self._left:
                return
        self._resolve_rest(
            PageLimitExceeded(
                f"This record is not on the first {self._source.max_pages} upstream pages, "
                "and the gateway's credentials do not allow a request for it alone (GATEWAY_MAX_UPSTREAM_PAGES)."
            )
        )

    def _resolve(self, records: Iterable[R]) -> int:
        """Resolve the keys that these records have, and return their number."""
        key_of, left = self._source.key, self._left
        found = {key: record for record in records if (key := key_of(record)) is not None and key in left}
        self.outcomes.update(found)
        left.difference_update(found)
        return len(found)

    def _resolve_rest(self, outcome: GatewayError | None) -> None:
        self.outcomes.update(dict.fromkeys(self._left, outcome))
        self._left.clear()


def _is_record(outcome: object) -> bool:
    return outcome is not None and not isinstance(outcome, GatewayError)
