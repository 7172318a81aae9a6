"""Cursors resume right after or right before their edge, even later, in another replica or if the list has changed."""

import asyncio
from itertools import repeat

import pytest

from gateway.paging.arguments import read_page_arguments
from gateway.paging.paginator import Paginator
from gateway.paging.token_list import TokenList
from tests.paging.scripted_lists import (
    BINDING,
    READ_CURSOR,
    Response,
    ScriptedPage,
    Tokens,
    UpstreamList,
    backwards,
    by_token,
    forwards,
    in_turn,
    request,
    rows_of,
)

KINDS: list[Tokens] = ["keyset", "offset"]


async def counted(upstream: UpstreamList, first: int) -> Response:
    """Request rows with totalCount. The rows come from pages of full size, so the endCursor is in mid-page."""
    paginator = Paginator(upstream.source, max_pages=20)
    window = read_page_arguments(
        first=first, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=1_000
    )
    _, given = await asyncio.gather(paginator.count(), paginator.slice(window))
    return Response(given, len(upstream.calls))


@pytest.mark.parametrize("tokens", KINDS)
async def test_every_cursor_resumes_at_its_edge_in_both_directions_with_any_page_size(tokens: Tokens) -> None:
    upstream = UpstreamList(rows=rows_of(23), tokens=tokens, page_size=5)
    rows = upstream.rows
    for given_by in (1, 3, 5, 12, 23):
        given = await request(upstream, first=given_by)
        for at, cursor in enumerate(given.cursors):
            for size in (1, 2, 4, 5, 6, 11, 30):
                after = await request(upstream, first=size, after=cursor)
                before = await request(upstream, last=size, before=cursor)
                assert after.rows == rows[at + 1 :][:size], (given_by, at, size)
                assert before.rows == rows[:at][-size:], (given_by, at, size)


async def test_cursors_of_backward_pages_resume_at_their_edges() -> None:
    upstream = UpstreamList(rows=rows_of(23), page_size=5)
    given = await request(upstream, last=23)
    for at, cursor in enumerate(given.cursors):
        assert (await request(upstream, first=4, after=cursor)).rows == upstream.rows[at + 1 :][:4]
        assert (await request(upstream, last=4, before=cursor)).rows == upstream.rows[:at][-4:]


async def test_cursors_beyond_row_99_resume_at_their_edges() -> None:
    upstream = UpstreamList(rows=rows_of(700))
    given = await request(upstream, first=500)
    for at in (*range(90, 110), 197, 198, 199, 300, 494, 495, 499):
        after = await request(upstream, first=120, after=given.cursors[at])
        before = await request(upstream, last=120, before=given.cursors[at])
        assert after.rows == upstream.rows[at + 1 :][:120]
        assert before.rows == upstream.rows[max(0, at - 120) : at]


@pytest.mark.parametrize("tokens", KINDS)
@pytest.mark.parametrize("size", [1, 4, 5, 7, 23, 40])
async def test_whole_walks_return_every_row_once(tokens: Tokens, size: int) -> None:
    upstream = UpstreamList(rows=rows_of(23), tokens=tokens, page_size=5)
    assert await forwards(upstream, repeat(size)) == upstream.rows
    assert await backwards(upstream, repeat(size)) == upstream.rows


async def test_walk_can_change_direction_at_any_page() -> None:
    upstream = UpstreamList(rows=rows_of(23), page_size=5)
    there = await request(upstream, first=4)
    for _ in range(5):
        onwards = await request(upstream, first=4, after=there.end_cursor)
        back = await request(upstream, last=4, before=onwards.start_cursor)
        assert back.rows == there.rows
        again = await request(upstream, first=4, after=back.end_cursor)
        assert again.rows == onwards.rows
        there = onwards


async def test_cursors_of_a_counted_page_resume_at_their_edges() -> None:
    upstream = UpstreamList(rows=rows_of(23), page_size=9)
    given = await counted(upstream, 12)
    for at, cursor in enumerate(given.cursors):
        assert (await request(upstream, first=4, after=cursor)).rows == upstream.rows[at + 1 :][:4]
        assert (await request(upstream, last=4, before=cursor)).rows == upstream.rows[:at][-4:]


