"""The way from page arguments to rows, with the fewest upstream pages."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import cached_property, partial
from typing import Final, Generic, NamedTuple, TypeVar

from gateway.errors import PageLimitExceeded
from gateway.paging.arguments import PageArguments
from gateway.paging.cursor import NEIGHBOURS, Position, read_cursor, write_cursor
from gateway.paging.pages import ALL, START, Boundary, PageChain, PagesFrom, RowRange, Slice
from gateway.paging.token_list import Page, TokenList

R = TypeVar("R")

# The most short or empty pages in which the records of one full page are searched for. Without them, a cursor would
# lose or repeat rows. 20 are as many as a list may read by default, and AWS's pages are short only in rare cases.
_MOST_PARTS_OF_A_PAGE: Final = 20


class _CursorMatch(NamedTuple):
    """The boundary before a cursor's edge. If `exists` is False, the edge is no longer a row, and was here before."""

    boundary: Boundary
    exists: bool

    def just_after(self) -> Boundary:
        """Return the boundary after the edge. If it is no longer a row, the next row has moved up to the boundary."""
        return Boundary(self.boundary.page, self.boundary.row + self.exists)


class _ForwardRead(Generic[R]):
    """The state of a read that goes forward from a boundary, as far as the arguments say, or up to the page limit.

    A filtered list has a limit of pages. Other lists have a limit of empty pages in a row, which AWS may return if it
    applies a filter itself.

    Attributes:
        boundary: The boundary after the last row read.
        at_before: Whether the edge of `before` was reached.
        ended: Whether no further page is read.
        at_limit: Whether none is read because of the page limit.
    """

    __slots__ = (
        "_before",
        "_is_filtered",
        "_left",
        "_limited_pages",
        "_max_pages",
        "at_before",
        "at_limit",
        "boundary",
        "ended",
    )

    def __init__(
        self, begin: Boundary, arguments: PageArguments[Position], *, is_filtered: bool, max_pages: int
    ) -> None:
        self.boundary = begin
        self.at_before = self.ended = self.at_limit = False
        self._before = arguments.before
        self._left = arguments.count
        self._is_filtered = is_filtered
        self._limited_pages = 0
        self._max_pages = max_pages

    def pages(self, chain: PageChain[R]) -> PagesFrom[R]:
        """Return the pages to read. Call `take` for each of them."""
        limit = self._max_pages if self._is_filtered else ALL
        return chain.pages_from(self.boundary, rows=self._left, limit=limit, reads_all=self._before is None)

    def take(self, boundary: Boundary, page: Page[R]) -> None:
        """Read a page's rows from a boundary on."""
        stop = min(len(page.rows), boundary.row + self._left)
        edge = None if self._before is None else page.find_edge(self._before, start=boundary.row)
        if edge is not None and edge.row <= stop:
            self.at_before = True
            stop = edge.row
        self._left -= stop - boundary.row
        ended = self.at_before or self._left == 0 or page.next_token is None
        self._limited_pages = self._limited_pages + 1 if self._is_filtered or not page.rows else 0
        # Pages without rows may go on for ever. The client can continue after the last record read.
        self.at_limit = self._limited_pages == self._max_pages and not ended
        self.ended = ended or self.at_limit
        self.boundary = Boundary(boundary.page, stop)


