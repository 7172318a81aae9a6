"""Consecutive pages of one list, fetched when they are first needed, and the rows in them.

A filtered list is a list whose pages are short: its rows are the records that match. The records between them stay in
the page, because a cursor may point at them: its row may have stopped matching, or a read may have ended behind a
record that does not match.
"""

import asyncio
import sys
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, Protocol, Self, TypeVar

from gateway.errors import GatewayError, UpstreamBadResponse
from gateway.paging.cursor import NEIGHBOURS, NO_NEIGHBOURS, Position, hash_of, write_cursor
from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.read_ahead import MOST_AT_ONCE, ReadAhead
from gateway.paging.sort_order import SortOrder

R = TypeVar("R")

# More rows or pages than any list has.
ALL: Final = sys.maxsize


def _none_known(_token: str | None, _count: int) -> Sequence[str]:
    return ()


def _ignore(_pages: int) -> None:
    return


@dataclass(slots=True, kw_only=True, eq=False)
class TokenList(Generic[R]):
    """A list that can only be read page by page, by forward tokens.

    Attributes:
        fetch: Returns the records and the next token for a token (None for the first page) and a size. Only a next
            token of None ends the list. A page may have fewer records than requested, or be empty.
        key: Returns the key of a record within the list.
        binding: The list and caller that the cursors are valid for (CursorKeyRing.bind).
        operation: The list's name, for errors and metrics.
        page_size: The most records that one page may request.
        narrowed_by: The filters with which AWS returns fewer pages, for an error's advice. Empty if there are no such
            filters.
        matches: Returns whether a record is a row of the list. None if every record is. A filtered list requests full
            pages only, so that the same pages are requested again and may come from the response cache.
        order: The order in which connections show the rows. Unset means the list's own order.
        following: Returns at most so many tokens of full pages that most likely follow a token's page.
        on_wasted: Called with the number of pages that were requested ahead and not needed.
        pages_fetched: Number of pages requested so far.
    """

    fetch: Callable[[str | None, int], Awaitable[tuple[Sequence[R], str | None]]]
    key: Callable[[R], str]
    binding: CursorBinding
    operation: str
    page_size: int
    narrowed_by: str = ""
    matches: Callable[[R], bool] | None = None
    order: SortOrder[R] | None = None
    following: Callable[[str | None, int], Sequence[str]] = _none_known
    on_wasted: Callable[[int], None] = _ignore
    pages_fetched: int = field(default=0, init=False)
    _walks: list[ReadAhead[R]] = field(default_factory=list, init=False)

    def walk(self) -> ReadAhead[R]:
        """Return a reader of the list's pages."""
        walk = ReadAhead(self._count_and_fetch, self.following, self.on_wasted)
        self._walks.append(walk)
        return walk

    def close(self) -> None:
        """Cancel the pages that were requested ahead."""
        for walk in self._walks:
            walk.close()
        self._walks.clear()

    async def _count_and_fetch(self, token: str | None, size: int) -> tuple[Sequence[R], str | None]:
        self.pages_fetched += 1
        return await self.fetch(token, size)

    def repeated_token(self) -> UpstreamBadResponse:
        """Return the error for a list whose tokens lead in a circle."""
        return UpstreamBadResponse(self.operation, detail="a page token repeats")


class Found(NamedTuple):
    """The place of a record in a page.

    Attributes:
        row: Number of rows before the record.
        is_row: Whether the record itself is a row of the list.
    """

    row: int
    is_row: bool