async def test_row_listed_twice_does_not_stop_a_walk() -> None:
    """A number was released and ordered again. Each of its two cursors continues after its own row."""
    rows = ["a", "b", "a", "c", "d"]

    async def fetch(token: str | None, size: int) -> ScriptedPage[str]:
        assert (token, size >= len(rows)) == (None, True)
        return ScriptedPage(rows, tuple(rows), None)

    source = TokenList(fetch=fetch, binding=BINDING, operation="ListRows", page_size=99)

    async def first(size: int, after: str | None) -> tuple[list[str], str | None]:
        window = read_page_arguments(
            first=size, after=after, last=None, before=None, read_cursor=READ_CURSOR, max_size=99
        )
        given = await Paginator(source, max_pages=20).slice(window)
        return given.rows(), given.end_cursor

    _, third = await first(10, None)
    window = read_page_arguments(first=10, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=99)
    cursors = [edge.cursor for edge in (await Paginator(source, max_pages=20).slice(window)).edges()]
    assert third == cursors[-1]
    for at, cursor in enumerate(cursors):
        assert (await first(10, cursor))[0] == rows[at + 1 :], at


# Drift. The list has space for a row before each: 1, 3, 5, ...


@pytest.mark.parametrize("at", range(20))
async def test_rows_added_before_an_edge_do_not_move_what_follows_it(at: int) -> None:
    for added in ([0], [0, 2], [0, 2, 4, 6]):
        upstream = UpstreamList(rows=rows_of(30), page_size=10)
        cursor = (await request(upstream, first=20)).cursors[at]
        edge = upstream.rows[at]
        upstream.add(*(row for row in added if row < edge))
        now = upstream.rows.index(edge)
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[now + 1 :][:5]
        assert (await request(upstream, last=5, before=cursor)).rows == upstream.rows[:now][-5:]


@pytest.mark.parametrize("at", range(1, 20))
async def test_rows_removed_before_an_edge_do_not_move_what_follows_it(at: int) -> None:
    for removed in range(1, at + 1):
        upstream = UpstreamList(rows=rows_of(30), page_size=10)
        cursor = (await request(upstream, first=20)).cursors[at]
        edge = upstream.rows[at]
        upstream.remove(*upstream.rows[at - removed : at])
        now = upstream.rows.index(edge)
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[now + 1 :][:5]
        assert (await request(upstream, last=5, before=cursor)).rows == upstream.rows[:now][-5:]


