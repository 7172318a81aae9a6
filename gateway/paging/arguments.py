"""What the four paging arguments of a connection ask for, checked before any upstream call."""

from dataclasses import dataclass
from typing import Final

from gateway.errors import BadUserInput, PageOutOfRange
from gateway.paging.cursor import Position, read_cursor
from gateway.paging.cursor_keys import CursorBinding

# Rows where neither `first` nor `last` is given: fills a screen, and is half an upstream page.
DEFAULT_SIZE: Final = 50


@dataclass(frozen=True, slots=True)
class PageArguments:
    """`count` rows from one end of what lies between two cursors.

    backward: they are the last ones, not the first. Rows stand in the list's own order either way.
    """

    count: int
    backward: bool
    after: Position | None
    before: Position | None


def read_page_arguments(
    *, first: int | None, after: str | None, last: int | None, before: str | None, scope: CursorBinding, max_size: int
) -> PageArguments:
    """The window that four arguments describe; with neither `first` nor `last`, the first DEFAULT_SIZE rows.

    Raises: PageOutOfRange outside 0 to max_size; BadUserInput for `first` with `last`; BadCursor.
    """
    if first is not None and last is not None:
        raise BadUserInput("Give first or last, not both.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= max_size:
            raise PageOutOfRange(f"{name} is 0 to {max_size}; {size} was asked for.")
    count = next((size for size in (first, last) if size is not None), min(DEFAULT_SIZE, max_size))
    return PageArguments(
        count=count,
        backward=last is not None,
        after=None if after is None else read_cursor(after, scope),
        before=None if before is None else read_cursor(before, scope),
    )
