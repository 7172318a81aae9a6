"""Random sorted lists and requests against a plain model: a list, a comparison, slices, and Relay's algorithm.

Rows change while a client pages: they come, go, and get other values. A cursor holds its row's value and key, so each
response follows from the cursors and the rows of now.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cmp_to_key, partial
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.paging.arguments import read_page_arguments
from gateway.paging.sort_order import SortOrder, SortPosition, read_sort_cursor, write_sort_cursor
from gateway.paging.sorted_paginator import SortedPaginator
from gateway.paging.token_list import TokenList
from tests.paging.scripted_lists import BINDING, Response, UpstreamList, by_token

# Few texts, so that many rows have the same. One of them is the start of another one.
TEXTS = st.sampled_from(["", "a", "ab", "b", "B", "é", "\U0001f600", "\uffff"])
VALUES = st.none() | TEXTS
ROWS = st.dictionaries(st.integers(0, 9_999), VALUES, max_size=30)
SIZES = st.integers(0, 4) | st.integers(0, 20)
STEPS = st.lists(st.integers(1, 8), min_size=1, max_size=6)


@dataclass
class SortedRows:
    """A list whose rows have texts to sort by. Its pages come in the order of its keys."""

    values: dict[int, str | None]
    descending: bool
    page_size: int
    fills: tuple[str, ...]
    held: list[str] = field(default_factory=list)

    @property
    def source(self) -> TokenList[int]:
        upstream = UpstreamList(
            rows=sorted(self.values),
            page_size=self.page_size,
            fill=by_token(self.fills),  # type: ignore[arg-type]  # The sampled literals are Fills.
        )
        return replace(upstream.source, order=SortOrder("text", self.values.__getitem__, self.descending))

    async def request(
        self, *, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
    ) -> Response:
        """Make one request with a new paginator, as if another replica served it."""
        source = self.source
        assert source.order is not None
        paginator = SortedPaginator(source, source.order, max_pages=1_000)
        arguments = read_page_arguments(
            first=first, after=after, last=last, before=before, read_cursor=paginator.read_cursor, max_size=1_000
        )
        response = Response(await paginator.slice(arguments), source.pages_fetched)
        assert response.slice.start_cursor == (response.cursors[0] if response.rows else None)
        assert response.slice.end_cursor == (response.cursors[-1] if response.rows else None)
        self.held += response.cursors
        return response

    def compare(self, one: SortPosition, other: SortPosition) -> int:
        """Return a negative number if one position is before the other, and a positive number if it is after it."""
        if (one.value is None) != (other.value is None):
            return 1 if one.value is None else -1
        by_value = ((one.value or "") > (other.value or "")) - ((one.value or "") < (other.value or ""))
        by_key = (one.key > other.key) - (one.key < other.key)
        return (-by_value if self.descending else by_value) or by_key

    def model(self) -> list[SortPosition]:
        """Return the position of each row, in order."""
        positions = [SortPosition(value, f"{row:04}") for row, value in self.values.items()]
        return sorted(positions, key=cmp_to_key(self.compare))

    def model_rows(self) -> list[int]:
        return [int(position.key) for position in self.model()]


def sorted_rows(data: st.DataObject) -> SortedRows:
    return SortedRows(
        values=data.draw(ROWS, "rows"),
        descending=data.draw(st.booleans(), "descending"),
        page_size=data.draw(st.integers(1, 8), "page size"),
        fills=data.draw(st.sampled_from([("full",), ("full", "short"), ("short", "empty"), ("over", "full")]), "fills"),
    )


def change(listed: SortedRows, data: st.DataObject) -> set[int]:
    """Add rows, remove rows and give other rows another value. Return the rows that were changed."""
    changed = (
        set(data.draw(st.sets(st.sampled_from(sorted(listed.values)), max_size=4), "changed"))
        if (listed.values)
        else set()
    )
    for row in changed:
        if data.draw(st.booleans(), "removed"):
            del listed.values[row]
        else:
            listed.values[row] = data.draw(VALUES, "value")
    added = data.draw(st.dictionaries(st.integers(0, 9_999), VALUES, max_size=4), "added")
    new = {row: value for row, value in added.items() if row not in listed.values}
    listed.values |= new
    return changed | new.keys()


async def check_request(listed: SortedRows, data: st.DataObject) -> None:
    """Compare one request with any of the four arguments to Relay's algorithm on the sorted rows."""
    cursors = st.none() | st.sampled_from(listed.held) if listed.held else st.none()
    after, before = data.draw(cursors, "after"), data.draw(cursors, "before")
    size, backward = data.draw(SIZES, "size"), data.draw(st.booleans(), "backward")
    response = await listed.request(
        first=None if backward else size, last=size if backward else None, after=after, before=before
    )
    model = listed.model()
    read = partial(read_sort_cursor, binding=BINDING)
    begin = 0 if after is None else sum(listed.compare(each, read(after)) <= 0 for each in model)
    end = len(model) if before is None else sum(listed.compare(each, read(before)) < 0 for each in model)
    end = len(model) if end < begin else end
    start, stop = (max(begin, end - size), end) if backward else (begin, min(begin + size, end))
    assert response.rows == [int(position.key) for position in model[start:stop]]
    if size == 0:
        expected = (False, before is not None) if backward else (after is not None, False)
        assert response.page_info[:2] == expected
        assert response.calls == 0
        return
    assert response.page_info[:2] == (start > 0, stop < len(model))


