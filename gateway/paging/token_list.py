"""A list that AWS returns page by page, and one page of it.

A filtered list is a list whose pages are short: its rows are the records that match. The other records stay in the
page, because a cursor may point at one of them. Its row may no longer match, or a read may have ended after a record
that does not match.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import ref

from gateway.errors import UpstreamBadResponse
from gateway.paging.cursor import NEIGHBOURS, NO_NEIGHBOURS, Position, hash_keys, write_cursor
from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.read_ahead import ListPage, ReadAhead, RowsProjection
from gateway.paging.sort_order import SortOrder

R = TypeVar("R")


def _none_known(_token: str | None, _count: int) -> Sequence[str]:
    return ()


def _ignore(*_: int) -> None:
    return


@dataclass(slots=True, kw_only=True, eq=False)
class TokenList(Generic[R]):
    """A list that can only be read page by page, by forward tokens.

    Attributes:
        fetch: Returns the page for a token and a size. The first page has no token. The list ends only when there is no
            next token. A page may have fewer records than requested, or be empty.
        binding: The list and caller that the cursors are valid for (CursorKeyRing.bind).
        operation: The list's name, for errors and metrics.
        page_size: The most records that one page may request.
        narrowed_by: The filters with which AWS returns fewer pages, for an error's advice. Empty if there are no such
            filters.
        matches: Returns whether a record is a row of the list. Unset if every record is. A filtered list requests full
            pages only, so that the same pages are requested again and may come from the response cache.
        order: The order in which connections show the rows. Unset means the list's own order.
        following: Returns at most so many tokens of full pages that most likely follow a token's page.
        on_wasted: Called with the number of pages that were requested ahead and not needed.
        on_projection_reused: Called when the rows of a page need not be projected, because another request has done it.
        pages_fetched: Number of pages requested so far.
    """

    fetch: Callable[[str | None, int], Awaitable[ListPage[R]]]
    binding: CursorBinding
    operation: str
    page_size: int
    narrowed_by: str = ""
    matches: Callable[[R], bool] | None = None
    order: SortOrder[R] | None = None
    following: Callable[[str | None, int], Sequence[str]] = _none_known
    on_wasted: Callable[[int], None] = _ignore
    on_projection_reused: Callable[[], None] = _ignore
    pages_fetched: int = field(default=0, init=False)
    _readers: list[ReadAhead[R]] = field(default_factory=list, init=False)

    def read_ahead(self) -> ReadAhead[R]:
        """Return a reader of the list's pages."""
        reader = ReadAhead(self._count_and_fetch, self.following, self.on_wasted)
        self._readers.append(reader)
        return reader

    def close(self) -> None:
        """Cancel the pages that were requested ahead."""
        for reader in self._readers:
            reader.close()
        self._readers.clear()

    def _count_and_fetch(self, token: str | None, size: int) -> Awaitable[ListPage[R]]:
        self.pages_fetched += 1
        return self.fetch(token, size)

    def repeated_token(self) -> UpstreamBadResponse:
        """Return the error for a list whose tokens lead in a circle."""
        return UpstreamBadResponse(self.operation, detail="a page token repeats")


class FoundRecord(NamedTuple):
    """A record that was found in a page.

    Attributes:
        row: Number of rows before the record.
        is_row: Whether the record itself is a row of the list.
    """

    row: int
    is_row: bool