@dataclass(slots=True, kw_only=True, eq=False)
class Page(Generic[R]):
    """One page of a list and how it was fetched. cursor.Position describes the fields that have the same names.

    Attributes:
        records: All records of the page, in the list's order.
        places: The index of each row among the records. In an unfiltered list, all records are rows.
        rows: The rows.
    """

    source: TokenList[R]
    records: Sequence[R]
    token: str | None
    size: int
    next_token: str | None
    has_rows_before: bool
    next_token_repeats: bool
    places: Sequence[int] = field(init=False)
    rows: Sequence[R] = field(init=False)
    _hashes: list[int] = field(default_factory=list, init=False)
    # The same hashes between NO_NEIGHBOURS, so that each record has a neighbour or 0 on either side.
    _padded_hashes: tuple[int, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        matches, records = self.source.matches, self.records
        if matches is None:
            self.places, self.rows = range(len(records)), records
        else:
            self.places = [place for place, record in enumerate(records) if matches(record)]
            self.rows = [records[place] for place in self.places]

    def cursor(self, row: int) -> str:
        """Return the cursor of a row.

        Raises:
            CursorTooLong: If the page's tokens are too long for a cursor.
        """
        # If no row follows in the page, the next request need not read the page again.
        next_token = self.next_token if row + 1 == len(self.places) else None
        return write_cursor(self.position(self.places[row], next_token), self.source.binding, self.source.operation)

    def position(self, place: int, next_token: str | None) -> Position:
        """Return the position of a record, with the token of the page that a request after it begins with, if any."""
        # A page's last cursor is often its only one. It needs the hashes of a few records and not of all.
        if place + 1 == len(self.records) and not self._hashes:
            key = self.source.key
            hashes = [hash_of(key(record)) for record in self.records[-1 - NEIGHBOURS :]]
            row_hash, preceding = hashes[-1], (*NO_NEIGHBOURS, *hashes[:-1])[-NEIGHBOURS:]
            following = NO_NEIGHBOURS
        else:
            row_hash = self._hash_records()[place]
            preceding = self._padded_hashes[place : place + NEIGHBOURS]
            following = self._padded_hashes[place + NEIGHBOURS + 1 : place + 2 * NEIGHBOURS + 1]
        return Position(
            token=self.token,
            size=self.size,
            offset=place,
            row_hash=row_hash,
            following=following,
            preceding=preceding,
            next_token=next_token,
            has_rows_before=self.has_rows_before,
            next_token_repeats=self.next_token_repeats and next_token is not None,
        )

    def find(self, row_hash: int) -> Found | None:
        """Return the place of the record whose key has this hash, or None if the page does not have it."""
        index = self._index_of(row_hash)
        return None if index is None else self._found(index)

    def find_edge(self, position: Position, *, start: int = 0, near: int = 0) -> Found | None:
        """Return the place of a position's record, or None if the page does not have it or if it has moved.

        The record has moved if it is no longer between the records that were around it, and these are still in order.
        A client that continued at its new place would lose or repeat the rows between the two places.

        Args:
            position: The position of the record.
            start: The first row to look at. The records before it that follow another row are looked at as well.
            near: The index of the record to try first, because a list may hold a record twice.
        """
        index = self._index_of(position.row_hash, first=self.places[start - 1] + 1 if start else 0, near=near)
        if index is None:
            return None
        before = [place for each in position.preceding if (place := self._index_of(each)) is not None]
        after = [place for each in position.following if (place := self._index_of(each)) is not None]

        def agreement(boundary: int) -> int:
            """Return how many of the records are on the right side of the boundary before an index."""
            return sum(place < boundary for place in (*before, index)) + sum(place >= boundary for place in after)

        elsewhere = max(map(agreement, (*after, *(place + 1 for place in before))), default=0)
        return self._found(index) if agreement(index + 1) >= elsewhere else None

    def find_pushed_edge(self, position: Position) -> Found | None:
        """Return the place of a record of the page before, if rows that were added before it pushed it onto this page.

        Other records of that page are then before it. If none is, the record has moved, and the rows before it are new.
        """
        index = self._index_of(position.row_hash)
        if index is None:
            return None
        preceding = set(position.preceding).difference(NO_NEIGHBOURS)
        was_pushed = index == 0 or not preceding or not preceding.isdisjoint(self._hashes[:index])
        return self._found(index) if was_pushed else None

    def find_following(self, position: Position) -> int | None:
        """Return the number of rows before the nearest record that followed a position, or None if all are gone."""
        found = (self.find(row_hash) for row_hash in position.following if row_hash)
        return next((each.row for each in found if each is not None), None)

    def find_preceding(self, position: Position) -> tuple[int, int] | None:
        """Return the distance of the nearest record that preceded a position, and the rows up to it, or None."""
        found = ((distance, self.find(each)) for distance, each in enumerate(reversed(position.preceding)) if each)
        return next(((distance, each.row + each.is_row) for distance, each in found if each is not None), None)

    def rows_before(self, place: int) -> int:
        """Return the number of rows before a record."""
        return bisect_left(self.places, place)

    def _index_of(self, row_hash: int, *, first: int = 0, near: int = 0) -> int | None:
        hashes = self._hash_records()
        if first <= near < len(hashes) and hashes[near] == row_hash:
            return near
        try:
            return hashes.index(row_hash, first)
        except ValueError:
            return None

    def _found(self, place: int) -> Found:
        row = self.rows_before(place)
        return Found(row, is_row=row < len(self.places) and self.places[row] == place)

    def _hash_records(self) -> list[int]:
        """Return the hashes of all records. They are computed once, when one of them is first needed."""
        if not self._hashes:
            key = self.source.key
            self._hashes = [hash_of(key(record)) for record in self.records]
            self._padded_hashes = (*NO_NEIGHBOURS, *self._hashes, *NO_NEIGHBOURS)
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
        self._walk = source.walk()
        self._error: GatewayError | None = None

    @property
    def is_filtered(self) -> bool:
        """Return whether pages may have records that are no rows."""
        return self._source.matches is not None

    @property
    def page_size(self) -> int:
        """Return the most records of a page."""
        return self._source.page_size

    def __repr__(self) -> str:
        rows = sum(len(page.rows) for page in self.pages)
        ended = ", ended" if self.pages and self.pages[-1].next_token is None else ""
        failed = f", failed with {type(self._error).__name__}" if self._error else ""
        return f"<PageChain {self._source.operation}: {len(self.pages)} pages, {rows} rows{ended}{failed}>"

    def pages_from(
        self, place: Boundary, *, rows: int = ALL, limit: int = ALL, reads_all: bool = False
    ) -> "PagesFrom[R]":
        """Return an iterator over the pages from a boundary to the end of the list.

        Args:
            place: The boundary to start at. Its page is fetched, or is the next to fetch.
            rows: Number of rows that the caller needs. No page requests more than are still missing.
            limit: The most pages to return.
            reads_all: Whether the caller reads until it has the rows. If so, pages may be requested ahead.
        """
        return PagesFrom(self, place, rows, limit, reads_all=reads_all)

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
        async with self._one_at_a_time:
            while len(self.pages) <= index:
                # An error of one field's page is not retried for the next field.
                if self._error is not None:
                    raise self._error
                try:
                    await self._fetch_next(rows, pages)
                except GatewayError as error:
                    self._error = error
                    raise
        return self.pages[index]

    def place_of(self, offset: int) -> Boundary:
        """Return the boundary behind that many records, or behind all fetched records if there are fewer."""
        for number, page in enumerate(self.pages):
            if offset <= len(page.records):
                return Boundary(number, page.rows_before(offset))
            offset -= len(page.records)
        return self.end()

    def end(self) -> Boundary:
        """Return the boundary behind all fetched rows."""
        return Boundary(len(self.pages) - 1, len(self.pages[-1].rows))

    def position_read(self, page: int, after: Position | None) -> Position:
        """Return the position of the last record of a page, or of the pages before it. The next page comes after it.

        Args:
            page: The number of the page, from 0.
            after: The position behind which the chain begins, or None for the start of the list.
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
            has_rows_behind=last.has_rows_before or bool(last.rows),
        )

    async def _fetch_next(self, rows: int, pages: int) -> None:
        token, has_rows_before = self._token, self._has_rows_before
        if self.pages:
            last = self.pages[-1]
            if last.next_token_repeats:
                raise self._source.repeated_token()
            token, has_rows_before = last.next_token, last.has_rows_before or bool(last.rows)
        full = self._source.page_size
        if self.full_pages or self._source.matches is not None:
            sizes = [full] * pages
        else:
            sizes = [min(rows - before, full) for before in range(0, min(rows, pages * full), full)]
        records, next_token = await self._walk.page(token, sizes)
        next_token_repeats = next_token is not None and next_token in self._seen_tokens
        self._seen_tokens.add(next_token)
        self.pages.append(
            Page(
                source=self._source,
                records=records,
                token=token,
                size=sizes[0],
                next_token=next_token,
                has_rows_before=has_rows_before,
                next_token_repeats=next_token_repeats,
            )
        )


class PagesFrom(Generic[R]):
    """An iterator over pages, each with the boundary of its first row to read.

    A loop over an async generator that ends early leaves a task to close it. This iterator needs no closing.
    """

    __slots__ = ("_chain", "_limit", "_place", "_reads_all", "_richest", "_rows", "_seen")

    def __init__(self, chain: PageChain[R], place: Boundary, rows: int, limit: int, *, reads_all: bool) -> None:
        self._chain = chain
        self._place: Boundary | None = place
        self._rows = rows
        self._limit = limit
        self._reads_all = reads_all
        # Pages so far, and the most rows on one of them.
        self._seen = self._richest = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Boundary, Page[R]]:
        place = self._place
        if place is None or self._limit == 0:
            raise StopAsyncIteration
        page = await self._chain.page(place.page, self._rows, self._pages_needed() if self._reads_all else 1)
        self._rows -= len(page.rows) - place.row
        self._limit -= 1
        self._seen += 1
        self._richest = max(self._richest, len(page.rows))
        self._place = None if page.next_token is None else Boundary(place.page + 1, 0)
        return place, page

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
