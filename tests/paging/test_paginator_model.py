"""Random lists, upstreams and requests against a plain model: a list, slices, and Relay's algorithm.

One body serves two tests. By default it runs a few hundred sessions, with `-m slow` enough of them for 20,000 walks.
A session makes requests to one list and adds and removes rows if the list has keyset tokens. It then walks the list
as clients do, forwards and backwards, with random page sizes.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.paging.cursor import NEIGHBOURS, read_cursor
from tests.paging.scripted_lists import BINDING, Response, UpstreamList, backwards, by_token, forwards, request

MAX_PAGES = 10_000  # These tests do not reach the page limit.
HIGHEST = 9_999

PAGE_SIZES = st.integers(1, 8)
WINDOW_SIZES = st.integers(0, 4) | st.integers(0, 20)
STEPS = st.lists(st.integers(1, 12), min_size=1, max_size=6)
FILLS = st.sampled_from(
    [("full",), ("full",), ("full", "short"), ("short", "empty"), ("over", "full"), ("full", "short", "empty", "over")]
)


@dataclass(frozen=True)
class Held:
    """A cursor that a caller keeps, and a copy of the list at the time."""

    cursor: str
    row: int
    rows: tuple[int, ...]


@dataclass
class Session:
    """A list, the cursors that a client holds, and counts of its requests."""

    upstream: UpstreamList
    held: list[Held] = field(default_factory=list)
    requests: int = 0
    walks: int = 0

    async def request(
        self, *, first: int | None, last: int | None, after: Held | None, before: Held | None
    ) -> Response:
        self.requests += 1
        return await request(
            self.upstream,
            first=first,
            last=last,
            after=None if after is None else after.cursor,
            before=None if before is None else before.cursor,
            max_pages=MAX_PAGES,
        )

    def keeps(self, response: Response) -> None:
        """Keep the first and last cursor of a response and one between them."""
        edges = response.edges
        for edge in {0: None, len(edges) // 2: None, len(edges) - 1: None} if edges else ():
            self.held.append(Held(edges[edge].cursor, edges[edge].node, tuple(self.upstream.rows)))

    def is_as_given(self, held: Held | None) -> bool:
        return held is None or held.rows == tuple(self.upstream.rows)

    def is_known(self, held: Held | None, *, forwards: bool) -> bool:
        """Return whether a cursor still identifies the exact position of its edge.

        A cursor holds its edge, the next row, and the number of rows of its page before the edge. It finds a listed
        edge if at most one page of rows was added before it. It finds the position of a deleted edge by the next row,
        or if the page is unchanged up to there. It cannot see rows that were added in between. For the last edge of a
        page, the next token is the position.
        """
        if held is None or self.is_as_given(held) or self.upstream.tokens == "offset":
            return True
        position = read_cursor(held.cursor, BINDING)
        if forwards and position.next_token is not None:
            return True
        begin, _ = self.upstream.place_of(position.token)
        moved = bisect_left(self.upstream.rows, held.row) - begin - (position.offset)
        if held.row in self.upstream.rows:
            return moved <= self.upstream.page_size
        after = bisect_right(held.rows, held.row)
        next_row_hash = held.rows[after] if after < len(held.rows) else HIGHEST + 1
        at = bisect_left(self.upstream.rows, held.row)
        followed = [row for row in held.rows[after : after + NEIGHBOURS] if row in self.upstream.rows]
        came_between = at < len(self.upstream.rows) and self.upstream.rows[at] < next(iter(followed), next_row_hash)
        if came_between:
            return False
        place = bisect_left(held.rows, held.row)
        is_unchanged_before = tuple(self.upstream.rows[begin:at]) == held.rows[place - position.offset : place]
        return is_unchanged_before or (
            # The last row of a page has no next row that its cursor could hold.
            any(position.following) and next_row_hash in self.upstream.rows and moved <= self.upstream.page_size
        )


async def check_request(session: Session, data: st.DataObject) -> None:
    """Compare one request with any of the four arguments to Relay's algorithm on the list."""
    cursors = st.none() | st.sampled_from(session.held) if session.held else st.none()
    after, before = data.draw(cursors, "after"), data.draw(cursors, "before")
    size, backward = data.draw(WINDOW_SIZES, "size"), data.draw(st.booleans(), "backward")
    response = await session.request(
        first=None if backward else size, last=size if backward else None, after=after, before=before
    )
    rows = session.upstream.rows

    # These assertions hold for any response, even if the cursors no longer identify their edges.
    assert len(response.rows) <= size
    if response.rows:
        place = rows.index(response.rows[0])
        assert response.rows == rows[place : place + len(response.rows)]
    assert response.slice.start_cursor == (response.cursors[0] if response.rows else None)
    assert response.slice.end_cursor == (response.cursors[-1] if response.rows else None)
    session.keeps(response)
    if not (session.is_known(after, forwards=True) and session.is_known(before, forwards=False)):
        return

    # Relay keeps the rows after `after`, then those before `before` if it is there, then the first or last of them.
    begin = 0 if after is None else bisect_right(rows, after.row)
    end = len(rows) if before is None or bisect_left(rows, before.row) < begin else bisect_left(rows, before.row)
    start, stop = (max(begin, end - size), end) if backward else (begin, min(begin + size, end))
    assert response.rows == rows[start:stop]

    has_previous_page, has_next_page = response.page_info[:2]
    if size == 0:
        expected = (False, before is not None) if backward else (after is not None, False)
        assert (has_previous_page, has_next_page) == expected
        return
    if session.is_as_given(after) and session.is_as_given(before):
        assert has_previous_page == (start > 0)
    if stop < len(rows) or not session.upstream.trailing_token:
        assert has_next_page == (stop < len(rows))