@dataclass(slots=True, eq=False)
class Page(Generic[R]):
    """One page of a list and how it was fetched. cursor.Position describes the fields that have the same names.

    Attributes:
        fetched: The page, which requests share while it is cached.
        records: All its records, in the list's order.
        keys: The key of each record within the list.
        row_indexes: The index of each row among the records. In an unfiltered list, all records are rows.
        rows: The rows.
    """

    source: TokenList[R]
    fetched: ListPage[R]
    token: str | None
    size: int
    has_rows_before: bool
    next_token_repeats: bool
    records: Sequence[R] = field(init=False)
    keys: tuple[str, ...] = field(init=False)
    next_token: str | None = field(init=False)
    row_indexes: Sequence[int] = field(init=False)
    rows: Sequence[R] = field(init=False)
    _hashes: tuple[int, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        fetched, matches = self.fetched, self.source.matches
        self.records = records = fetched.records
        self.keys, self.next_token = fetched.keys, fetched.next_token
        if matches is None:
            self.row_indexes, self.rows = range(len(records)), records
        else:
            self.row_indexes = [index for index, record in enumerate(records) if matches(record)]
            self.rows = [records[index] for index in self.row_indexes]

    def cursor(self, row: int) -> str:
        """Return the cursor of a row.

        Raises:
            CursorTooLong: If the page's tokens are too long for a cursor.
        """
        # If no row follows in the page, the next request need not read the page again.
        next_token = self.next_token if row + 1 == len(self.row_indexes) else None
        return write_cursor(
            self.position(self.row_indexes[row], next_token), self.source.binding, self.source.operation
        )

    def project(self, start: int, stop: int, project: Callable[[Sequence[R]], list[Any]]) -> list[Any]:
        """Return the response's part for each row from `start` up to but not including `stop`.

        Requests that share the page share the result, unless the gateway filters the page.
        """
        if self.source.matches is not None:
            return project(self.rows[start:stop])
        last, wanted = self.fetched.last_projection, (ref(project), start, stop)
        if last is not None and last[:3] == wanted:
            self.source.on_projection_reused()
            return last.projected
        projected = project(self.rows[start:stop])
        self.fetched.last_projection = RowsProjection(*wanted, projected)
        return projected

    def position(self, index: int, next_token: str | None) -> Position:
        """Return the position of a record, with the token of the page that a request after it begins with, if any."""
        if self._hashes or index + 1 < len(self.records):
            hashes, at = self._hash_records(), index
        else:
            # A page's last cursor is often its only one. It needs the hashes of a few records and not of all.
            hashes = hash_keys(self.keys[-1 - NEIGHBOURS :])
            at = len(hashes) - 1
        following = hashes[at + 1 : at + 1 + NEIGHBOURS]
        preceding = hashes[max(0, at - NEIGHBOURS) : at]
        return Position(
            token=self.token,
            size=self.size,
            offset=index,
            row_hash=hashes[at],
            following=following + NO_NEIGHBOURS[len(following) :],
            preceding=NO_NEIGHBOURS[len(preceding) :] + preceding,
            next_token=next_token,
            has_rows_before=self.has_rows_before,
            next_token_repeats=self.next_token_repeats and next_token is not None,
        )

    def find(self, row_hash: int) -> FoundRecord | None:
        """Return the record whose key has this hash, if the page has it."""
        index = self._index_of(row_hash)
        return None if index is None else self._found(index)

    def find_edge(self, position: Position, *, start: int = 0, near: int = 0) -> FoundRecord | None:
        """Return a position's record, or None if the page does not have it or if it has moved.

        The record has moved if it is no longer between the records that were around it, and these are still in order.
        A client that continued at its new place would lose or repeat the rows between the two places.

        Args:
            position: The position of the record.
            start: The first row to look at. The records before it that follow another row are looked at as well.
            near: The index of the record to try first, because a list may hold a record twice.
        """
        index = self._index_of(position.row_hash, first=self.row_indexes[start - 1] + 1 if start else 0, near=near)
        if index is None:
            return None
        before = [found for each in position.preceding if (found := self._index_of(each)) is not None]
        after = [found for each in position.following if (found := self._index_of(each)) is not None]

        def agreement(split: int) -> int:
            """Return how many of the records are on the right side of a split of the page before an index."""
            return sum(each < split for each in (*before, index)) + sum(each >= split for each in after)

        elsewhere = max(map(agreement, (*after, *(each + 1 for each in before))), default=0)
        return self._found(index) if agreement(index + 1) >= elsewhere else None

    def find_pushed_edge(self, position: Position) -> FoundRecord | None:
        """Return a record of the page before, if rows that were added before it pushed it onto this page.

        Other records of that page are then before it. Otherwise the record has moved, and the rows before it are new.
        """
        index = self._index_of(position.row_hash)
        if index is None:
            return None
        preceding = set(position.preceding).difference(NO_NEIGHBOURS)
        was_pushed = index == 0 or not preceding or not preceding.isdisjoint(self._hashes[:index])
        return self._found(index) if was_pushed else None

    def find_following(self, position: Position) -> int | None:
        """Return the number of rows before the nearest record that followed a position, unless all are gone."""
        found = (self.find(row_hash) for row_hash in position.following if row_hash)
        return next((each.row for each in found if each is not None), None)

    def find_preceding(self, position: Position) -> tuple[int, int] | None:
        """Return the distance of the nearest record that preceded a position, and the rows up to it, if one is left."""
        found = ((distance, self.find(each)) for distance, each in enumerate(reversed(position.preceding)) if each)
        return next(((distance, each.row + each.is_row) for distance, each in found if each is not None), None)

    def rows_before(self, index: int) -> int:
        """Return the number of rows before a record."""
        return bisect_left(self.row_indexes, index)

    def _index_of(self, row_hash: int, *, first: int = 0, near: int = 0) -> int | None:
        hashes = self._hash_records()
        if first <= near < len(hashes) and hashes[near] == row_hash:
            return near
        # Most searches find nothing, and an exception takes longer than a search of ten records.
        return hashes.index(row_hash, first) if row_hash in hashes[first:] else None

    def _found(self, index: int) -> FoundRecord:
        row = self.rows_before(index)
        return FoundRecord(row, is_row=row < len(self.row_indexes) and self.row_indexes[row] == index)

    def _hash_records(self) -> tuple[int, ...]:
        """Return the hashes of all records. They are computed once, when one of them is first needed."""
        if not self._hashes:
            self._hashes = hash_keys(self.keys)
        return self._hashes
