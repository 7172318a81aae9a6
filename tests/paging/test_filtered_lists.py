"""Cursors of filtered lists: they are in mid-page, and may stand on a row that does not match."""

import pytest

from tests.paging.scripted_lists import UpstreamList, in_turn, request, rows_of


def everything(_row: int) -> bool:
    return True


async def test_rows_before_a_deleted_edge_mark_its_place_if_the_rows_after_it_are_deleted_too() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, matches=everything)
    cursor = (await request(upstream, first=5)).end_cursor
    following = upstream.rows[8:11]
    # The edge, three rows after it, and one row at the start of the page, so that the offset says nothing.
    upstream.remove(upstream.rows[0], *upstream.rows[4:8])
    assert (await request(upstream, first=3, after=cursor)).rows == following


async def test_second_and_third_row_after_a_deleted_edge_mark_its_place() -> None:
    for removed in (2, 3):
        upstream = UpstreamList(rows=rows_of(30), page_size=10, matches=everything)
        cursor = (await request(upstream, first=5)).end_cursor
        following = upstream.rows[4 + removed : 10]
        upstream.remove(*upstream.rows[0 : 4 + removed])
        assert (await request(upstream, first=len(following), after=cursor)).rows == following


async def test_edge_of_a_page_whose_first_rows_are_all_deleted_is_at_the_start_of_the_page() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, matches=everything)
    cursor = (await request(upstream, first=3)).end_cursor
    following = upstream.rows[6:9]
    upstream.remove(*upstream.rows[0:6])
    assert (await request(upstream, first=3, after=cursor)).rows == following


async def test_row_that_no_longer_matches_still_marks_its_place() -> None:
    matching = {1, 5, 9, 13}
    upstream = UpstreamList(rows=rows_of(20), page_size=10, matches=matching.__contains__)
    cursor = (await request(upstream, first=2)).end_cursor
    matching.remove(5)
    upstream.add(0, 2)
    after = await request(upstream, first=5, after=cursor)
    before = await request(upstream, last=5, before=cursor)
    assert (after.rows, after.slice.has_previous_page) == ([9, 13], True)
    assert (before.rows, before.slice.has_next_page) == ([1], True)


async def test_cursor_at_the_limit_continues_after_its_row_if_added_rows_moved_it_to_the_next_page() -> None:
    upstream = UpstreamList(rows=rows_of(9), tokens="offset", page_size=3, matches={7, 9}.__contains__)
    nothing = await request(upstream, first=5, max_pages=1)
    assert nothing.rows == []
    upstream.add(0)
    # The row that was read last, 5, is now the first of the next page.
    assert (await request(upstream, first=5, after=nothing.end_cursor)).rows == [7, 9]


@pytest.mark.parametrize("requests", [1, 2])
async def test_cursor_after_empty_pages_continues_after_the_last_row_before_them(requests: int) -> None:
    upstream = UpstreamList(
        rows=rows_of(9), tokens="offset", page_size=3, matches={5, 7}.__contains__, fill=in_turn("full", "empty")
    )
    cursor = None
    for _ in range(requests):
        response = await request(upstream, first=5, after=cursor, max_pages=2 // requests)
        cursor = response.end_cursor
    assert len(upstream.calls) == 2
    # The row that was read last, 5, is now the first of the next page.
    upstream.add(0)
    response = await request(upstream, first=5, after=cursor)
    assert (response.rows, response.slice.has_previous_page) == ([7], True)
    # The empty page is not read again.
    assert upstream.calls[2].token == "offset|3|1|"


async def test_cursor_after_empty_pages_at_the_start_of_a_list_continues_there() -> None:
    upstream = UpstreamList(rows=rows_of(9), page_size=3, matches={1, 17}.__contains__, fill=in_turn("empty", "empty"))
    cursor = None
    for _ in range(2):
        nothing = await request(upstream, first=5, after=cursor, max_pages=1)
        assert (nothing.rows, nothing.slice.has_next_page) == ([], True)
        cursor = nothing.end_cursor
    response = await request(upstream, first=5, after=cursor)
    assert (response.rows, response.slice.has_previous_page, response.slice.has_next_page) == ([1, 17], False, False)
