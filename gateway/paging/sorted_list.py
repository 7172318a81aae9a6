"""A complete list in a sort order, and the rows between two of its cursors. This module makes no calls."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from gateway.paging.arguments import PageArguments
from gateway.paging.pages import RowRange, Slice
from gateway.paging.sort_order import SortOrder, SortPosition, write_sort_cursor
from gateway.paging.token_list import Page, TokenList

R = TypeVar("R")


class SortedList(Generic[R]):
    """All rows of a list in an order, each of them once.

    If a row moved while the pages were read, two pages may hold it. The row that was read last counts.

    Args:
        source: The list, for its cursors' binding.
        order: The order to sort by.
        pages: All pages of the list, in the order in which they were read.
    """

    def __init__(self, source: TokenList[R], order: SortOrder[R], pages: Sequence[Page[R]]) -> None:
        self._source = source
        self._order = order
        by_key = {page.keys[index]: page.records[index] for page in pages for index in page.row_indexes}
        self._positions = order.sort(SortPosition(order.value(row), key) for key, row in by_key.items())
        self.rows: Sequence[R] = [by_key[position.key] for position in self._positions]

    def cursor(self, index: int) -> str:
        """Return the cursor of the row at an index.

        Raises:
            CursorTooLong: If the row's value is too long for a cursor.
        """
        return write_sort_cursor(self._positions[index], self._source.binding, self._source.operation)

    def project(self, start: int, stop: int, project: Callable[[Sequence[R]], list[Any]]) -> list[Any]:
        """Return the response's part for each row from `start` up to but not including `stop`."""
        return project(self.rows[start:stop])

    def slice(self, arguments: PageArguments[SortPosition]) -> Slice[R]:
        """Return the rows for the page arguments."""
        begin = 0 if arguments.after is None else self._rows_up_to(arguments.after)
        end = len(self.rows) if arguments.before is None else self._rows_before(arguments.before)
        if end < begin:
            # By Relay's algorithm, an edge that is not among the rows after `after` does not limit them.
            end = len(self.rows)
        if arguments.backward:
            begin = max(begin, end - arguments.count)
        else:
            end = min(end, begin + arguments.count)
        return Slice(
            [RowRange(self, begin, end)] if begin < end else [],
            has_previous_page=begin > 0,
            has_next_page=end < len(self.rows),
        )

    def _rows_before(self, position: SortPosition) -> int:
        """Return the number of rows before a position."""
        return bisect_left(self._positions, True, key=lambda each: not self._order.precedes(each, position))

    def _rows_up_to(self, position: SortPosition) -> int:
        """Return the number of rows before a position or at it."""
        return bisect_left(self._positions, True, key=lambda each: self._order.precedes(position, each))
