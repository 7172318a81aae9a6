"""The page limit of walks from the start of a list. The error advises the client on alternatives."""

import asyncio
import re
from dataclasses import replace

import pytest

from gateway.errors import PageLimitExceeded, Throttled
from gateway.paging.arguments import read_page_arguments
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import READ_CURSOR, ScriptedPage, UpstreamList, in_turn, request, rows_of

WORDS = re.compile(
    r"^The gateway read 3 upstream pages, and the list has more\. Page with first and after "
    r"\(GATEWAY_MAX_UPSTREAM_PAGES\)\.$"
)


async def test_last_rows_of_a_list_within_the_limit_are_returned() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    response = await request(upstream, last=5, max_pages=3)
    assert response.rows == upstream.rows[-5:]
    assert response.calls == 3


async def test_last_rows_beyond_the_limit_are_rejected_with_advice() -> None:
    upstream = UpstreamList(rows=rows_of(31), page_size=10)
    with pytest.raises(PageLimitExceeded, match=WORDS) as refused:
        await request(upstream, last=5, max_pages=3)
    assert refused.value.code == "PAGE_LIMIT_EXCEEDED"
    assert len(upstream.calls) == 3


async def test_empty_pages_count_towards_the_limit() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, fill=in_turn("full", "empty"))
    with pytest.raises(PageLimitExceeded):
        await request(upstream, last=5, max_pages=3)


async def test_cursor_far_from_the_start_is_rejected_if_its_page_lacks_the_rows() -> None:
    upstream = UpstreamList(rows=rows_of(200), page_size=10)
    far = (await request(upstream, first=100)).cursors[52]
    upstream.calls.clear()
    with pytest.raises(PageLimitExceeded, match=WORDS):
        await request(upstream, last=5, before=far, max_pages=3)
    assert len(upstream.calls) <= 3 + 2  # The walk, and a check if the edge was deleted.
    assert (await request(upstream, last=2, before=far, max_pages=3)).rows == upstream.rows[50:52]


async def test_cursor_near_the_start_of_a_long_list_is_within_the_limit() -> None:
    upstream = UpstreamList(rows=rows_of(2_000), page_size=10)
    near = (await request(upstream, first=100)).cursors[25]
    assert (await request(upstream, last=20, before=near, max_pages=3)).rows == upstream.rows[5:25]


async def test_deleted_edge_near_the_start_of_a_long_list_is_within_the_limit() -> None:
    upstream = UpstreamList(rows=rows_of(2_000), page_size=10)
    near = (await request(upstream, first=100)).cursors[25]
    upstream.remove(upstream.rows[25])
    assert (await request(upstream, last=20, before=near, max_pages=3)).rows == upstream.rows[5:25]


async def test_page_limit_of_last_rows_after_a_cursor_counts_from_the_cursor() -> None:
    upstream = UpstreamList(rows=rows_of(100), page_size=10)
    given = await request(upstream, first=80)
    assert (await request(upstream, last=5, after=given.cursors[69], max_pages=3)).rows == upstream.rows[-5:]
    with pytest.raises(PageLimitExceeded):
        await request(upstream, last=5, after=given.cursors[59], max_pages=3)


async def test_count_beyond_the_limit_is_rejected() -> None:
    upstream = UpstreamList(rows=rows_of(31), page_size=10)
    with pytest.raises(PageLimitExceeded, match=WORDS):
        await Paginator(upstream.source, max_pages=3).count()
    assert len(upstream.calls) == 3
    assert await Paginator(upstream.source, max_pages=4).count() == 31


@pytest.mark.parametrize("size", [5, 45])
async def test_count_beyond_the_limit_does_not_affect_the_rows(size: int) -> None:
    """Only totalCount is null."""
    upstream = UpstreamList(rows=rows_of(100), page_size=10)
    paginator = Paginator(upstream.source, max_pages=3)
    window = read_page_arguments(
        first=size, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=1_000
    )
    count, given = await asyncio.gather(paginator.count(), paginator.slice(window), return_exceptions=True)
    assert isinstance(count, PageLimitExceeded)
    assert not isinstance(given, BaseException)
    assert given.rows() == upstream.rows[:size]


async def test_forward_reads_are_limited_only_by_the_requested_rows() -> None:
    upstream = UpstreamList(rows=rows_of(1_000), page_size=10)
    assert (await request(upstream, first=1_000, max_pages=1)).rows == upstream.rows


async def test_forward_read_ends_after_a_limited_number_of_empty_pages_in_a_row_and_can_continue() -> None:
    """AWS may return empty pages if it applies a filter. A client that follows `endCursor` gets past them."""
    barren = UpstreamList(rows=rows_of(30), page_size=10, fill=lambda token: "full" if token is None else "empty")
    found = await request(barren, first=20, max_pages=2)
    assert found.rows == barren.rows[:10]
    assert found.page_info[:2] == (False, True)
    assert found.calls == 1 + 2
    nowhere = await request(barren, first=20, after=found.cursors[-1], max_pages=2)
    assert (nowhere.rows, nowhere.page_info[:3], nowhere.calls) == ([], (True, True, None), 2)
    for cursor in (found.end_cursor, nowhere.end_cursor):
        # The empty pages are not read again.
        rest = await request(barren, first=20, after=cursor, max_pages=2)
        assert (rest.rows, rest.calls) == (barren.rows[10:20], 1 + 2)


async def test_call_that_failed_for_the_rows_is_not_retried_for_the_count() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    calls = 0

    async def fetch(_token: str | None, _size: int) -> ScriptedPage[int]:
        nonlocal calls
        calls += 1
        raise Throttled("List")

    paginator = Paginator(replace(upstream.source, fetch=fetch), max_pages=3)
    window = read_page_arguments(first=5, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=100)
    outcomes = await asyncio.gather(paginator.slice(window), paginator.count(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Throttled, Throttled]
    assert calls == 1
