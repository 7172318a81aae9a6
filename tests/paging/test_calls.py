"""The cost of a request in upstream calls. The documentation promises these numbers."""

import asyncio
from math import ceil

import pytest

from gateway.errors import CursorExpired
from gateway.paging.arguments import PageArguments, read_page_arguments
from gateway.paging.cursor import Position
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import READ_CURSOR, Call, UpstreamList, request, rows_of


def window(
    *, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
) -> PageArguments[Position]:
    return read_page_arguments(
        first=first, after=after, last=last, before=before, read_cursor=READ_CURSOR, max_size=1_000
    )


async def test_paginator_fetches_no_page_before_rows_are_requested() -> None:
    upstream = UpstreamList(rows=rows_of(10))
    Paginator(upstream.source, max_pages=20)
    assert upstream.calls == []


async def test_zero_rows_cost_no_call() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    cursor = (await request(upstream, first=5)).end_cursor
    for at in (None, cursor):
        assert (await request(upstream, first=0, after=at)).calls == 0
        assert (await request(upstream, first=0, before=at)).calls == 0
        assert (await request(upstream, last=0, after=at)).calls == 0
        assert (await request(upstream, last=0, before=at)).calls == 0


async def test_calls_request_only_the_rows_that_are_needed() -> None:
    upstream = UpstreamList(rows=rows_of(1_000))
    await request(upstream, first=5)
    await request(upstream, first=99)
    await request(upstream, first=100)
    assert [call.size for call in upstream.calls] == [5, 99, 99, 1]


async def test_first_call_has_no_token() -> None:
    upstream = UpstreamList(rows=rows_of(10))
    await request(upstream, first=5)
    assert upstream.calls == [Call(None, 5)]


@pytest.mark.parametrize(("first", "calls"), [(1, 1), (98, 1), (99, 1), (100, 2), (198, 2), (500, 6), (1_000, 11)])
async def test_rows_from_the_start_cost_one_call_per_99_rows(first: int, calls: int) -> None:
    response = await request(UpstreamList(rows=rows_of(2_000)), first=first)
    assert len(response.rows) == first
    assert response.calls == calls


@pytest.mark.parametrize("size", [1, 5, 50, 98, 99])
async def test_page_after_an_end_cursor_costs_one_call(size: int) -> None:
    upstream = UpstreamList(rows=rows_of(400))
    response = await request(upstream, first=size)
    for _ in range(3):
        response = await request(upstream, first=size, after=response.end_cursor)
        assert len(response.rows) == size
        assert response.calls == 1


async def test_500_rows_after_an_end_cursor_cost_six_calls() -> None:
    upstream = UpstreamList(rows=rows_of(1_500))
    response = await request(upstream, first=500)
    response = await request(upstream, first=500, after=response.end_cursor)
    assert response.rows == upstream.rows[500:1_000]
    assert response.calls == 6


async def test_end_of_the_list_costs_no_extra_call() -> None:
    upstream = UpstreamList(rows=rows_of(99))
    assert (await request(upstream, first=99)).calls == 1
    assert (await request(upstream, first=500)).calls == 1


@pytest.mark.parametrize("size", [1, 7, 98, 99, 100, 500])
async def test_rows_after_a_cursor_in_mid_page_cost_at_most_one_extra_call(size: int) -> None:
    upstream = UpstreamList(rows=rows_of(1_000))
    response = await request(upstream, first=250)
    for at in (0, 1, 49, 97, 98, 99, 150, 197, 198, 200, 249):
        more = await request(upstream, first=size, after=response.cursors[at])
        assert more.rows == upstream.rows[at + 1 :][:size]
        assert more.calls <= ceil(size / 99) + 1, at


async def test_rows_on_the_page_of_the_cursor_cost_one_call() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    response = await request(upstream, first=99)
    more = await request(upstream, first=20, after=response.cursors[50])
    assert more.rows == upstream.rows[51:71]
    assert more.calls == 1


async def test_page_of_a_cursor_is_fetched_again_with_its_original_size() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    response = await request(upstream, first=20)
    await request(upstream, first=5, after=response.cursors[5])
    await request(upstream, last=5, before=response.cursors[9])
    assert upstream.calls == [Call(None, 20)] * 3


async def test_deleted_edge_costs_at_most_one_extra_call() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    response = await request(upstream, first=99)
    upstream.remove(response.rows[50])
    assert (await request(upstream, first=20, after=response.cursors[50])).calls <= 2
    assert (await request(upstream, last=20, before=response.cursors[50])).calls <= 2


@pytest.mark.parametrize("size", [6, 20, 99])
async def test_rows_before_a_cursor_on_its_page_cost_one_call(size: int) -> None:
    """This holds at any distance from the start and for the last edge of a page."""
    upstream = UpstreamList(rows=rows_of(3_000))
    response = await request(upstream, first=size)
    for number in range(25):
        for at in range(5, size):
            before = await request(upstream, last=5, before=response.cursors[at])
            assert before.rows == response.rows[at - 5 : at]
            assert before.calls == 1, (number, at)
        response = await request(upstream, first=size, after=response.end_cursor)


async def test_rows_before_a_cursor_on_the_first_page_cost_one_call_even_if_fewer_exist() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    response = await request(upstream, first=99)
    for at in range(99):
        before = await request(upstream, last=500, before=response.cursors[at])
        assert before.rows == response.rows[:at]
        assert before.calls == 1


