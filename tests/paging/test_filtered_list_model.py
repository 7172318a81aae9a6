"""Random filtered lists, page limits and changes against a plain model: the rows that match, in the list's order.

Each walk continues after the `endCursor` of the response before it, also if that response has no row.
"""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import PageLimitExceeded
from gateway.paging.cursor import NEIGHBOURS, hash_keys, read_cursor
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import BINDING, Response, UpstreamList, by_token, request

HIGHEST = 9_999
ROW_OF = {row_hash: row for row, row_hash in enumerate(hash_keys(f"{row:04}" for row in range(HIGHEST + 1)))}
NO_LIMIT = 10_000

STEPS = st.lists(st.integers(1, 12), min_size=1, max_size=6)
FILLS = st.sampled_from(
    [("full",), ("full",), ("full", "short"), ("short", "empty"), ("over", "full"), ("full", "short", "empty", "over")]
)


@dataclass(frozen=True)
class Held:
    """A cursor that a client holds, and the row that it stands on. The row may be one that does not match.

    A cursor after pages that have no row at all stands before all rows: on -1.
    """

    cursor: str
    row: int


@dataclass
class Session:
    """A filtered list, and the cursors that its responses contained."""

    upstream: UpstreamList
    matching: set[int]
    max_pages: int
    held: list[Held] = field(default_factory=list)

    @property
    def rows(self) -> list[int]:
        return [row for row in self.upstream.rows if row in self.matching]

    def keep(self, response: Response) -> None:
        """Keep the cursors of a response."""
        edges = response.edges
        self.held += [Held(edges[at].cursor, edges[at].node) for at in {0, len(edges) // 2} if edges]
        if response.slice.end_cursor is not None:
            self.held.append(held(response.slice.end_cursor))


def held(cursor: str) -> Held:
    return Held(cursor, ROW_OF.get(read_cursor(cursor, BINDING).row_hash, -1))


def around(steps: list[int]) -> Iterator[int]:
    while True:
        yield from steps


def draw_session(data: st.DataObject) -> Session:
    rows = sorted(data.draw(st.sets(st.integers(0, HIGHEST), max_size=40), "rows"))
    matching = data.draw(st.sets(st.sampled_from(rows)), "matching") if rows else set()
    upstream = UpstreamList(
        rows=rows,
        tokens=data.draw(st.sampled_from(["keyset", "offset"]), "tokens"),
        page_size=data.draw(st.integers(3, 8), "page size"),
        matches=matching.__contains__,
        fill=by_token(data.draw(FILLS, "fills")),  # type: ignore[arg-type]  # The sampled literals are Fills.
        trailing_token=data.draw(st.booleans(), "trailing token"),
    )
    return Session(upstream, matching, max_pages=data.draw(st.integers(1, 5), "max pages"))


async def check_forward_walk(session: Session, data: st.DataObject) -> None:
    """Check that a walk returns each match once, with honest flags, and reads no more pages than it may."""
    rows: list[int] = []
    after = None
    for requests, size in enumerate(around(data.draw(STEPS, "steps"))):
        assert requests < 1_000
        response = await request(session.upstream, first=size, after=after, max_pages=session.max_pages)
        session.keep(response)
        assert len(response.rows) <= size
        assert response.slice.has_previous_page == bool(rows)
        assert response.calls <= session.max_pages
        rows += response.rows
        if not response.slice.has_next_page:
            break
        # A page is short only at the page limit.
        assert len(response.rows) == size or response.calls == session.max_pages
        after = response.end_cursor
    assert rows == session.rows


async def check_backward_walk(session: Session, data: st.DataObject) -> None:
    rows: list[int] = []
    before = None
    for size in around(data.draw(STEPS, "steps")):
        response = await request(session.upstream, last=size, before=before, max_pages=NO_LIMIT)
        session.keep(response)
        assert response.slice.has_next_page == bool(rows)
        rows = response.rows + rows
        if not response.slice.has_previous_page:
            break
        assert len(response.rows) == size
        before = response.start_cursor
    assert rows == session.rows


async def check_request(session: Session, data: st.DataObject) -> None:
    """Compare one request with any of the four arguments to Relay's algorithm on the matches."""
    cursors = st.none() | st.sampled_from(session.held) if session.held else st.none()
    after, before = data.draw(cursors, "after"), data.draw(cursors, "before")
    size, backward = data.draw(st.integers(0, 20), "size"), data.draw(st.booleans(), "backward")
    rows = session.rows
    if after is not None and before is not None and before.row not in rows:
        # Between two matches, there is no order of two cursors.
        before = None
    response = await request(
        session.upstream,
        first=None if backward else size,
        last=size if backward else None,
        after=None if after is None else after.cursor,
        before=None if before is None else before.cursor,
        max_pages=NO_LIMIT,
    )
    begin = 0 if after is None else bisect_right(rows, after.row)
    end = len(rows) if before is None or bisect_left(rows, before.row) < begin else bisect_left(rows, before.row)
    start, stop = (max(begin, end - size), end) if backward else (begin, min(begin + size, end))
    assert response.rows == rows[start:stop]
    assert response.slice.start_cursor == (response.cursors[0] if response.rows else None)
    assert response.slice.end_cursor == (response.cursors[-1] if response.rows else None)
    if size > 0:
        assert response.slice.has_previous_page == (start > 0)
        # A token may lead to pages without matches.
        assert response.slice.has_next_page or stop == len(rows)
        if backward and before is None:
            assert not response.slice.has_next_page


async def check_count(session: Session) -> None:
    """Check that the count is that of the matches, or an error beyond the page limit."""
    pages = len(session.upstream.calls)
    whole = await request(session.upstream, last=1, max_pages=NO_LIMIT)
    assert whole.rows == session.rows[-1:]
    pages = len(session.upstream.calls) - pages
    assert await Paginator(session.upstream.source, max_pages=pages).count() == len(session.rows)
    if pages > 1:
        with pytest.raises(PageLimitExceeded):
            await Paginator(session.upstream.source, max_pages=pages - 1).count()


def change(session: Session, data: st.DataObject) -> None:
    """Add and remove rows anywhere, and let others match or stop matching.

    At most NEIGHBOURS rows are removed, so that some record around an edge stays. At most so many are added as a page
    has, because a cursor looks for its edge one page further.
    """
    upstream = session.upstream
    absent = st.integers(0, HIGHEST).filter(lambda row: row not in upstream.rows)
    near = st.sampled_from([row + 1 for row in upstream.rows if row + 1 not in upstream.rows] or [HIGHEST])
    added = data.draw(st.sets(absent | near, max_size=3), "added") - set(upstream.rows)
    removed: set[int] = set()
    turned: set[int] = set()
    if upstream.rows:
        removed = data.draw(st.sets(st.sampled_from(upstream.rows), max_size=NEIGHBOURS), "removed")
        turned = data.draw(st.sets(st.sampled_from(upstream.rows), max_size=4), "turned")
    upstream.remove(*removed)
    upstream.add(*added)
    matching = (session.matching ^ turned) - removed | data.draw(
        st.sets(st.sampled_from(sorted(added))) if added else st.just(set()), "matching"
    )
    session.matching.clear()
    session.matching |= matching


async def check_walk_through_changes(session: Session, data: st.DataObject) -> None:
    """Check that a walk of a changing list returns in order each row that matched all the time, and repeats no row.

    A row that was added may be returned after a row that it precedes, if every row around the cursor was removed.
    """
    stays, ever = set(session.rows), set(session.rows)
    rows: list[int] = []
    after = None
    for requests, size in enumerate(around(data.draw(STEPS, "steps"))):
        assert requests < 1_000
        response = await request(session.upstream, first=size, after=after, max_pages=session.max_pages)
        rows += response.rows
        if not response.slice.has_next_page:
            break
        after = response.end_cursor
        if requests < 12:
            change(session, data)
        stays &= set(session.rows)
        ever |= set(session.rows)
    assert len(rows) == len(set(rows))
    assert [row for row in rows if row in stays] == sorted(stays)
    assert set(rows) <= ever


async def check_session(data: st.DataObject) -> None:
    session = draw_session(data)
    await check_forward_walk(session, data)
    await check_backward_walk(session, data)
    for _ in range(data.draw(st.integers(1, 6), "requests")):
        await check_request(session, data)
    await check_count(session)
    if session.upstream.tokens == "keyset":
        await check_walk_through_changes(session, data)


@settings(max_examples=150, deadline=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_any_walk_of_a_filtered_list_matches_the_model(data: st.DataObject) -> None:
    await check_session(data)


@pytest.mark.slow
def test_7_000_sessions_with_filtered_lists_match_the_model() -> None:
    @settings(
        max_examples=7_000,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        runner.run(check_session(data))

    with asyncio.Runner() as runner:
        check()
