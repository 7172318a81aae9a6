"""Sorted lists: their cost in upstream pages, their page limit, their parts, and cursors of other orders."""

import asyncio
import re
from dataclasses import replace
from math import ceil

import pytest

from gateway.errors import BadCursor, CursorTooLong, PageLimitExceeded, Throttled
from gateway.paging.arguments import PageArguments, read_page_arguments
from gateway.paging.cursor_keys import CursorKeyRing
from gateway.paging.sort_order import SortOrder, SortPosition, read_sort_cursor, write_sort_cursor
from gateway.paging.sorted_paginator import SortedPaginator
from gateway.paging.token_list import TokenList
from tests.paging.scripted_lists import (
    BINDING,
    KEY_RING,
    READ_CURSOR,
    Call,
    ScriptedPage,
    UpstreamList,
    request,
    rows_of,
)

ODD_FIRST: SortOrder[int] = SortOrder("odd", lambda row: str(1 - row // 2 % 2), descending=False)


def sorted_paginator(source: TokenList[int], max_pages: int = 20) -> SortedPaginator[int]:
    return SortedPaginator(source, ODD_FIRST, max_pages=max_pages)


def window(
    *, first: int | None = None, after: str | None = None, last: int | None = None, before: str | None = None
) -> PageArguments[SortPosition]:
    return read_page_arguments(
        first=first,
        after=after,
        last=last,
        before=before,
        read_cursor=lambda text: read_sort_cursor(text, BINDING),
        max_size=1_000,
    )


@pytest.mark.parametrize("count", [0, 1, 99, 100, 1_000, 1_980])
@pytest.mark.parametrize("arguments", [window(first=1), window(first=1_000), window(last=5)])
async def test_any_page_reads_the_whole_list_once_with_full_pages(
    count: int, arguments: PageArguments[SortPosition]
) -> None:
    upstream = UpstreamList(rows=rows_of(count))
    paginator = sorted_paginator(upstream.source)
    rows, total, everything = await asyncio.gather(paginator.slice(arguments), paginator.count(), paginator.all_rows())
    assert (len(rows.rows()), total, len(everything)) == (min(count, arguments.count), count, count)
    assert [call.size for call in upstream.calls] == [99] * max(1, ceil(count / 99))


async def test_each_page_of_a_sorted_list_makes_the_same_calls() -> None:
    """So they come from the response cache while it is fresh."""
    upstream = UpstreamList(rows=rows_of(250))
    calls: set[tuple[Call, ...]] = set()
    seen: list[int] = []
    after = None
    while True:
        upstream.calls.clear()
        rows = await sorted_paginator(upstream.source).slice(window(first=30, after=after))
        seen += rows.rows()
        calls.add(tuple(upstream.calls))
        after = rows.end_cursor
        if not rows.has_next_page:
            break
    assert len(calls) == 1
    assert seen == sorted(upstream.rows, key=lambda row: 1 - row // 2 % 2)


async def test_list_is_sorted_once_for_all_readers() -> None:
    values: list[int] = []

    def value(row: int) -> str:
        values.append(row)
        return str(row)

    order = SortOrder("text", value, descending=False)
    paginator = SortedPaginator(UpstreamList(rows=rows_of(100)).source, order, max_pages=20)
    await asyncio.gather(paginator.slice(window(first=5)), paginator.slice(window(last=5)), paginator.count())
    assert len(values) == 100


async def test_zero_rows_of_a_sorted_list_cost_no_call() -> None:
    upstream = UpstreamList(rows=rows_of(300))
    cursor = (await sorted_paginator(upstream.source).slice(window(first=1))).end_cursor
    upstream.calls.clear()
    for arguments, flags in (
        (window(first=0), (False, False)),
        (window(first=0, after=cursor), (True, False)),
        (window(last=0, before=cursor), (False, True)),
    ):
        rows = await sorted_paginator(upstream.source).slice(arguments)
        assert (rows.rows(), rows.has_previous_page, rows.has_next_page) == ([], *flags)
    assert upstream.calls == []


async def test_rows_are_yielded_in_parts_of_an_upstream_page_after_the_list_is_complete() -> None:
    upstream = UpstreamList(rows=rows_of(250))
    paginator = sorted_paginator(upstream.source)
    parts, flags = [], []
    async for ranges, ended in paginator.pages(window(first=220)):
        assert len(upstream.calls) == 3
        parts.append([row for each in ranges for row in each.rows()])
        flags.append(ended)
    assert [len(part) for part in parts] == [99, 99, 22]
    assert flags == [False, False, True]
    assert [row for part in parts for row in part] == (await paginator.slice(window(first=220))).rows()


async def test_backward_rows_and_rows_before_a_cursor_are_yielded_too() -> None:
    paginator = sorted_paginator(UpstreamList(rows=rows_of(250)).source)
    before = (await paginator.slice(window(first=240))).end_cursor
    for arguments in (window(last=200), window(first=999, before=before), window(last=100, before=before)):
        parts = [row async for ranges, _ in paginator.pages(arguments) for each in ranges for row in each.rows()]
        assert parts == (await paginator.slice(arguments)).rows()
    assert [part async for part in paginator.pages(window(first=0))] == []


@pytest.mark.parametrize(
    ("narrowed_by", "advice"),
    [
        ("", "Page without sort"),
        ("status or productType", "Narrow the filter by status or productType, or page without sort"),
    ],
)
async def test_list_beyond_the_limit_is_rejected_with_the_number_of_pages_and_advice(
    narrowed_by: str, advice: str
) -> None:
    upstream = UpstreamList(rows=rows_of(31), page_size=10)
    paginator = sorted_paginator(replace(upstream.source, narrowed_by=narrowed_by), max_pages=3)
    words = re.escape(
        f"The gateway read 3 upstream pages, and the list has more. {advice} (GATEWAY_MAX_UPSTREAM_PAGES)."
    )
    for awaited in (paginator.slice(window(first=1)), paginator.count(), paginator.all_rows()):
        with pytest.raises(PageLimitExceeded, match=f"^{words}$"):
            await awaited
    assert len(upstream.calls) == 3


async def test_list_within_the_limit_is_sorted() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10)
    assert len((await sorted_paginator(upstream.source, max_pages=3).slice(window(first=30))).rows()) == 30


async def test_failed_call_of_a_sorted_list_is_not_retried_by_its_paginator() -> None:
    calls = 0

    async def fetch(_token: str | None, _size: int) -> ScriptedPage[int]:
        nonlocal calls
        calls += 1
        raise Throttled("ListRows")

    paginator = sorted_paginator(replace(UpstreamList(rows=[]).source, fetch=fetch))
    outcomes = await asyncio.gather(paginator.slice(window(first=5)), paginator.count(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Throttled, Throttled]
    assert calls == 1


async def test_row_on_two_pages_is_listed_once_as_it_was_last() -> None:
    """A row that moves while the pages are read may be on two of them."""

    async def fetch(token: str | None, _size: int) -> ScriptedPage[tuple[str, str]]:
        if token is None:
            return ScriptedPage([("k", "old"), ("l", "m")], ("k", "l"), "2")
        return ScriptedPage([("n", "m"), ("k", "new")], ("n", "k"), None)

    source = TokenList(
        fetch=fetch,
        binding=BINDING,
        operation="ListRows",
        page_size=2,
    )
    paginator = SortedPaginator(source, SortOrder("text", lambda row: row[1], descending=False), max_pages=5)
    assert (await paginator.slice(window(first=9))).rows() == [("l", "m"), ("n", "m"), ("k", "new")]
    assert await paginator.count() == 3


async def test_cursor_of_another_order_or_of_none_is_rejected() -> None:
    upstream = UpstreamList(rows=rows_of(5))
    unsorted = (await request(upstream, first=2)).end_cursor
    bindings = [
        KEY_RING.bind(api="chime", operation="ListRows", filters={}, sort=sort)
        for sort in ("STATUS ASC", "STATUS DESC")
    ]
    cursors = [write_sort_cursor(SortPosition("Assigned", "0001"), binding, "ListRows") for binding in bindings]
    for cursor, binding in ((unsorted, bindings[0]), (cursors[0], bindings[1]), (cursors[1], bindings[0])):
        with pytest.raises(BadCursor, match="filter or sort"):
            read_sort_cursor(cursor, binding)
    with pytest.raises(BadCursor, match="filter or sort"):
        READ_CURSOR(cursors[0])
    assert read_sort_cursor(cursors[0], bindings[0]) == SortPosition("Assigned", "0001")


def test_value_that_is_too_long_for_a_cursor_costs_the_cursor_alone() -> None:
    binding = CursorKeyRing([b"k" * 32], 100).bind(api="chime", operation="ListRows", filters={})
    assert len(write_sort_cursor(SortPosition("n" * 30, "0001"), binding, "ListRows")) <= 100
    with pytest.raises(CursorTooLong):
        write_sort_cursor(SortPosition("n" * 100, "0001"), binding, "ListRows")