@pytest.mark.parametrize("at", range(20))
async def test_changes_after_an_edge_are_visible_on_the_next_page(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    cursor = (await request(upstream, first=20)).cursors[at]
    upstream.remove(upstream.rows[at + 2])
    upstream.add(upstream.rows[at] + 1)
    assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[at + 1 : at + 6]
    assert (await request(upstream, last=5, before=cursor)).rows == upstream.rows[:at][-5:]


@pytest.mark.parametrize("at", range(20))
async def test_deleted_edge_resumes_at_its_position(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    cursor = (await request(upstream, first=20)).cursors[at]
    upstream.remove(upstream.rows[at])
    for size in (1, 5, 15):
        assert (await request(upstream, first=size, after=cursor)).rows == upstream.rows[at:][:size]
        assert (await request(upstream, last=size, before=cursor)).rows == upstream.rows[:at][-size:]


@pytest.mark.parametrize("at", range(20))
async def test_rows_before_a_deleted_edge_end_at_its_position(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    cursors = (await request(upstream, first=20)).cursors
    upstream.remove(upstream.rows[at])
    assert (await request(upstream, first=30, before=cursors[at])).rows == upstream.rows[:at]
    for begin in range(at):
        response = await request(upstream, first=30, after=cursors[begin], before=cursors[at])
        assert response.rows == upstream.rows[begin + 1 : at]
        response = await request(upstream, last=30, after=cursors[begin], before=cursors[at])
        assert response.rows == upstream.rows[begin + 1 : at]


@pytest.mark.parametrize("at", [0, 4, 9, 10, 14, 19, 29])
async def test_no_row_follows_a_deleted_last_edge(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(at + 1), page_size=10)
    cursor = (await request(upstream, first=30)).end_cursor
    upstream.remove(upstream.rows[at])
    assert (await request(upstream, first=5, after=cursor)).rows == []
    assert (await request(upstream, last=5, before=cursor)).rows == upstream.rows[-5:]


async def test_rows_added_at_the_end_follow_the_former_last_edge() -> None:
    for count in (1, 9, 10, 11, 20, 25):
        upstream = UpstreamList(rows=rows_of(count), page_size=10)
        cursor = (await request(upstream, first=30)).end_cursor
        assert (await request(upstream, first=5, after=cursor)).rows == []
        upstream.add(*range(9_000, 9_012))
        assert (await request(upstream, first=20, after=cursor)).rows == list(range(9_000, 9_012))


@pytest.mark.parametrize("gone", [1, 2, 10, 20])
async def test_page_after_a_deleted_page_skips_no_row(gone: int) -> None:
    """A user lists 20 rows with the count, deletes them and goes to the next page."""
    upstream = UpstreamList(rows=rows_of(300))
    page = await counted(upstream, 20)
    upstream.remove(*page.rows[20 - gone :])
    assert (await request(upstream, first=20, after=page.end_cursor)).rows == upstream.rows[20 - gone :][:20]


@pytest.mark.parametrize("gone", [1, 2, 10])
async def test_page_before_deleted_rows_repeats_no_row(gone: int) -> None:
    upstream = UpstreamList(rows=rows_of(300))
    whole = await request(upstream, first=90)
    upstream.remove(*whole.rows[50 - gone : 51])
    assert (await request(upstream, last=20, before=whole.cursors[50])).rows == upstream.rows[30 - gone : 50 - gone]


async def test_page_after_a_deleted_edge_repeats_no_row_if_rows_were_added_before_it() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    page = await counted(upstream, 20)
    upstream.remove(page.rows[-1])
    upstream.add(0, 2, 4)
    assert (await request(upstream, first=20, after=page.end_cursor)).rows == upstream.rows[22:42]


@pytest.mark.parametrize("added", [1, 50, 98, 99])
async def test_edge_is_found_after_a_full_page_of_rows_is_added_before_it(added: int) -> None:
    upstream = UpstreamList(rows=list(range(1_000, 1_300)))
    page = await request(upstream, first=99)
    upstream.add(*range(added))
    for at in (50, 97):
        now = upstream.rows.index(page.rows[at])
        assert (await request(upstream, first=20, after=page.cursors[at])).rows == upstream.rows[now + 1 : now + 21]


@pytest.mark.parametrize("added", [1, 3, 9, 10])
async def test_rows_added_before_an_edge_repeat_no_row_with_offset_tokens(added: int) -> None:
    upstream = UpstreamList(rows=rows_of(60), tokens="offset", page_size=10)
    given = await request(upstream, first=30)
    upstream.add(*range(0, 2 * added, 2))
    for at in range(10, 30):
        now = upstream.rows.index(given.rows[at])
        # The last edge of a page is searched only among the rows that are fetched anyway.
        size = added if at in {19, 29} else 7
        assert (await request(upstream, first=size, after=given.cursors[at])).rows == upstream.rows[now + 1 :][:size], (
            at
        )


async def test_walk_of_a_changing_list_returns_every_remaining_row_once() -> None:
    upstream = UpstreamList(rows=rows_of(100), page_size=9)
    stays = set(upstream.rows[::2])
    seen: list[int] = []
    after: str | None = None
    for turn in range(100):
        response = await request(upstream, first=4 + turn % 11, after=after)
        seen += response.rows
        if not response.slice.has_next_page:
            break
        after = response.slice.end_cursor
        upstream.add(turn * 4)
        upstream.remove(*[row for row in upstream.rows if row % 4 == 3][:1])
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)
    assert stays <= set(seen)


@pytest.mark.parametrize("tokens", KINDS)
async def test_cursors_of_short_empty_and_overfull_pages_resume_at_their_edges(tokens: Tokens) -> None:
    upstream = UpstreamList(
        rows=rows_of(40), tokens=tokens, page_size=7, fill=by_token(["short", "empty", "over", "full"])
    )
    given = await request(upstream, first=40)
    assert given.rows == upstream.rows
    for at, cursor in enumerate(given.cursors):
        for size in (1, 5, 8, 40):
            assert (await request(upstream, first=size, after=cursor)).rows == upstream.rows[at + 1 :][:size]
            assert (await request(upstream, last=size, before=cursor)).rows == upstream.rows[:at][-size:]


@pytest.mark.parametrize("at", range(10))
async def test_cursor_resumes_at_its_edge_if_its_page_is_shorter_on_refetch(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(40), page_size=10)
    cursor = (await request(upstream, first=20)).cursors[10 + at]
    for again in (in_turn("short"), in_turn("empty"), in_turn("short", "short"), in_turn("short", "empty", "short")):
        upstream.fill = again
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[11 + at : 16 + at]
        upstream.fill = again
        assert (await request(upstream, last=at, before=cursor)).rows == upstream.rows[10 : 10 + at]


@pytest.mark.parametrize("at", range(9))
async def test_page_limit_does_not_keep_a_cursor_from_its_edge_in_shorter_pages(at: int) -> None:
    upstream = UpstreamList(rows=rows_of(40), page_size=10)
    cursor = (await request(upstream, first=20)).cursors[10 + at]
    upstream.fill = in_turn("empty", "empty", "short")
    response = await request(upstream, first=5, after=cursor, max_pages=1)
    assert response.rows == upstream.rows[11 + at : 16 + at]


@pytest.mark.parametrize("tokens", KINDS)
@pytest.mark.parametrize("to", [0, 4, 14, 16, 18, 26, 28, 38])
async def test_cursor_stays_where_it_was_if_its_row_moves_in_the_page(tokens: Tokens, to: int) -> None:
    upstream = UpstreamList(rows=rows_of(60), tokens=tokens, page_size=20)
    cursor = (await counted(upstream, 11)).end_cursor
    upstream.move(21, to)
    rows_before, rows_after = ([row for row in upstream.rows if (row > 21) is after] for after in (False, True))
    assert (await request(upstream, first=30, after=cursor)).rows == rows_after[:30]
    assert (await request(upstream, first=1, after=cursor)).rows == rows_after[:1]
    assert (await request(upstream, last=5, before=cursor)).rows == rows_before[-5:]
    assert (await request(upstream, last=50, before=cursor)).rows == rows_before
    assert (await request(upstream, first=50, before=cursor)).rows == rows_before


@pytest.mark.parametrize("to", [46, 50, 78, 98])
async def test_page_after_a_full_page_starts_at_its_token_if_the_last_row_moves(to: int) -> None:
    upstream = UpstreamList(rows=rows_of(60), page_size=20)
    cursor = (await request(upstream, first=20)).end_cursor
    upstream.move(39, to)
    assert (await request(upstream, first=30, after=cursor)).rows == upstream.rows[19:49]


@pytest.mark.parametrize("at", range(10))
async def test_deleted_edge_resumes_at_its_position_across_short_and_empty_pages(at: int) -> None:
    for again in (["short"], ["empty", "short"], ["full", "empty"], ["short", "empty", "short"]):
        upstream = UpstreamList(rows=rows_of(40), page_size=10)
        cursor = (await request(upstream, first=20)).cursors[10 + at]
        upstream.remove(upstream.rows[10 + at])
        upstream.fill = in_turn(*again)  # type: ignore[arg-type]  # The literals are Fills.
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[10 + at : 15 + at], again
        upstream.fill = in_turn(*again)  # type: ignore[arg-type]  # The literals are Fills.
        assert (await request(upstream, last=15, before=cursor)).rows == upstream.rows[: 10 + at][-15:], again