def change(session: Session, data: st.DataObject) -> None:
    """Add and remove rows anywhere."""
    upstream = session.upstream
    absent = st.integers(0, HIGHEST).filter(lambda row: row not in upstream.rows)
    near = st.sampled_from([row + 1 for row in upstream.rows if row + 1 not in upstream.rows] or [HIGHEST])
    added = data.draw(st.sets(absent | near, max_size=4), "added") - set(upstream.rows)
    removed = data.draw(st.sets(st.sampled_from(upstream.rows), max_size=4), "removed") if upstream.rows else set()
    upstream.remove(*removed)
    upstream.add(*added)


async def check_whole_walks(session: Session, data: st.DataObject) -> None:
    """Check that walks with random page sizes return every row once, from either end and from any kept cursor."""
    steps = data.draw(STEPS, "steps")
    upstream = session.upstream
    assert await forwards(upstream, around(steps)) == upstream.rows
    assert await backwards(upstream, around(steps)) == upstream.rows
    session.walks += 2
    fresh = [held for held in session.held if session.is_as_given(held)]
    if fresh:
        held = data.draw(st.sampled_from(fresh), "from")
        assert (
            await forwards(upstream, around(steps), after=held.cursor)
            == upstream.rows[bisect_right(upstream.rows, held.row) :]
        )
        assert (
            await backwards(upstream, around(steps), before=held.cursor)
            == upstream.rows[: bisect_left(upstream.rows, held.row)]
        )
        session.walks += 2


async def check_walk_through_changes(session: Session, data: st.DataObject) -> None:
    """Check that a walk of a changing list returns remaining rows once and in order, and repeats no row."""
    upstream = session.upstream
    backward = data.draw(st.booleans(), "backward")
    stays = set(upstream.rows)
    ever = set(upstream.rows)
    pages: list[list[int]] = []
    at: Held | None = None
    for size in around(data.draw(STEPS, "steps")):
        assert len(pages) < 1_000
        response = await session.request(
            first=None if backward else size,
            last=size if backward else None,
            after=None if backward else at,
            before=at if backward else None,
        )
        pages.insert(0, response.rows) if backward else pages.append(response.rows)
        more = response.slice.has_previous_page if backward else response.slice.has_next_page
        if response.rows:
            cursor, row = (
                (response.start_cursor, response.rows[0]) if backward else (response.end_cursor, response.rows[-1])
            )
            at = Held(cursor, row, tuple(upstream.rows))
        if not more:
            break
        kept = upstream.rows
        if len(pages) < 12:
            change(session, data)
        # Undo a change that no cursor can follow.
        if not session.is_known(at, forwards=not backward):
            upstream.rows = kept
        stays &= set(upstream.rows)
        ever |= set(upstream.rows)
    rows = [row for page in pages for row in page]
    assert all(row < following for row, following in pairwise(rows))
    assert stays <= set(rows) <= ever
    session.walks += 1


def around(steps: list[int]) -> Iterator[int]:
    while True:
        yield from steps


async def check_session(data: st.DataObject) -> Session:
    upstream = UpstreamList(
        rows=sorted(data.draw(st.sets(st.integers(0, HIGHEST), max_size=40), "rows")),
        tokens=data.draw(st.sampled_from(["keyset", "offset"]), "tokens"),
        page_size=data.draw(PAGE_SIZES, "page size"),
        fill=by_token(data.draw(FILLS, "fills")),  # type: ignore[arg-type]  # The sampled literals are Fills.
        trailing_token=data.draw(st.booleans(), "trailing token"),
    )
    session = Session(upstream)
    for _ in range(data.draw(st.integers(1, 6), "requests")):
        await check_request(session, data)
        if upstream.tokens == "keyset" and data.draw(st.booleans(), "changes"):
            change(session, data)
    await check_whole_walks(session, data)
    if upstream.tokens == "keyset":
        await check_walk_through_changes(session, data)
    return session


@settings(max_examples=150, deadline=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_any_walk_matches_the_model(data: st.DataObject) -> None:
    await check_session(data)


@pytest.mark.slow
def test_20_000_walks_match_the_model() -> None:
    made = {"sessions": 0, "requests": 0, "walks": 0}

    @settings(
        max_examples=7_000,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        session = runner.run(check_session(data))
        made["sessions"] += 1
        made["requests"] += session.requests
        made["walks"] += session.walks

    with asyncio.Runner() as runner:
        check()
    print(made)  # noqa: T201  # Shows the amount of evidence.
    assert made["walks"] >= 20_000
