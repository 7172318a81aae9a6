"""One batch of keys: known pages at the same time, list pages for as long as they pay, and gets for the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gateway.errors import (
    CursorExpired,
    GatewayError,
    PageLimitExceeded,
    UpstreamBadResponse,
    UpstreamError,
    UpstreamForbidden,
)
from gateway.loaders.batch_plan import (
    FEWEST_KEYS_FOR_A_PAGE,
    FEWEST_KEYS_ON_A_KNOWN_PAGE,
    MAX_DEFICIT,
    first_calls,
    should_fetch_page,
)
from gateway.paging.read_ahead import ListPage, ReadAhead
from gateway.telemetry.metrics import count_batch
from gateway.telemetry.request_record import current_record
from gateway.telemetry.tracing import span
from gateway.upstream.page_map import KnownList

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
        list_page: Returns the page for a token, a size and a product type (unset for any).
        list_operation: The list's name, for errors and metrics.
        get: Returns the record of a key, if there is one.
        get_access: Whether AWS allows `get`.
        page_size: The most records of one list page.
        max_pages: The most list pages that one batch reads if gets are denied.
        concurrency: The most calls that one batch makes at the same time.
        known: Returns what the process knows of the list with a product type (unset for any).
        is_rate_limited: Whether the fewest calls come first, because a quota is set or AWS has throttled recently.
        following: Returns at most so many tokens that most likely follow a token of the unfiltered list.
        on_wasted: Called with the number of pages that were requested ahead and not needed.
    """

    list_page: Callable[[str | None, int, str | None], Awaitable[ListPage[R]]]
    list_operation: str
    get: Callable[[str], Awaitable[R | None]]
    get_access: GetAccess
    page_size: int
    max_pages: int
    concurrency: int
    known: Callable[[str | None], KnownList]
    is_rate_limited: Callable[[], bool]
    following: Callable[[str | None, int], Sequence[str]]
    on_wasted: Callable[[int], None]


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
        # Calls are made in this order, so that equal batches make equal calls.
        self._keys = keys
        self._left = set(keys)
        self._slots = asyncio.Semaphore(source.concurrency)
        # Number of gets that are made at the same time, or None if the fewest calls come first.
        self._gets_at_once = None if source.is_rate_limited() else source.concurrency
        # The list that is read on: its product type, and the token of its next page.
        self._product_type = product_type
        self._token: str | None = None
        # The next token of the unfiltered list, and the number of its pages that were read from its start.
        self._token_from_start: str | None = None
        self._pages_from_start = 0
        # Whether to read the next page at the same time as the gets, so that the page map grows.
        self._reads_on = False
        # The calls so far, and the records that they found.
        self._pages = self._gets = self._records = 0
        # The keys whose get was made, and the keys that needed no get because a page held them.
        self._requested = set[str]()
        self._saved = 0
        self._most_wasted = MAX_DEFICIT

    def __repr__(self) -> str:
        counts = f"{len(self.outcomes)} resolved, {len(self._left)} left, {self._pages} pages, {self._gets} gets"
        return f"<Batch {self._source.list_operation}: {counts}>"

    @property
    def _wasted(self) -> int:
        """Return the number of calls that pages have cost beyond the gets that they saved."""
        return self._pages - self._saved

    async def run(self) -> None:
        """Resolve every key.

        Cost: At most MAX_DEFICIT calls more than keys. If nearly all keys have moved since their pages were last read,
            at most one call more for each KEYS_PER_UNPROVEN_PAGE keys. The same holds if AWS rejects the tokens of
            these pages. If gets are denied, at most max_pages calls. At the first denial, the gets in flight and the
            pages listed by product type are added to these.
        """
        keys = len(self._left)
        with span(f"load {self._source.list_operation}", {"chime_gateway.loader.keys": keys}) as batch_span:
            try:
                if self._source.get_access.is_allowed():
                    unknown = await self._make_first_calls()
                    await self._list_while_it_pays(unknown)
                    await self._get_the_rest()
                if self._left:
                    await self._list_all()
                current_record().rows += self._records
            finally:
                plan = count_batch(self._source.list_operation, keys=keys, pages=self._pages, gets=self._gets)
                calls = {"chime_gateway.loader.pages": self._pages, "chime_gateway.loader.gets": self._gets}
                batch_span.note({"chime_gateway.loader.plan": plan, **calls})

    async def _make_first_calls(self) -> set[str]:
        """Make the calls that the page map suggests, all at once, and return the keys to look for by reading on."""
        if len(self._left) < FEWEST_KEYS_FOR_A_PAGE:
            return set()
        self._product_type, known, keys_of_pages = self._best_known_list()
        is_unfiltered = self._product_type is None
        start = known.start()
        pages, gets, unknown, self._most_wasted = first_calls(
            self._left,
            keys_of_pages,
            start,
            gets_at_once=self._gets_at_once,
            end_proves_absence=is_unfiltered,
        )
        self._token = start.next_token
        if not pages:
            # The pages that are read on may hold the keys, so the gets come last.
            return unknown
        keys_before = [known_page.keys for known_page in known.pages.values()]
        if gets:
            next_tokens, _ = await asyncio.gather(self._read_known_pages(pages), self._get(gets))
        else:
            next_tokens = await self._read_known_pages(pages)
        token, count = _end_of_chain(next_tokens)
        if is_unfiltered:
            self._token_from_start, self._pages_from_start = token, count
            if count and token is None and keys_before == [known_page.keys for known_page in known.pages.values()]:
                # The whole list was read. A key that is not in it has no record. If rows moved, a page may have been
                # read before a row came to it, and another one after the row had left it.
                self._resolve_rest(None)
        is_longer_now = is_unfiltered and start.is_complete and count == len(start.tokens)
        if is_longer_now or any(isinstance(each, CursorExpired) for each in next_tokens.values()):
            # If AWS rejected a token, the map has forgotten the list.
            self._token = token
            return set(self._left)
        if start.is_complete:
            # If the list of a product type does not have a key, the unfiltered list may.
            self._product_type = None
        return unknown

    def _best_known_list(self) -> tuple[str | None, KnownList, dict[str | None, list[str]]]:
        """Return the product type of the list whose known pages hold the most keys, the list, and its keys by page."""
        product_type, known = self._product_type, self._source.known(self._product_type)
        keys_of_pages = known.pages_of(self._keys)
        if product_type is not None and (count := _count(keys_of_pages)) < len(self._left):
            unfiltered = self._source.known(None)
            keys_of_unfiltered = unfiltered.pages_of(self._keys)
            if _count(keys_of_unfiltered) > count:
                return None, unfiltered, keys_of_unfiltered
        return product_type, known, keys_of_pages

    async def _read_known_pages(self, pages: list[str | None]) -> dict[str | None, str | UpstreamError | None]:
        """Read pages at the same time, and return their next tokens or errors by the pages' tokens.

        Only so many are read at the same time that the batch stays within its calls if none of them holds a key now.
        The keys of the pages that are not read are left.
        """
        next_tokens: dict[str | None, str | UpstreamError | None] = {}
        while (unread := pages[len(next_tokens) :]) and self._wasted < self._most_wasted:
            at_once = unread[: self._most_wasted - self._wasted]
            if len(at_once) == 1:
                next_tokens[at_once[0]] = await self._read_page(at_once[0])
            else:
                read = await asyncio.gather(*map(self._read_page, at_once))
                next_tokens.update(zip(at_once, read, strict=True))
                if any(isinstance(each, CursorExpired) for each in read):
                    break
        return next_tokens

    async def _read_page(self, token: str | None) -> str | UpstreamError | None:
        """Resolve the keys of a page, and return its next token. If it fails, return its error, and leave its keys."""
        async with self._slots:
            self._pages += 1
            try:
                page = await self._source.list_page(token, self._source.page_size, self._product_type)
            except UpstreamError as error:
                return error
        self._resolve(page)
        return page.next_token

    async def _list_while_it_pays(self, unknown: set[str]) -> None:
        """Resolve keys by list pages, one after the other. If a page fails, its keys are left for gets."""
        requested, resolved = len(unknown), list[int]()
        wasted = MAX_DEFICIT - (self._most_wasted - self._wasted)
        reads_from_start = self._token == self._token_from_start
        while should_fetch_page(requested, len(unknown & self._left), resolved, self._gets_at_once, wasted=wasted):
            before = self._saved
            next_token = await self._read_page(self._token)
            if isinstance(next_token, UpstreamError):
                return
            resolved.append(self._saved - before)
            self._token = next_token
            if self._product_type is None and reads_from_start:
                self._token_from_start, self._pages_from_start = next_token, self._pages_from_start + 1
            if next_token is None and self._product_type is not None:
                # The keys that are left have another product type. The unfiltered list is read from its start.
                self._product_type, reads_from_start = None, True
            elif next_token is None:
                if reads_from_start:
                    # A key that is not in the whole list has no record.
                    self._resolve_rest(None)
                return
        pays = sum(resolved) >= FEWEST_KEYS_ON_A_KNOWN_PAGE * len(resolved) > 0
        self._reads_on = self._gets_at_once is not None and pays and self._wasted < MAX_DEFICIT

    async def _get_the_rest(self) -> None:
        """Get each key that is left. Keys whose get is denied stay left.

        A page that is read at the same time costs no wait. The next batch needs fewer gets then.
        """
        if self._reads_on and len(self._left) >= FEWEST_KEYS_FOR_A_PAGE:
            await asyncio.gather(self._get(self._left), self._read_page(self._token))
        else:
            await self._get(self._left)

    async def _get(self, keys: Collection[str]) -> None:
        await asyncio.gather(*(self._get_one(key) for key in self._keys if key in keys))

    async def _get_one(self, key: str) -> None:
        async with self._slots:
            if key not in self._left or not self._source.get_access.is_allowed():
                return
            self._gets += 1
            self._requested.add(key)
            outcome: R | UpstreamError | None
            try:
                outcome = await self._source.get(key)
            except UpstreamForbidden:
                self._source.get_access.deny()
                return
            except UpstreamError as error:
                outcome = error
        # A page may have had the key meanwhile.
        if key in self._left:
            self.outcomes[key] = outcome
            self._left.discard(key)
            self._records += outcome is not None and not isinstance(outcome, UpstreamError)

    async def _list_all(self) -> None:
        """Resolve the keys that are left by list pages, because gets are denied."""

        async def fetch(token: str | None, size: int) -> ListPage[R]:
            self._pages += 1
            return await self._source.list_page(token, size, None)

        read_ahead = ReadAhead(fetch, self._source.following, self._source.on_wasted)
        try:
            await self._read_pages(read_ahead)
        except UpstreamError as error:
            self._resolve_rest(error)
        finally:
            read_ahead.close()

    async def _read_pages(self, read_ahead: ReadAhead[R]) -> None:
        source = self._source
        token = self._token_from_start
        seen_tokens: set[str | None] = {None, token}
        for number in range(self._pages_from_start, source.max_pages):
            page = await read_ahead.page(token, [source.page_size] * self._pages_to_read(number))
            self._resolve(page)
            token = page.next_token
            if token is None:
                self._resolve_rest(None)
            if not self._left:
                return
            if token in seen_tokens:
                raise UpstreamBadResponse(source.list_operation, detail="a page token repeats")
            seen_tokens.add(token)
        self._resolve_rest(
            PageLimitExceeded(
                f"This record is not on the first {source.max_pages} upstream pages, "
                "and the gateway's credentials do not allow a request for it alone (GATEWAY_MAX_UPSTREAM_PAGES)."
            )
        )

    def _pages_to_read(self, first: int) -> int:
        """Return how many pages of the unfiltered list, from the page with that number, most likely hold all keys."""
        known = self._source.known(None)
        keys_of_pages = known.pages_of(self._left)
        if _count(keys_of_pages) < len(self._left):
            return self._source.max_pages - first
        last = max((at for at, token in enumerate(known.start().tokens) if token in keys_of_pages), default=0)
        return max(1, min(last + 1, self._source.max_pages) - first)

    def _resolve(self, page: ListPage[R]) -> None:
        """Resolve the keys that a page has."""
        records = dict(zip(page.keys, page.records, strict=True))
        found = self._left & records.keys()
        self.outcomes.update({key: records[key] for key in found})
        self._left -= found
        self._records += len(found)
        self._saved += len(found - self._requested)

    def _resolve_rest(self, outcome: GatewayError | None) -> None:
        self.outcomes.update(dict.fromkeys(self._left, outcome))
        self._left.clear()


def _end_of_chain(next_tokens: dict[str | None, str | UpstreamError | None]) -> tuple[str | None, int]:
    """Return the token after the pages that were read from a list's start without a gap, and the number of the pages.

    If there are such pages and no token, they are the whole list.
    """
    token: str | None = None
    count = 0
    while count < len(next_tokens) and token in next_tokens:
        next_token = next_tokens[token]
        if isinstance(next_token, UpstreamError):
            break
        token, count = next_token, count + 1
        if token is None:
            break
    return token, count


def _count(keys_of_pages: dict[str | None, list[str]]) -> int:
    """Return the number of keys on all pages."""
    return sum(map(len, keys_of_pages.values()))