def around(steps: list[int]) -> Iterator[int]:
    while True:
        yield from steps


async def check_walk(listed: SortedRows, data: st.DataObject, *, changing: bool) -> None:
    """Check that a walk returns each row that does not change once and in order, from either end."""
    backward = data.draw(st.booleans(), "backward")
    kept, ever = set(listed.values), set(listed.values)
    pages: list[list[int]] = []
    cursor: str | None = None
    for size in around(data.draw(STEPS, "steps")):
        assert len(pages) < 1_000
        response = await (
            listed.request(last=size, before=cursor) if backward else listed.request(first=size, after=cursor)
        )
        pages.insert(0, response.rows) if backward else pages.append(response.rows)
        assert response.rows == [row for row in listed.model_rows() if row in response.rows]
        cursor = (response.slice.start_cursor if backward else response.slice.end_cursor) or cursor
        if not (response.slice.has_previous_page if backward else response.slice.has_next_page):
            break
        if changing and len(pages) < 12:
            kept -= change(listed, data)
            ever |= set(listed.values)
    rows = [row for page in pages for row in page]
    model = [row for row in listed.model_rows() if row in kept]
    assert [row for row in rows if row in kept] == model
    assert set(rows) <= ever
    if not changing:
        assert rows == model


@settings(max_examples=300, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_any_request_and_walk_of_a_sorted_list_matches_the_model(data: st.DataObject) -> None:
    listed = sorted_rows(data)
    for _ in range(data.draw(st.integers(1, 6), "requests")):
        await check_request(listed, data)
        if data.draw(st.booleans(), "changes"):
            change(listed, data)
    await check_walk(listed, data, changing=False)
    await check_walk(listed, data, changing=True)


@given(st.lists(st.builds(SortPosition, VALUES, st.sampled_from("abc"))), st.booleans())
def test_order_of_two_positions_agrees_with_their_sort(positions: list[SortPosition], descending: bool) -> None:
    order: SortOrder[SortPosition] = SortOrder("text", lambda position: position.value, descending)
    in_order = order.sort(positions)
    assert sorted(in_order, key=repr) == sorted(positions, key=repr)
    for one, other in pairwise(in_order):
        assert one == other or (order.precedes(one, other) and not order.precedes(other, one))


@given(st.builds(SortPosition, st.none() | st.text(st.characters()), st.text(max_size=20)))
def test_sort_cursor_round_trip_preserves_value_and_key(position: SortPosition) -> None:
    assert read_sort_cursor(write_sort_cursor(position, BINDING, "ListRows"), BINDING) == position
