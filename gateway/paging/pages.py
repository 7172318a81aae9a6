"""Consecutive pages of one list, fetched when they are first needed, and the rows in them."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, Protocol, Self, TypeVar

from gateway.errors import GatewayError
from gateway.paging.cursor import Position
from gateway.paging.read_ahead import MOST_AT_ONCE, ListPage
from gateway.paging.token_list import Page, TokenList

R = TypeVar("R")

# More rows or pages than any list has.
ALL: Final = sys.maxsize


class Boundary(NamedTuple):
    """A boundary between two rows of a chain: before the row-th row of its page-th page."""

    page: int
    row: int


START: Final = Boundary(0, 0)


class PageChain(Generic[R]):
    """Pages that follow each other from one token. Every reader of the chain shares the pages fetched so far.

    Attributes:
        pages: The pages fetched so far.
        page_size: The most records of a page.
        is_filtered: Whether pages may have records that are no rows.
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
        self.page_size = source.page_size
        self.is_filtered = source.matches is not None
        self.full_pages = False
        self._source = source
        self._token = token
        self._has_rows_before = has_rows_before
        # A list that leads back to one of these tokens never ends.
        self._seen_tokens = {*seen_tokens, token}
        self._one_at_a_time = asyncio.Lock()
        self._read_ahead = source.read_ahead()
        self._error: GatewayError | None = None

    def __repr__(self) -> str:
        rows = sum(len(page.rows) for page in self.pages)
        ended = ", ended" if self.pages and self.pages[-1].next_token is None else ""
        failed = f", failed with {type(self._error).__name__}" if self._error else ""
        return f"<PageChain {self._source.operation}: {len(self.pages)} pages, {rows} rows{ended}{failed}>"

    def pages_from(
        self, boundary: Boundary, *, rows: int = ALL, limit: int = ALL, reads_all: bool = False
    ) -> "PagesFrom[R]":
        """Return an iterator over the pages from a boundary to the end of the list.

        Args:
            boundary: The boundary to start at. Its page is fetched, or is the next to fetch.
            rows: Number of rows that the caller needs. No page requests more than are still missing.
            limit: The most pages to return.
            reads_all: Whether the caller reads until it has the rows. If so, pages may be requested ahead.
        """
        return PagesFrom(self, boundary, rows, limit, reads_all=reads_all)

    async def page(self, index: int, rows: int, pages: int = 1) -> Page[R]:
        """Return the index-th page, and fetch it and those before it if necessary.

        Args:
            index: Number of the page, from 0. The list must not end before it.
            rows: Number of rows to request if the page has to be fetched. No page requests more than its list allows.
            pages: Number of pages from this one on that the caller most likely needs for these rows.

        Raises:
            UpstreamBadResponse: If the token of the page was seen before.
            GatewayError: If `fetch` raised it, now or for an earlier reader.
        """
        if len(self.pages) <= index:
            async with self._one_at_a_time:
                while len(self.pages) <= index:
                    # An error of one field's page is not retried for the next field.
                    if self._error is not None:
                        raise self._error
                    try:
                        token, sizes = self._next_request(rows, pages)
                        self._append(token, sizes[0], await self._read_ahead.page(token, sizes))
                    except GatewayError as error:
                        self._error = error
                        raise
        return self.pages[index]

    def boundary_at(self, offset: int) -> Boundary:
        """Return the boundary after that many records, or after all fetched records if there are fewer."""
        for number, page in enumerate(self.pages):
            if offset <= len(page.records):
                return Boundary(number, page.rows_before(offset))
            offset -= len(page.records)
        return self.end()

    def end(self) -> Boundary:
        """Return the boundary after all fetched rows."""
        return Boundary(len(self.pages) - 1, len(self.pages[-1].rows))

    def position_read(self, page: int, after: Position | None) -> Position:
        """Return the position of the last record of a page, or of the pages before it. The next page comes after it.

        Args:
            page: The number of the page, from 0.
            after: The position after which the chain begins, or None for the start of the list.
        """
        last = self.pages[page]
        with_records = next((each for each in self.pages[page::-1] if each.records), None)
        if with_records is not None:
            position = with_records.position(len(with_records.records) - 1, None)
        else:
            position = after or Position.at_start(self._source.page_size)
        return position._replace(
            next_token=last.next_token,
            next_token_repeats=last.next_token_repeats,
            has_rows_before_next_page=last.has_rows_before or bool(last.rows),
        )

    def _next_request(self, rows: int, pages: int) -> tuple[str | None, list[int]]:
        """Return the token of the next page, and the sizes of so many pages from it on."""
        last = self.pages[-1] if self.pages else None
        if last is not None and last.next_token_repeats:
            raise self._source.repeated_token()
        full = self.page_size
        if self.full_pages or self.is_filtered:
            sizes = [full] * pages
        else:
            sizes = [min(rows - before, full) for before in range(0, min(rows, pages * full), full)]
        return self._token if last is None else last.next_token, sizes

    def _append(self, token: str | None, size: int, fetched: ListPage[R]) -> None:
        last = self.pages[-1] if self.pages else None
        has_rows_before = self._has_rows_before if last is None else last.has_rows_before or bool(last.rows)
        next_token = fetched.next_token
        next_token_repeats = next_token is not None and next_token in self._seen_tokens
        self._seen_tokens.add(next_token)
        self.pages.append(Page(self._source, fetched, token, size, has_rows_before, next_token_repeats))