class Paginator(Generic[R]):
    """Pagination of one connection over one list. Its rows and its count share the pages fetched from the start.

    Args:
        source: The list.
        max_pages: The most pages that `last` or a count may fetch. Beyond it they raise PageLimitExceeded. A forward
            read of a filtered list fetches at most so many pages. Any forward read fetches at most so many empty pages
            in a row. Beyond them it returns the rows found so far.
        instead: The advice to clients in the message of PageLimitExceeded.
    """

    def __init__(self, source: TokenList[R], *, max_pages: int, instead: str = "page with first and after") -> None:
        self._source = source
        self._max_pages = max_pages
        self._instead = instead
        self._entered: PageChain[R] | None = None

    def __repr__(self) -> str:
        counting = ", counting" if self._from_start.full_pages else ""
        entered = "" if self._entered is None else ", from a cursor"
        return f"<Paginator of {self._from_start!r}, {self._source.pages_fetched} pages fetched{counting}{entered}>"

    @cached_property
    def _from_start(self) -> PageChain[R]:
        """The pages from the start of the list."""
        return PageChain(self._source, None, has_rows_before=False)

    def read_cursor(self, text: str) -> Position:
        """Return the position that a cursor of this list holds.

        Raises:
            BadCursor: If the cursor was not issued for this list and caller.
        """
        return read_cursor(text, self._source.binding)

    def slice(self, arguments: PageArguments[Position]) -> Awaitable[Slice[R]]:
        """Return the rows for the page arguments.

        Raises:
            PageLimitExceeded: If `last` rows are too many pages away.
            GatewayError: If the list's `fetch` raised it.

        Cost: Forward, ceil(count / page_size) pages, plus one from the middle of a page, or none for a count of 0.
            Backward, one page if it holds the rows before the cursor. Otherwise all pages from `after`, or from the
            start, up to `before` or the end.
        """
        return self._backward(arguments) if arguments.backward else self._forward(arguments)

    def pages(self, arguments: PageArguments[Position]) -> AsyncIterator[tuple[list[RowRange[R]], bool]] | None:
        """Return an iterator over the rows of each page, and whether they are the last ones.

        Return None if the rows are known only when the last page is read: backward, or with `before`.

        Raises:
            GatewayError: As `slice` does.

        Cost: As for `slice`, with which the pages are shared. A page is fetched when it is requested.
        """
        return None if arguments.backward or arguments.before is not None else self._pages(arguments)

    async def _pages(self, arguments: PageArguments[Position]) -> AsyncIterator[tuple[list[RowRange[R]], bool]]:
        if arguments.count == 0:
            return
        chain, begin = await self._begin(arguments)
        read = self._forward_read(begin, arguments)
        async for boundary, page in read.pages(chain):
            read.take(boundary, page)
            yield _between(chain, begin, read.boundary), read.ended
            begin = read.boundary
            if read.ended:
                return

    def count(self) -> Awaitable[int]:
        """Return the number of rows in the whole list.

        If you call it before you await `slice`, the slice fetches pages of full size, so that both share them.

        Raises:
            PageLimitExceeded: If the list has more than `max_pages` pages.

        Cost: ceil(rows / page_size) pages, less those that `slice` fetched from the start.
        """
        self._from_start.full_pages = True
        return self._count()

    async def _count(self) -> int:
        return sum(len(page.rows) for page in await self._all_pages())

    def all_rows(self) -> Awaitable[Sequence[R]]:
        """Return the rows of the whole list. Errors and cost are those of `count`, with which the pages are shared."""
        self._from_start.full_pages = True
        return self._all_rows()

    async def _all_rows(self) -> Sequence[R]:
        return [row for page in await self._all_pages() for row in page.rows]

    def all_pages(self) -> Awaitable[Sequence[Page[R]]]:
        """Return the pages of the whole list. Errors and cost are those of `count`, with which they are shared."""
        self._from_start.full_pages = True
        return self._all_pages()

    async def _all_pages(self) -> Sequence[Page[R]]:
        await self._find_from(self._from_start, START, None)
        return self._from_start.pages

    async def _forward(self, arguments: PageArguments[Position]) -> Slice[R]:
        if arguments.count == 0:
            return Slice([], has_previous_page=arguments.after is not None, has_next_page=False)
        chain, begin = await self._begin(arguments)
        read = self._forward_read(begin, arguments)
        async for boundary, page in read.pages(chain):
            read.take(boundary, page)
            if read.ended:
                break
        end, at_limit = read.boundary, read.at_limit
        if arguments.before is not None and not read.at_before:
            deleted = await self._boundary_of_deleted(arguments.before, chain, begin)
            if deleted is not None and deleted <= end:
                end, at_limit = deleted, False
        rows = _slice(chain, begin, end)
        if not at_limit:
            return rows
        position = chain.position_read(end.page, arguments.after)
        return rows._replace(
            cursor_at_limit=partial(write_cursor, position, self._source.binding, self._source.operation)
        )

    def _forward_read(self, begin: Boundary, arguments: PageArguments[Position]) -> _ForwardRead[R]:
        is_filtered = self._source.matches is not None
        return _ForwardRead(begin, arguments, is_filtered=is_filtered, max_pages=self._max_pages)

    async def _backward(self, arguments: PageArguments[Position]) -> Slice[R]:
        before, count = arguments.before, arguments.count
        if count == 0:
            return Slice([], has_previous_page=False, has_next_page=before is not None)
        if before is not None and arguments.after is None and (before.offset >= count or not before.has_rows_before):
            chain = self._chain_with(before)
            boundary, _ = await self._find(before, chain)
            rows_at_hand = sum(len(page.rows) for page in chain.pages[: boundary.page]) + boundary.row
            if rows_at_hand >= count or not before.has_rows_before:
                return _last(chain, START, boundary, count)
        chain, begin = await self._begin(arguments)
        end = await self._find_from(chain, begin, before)
        return _last(chain, begin, end, count)

    async def _begin(self, arguments: PageArguments[Position]) -> tuple[PageChain[R], Boundary]:
        """Return the chain and boundary of the rows after `after`. All readers share the chain."""
        after = arguments.after
        if after is None:
            return self._from_start, START
        if self._entered is None:
            self._entered = self._chain_with(after) if after.next_token is None else self._chain_after(after)
        chain = self._entered
        if after.next_token is None:
            return chain, (await self._find(after, chain)).just_after()
        page = await chain.page(0, self._source.page_size if arguments.backward else arguments.count)
        # If tokens count rows, rows added before the edge move it onto the page that used to follow it.
        pushed = page.find_pushed_edge(after)
        return chain, START if pushed is None else Boundary(0, pushed.row + pushed.is_row)

    def _chain_with(self, position: Position) -> PageChain[R]:
        """Return the pages from the one that holds an edge."""
        return PageChain(self._source, position.token, has_rows_before=position.has_rows_before)

    def _chain_after(self, position: Position) -> PageChain[R]:
        """Return the pages after the one that ends with an edge.

        Raises:
            UpstreamBadResponse: If the token of the next page was seen before.
        """
        if position.next_token_repeats:
            raise self._source.repeated_token()
        seen_tokens = frozenset() if position.token is None else frozenset({position.token})
        return PageChain(
            self._source,
            position.next_token,
            has_rows_before=position.has_rows_before_next_page,
            seen_tokens=seen_tokens,
        )

    async def _find(self, position: Position, chain: PageChain[R]) -> _CursorMatch:
        """Find an edge in its page, or up to one full page further, if rows that were added before it moved it there.

        If the row was deleted or moved, return the position between the records that followed it and preceded it. If
        all of those that the cursor names are gone too, return the original offset.
        """
        # The edge's own page is fetched as it was. The pages after it are full.
        await chain.page(0, position.size)
        passed = 0
        nearest = NEIGHBOURS
        # If the cursor names all records of the page before the edge and they are gone, it is at the page's start.
        names_all_before = position.offset == NEIGHBOURS - position.preceding.count(0)
        deleted = START if names_all_before else None
        async for boundary, page in chain.pages_from(START, limit=max(self._max_pages, _MOST_PARTS_OF_A_PAGE) + 1):
            edge = page.find_edge(position, near=position.offset - passed)
            if edge is not None:
                return _CursorMatch(Boundary(boundary.page, edge.row), exists=edge.is_row)
            following = page.find_following(position)
            if following is not None:
                return _CursorMatch(Boundary(boundary.page, following), exists=False)
            preceding = page.find_preceding(position)
            if preceding is not None and preceding[0] < nearest:
                nearest, deleted = preceding[0], Boundary(boundary.page, preceding[1])
            # The distance is counted in records, because a page may be short or empty the next time.
            passed += len(page.records)
            if passed > position.offset + self._source.page_size:
                break
        return _CursorMatch(chain.boundary_at(position.offset) if deleted is None else deleted, exists=False)

    async def _find_from(self, chain: PageChain[R], begin: Boundary, edge: Position | None) -> Boundary:
        """Return the boundary before an edge, or the end of the list if there is no such edge.

        Raises:
            PageLimitExceeded: If neither is within `max_pages` pages.
        """
        at_end = False
        async for boundary, page in chain.pages_from(begin, limit=self._max_pages, reads_all=edge is None):
            found = None if edge is None else page.find_edge(edge, start=boundary.row)
            if found is not None:
                return Boundary(boundary.page, found.row)
            at_end = page.next_token is None
        deleted = None if edge is None else await self._boundary_of_deleted(edge, chain, begin)
        if deleted is not None:
            return deleted
        if not at_end:
            raise self._limit_exceeded()
        return chain.end()

    async def _boundary_of_deleted(self, position: Position, chain: PageChain[R], begin: Boundary) -> Boundary | None:
        """Return the boundary, from `begin`, before the row that followed a deleted edge, or None if there is none."""
        around = self._chain_with(position)
        match = await self._find(position, around)
        following = None if match.exists else await self._key_at(around, match.boundary)
        if following is None:
            return None
        boundaries = (
            Boundary(number, row)
            for number, page in enumerate(chain.pages)
            for row, index in enumerate(page.row_indexes)
            if page.keys[index] == following
        )
        return next((boundary for boundary in boundaries if boundary >= begin), None)

    async def _key_at(self, chain: PageChain[R], begin: Boundary) -> str | None:
        """Return the key of the first row after a boundary, or None at the end of the list."""
        async for boundary, page in chain.pages_from(begin, limit=self._max_pages + 1):
            if boundary.row < len(page.rows):
                return page.keys[page.row_indexes[boundary.row]]
        return None

    def _limit_exceeded(self) -> PageLimitExceeded:
        narrowed_by = self._source.narrowed_by
        advice = (
            f"Narrow the filter by {narrowed_by}, or {self._instead}" if narrowed_by else self._instead.capitalize()
        )
        return PageLimitExceeded(
            f"The gateway read {self._max_pages} upstream pages, and the list has more. {advice} "
            "(GATEWAY_MAX_UPSTREAM_PAGES)."
        )


def _slice(chain: PageChain[R], begin: Boundary, end: Boundary) -> Slice[R]:
    first, last = chain.pages[begin.page], chain.pages[end.page]
    return Slice(
        _between(chain, begin, end),
        has_previous_page=begin.row > 0 or first.has_rows_before,
        has_next_page=end.row < len(last.rows) or last.next_token is not None,
    )


def _between(chain: PageChain[R], begin: Boundary, end: Boundary) -> list[RowRange[R]]:
    ranges: list[RowRange[R]] = []
    for number in range(begin.page, end.page + 1):
        page = chain.pages[number]
        start = begin.row if number == begin.page else 0
        stop = end.row if number == end.page else len(page.rows)
        if stop > start:
            ranges.append(RowRange(page, start, stop))
    return ranges


def _last(chain: PageChain[R], begin: Boundary, end: Boundary, count: int) -> Slice[R]:
    """Return the last `count` rows between two boundaries."""
    left, start = count, end
    for number in range(end.page, begin.page - 1, -1):
        stop = end.row if number == end.page else len(chain.pages[number].rows)
        first = begin.row if number == begin.page else 0
        start = Boundary(number, max(first, stop - left))
        left -= stop - start.row
        if left == 0:
            break
    return _slice(chain, start, end)
