"""Consecutive pages of one list, fetched when they are first needed, and the rows taken out of them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from gateway.errors import GatewayError, UpstreamBadResponse
from gateway.paging.cursor import CursorHead, hash_of
from gateway.paging.cursor_keys import CursorBinding

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList(Generic[R]):
    """A list that is reached only page by page, by forward tokens.

    fetch: token (None: the first page) and size -> rows and the next token. Fewer rows than asked for, or none, do not
        end the list; only a next token of None does.
    key: what a row is known by, within the list.
    scope: what its cursors are good for (seal.CursorKeyRing.scope).
    operation: its name where a fault must say it.
    page_size: the most rows to ask for in one page.
    """

    fetch: Callable[[str | None, int], Awaitable[tuple[Sequence[R], str | None]]]
    key: Callable[[R], str]
    scope: CursorBinding
    operation: str
    page_size: int


@dataclass(slots=True, kw_only=True, eq=False)
class Page(Generic[R]):
    """One page as it was given, and how it was come by; the fields are those of cursor.Position."""

    source: TokenList[R]
    rows: Sequence[R]
    token: str | None
    size: int
    next_token: str | None
    has_rows_before: bool
    next_token_repeats: bool
    _head: CursorHead | None = field(default=None, init=False)
    _last_head: CursorHead | None = field(default=None, init=False)
    _hashes: list[int] = field(default_factory=list, init=False)

    def cursor(self, index: int) -> str:
        """Return the cursor of the row at index; made only here, so that a cursor nobody asked for costs nothing.

        Raises: CursorTooLong.
        """
        skip = index + 1
        if skip == len(self.rows) and self.next_token is not None:
            if self._last_head is None:
                self._last_head = self._make_head(self.next_token)
            edge = self._hashes[index] if self._hashes else hash_of(self.source.key(self.rows[index]))
            return self._last_head.cursor(skip, edge, 0)
        hashes = self._hashes or self._hash()
        if self._head is None:
            self._head = self._make_head(None)
        return self._head.cursor(skip, hashes[index], hashes[skip] if skip < len(hashes) else 0)

    def find(self, edge: int, *, start: int = 0, near: int = 0) -> int | None:
        """The index, from start on, of the row whose key has this hash.

        near: where it is likely, and preferred: a list may hold a row twice.
        """
        hashes = self._hashes or self._hash()
        if start <= near < len(hashes) and hashes[near] == edge:
            return near
        try:
            return hashes.index(edge, start)
        except ValueError:
            return None

    def _hash(self) -> list[int]:
        """The hashes of all rows: made once, and only where one of them is needed."""
        key = self.source.key
        self._hashes = [hash_of(key(row)) for row in self.rows]
        return self._hashes

    def _make_head(self, next_token: str | None) -> CursorHead:
        return CursorHead(
            self.source.scope,
            self.source.operation,
            token=self.token,
            size=self.size,
            next_token=next_token,
            has_rows_before=self.has_rows_before,
            next_token_repeats=self.next_token_repeats and next_token is not None,
        )


class PageChain(Generic[R]):
    """Pages that follow each other from one token on. What was fetched is kept, for all who walk it."""

    def __init__(
        self, source: TokenList[R], token: str | None, *, has_rows_before: bool, met: frozenset[str] = frozenset()
    ) -> None:
        self.pages: list[Page[R]] = []
        self._source = source
        self._token = token
        self._preceded = has_rows_before
        # Tokens on the way so far: a list that leads back to one of them never ends.
        self._met = {*met, token}
        self._one_at_a_time = asyncio.Lock()
        self._fault: GatewayError | None = None

    async def page(self, index: int, size: int) -> Page[R] | None:
        """The index-th page, None past the list's end.

        size: rows to ask for where the page must still be fetched; never more than the list allows.
        Raises: UpstreamBadResponse where the next page's token has been met before; what fetch raises.
        """
        async with self._one_at_a_time:
            while len(self.pages) <= index:
                if self.pages and self.pages[-1].next_token is None:
                    return None
                if self._fault is not None:
                    # What has failed for one field is not tried again for the next.
                    raise self._fault
                try:
                    await self._fetch_next(min(size, self._source.page_size))
                except GatewayError as fault:
                    self._fault = fault
                    raise
        return self.pages[index]

    async def _fetch_next(self, size: int) -> None:
        token, has_rows_before = self._token, self._preceded
        if self.pages:
            before = self.pages[-1]
            if before.next_token_repeats:
                raise repeated_token(self._source)
            token, has_rows_before = before.next_token, before.has_rows_before or bool(before.rows)
        rows, next_token = await self._source.fetch(token, size)
        next_token_repeats = next_token is not None and next_token in self._met
        self._met.add(next_token)
        self.pages.append(
            Page(
                source=self._source,
                rows=rows,
                token=token,
                size=size,
                next_token=next_token,
                has_rows_before=has_rows_before,
                next_token_repeats=next_token_repeats,
            )
        )


def repeated_token(source: TokenList[R]) -> UpstreamBadResponse:
    """The fault of a list that leads in a circle."""
    return UpstreamBadResponse(source.operation, detail="a page token repeats")


class Row(NamedTuple, Generic[R]):
    """A row in its page; the cursor is made when asked for."""

    page: Page[R]
    at: int

    @property
    def node(self) -> R:
        """The row itself."""
        return self.page.rows[self.at]

    @property
    def cursor(self) -> str:
        """Where `after` and `before` continue from this edge."""
        return self.page.cursor(self.at)


class RowRange(NamedTuple, Generic[R]):
    """Neighbouring rows of one page, at least one: start up to, not with, stop."""

    page: Page[R]
    start: int
    stop: int

    def rows(self) -> Sequence[R]:
        """The rows themselves."""
        return self.page.rows[self.start : self.stop]

    def edges(self) -> list[Row[R]]:
        """The rows, each with its cursor."""
        return [Row(self.page, at) for at in range(self.start, self.stop)]


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """The rows of one window, in the list's order, and what Relay's PageInfo says of them."""

    stretches: list[RowRange[R]]
    has_previous_page: bool
    has_next_page: bool

    def rows(self) -> list[R]:
        """The rows themselves."""
        return [row for stretch in self.stretches for row in stretch.rows()]

    def edges(self) -> list[Row[R]]:
        """The rows, each with its cursor."""
        return [edge for stretch in self.stretches for edge in stretch.edges()]

    @property
    def start_cursor(self) -> str | None:
        """The first edge's cursor, None without edges."""
        if not self.stretches:
            return None
        page, start, _ = self.stretches[0]
        return page.cursor(start)

    @property
    def end_cursor(self) -> str | None:
        """The last edge's cursor, None without edges."""
        if not self.stretches:
            return None
        page, _, stop = self.stretches[-1]
        return page.cursor(stop - 1)
