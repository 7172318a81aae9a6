"""All four fields of `pageInfo`."""

import asyncio

import pytest

from gateway.paging.arguments import read_page_arguments
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import READ_CURSOR, PageInfo, Response, Tokens, UpstreamList, in_turn, request, rows_of

EMPTY = PageInfo(False, False, None, None)


def around(response: Response, *, previous: bool, more: bool) -> PageInfo:
    """Return the expected pageInfo. The cursors are always those of the first and last edge."""
    return PageInfo(previous, more, response.cursors[0], response.cursors[-1])


@pytest.mark.parametrize("arguments", [{"first": 5}, {"first": 0}, {"last": 5}, {"last": 0}, {}])
async def test_empty_list_has_no_previous_or_next_page(arguments: dict[str, int]) -> None:
    response = await request(UpstreamList(rows=[]), **arguments)  # type: ignore[arg-type]  # mypy checks the values against any argument.
    assert response.rows == []
    assert response.page_info == EMPTY


@pytest.mark.parametrize("tokens", ["keyset", "offset"])
async def test_forward_page_reports_previous_and_next_page(tokens: Tokens) -> None:
    upstream = UpstreamList(rows=rows_of(10), tokens=tokens, page_size=4)
    whole = await request(upstream, first=10)
    assert whole.page_info == around(whole, previous=False, more=False)
    for begin in range(10):
        after = None if begin == 0 else whole.cursors[begin - 1]
        for size in range(1, 12):
            response = await request(upstream, first=size, after=after)
            assert response.rows == upstream.rows[begin : begin + size]
            assert response.page_info == around(response, previous=begin > 0, more=begin + size < 10), (begin, size)


@pytest.mark.parametrize("tokens", ["keyset", "offset"])
async def test_backward_page_reports_previous_and_next_page(tokens: Tokens) -> None:
    upstream = UpstreamList(rows=rows_of(10), tokens=tokens, page_size=4)
    whole = await request(upstream, last=10)
    assert whole.rows == upstream.rows
    assert whole.page_info == around(whole, previous=False, more=False)
    for end in range(1, 11):
        before = None if end == 10 else whole.cursors[end]
        for size in range(1, 12):
            response = await request(upstream, last=size, before=before)
            assert response.rows == upstream.rows[max(0, end - size) : end]
            assert response.page_info == around(response, previous=size < end, more=end < 10), (end, size)


async def test_page_between_two_cursors_has_a_previous_and_a_next_page() -> None:
    upstream = UpstreamList(rows=rows_of(10), page_size=4)
    cursors = (await request(upstream, first=10)).cursors
    for begin in range(10):
        for end in range(begin + 1, 10):
            between = upstream.rows[begin + 1 : end]
            for size in range(1, 10):
                first = await request(upstream, first=size, after=cursors[begin], before=cursors[end])
                last = await request(upstream, last=size, after=cursors[begin], before=cursors[end])
                assert (first.rows, last.rows) == (between[:size], between[-size:])
                for response in (first, last):
                    assert response.page_info[:2] == (True, True)
                    assert response.slice.start_cursor == (response.cursors[0] if between else None)
                    assert response.slice.end_cursor == (response.cursors[-1] if between else None)


async def test_page_after_the_last_edge_is_empty_and_has_a_previous_page() -> None:
    upstream = UpstreamList(rows=rows_of(10))
    cursor = (await request(upstream, last=1)).end_cursor
    for response in (await request(upstream, first=5, after=cursor), await request(upstream, last=5, after=cursor)):
        assert response.rows == []
        assert response.page_info == PageInfo(True, False, None, None)


async def test_page_before_the_first_edge_is_empty_and_has_a_next_page() -> None:
    upstream = UpstreamList(rows=rows_of(10))
    cursor = (await request(upstream, first=5)).start_cursor
    for response in (await request(upstream, last=5, before=cursor), await request(upstream, first=5, before=cursor)):
        assert response.rows == []
        assert response.page_info == PageInfo(False, True, None, None)


