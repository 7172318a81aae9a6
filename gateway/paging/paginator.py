"""From a window to its rows, at the fewest pages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Generic, NamedTuple, TypeVar

from gateway.errors import PageLimitExceeded
from gateway.paging.arguments import PageArguments
from gateway.paging.cursor import Position
from gateway.paging.pages import PageChain, RowRange, Slice, TokenList, repeated_token

R = TypeVar("R")


class _Boundary(NamedTuple):
    """Between two rows of a chain: before the row-th of its page-th page."""

    page: int
    row: int


class _CursorMatch(NamedTuple, Generic[R]):
    """Where a cursor's edge stands now, or stood: at `place`, which `exists` says whether it still holds."""

    chain: PageChain[R]
    place: _Boundary
    exists: bool

    def just_after(self) -> _Boundary:
        """The place behind the edge; where the edge is gone, what followed it has moved up to its own place."""
        return self.place._replace(row=self.place.row + 1) if self.exists else self.place


class _Progress(NamedTuple):
    """How far a walk forwards has come with one page; met: to the window's `before`; ended: to the window's end."""

    place: _Boundary
    met: bool
    ended: bool


class Paginator(Generic[R]):
    """One connection's way through one list. Its rows and its count share the pages that are fetched from the start.

    max_pages: pages that `last`, `before` or a count may fetch from the start, and empty pages that any walk may pass
        in a row; past it they raise PageLimitExceeded.
    """

    def __init__(self, source: TokenList[R], *, max_pages: int) -> None:
        self._source = source
        self._max_pages = max_pages
        self._from_start: PageChain[R] = PageChain(source, None, has_rows_before=False)
        self._counting = False
        self._entered: asyncio.Task[tuple[PageChain[R], _Boundary]] | None = None

    def slice(self, window: PageArguments) -> Awaitable[Slice[R]]:
        """The window's rows.

        Cost: forwards ceil(count / page_size) pages, one more from the middle of a page, none for a count of 0.
        Backwards one page where it holds the rows before the cursor, else all pages from the start of the list.
        Raises: PageLimitExceeded; what the list's fetch raises.
        """
        return self._backward(window) if window.backward else self._forward(window)

    async def pages(self, window: PageArguments) -> AsyncIterator[tuple[list[RowRange[R]], bool]]:
        """The rows of a window forwards without `before`, as their pages come, and whether they are the last ones.

        Cost: as for slice, with which the pages are shared; a page is fetched when it is asked for.
        Raises: as slice.
        """
        if window.count == 0:
            return
        chain, place = await self._begin(window)
        async for step in self._steps(chain, place, window):
            yield _between(chain, place, step.place), step.ended
            place = step.place

    def count(self) -> Awaitable[int]:
        """The rows of the whole list.

        Called before a slice is awaited, it has the slice fetch pages of full size, so that both share them.
        Cost: ceil(rows / page_size) pages, less those that a slice has fetched from the start.
        Raises: PageLimitExceeded.
        """
        self._counting = True
        return self._count()

    async def _count(self) -> int:
        await self._walk_to(self._from_start, _Boundary(0, 0), None)
        return sum(len(page.rows) for page in self._from_start.pages)

    async def _forward(self, window: PageArguments) -> Slice[R]:
        if window.count == 0:
            return Slice([], has_previous_page=window.after is not None, has_next_page=False)
        chain, begin = await self._begin(window)
        place, met = begin, False
        async for step in self._steps(chain, begin, window):
            place, met = step.place, step.met
        if window.before is not None and not met:
            gone = await self._place_of_gone(window.before, chain, begin)
            place = place if gone is None else min(place, gone)
        return Slice(_between(chain, begin, place), _has_rows_before(chain, begin), _has_rows_after(chain, place))

    async def _steps(self, chain: PageChain[R], place: _Boundary, window: PageArguments) -> AsyncIterator[_Progress]:
        """Page by page forwards from a place, as far as the window goes.

        Raises: PageLimitExceeded where there are too many empty pages before the first row.
        """
        left, barren = window.count, 0
        while (page := await chain.page(place.page, self._size(chain, left))) is not None:
            stop = min(len(page.rows), place.row + left)
            end = None if window.before is None else page.find(window.before.edge, start=place.row)
            met = end is not None and end <= stop
            if end is not None and met:
                stop = end
            left -= stop - place.row
            place = place._replace(row=stop)
            ended = met or left == 0 or page.next_token is None
            yield _Progress(place, met, ended)
            if ended:
                return
            barren = 0 if page.rows else barren + 1
            if barren == self._max_pages:
                # Empty pages may go on for ever. What was found is answered; the walk can go on from its last edge.
                if left == window.count:
                    raise self._limit()
                return
            place = _Boundary(place.page + 1, 0)

    async def _backward(self, window: PageArguments) -> Slice[R]:
        after, before = window.after, window.before
        if window.count == 0:
            return Slice([], has_previous_page=False, has_next_page=before is not None)
        if before is not None and after is None and (before.skip > window.count or not before.has_rows_before):
            found = await self._find(before)
            rows_at_hand = sum(len(page.rows) for page in found.chain.pages[: found.place.page]) + found.place.row
            if rows_at_hand >= window.count or not before.has_rows_before:
                return _last(found.chain, _Boundary(0, 0), found.place, window.count)
        chain, begin = await self._enter(after, self._source.page_size)
        end = await self._walk_to(chain, begin, before)
        return _last(chain, begin, end, window.count)

    async def _begin(self, window: PageArguments) -> tuple[PageChain[R], _Boundary]:
        """Where a window forwards begins: looked for once, so that all who walk it share their pages."""
        if window.after is None:
            return self._from_start, _Boundary(0, 0)
        if self._entered is None:
            self._entered = asyncio.ensure_future(self._enter(window.after, window.count))
        return await self._entered

    async def _enter(self, after: Position | None, size: int) -> tuple[PageChain[R], _Boundary]:
        """The chain and the place where rows after a cursor begin."""
        if after is None:
            return self._from_start, _Boundary(0, 0)
        if after.next_token is None:
            found = await self._find(after)
            return found.chain, found.just_after()
        if after.next_token_repeats:
            raise repeated_token(self._source)
        met = frozenset() if after.token is None else frozenset({after.token})
        chain = PageChain(self._source, after.next_token, has_rows_before=True, met=met)
        page = await chain.page(0, size)
        # Where tokens count rows, rows added before the edge move it onto the page that used to follow it.
        moved = None if page is None else page.find(after.edge)
        return chain, _Boundary(0, 0 if moved is None else moved + 1)

    async def _find(self, position: Position) -> _CursorMatch[R]:
        """Look for an edge in its page, then, where rows before it may have pushed it on, as far as one full page more.

        Where it is gone, its place is in front of the row that followed it, else behind as many rows as it was.
        """
        chain = PageChain(self._source, position.token, has_rows_before=position.has_rows_before)
        size, passed, number = position.size, 0, 0
        # Counted in rows, not in pages: a page may be short, or empty, the next time.
        while passed < position.skip + self._source.page_size and number <= self._max_pages:
            page = await chain.page(number, size)
            if page is None:
                break
            row = page.find(position.edge, near=position.skip - 1 - passed)
            if row is not None:
                return _CursorMatch(chain, _Boundary(number, row), exists=True)
            next_row_hash = page.find(position.next_row_hash) if position.next_row_hash else None
            if next_row_hash is not None:
                return _CursorMatch(chain, _Boundary(number, next_row_hash), exists=False)
            size, passed, number = self._source.page_size, passed + len(page.rows), number + 1
        return _CursorMatch(chain, _place_behind(chain, position.skip - 1), exists=False)

    async def _walk_to(self, chain: PageChain[R], begin: _Boundary, edge: Position | None) -> _Boundary:
        """The place of an edge, or the list's end, looked for page by page.

        Raises: PageLimitExceeded.
        """
        number, row = begin
        at_end = False
        while number < begin.page + self._max_pages and not at_end:
            page = await chain.page(number, self._source.page_size)
            at_end = page is None
            if page is not None:
                found = None if edge is None else page.find(edge.edge, start=row)
                if found is not None:
                    return _Boundary(number, found)
                number, row = number + 1, 0
                at_end = page.next_token is None
        gone = None if edge is None else await self._place_of_gone(edge, chain, begin)
        if gone is not None:
            return gone
        if not at_end:
            raise self._limit()
        return _Boundary(len(chain.pages) - 1, len(chain.pages[-1].rows))

    async def _place_of_gone(self, position: Position, chain: PageChain[R], begin: _Boundary) -> _Boundary | None:
        """Where in a chain, from a place on, an edge stood that is no longer listed: before the row that follows it."""
        found = await self._find(position)
        following = None if found.exists else await self._row_at(found.chain, found.place)
        if following is None:
            return None
        key = self._source.key(following)
        places = (
            _Boundary(number, index)
            for number, page in enumerate(chain.pages)
            for index, row in enumerate(page.rows)
            if self._source.key(row) == key
        )
        return next((place for place in places if place >= begin), None)

    async def _row_at(self, chain: PageChain[R], place: _Boundary) -> R | None:
        """The first row behind a place; None at the list's end."""
        number, row = place
        while number <= place.page + self._max_pages:
            page = await chain.page(number, self._source.page_size)
            if page is None:
                break
            if row < len(page.rows):
                return page.rows[row]
            number, row = number + 1, 0
        return None

    def _limit(self) -> PageLimitExceeded:
        return PageLimitExceeded(
            f"This needs a walk over more than {self._max_pages} upstream pages. "
            "Page with first and after, or narrow the filter."
        )

    def _size(self, chain: PageChain[R], left: int) -> int:
        return self._source.page_size if self._counting and chain is self._from_start else left


