"""The way from page arguments to the rows of a sorted list. It reads the whole list."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from gateway.paging.arguments import PageArguments
from gateway.paging.pages import RowRange, Slice
from gateway.paging.paginator import Paginator
from gateway.paging.sort_order import SortOrder, SortPosition, read_sort_cursor
from gateway.paging.sorted_list import SortedList
from gateway.paging.token_list import TokenList

R = TypeVar("R")


class SortedPaginator(Generic[R]):
    """Pagination of one connection over a sorted list. Its rows and its count share all pages of the list.

    The pages are full, and the same for each request. So they come from the response cache while they are fresh.

    Args:
        source: The list.
        order: The order to sort by.
        max_pages: The most pages that may be fetched. If the list has more, every method raises PageLimitExceeded.
    """

    def __init__(self, source: TokenList[R], order: SortOrder[R], *, max_pages: int) -> None:
        self._source = source
        self._order = order
        self._unsorted = Paginator(source, max_pages=max_pages, instead="page without sort")
        self._sorted: asyncio.Task[SortedList[R]] | None = None

    def __repr__(self) -> str:
        return f"<SortedPaginator by {self._order.name} of {self._unsorted!r}>"

    def read_cursor(self, text: str) -> SortPosition:
        """Return the position that a cursor of this list holds.

        Raises:
            BadCursor: If the cursor was not issued for this list, order and caller.
        """
        return read_sort_cursor(text, self._source.binding)

    async def slice(self, arguments: PageArguments[SortPosition]) -> Slice[R]:
        """Return the rows for the page arguments.

        Raises:
            PageLimitExceeded: If the list has more than `max_pages` pages.
            GatewayError: If the list's `fetch` raised it.

        Cost: ceil(rows / page_size) pages, or none for a count of 0.
        """
        if arguments.count == 0:
            return Slice(
                [],
                has_previous_page=not arguments.backward and arguments.after is not None,
                has_next_page=arguments.backward and arguments.before is not None,
            )
        return (await self._read()).slice(arguments)

    async def pages(self, arguments: PageArguments[SortPosition]) -> AsyncIterator[tuple[list[RowRange[R]], bool]]:
        """Yield the rows of `slice` in parts of an upstream page each, and whether they are the last ones."""
        for rows, start, stop in (await self.slice(arguments)).ranges:
            for begin in range(start, stop, self._source.page_size):
                end = min(begin + self._source.page_size, stop)
                yield [RowRange(rows, begin, end)], end == stop

    async def all_rows(self) -> Sequence[R]:
        """Return all rows of the list in its order. Errors and cost are those of `slice`, which shares the pages."""
        return (await self._read()).rows

    async def count(self) -> int:
        """Return the number of rows of the list. Errors and cost are those of `slice`, which shares the pages."""
        return len(await self.all_rows())

    async def _read(self) -> SortedList[R]:
        if self._sorted is None:
            self._sorted = asyncio.ensure_future(self._read_whole_list())
        return await self._sorted

    async def _read_whole_list(self) -> SortedList[R]:
        return SortedList(self._source, self._order, await self._unsorted.all_pages())