async def test_page_info_of_zero_rows_follows_the_arguments() -> None:
    """`first: 0` fetches no row and reports no next page. The edge of a cursor exists without a fetch."""
    upstream = UpstreamList(rows=rows_of(10))
    cursor = (await request(upstream, first=5)).end_cursor
    assert (await request(upstream, first=0)).page_info == EMPTY
    assert (await request(upstream, last=0)).page_info == EMPTY
    assert (await request(upstream, first=0, after=cursor)).page_info == PageInfo(True, False, None, None)
    assert (await request(upstream, last=0, before=cursor)).page_info == PageInfo(False, True, None, None)


async def test_before_without_first_or_last_returns_the_first_fifty_rows() -> None:
    upstream = UpstreamList(rows=rows_of(200))
    whole = await request(upstream, first=200)
    near = await request(upstream, before=whole.cursors[20])
    far = await request(upstream, before=whole.cursors[120])
    assert near.rows == upstream.rows[:20]
    assert near.page_info == around(near, previous=False, more=True)
    assert far.rows == upstream.rows[:50]
    assert far.page_info == around(far, previous=False, more=True)


async def test_before_cursor_that_precedes_after_is_ignored() -> None:
    """Relay applies `after` first. An edge that this removes no longer applies as `before`."""
    upstream = UpstreamList(rows=rows_of(10), page_size=4)
    cursors = (await request(upstream, first=10)).cursors
    for before in (0, 2, 5):
        first = await request(upstream, first=3, after=cursors[5], before=cursors[before])
        last = await request(upstream, last=3, after=cursors[5], before=cursors[before])
        assert (first.rows, first.page_info[:2]) == (upstream.rows[6:9], (True, True))
        assert (last.rows, last.page_info[:2]) == (upstream.rows[7:], (True, False))


async def test_leading_empty_pages_are_no_previous_page() -> None:
    upstream = UpstreamList(rows=rows_of(10), page_size=4, fill=in_turn("empty", "empty"))
    response = await request(upstream, first=3)
    assert response.rows == upstream.rows[:3]
    assert response.page_info == around(response, previous=False, more=True)


async def test_surplus_rows_of_an_overfull_page_are_a_next_page() -> None:
    """The only page holds these rows and has no next token."""
    upstream = UpstreamList(rows=rows_of(7), fill=in_turn("over"))
    response = await request(upstream, first=5)
    assert response.rows == upstream.rows[:5]
    assert response.page_info == around(response, previous=False, more=True)


async def test_token_to_an_empty_page_is_a_next_page_until_it_is_fetched() -> None:
    """To detect the empty page earlier would cost one more call for every page."""
    upstream = UpstreamList(rows=rows_of(10), trailing_token=True)
    whole = await request(upstream, first=10)
    assert whole.page_info == around(whole, previous=False, more=True)
    rest = await request(upstream, first=10, after=whole.end_cursor)
    assert rest.rows == []
    assert rest.page_info == PageInfo(True, False, None, None)
    more = await request(upstream, first=11)
    assert more.page_info == around(more, previous=False, more=False)


async def test_last_rows_have_no_next_page_if_an_empty_page_ends_the_list() -> None:
    upstream = UpstreamList(rows=rows_of(10), page_size=5, trailing_token=True)
    response = await request(upstream, last=3)
    assert response.rows == upstream.rows[-3:]
    assert response.page_info == around(response, previous=True, more=False)


async def test_page_info_is_unchanged_by_a_count() -> None:
    upstream = UpstreamList(rows=rows_of(20), page_size=4)
    for size in range(1, 22):
        paginator = Paginator(upstream.source, max_pages=20)
        window = read_page_arguments(
            first=size, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=1_000
        )
        _, counted = await asyncio.gather(paginator.count(), paginator.slice(window))
        assert counted.rows() == upstream.rows[:size]
        assert (counted.has_previous_page, counted.has_next_page) == (False, size < 20)
