"""An in-memory list behind forward-only tokens. A test scripts its pages, and the list records its calls.

Its rows are numbers of four digits in ascending order, so that no two of them share a key's hash. It has two kinds of
tokens:
- keyset: The token names the last row returned. Rows after it stay after it if other rows are added or removed.
- offset: The token names the number of rows returned. Rows added or removed before it move all rows after it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Literal, NamedTuple, TypeVar
from zlib import crc32

from gateway.errors import CursorExpired
from gateway.paging.arguments import read_page_arguments
from gateway.paging.cursor import read_cursor
from gateway.paging.cursor_keys import CursorKeyRing
from gateway.paging.pages import Row, Slice
from gateway.paging.paginator import Paginator
from gateway.paging.read_ahead import RowsProjection
from gateway.paging.token_list import TokenList

R = TypeVar("R")

Fill = Literal["full", "short", "empty", "over"]
Tokens = Literal["keyset", "offset"]

KEY_RING = CursorKeyRing([b"k" * 32])
BINDING = KEY_RING.bind(api="chime", operation="ListRows", filters={})
READ_CURSOR = partial(read_cursor, binding=BINDING)
# These lists do not model an upstream that returns empty pages without end.
MOST_EMPTY_PAGES = 2


@dataclass
class ScriptedPage(Generic[R]):
    """One page that `fetch` returns."""

    records: list[R]
    keys: tuple[str, ...]
    next_token: str | None
    last_projection: RowsProjection | None = None


class Call(NamedTuple):
    """One call of `fetch`."""

    token: str | None
    size: int


def in_turn(*fills: Fill) -> Callable[[str | None], Fill]:
    """Return fills for the first call, the second, and so on. Later pages are full."""
    turns = iter(fills)
    return lambda _: next(turns, "full")


def by_token(fills: Sequence[Fill]) -> Callable[[str | None], Fill]:
    """Return fills that depend on the token alone, so that a page is the same each time."""
    return lambda token: fills[crc32(str(token).encode()) % len(fills)]


def full(_: str | None) -> Fill:
    return "full"


@dataclass(kw_only=True)
class UpstreamList:
    """A list that records its calls.

    page_size: The most rows that one call may request.
    matches: Returns whether a row is in the filtered list. Without it, the list is not filtered.
    fill: How full a page is: full, half full, empty, or with three rows more than requested.
    trailing_token: If true, the last rows come with a token that leads to an empty page.
    token_length: Characters of a token, if it should be longer than necessary.
    moved: Rows that were at another place before, with the row that each of them was. They have that row's key.
    leads_to: Wrong next tokens, by the token of the page that returns them.
    expired: Tokens that are no longer accepted.
    """

    rows: list[int]
    tokens: Tokens = "keyset"
    page_size: int = 99
    matches: Callable[[int], bool] | None = None
    fill: Callable[[str | None], Fill] = full
    trailing_token: bool = False
    token_length: int = 0
    moved: dict[int, int] = field(default_factory=dict)
    leads_to: dict[str | None, str] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)

    async def fetch(self, token: str | None, size: int) -> ScriptedPage[int]:
        assert 0 < size <= self.page_size, f"{size} rows were requested of a list with pages of {self.page_size}"
        self.calls.append(Call(token, size))
        if token in self.expired:
            raise CursorExpired("ListRows")
        begin, empty_pages = self.place_of(token)
        given = self._given(self.fill(token), size, len(self.rows) - begin, empty_pages)
        rows = self.rows[begin : begin + given]
        more = begin + given < len(self.rows) or (self.trailing_token and given > 0)
        next_token = self._token(token, rows, begin, empty_pages) if more else None
        keys = tuple([f"{self.moved.get(row, row):04}" for row in rows])
        return ScriptedPage(rows, keys, self.leads_to.get(token, next_token))

    def place_of(self, token: str | None) -> tuple[int, int]:
        """Return the number of rows before a token's page and of the consecutive empty pages that led to it."""
        if token is None:
            return 0, 0
        _, place, empty_pages, *_ = token.split("|")
        if self.tokens == "offset":
            return int(place), int(empty_pages)
        return bisect_right(self.rows, int(place)), int(empty_pages)

    def add(self, *rows: int) -> None:
        """Add rows, each at its position in the order."""
        assert not set(rows) & set(self.rows)
        self.rows = sorted([*self.rows, *rows])

    def remove(self, *rows: int) -> None:
        """Remove rows."""
        assert set(rows) <= set(self.rows)
        self.rows = [row for row in self.rows if row not in rows]

    def move(self, row: int, to: int) -> None:
        """Move a row to another place in the order."""
        self.remove(row)
        self.add(to)
        self.moved[to] = row

    @property
    def source(self) -> TokenList[int]:
        """Return the list as the gateway sees it."""
        return TokenList(
            fetch=self.fetch,
            binding=BINDING,
            operation="ListRows",
            page_size=self.page_size,
            matches=self.matches,
        )

    def _given(self, fill: Fill, size: int, left: int, empty_pages: int) -> int:
        if fill == "empty" and empty_pages < MOST_EMPTY_PAGES and left:
            return 0
        return min(left, {"short": (size + 1) // 2, "over": size + 3}.get(fill, size))

    def _token(self, token: str | None, rows: Sequence[int], begin: int, empty_pages: int) -> str:
        if rows:
            place, empty_pages = (rows[-1] if self.tokens == "keyset" else begin + len(rows)), 0
        else:
            place = int(token.split("|")[1]) if token else {"keyset": -1, "offset": 0}[self.tokens]
            empty_pages += 1
        return f"{self.tokens}|{place}|{empty_pages}|".ljust(self.token_length, "x")


def rows_of(count: int, *, apart: int = 2) -> list[int]:
    """Return `count` rows, with space for other rows before each."""
    return list(range(1, 1 + count * apart, apart))


class PageInfo(NamedTuple):
    """The four fields of Relay's PageInfo."""

    has_previous_page: bool
    has_next_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True)
class Response:
    """The response to a request, and the number of its calls."""

    slice: Slice[int]
    calls: int

    @property
    def rows(self) -> list[int]:
        return self.slice.rows()

    @property
    def edges(self) -> list[Row[int]]:
        return list(self.slice.edges())

    @property
    def cursors(self) -> list[str]:
        return [edge.cursor for edge in self.edges]

    @property
    def page_info(self) -> PageInfo:
        given = self.slice
        return PageInfo(given.has_previous_page, given.has_next_page, given.start_cursor, given.end_cursor)

    @property
    def start_cursor(self) -> str:
        assert self.slice.start_cursor is not None
        return self.slice.start_cursor

    @property
    def end_cursor(self) -> str:
        assert self.slice.end_cursor is not None
        return self.slice.end_cursor

    def cursor_of(self, row: int) -> str:
        return self.cursors[self.rows.index(row)]


async def request(
    upstream: UpstreamList,
    *,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    max_pages: int = 20,
) -> Response:
    """Make one request with a new paginator, as if another replica served it."""
    calls = len(upstream.calls)
    window = read_page_arguments(
        first=first, after=after, last=last, before=before, read_cursor=READ_CURSOR, max_size=1_000
    )
    given = await Paginator(upstream.source, max_pages=max_pages).slice(window)
    return Response(given, len(upstream.calls) - calls)


async def forwards(upstream: UpstreamList, sizes: Iterable[int], *, after: str | None = None) -> list[int]:
    """Return all rows page by page, as clients do. Each page starts at the endCursor of the previous one."""
    rows: list[int] = []
    for size in sizes:
        response = await request(upstream, first=size, after=after)
        rows += response.rows
        after = response.slice.end_cursor or after
        if not response.slice.has_next_page:
            return rows
    raise AssertionError("the list does not end")


async def backwards(upstream: UpstreamList, sizes: Iterable[int], *, before: str | None = None) -> list[int]:
    """Return all rows page by page from the end. Each page ends at the startCursor of the previous one."""
    rows: list[int] = []
    for size in sizes:
        response = await request(upstream, last=size, before=before, max_pages=1_000)
        rows = response.rows + rows
        before = response.slice.start_cursor or before
        if not response.slice.has_previous_page:
            return rows
    raise AssertionError("the list does not begin")
