"""The order of a sorted list, and the cursors of its edges.

A cursor holds the value by which its row was sorted, and the row's key. It needs no page and no other row. So it stays
right if other rows are added, removed or changed, and any replica continues it.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.cursor_text import decrypt_cursor, encrypt_cursor

R = TypeVar("R")


class SortPosition(NamedTuple):
    """The position of an edge in a sorted list.

    Attributes:
        value: The text by which the row was sorted, or None if the row had no value.
        key: The row's key. It orders rows with the same value.
    """

    value: str | None
    key: str


@dataclass(frozen=True, slots=True)
class SortOrder(Generic[R]):
    """An order of rows by a text. Rows without one are last. Rows with equal texts are in the order of their keys.

    Attributes:
        name: The order's name and direction. Cursors are bound to it.
        value: Returns the text by which a row is sorted, or None.
        descending: Whether the greatest text is first.
    """

    name: str
    value: Callable[[R], str | None]
    descending: bool

    def sort(self, positions: Iterable[SortPosition]) -> list[SortPosition]:
        """Return positions in this order."""
        with_value: list[SortPosition] = []
        without_value: list[SortPosition] = []
        for position in positions:
            (without_value if position.value is None else with_value).append(position)
        with_value.sort()
        if self.descending:
            # The sort is stable, so rows with the same value stay in the order of their keys.
            with_value.sort(key=lambda position: position.value or "", reverse=True)
        return with_value + sorted(without_value, key=lambda position: position.key)

    def precedes(self, one: SortPosition, other: SortPosition) -> bool:
        """Return whether one position is before another."""
        if one.value == other.value:
            return one.key < other.key
        if one.value is None or other.value is None:
            return other.value is None
        return one.value > other.value if self.descending else one.value < other.value


def write_sort_cursor(position: SortPosition, binding: CursorBinding, operation: str) -> str:
    """Return the cursor of a position.

    Raises:
        CursorTooLong: If the value is too long for a cursor.
    """
    return encrypt_cursor(json.dumps(position).encode(), binding, operation)


def read_sort_cursor(text: str, binding: CursorBinding) -> SortPosition:
    """Return the position that a cursor holds.

    Raises:
        BadCursor: If the text was not issued for this binding.
    """
    return SortPosition(*json.loads(decrypt_cursor(text, binding)))