@pytest.mark.parametrize("held", [0, 10, 49])
async def test_rows_before_the_page_of_a_cursor_are_read_from_the_start_up_to_the_cursor(held: int) -> None:
    upstream = UpstreamList(rows=rows_of(1_000))
    response = await request(upstream, first=500)
    at = 99 * 3 + held
    before = await request(upstream, last=50, before=response.cursors[at])
    assert before.rows == upstream.rows[at - 50 : at]
    assert before.calls == 4


@pytest.mark.parametrize("count", [0, 1, 99, 100, 250, 990])
async def test_last_rows_read_the_whole_list(count: int) -> None:
    upstream = UpstreamList(rows=rows_of(count))
    response = await request(upstream, last=5)
    assert response.rows == upstream.rows[-5:]
    assert response.calls == max(1, ceil(count / 99))


async def test_last_rows_after_a_cursor_read_from_the_cursor() -> None:
    upstream = UpstreamList(rows=rows_of(1_000))
    response = await request(upstream, first=99 * 9)
    rest = await request(upstream, last=5, after=response.end_cursor)
    assert rest.rows == upstream.rows[-5:]
    assert rest.calls == 2


@pytest.mark.parametrize("count", [0, 1, 98, 99, 100, 250, 1_000, 1_980])
async def test_count_costs_one_call_per_99_rows(count: int) -> None:
    upstream = UpstreamList(rows=rows_of(count))
    assert await Paginator(upstream.source, max_pages=20).count() == count
    assert len(upstream.calls) == max(1, ceil(count / 99))


@pytest.mark.parametrize("size", [0, 1, 50, 99, 250, 600])
@pytest.mark.parametrize("backward", [False, True])
async def test_count_shares_the_pages_of_the_rows(size: int, *, backward: bool) -> None:
    """Like two fields of one selection, both are requested before either is awaited, in either order."""
    for count_first in (True, False):
        upstream = UpstreamList(rows=rows_of(500))
        paginator = Paginator(upstream.source, max_pages=20)
        requested = window(last=size) if backward else window(first=size)
        if count_first:
            count, rows = await asyncio.gather(paginator.count(), paginator.slice(requested))
        else:
            rows, count = await asyncio.gather(paginator.slice(requested), paginator.count())
        assert count == 500
        assert rows.rows() == (upstream.rows[max(500 - size, 0) :] if backward else upstream.rows[:size])
        assert len(upstream.calls) == ceil(500 / 99)


async def test_rows_of_the_whole_list_share_the_pages_of_the_slice_and_the_count() -> None:
    upstream = UpstreamList(rows=rows_of(500))
    paginator = Paginator(upstream.source, max_pages=20)
    everything, count, rows = await asyncio.gather(
        paginator.all_rows(), paginator.count(), paginator.slice(window(first=10))
    )
    assert (everything, count, rows.rows()) == (upstream.rows, 500, upstream.rows[:10])
    assert [call.size for call in upstream.calls] == [99] * 6
    slice_first = Paginator(upstream.source, max_pages=20)
    rows, everything = await asyncio.gather(slice_first.slice(window(first=10)), slice_first.all_rows())
    assert (everything, rows.rows()) == (upstream.rows, upstream.rows[:10])
    assert len(upstream.calls) == 12


async def test_count_after_the_rows_fetches_only_the_remaining_pages() -> None:
    upstream = UpstreamList(rows=rows_of(500))
    paginator = Paginator(upstream.source, max_pages=20)
    await paginator.slice(window(first=198))
    assert len(upstream.calls) == 2
    assert await paginator.count() == 500
    assert len(upstream.calls) == 6


async def test_count_with_rows_after_a_cursor_costs_the_sum_of_both() -> None:
    upstream = UpstreamList(rows=rows_of(500))
    cursor = (await request(upstream, first=99)).end_cursor
    upstream.calls.clear()
    paginator = Paginator(upstream.source, max_pages=20)
    count, rows = await asyncio.gather(paginator.count(), paginator.slice(window(first=10, after=cursor)))
    assert count == 500
    assert rows.rows() == upstream.rows[99:109]
    assert len(upstream.calls) == 6 + 1


async def test_two_counts_of_one_paginator_share_their_calls() -> None:
    upstream = UpstreamList(rows=rows_of(500))
    paginator = Paginator(upstream.source, max_pages=20)
    assert list(await asyncio.gather(paginator.count(), paginator.count())) == [500, 500]
    assert len(upstream.calls) == 6


async def test_cursors_of_a_counted_page_resume_with_one_call() -> None:
    """The count fetches larger pages than the rows alone need."""
    upstream = UpstreamList(rows=rows_of(500))
    paginator = Paginator(upstream.source, max_pages=20)
    _, rows = await asyncio.gather(paginator.count(), paginator.slice(window(first=10)))
    more = await request(upstream, first=10, after=rows.end_cursor)
    assert more.rows == upstream.rows[10:20]
    assert more.calls == 1


async def test_failed_call_is_not_retried_by_its_paginator_but_by_the_next() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    paginator = Paginator(upstream.source, max_pages=20)
    upstream.expired.add("keyset|197|0|")
    for _ in range(2):
        with pytest.raises(CursorExpired):
            await paginator.count()
    assert len(upstream.calls) == 2
    upstream.expired.clear()
    assert await Paginator(upstream.source, max_pages=20).count() == 300
