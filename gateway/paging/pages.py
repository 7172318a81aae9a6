"""Consecutive pages of one list, fetched when they are first needed, and the rows in them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, Protocol, Self, TypeVar

from gateway.errors import GatewayError, UpstreamBadResponse
from gateway.paging.cursor import Position, hash_of, write_cursor
from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.sort_order import SortOrder

R = TypeVar("R")

# More rows or pages than any list has.
ALL: Final = sys.maxsize


@dataclass(slots=True, kw_only=True, eq=False)
class TokenList(Generic[R]):
    """A list that can only be read page by page, by forward tokens.

    Attributes:
        fetch: Returns the rows and the next token for a token (None for the first page) and a size. Only a next token
            of None ends the list. A page may have fewer rows than requested, or none.
        key: Returns the key of a row within the list.
        binding: The list and caller that the cursors are valid for (CursorKeyRing.bind).
        operation: The list's name, for errors and metrics.
        page_size: The most rows that one page may request.
        narrowed_by: The filters with which AWS returns fewer pages, for an error's advice. Empty if it has none.
        order: The order in which connections show the rows, or None for the list's own order.
        pages_fetched: Number of pages requested so far.
    """

    fetch: Callable[[str | None, int], Awaitable[tuple[Sequence[R], str | None]]]
    key: Callable[[R], str]
    binding: CursorBinding
    operation: str
    page_size: int
    narrowed_by: str = ""
    order: SortOrder[R] | None = None
    pages_fetched: int = field(default=0, init=False)

    def repeated_token(self) -> UpstreamBadResponse:
        """Return the error for a list whose tokens lead in a circle."""
        return UpstreamBadResponse(self.operation, detail="a page token repeats")


@dataclass(slots=True, kw_only=True, eq=False)
class Page(Generic[R]):
    """One page of a list and how it was fetched. cursor.Position describes the fields that have the same names."""

    source: TokenList[R]
    rows: Sequence[R]
    token: str | None
    size: int
    next_token: str | None
    has_rows_before: bool
    next_token_repeats: bool
    _hashes: list[int] = field(default_factory=list, init=False)

    def cursor(self, index: int) -> str:
        """Return the cursor of the row at an index.

        Raises:
            CursorTooLong: If the page's tokens are too long for a cursor.
        """
        # A page's last cursor is often its only one. It needs no other row's hash.
        is_last = index + 1 == len(self.rows)
        hashes = self._hashes if is_last else self._hash_rows()
        next_token = self.next_token if is_last else None
        position = Position(
            token=self.token,
            size=self.size,
            offset=index,
            row_hash=hashes[index] if hashes else hash_of(self.source.key(self.rows[index])),
            next_row_hash=0 if is_last else hashes[index + 1],
            next_token=next_token,
            has_rows_before=self.has_rows_before,
            next_token_repeats=self.next_token_repeats and next_token is not None,
        )
        return write_cursor(position, self.source.binding, self.source.operation)

    def find(self, row_hash: int, *, start: int = 0, near: int = 0) -> int | None:
        """Return the index, from `start`, of a row whose key has this hash, or None.

        Args:
            row_hash: The `hash_of` the row's key.
            start: The first index to look at.
            near: The index to try first, because a list may hold a row twice.
        """
        hashes = self._hash_rows()
        if start <= near < len(hashes) and hashes[near] == row_hash:
            return near
        try:
            return hashes.index(row_hash, start)
        except ValueError:
            return None

    def _hash_rows(self) -> list[int]:
        """Return the hashes of all rows. They are computed once, when one of them is first needed."""
        if not self._hashes:
            key = self.source.key
            self._hashes = [hash_of(key(row)) for row in self.rows]
        return self._hashes


class Boundary(NamedTuple):
    """A boundary between two rows of a chain: before the row-th row of its page-th page."""

    page: int
    row: int


START: Final = Boundary(0, 0)


class PageChain(Generic[R]):
    """Pages that follow each other from one token. Every reader of the chain shares the pages fetched so far.

    Attributes:
        pages: The pages fetched so far.
        full_pages: Whether to request pages of full size, because another reader reads the whole list.
    """

    def __init__(
        self,
        source: TokenList[R],
        token: str | None,
        *,
        has_rows_before: bool,
        seen_tokens: frozenset[str] = frozenset(),
    ) -> None:
        self.pages: list[Page[R]] = []
        self.full_pages = False
        self._source = source
        self._token = token
        self._has_rows_before = has_rows_before
        # A list that leads back to one of these tokens never ends.
        self._seen_tokens = {*seen_tokens, token}
        self._one_at_a_time = asyncio.Lock()
        self._error: GatewayError | None = None

    def __repr__(self) -> str:
        rows = sum(len(page.rows) for page in self.pages)
        ended = ", ended" if self.pages and self.pages[-1].next_token is None else ""
        failed = f", failed with {type(self._error).__name__}" if self._error else ""
        return f"<PageChain {self._source.operation}: {len(self.pages)} pages, {rows} rows{ended}{failed}>"

    def pages_from(self, place: Boundary, *, rows: int = ALL, limit: int = ALL) -> "PagesFrom[R]":
        """Return an iterator over the pages from a boundary to the end of the list.

        Args:
            place: The boundary to start at. Its page is fetched, or is the next to fetch.
            rows: Number of rows that the caller needs. No page requests more than are still missing.
            limit: The most pages to return.
        """
        return PagesFrom(self, place, rows, limit)

    async def page(self, index: int, size: int) -> Page[R]:
        """Return the index-th page, and fetch it and those before it if necessary.

        Args:
            index: Number of the page, from 0. The list must not end before it.
            size: Number of rows to request if the page has to be fetched, at most the list's page size.

        Raises:
            UpstreamBadResponse: If the token of the page was seen before.
            GatewayError: If `fetch` raised it, now or for an earlier reader.
        """
        async with self._one_at_a_time:
            while len(self.pages) <= index:
                # An error of one field's page is not retried for the next field.
                if self._error is not None:
                    raise self._error
                full = self._source.page_size
                try:
                    await self._fetch_next(full if self.full_pages else min(size, full))
                except GatewayError as error:
                    self._error = error
                    raise
        return self.pages[index]

    def place_of(self, offset: int) -> Boundary:
        """Return the boundary behind that many rows, or behind all fetched rows if there are fewer."""
        for number, page in enumerate(self.pages):
            if offset <= len(page.rows):
                return Boundary(number, offset)
            offset -= len(page.rows)
        return self.end()

    def end(self) -> Boundary:
        """Return the boundary behind all fetched rows."""
        return Boundary(len(self.pages) - 1, len(self.pages[-1].rows))

    async def _fetch_next(self, size: int) -> None:
        token, has_rows_before = self._token, self._has_rows_before
        if self.pages:
            last = self.pages[-1]
            if last.next_token_repeats:
                raise self._source.repeated_token()
            token, has_rows_before = last.next_token, last.has_rows_before or bool(last.rows)
        self._source.pages_fetched += 1
        rows, next_token = await self._source.fetch(token, size)
        next_token_repeats = next_token is not None and next_token in self._seen_tokens
        self._seen_tokens.add(next_token)
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


class PagesFrom(Generic[R]):
    """An iterator over pages, each with the boundary of its first row to read.

    A loop over an async generator that ends early leaves a task to close it. This iterator needs no closing.
    """

    __slots__ = ("_chain", "_limit", "_place", "_rows")

    def __init__(self, chain: PageChain[R], place: Boundary, rows: int, limit: int) -> None:
        self._chain = chain
        self._place: Boundary | None = place
        self._rows = rows
        self._limit = limit

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Boundary, Page[R]]:
        place = self._place
        if place is None or self._limit == 0:
            raise StopAsyncIteration
        page = await self._chain.page(place.page, self._rows)
        self._rows -= len(page.rows) - place.row
        self._limit -= 1
        self._place = None if page.next_token is None else Boundary(place.page + 1, 0)
        return place, page


class RowsWithCursors(Protocol[R]):
    """Consecutive rows of a list, each with a cursor: one page, or a whole sorted list."""

    rows: Sequence[R]

    def cursor(self, index: int) -> str:
        """Return the cursor of the row at an index."""


class Row(NamedTuple, Generic[R]):
    """A row in its page. Its cursor is made when it is read, so that unused cursors cost no work."""

    page: RowsWithCursors[R]
    at: int

    @property
    def node(self) -> R:
        """Return the row itself."""
        return self.page.rows[self.at]

    @property
    def cursor(self) -> str:
        """Return the cursor with which `after` and `before` continue from this row."""
        return self.page.cursor(self.at)


class RowRange(NamedTuple, Generic[R]):
    """Consecutive rows of one page, at least one, from `start` up to but not including `stop`."""

    page: RowsWithCursors[R]
    start: int
    stop: int

    def rows(self) -> Sequence[R]:
        """Return the rows."""
        return self.page.rows[self.start : self.stop]

    def edges(self) -> list[Row[R]]:
        """Return the rows with their cursors."""
        return [Row(self.page, index) for index in range(self.start, self.stop)]


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """The rows for some page arguments, in the list's order, and the flags of Relay's PageInfo."""

    ranges: list[RowRange[R]]
    has_previous_page: bool
    has_next_page: bool

    def rows(self) -> list[R]:
        """Return the rows."""
        return [row for row_range in self.ranges for row in row_range.rows()]

    def edges(self) -> list[Row[R]]:
        """Return the rows with their cursors."""
        return [edge for row_range in self.ranges for edge in row_range.edges()]

    @property
    def start_cursor(self) -> str | None:
        """Return the cursor of the first edge, or None if there are no edges."""
        if not self.ranges:
            return None
        page, start, _ = self.ranges[0]
        return page.cursor(start)

    @property
    def end_cursor(self) -> str | None:
        """Return the cursor of the last edge, or None if there are no edges."""
        if not self.ranges:
            return None
        page, _, stop = self.ranges[-1]
        return page.cursor(stop - 1)