class PagesFrom(Generic[R]):
    """An iterator over pages, each with the boundary of its first row to read.

    A loop over an async generator that ends early leaves a task to close it. This iterator needs no closing.
    """

    __slots__ = ("_boundary", "_chain", "_limit", "_reads_all", "_richest", "_rows", "_seen")

    def __init__(self, chain: PageChain[R], boundary: Boundary, rows: int, limit: int, *, reads_all: bool) -> None:
        self._chain = chain
        self._boundary: Boundary | None = boundary
        self._rows = rows
        self._limit = limit
        self._reads_all = reads_all
        # Pages so far, and the most rows on one of them.
        self._seen = self._richest = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Boundary, Page[R]]:
        boundary = self._boundary
        if boundary is None or self._limit == 0:
            raise StopAsyncIteration
        page = await self._chain.page(boundary.page, self._rows, self._pages_needed() if self._reads_all else 1)
        self._rows -= len(page.rows) - boundary.row
        self._limit -= 1
        self._seen += 1
        self._richest = max(self._richest, len(page.rows))
        self._boundary = None if page.next_token is None else Boundary(boundary.page + 1, 0)
        return boundary, page

    def _pages_needed(self) -> int:
        """Return how many pages the rows most likely take. It is better to expect too few than too many."""
        if not self._chain.is_filtered or self._rows == ALL:
            rows_each = self._chain.page_size
        elif self._richest:
            rows_each = self._richest
        else:
            # No page had a row so far, so expect as many more of these.
            return max(1, min(self._seen, self._limit))
        return min(-(-self._rows // rows_each), self._limit, 2 * MOST_AT_ONCE)


class RowsWithCursors(Protocol[R]):
    """Consecutive rows of a list, each with a cursor: one page, or a whole sorted list."""

    rows: Sequence[R]

    def cursor(self, index: int) -> str:
        """Return the cursor of the row at an index."""

    def project(self, start: int, stop: int, project: Callable[[Sequence[R]], list[Any]]) -> list[Any]:
        """Return the response's part for each row from `start` up to but not including `stop`."""


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


class Slice(NamedTuple, Generic[R]):
    """The rows for some page arguments, in the list's order, and the flags of Relay's PageInfo.

    Attributes:
        ranges: The rows.
        has_previous_page: Whether rows come before.
        has_next_page: Whether rows may follow.
        cursor_at_limit: Returns the cursor of the last record read, if the read ended at the page limit.
    """

    ranges: list[RowRange[R]]
    has_previous_page: bool
    has_next_page: bool
    cursor_at_limit: Callable[[], str] | None = None

    def rows(self) -> list[R]:
        """Return the rows."""
        return [row for row_range in self.ranges for row in row_range.rows()]

    def project(self, project: Callable[[Sequence[R]], list[Any]]) -> list[Any]:
        """Return the response's part for each row."""
        return [each for page, start, stop in self.ranges for each in page.project(start, stop, project)]

    def edges(self) -> list[Row[R]]:
        """Return the rows with their cursors."""
        return [edge for row_range in self.ranges for edge in row_range.edges()]

    @property
    def start_cursor(self) -> str | None:
        """Return the cursor of the first edge, if there are edges."""
        if not self.ranges:
            return None
        page, start, _ = self.ranges[0]
        return page.cursor(start)

    @property
    def end_cursor(self) -> str | None:
        """Return the cursor to continue after: that of the last edge, or of the last record read at the page limit.

        It is None if there is neither edge nor record.
        """
        if self.cursor_at_limit is not None:
            return self.cursor_at_limit()
        if not self.ranges:
            return None
        page, _, stop = self.ranges[-1]
        return page.cursor(stop - 1)