def _has_rows_before(chain: PageChain[R], place: _Boundary) -> bool:
    return place.row > 0 or chain.pages[place.page].has_rows_before


def _has_rows_after(chain: PageChain[R], place: _Boundary) -> bool:
    page = chain.pages[place.page]
    return place.row < len(page.rows) or page.next_token is not None


def _place_behind(chain: PageChain[R], rows: int) -> _Boundary:
    """Behind so many rows of the pages that a chain has, or of all where they are fewer."""
    for number, page in enumerate(chain.pages):
        if rows <= len(page.rows):
            return _Boundary(number, rows)
        rows -= len(page.rows)
    return _Boundary(len(chain.pages) - 1, len(chain.pages[-1].rows))


def _between(chain: PageChain[R], begin: _Boundary, end: _Boundary) -> list[RowRange[R]]:
    stretches: list[RowRange[R]] = []
    for number in range(begin.page, end.page + 1):
        page = chain.pages[number]
        start = begin.row if number == begin.page else 0
        stop = end.row if number == end.page else len(page.rows)
        if stop > start:
            stretches.append(RowRange(page, start, stop))
    return stretches


def _last(chain: PageChain[R], begin: _Boundary, end: _Boundary, count: int) -> Slice[R]:
    """The last `count` rows between two places."""
    left, start = count, end
    for number in range(end.page, begin.page - 1, -1):
        stop = end.row if number == end.page else len(chain.pages[number].rows)
        floor = begin.row if number == begin.page else 0
        start = _Boundary(number, max(floor, stop - left))
        left -= stop - start.row
        if left == 0:
            break
    return Slice(_between(chain, start, end), _has_rows_before(chain, start), _has_rows_after(chain, end))
