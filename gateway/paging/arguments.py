"""The four paging arguments of a connection, checked before any upstream call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from gateway.errors import BadUserInput, PageOutOfRange

# The position that a cursor of the list holds.
P = TypeVar("P")

# Number of rows if neither `first` nor `last` is passed. They fill a screen, and are half an upstream page.
DEFAULT_SIZE: Final = 50


@dataclass(slots=True)
class PageArguments(Generic[P]):
    """A request for rows between two cursors.

    Attributes:
        count: Number of rows, from 0.
        backward: Whether to return the last rows instead of the first. Rows keep the list's order in both cases.
        after: The position before the first row, or None for the start of the list.
        before: The position after the last row, or None for the end of the list.
    """

    count: int
    backward: bool
    after: P | None
    before: P | None


def read_page_arguments(
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    read_cursor: Callable[[str], P],
    max_size: int,
) -> PageArguments[P]:
    """Return the page arguments, with the first DEFAULT_SIZE rows if neither `first` nor `last` is passed.

    Args:
        first: Number of rows from the start.
        after: The cursor before the first row.
        last: Number of rows from the end.
        before: The cursor after the last row.
        read_cursor: Returns the position that a cursor of this list holds.
        max_size: The most rows of one page.

    Raises:
        PageOutOfRange: If `first` or `last` is not between 0 and max_size.
        BadUserInput: If both `first` and `last` are passed.
        BadCursor: If `after` or `before` was not issued for this list.
    """
    if first is not None and last is not None:
        raise BadUserInput("Pass first or last, not both.")
    backward = last is not None
    count = last if backward else first
    if count is None:
        count = min(DEFAULT_SIZE, max_size)
    elif not 0 <= count <= max_size:
        raise PageOutOfRange(f"{'last' if backward else 'first'} must be between 0 and {max_size}, not {count}.")
    return PageArguments(
        count,
        backward,
        None if after is None else read_cursor(after),
        None if before is None else read_cursor(before),
    )
