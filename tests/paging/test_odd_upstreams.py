"""Upstreams whose behaviour the API's documentation does not describe."""

from collections.abc import Callable
from itertools import repeat

import pytest

from gateway.errors import CursorExpired, UpstreamBadResponse
from gateway.paging.cursor_keys import MAX_LENGTH
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import Tokens, UpstreamList, backwards, by_token, forwards, in_turn, request, rows_of

KINDS: list[Tokens] = ["keyset", "offset"]


async def test_short_pages_do_not_end_a_list() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, fill=in_turn("short", "short", "short"))
    response = await request(upstream, first=20)
    assert response.rows == upstream.rows[:20]


async def test_empty_pages_with_a_token_are_skipped() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, fill=in_turn("full", "empty", "empty", "full"))
    response = await request(upstream, first=20)
    assert response.rows == upstream.rows[:20]
    assert response.calls == 4


async def test_empty_first_page_with_a_token_is_skipped() -> None:
    for arguments in ({"first": 3}, {"last": 30}):
        upstream = UpstreamList(rows=rows_of(10), page_size=10, fill=in_turn("empty"))
        response = await request(upstream, **arguments)  # type: ignore[arg-type]  # mypy checks the value against any argument.
        assert response.rows == upstream.rows[:3] if "first" in arguments else upstream.rows
        assert response.calls == 2
        assert response.page_info[:2] == (False, "first" in arguments)


async def test_cursors_after_an_empty_first_page_resume_and_have_no_previous_page() -> None:
    upstream = UpstreamList(rows=rows_of(10), page_size=10, fill=by_token(["empty"]))
    given = await request(upstream, first=5)
    assert given.rows == upstream.rows[:5]
    for at, cursor in enumerate(given.cursors):
        before = await request(upstream, last=5, before=cursor)
        assert before.rows == upstream.rows[:at]
        assert before.page_info[:2] == (False, True)
        assert before.calls == 1
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[at + 1 : at + 6]


async def test_list_with_only_empty_pages_is_empty() -> None:
    upstream = UpstreamList(rows=[], leads_to={None: "keyset|-1|1|", "keyset|-1|1|": "keyset|-1|2|"})
    for arguments in ({"first": 5}, {"last": 5}):
        response = await request(upstream, **arguments)  # type: ignore[arg-type]  # mypy checks the value against any argument.
        assert (response.rows, response.page_info) == ([], (False, False, None, None))
        assert response.calls == 3
    assert await Paginator(upstream.source, max_pages=20).count() == 0


@pytest.mark.parametrize("count", [10, 20, 30])
async def test_walk_ends_at_the_last_row_if_a_token_leads_to_an_empty_page(count: int) -> None:
    upstream = UpstreamList(rows=rows_of(count), page_size=10, trailing_token=True)
    assert await forwards(upstream, repeat(10)) == upstream.rows
    assert await backwards(upstream, repeat(10)) == upstream.rows
    assert await Paginator(upstream.source, max_pages=20).count() == count


@pytest.mark.parametrize("tokens", KINDS)
async def test_rows_beyond_the_requested_size_appear_on_the_next_page(tokens: Tokens) -> None:
    upstream = UpstreamList(rows=rows_of(40), tokens=tokens, page_size=10, fill=by_token(["over"]))
    response = await request(upstream, first=10)
    assert response.rows == upstream.rows[:10]
    for size in (1, 3, 10, 13, 14, 40):
        assert await forwards(upstream, repeat(size)) == upstream.rows
        assert await backwards(upstream, repeat(size)) == upstream.rows


async def test_tokens_of_4_kb_fit_into_cursors() -> None:
    upstream = UpstreamList(rows=rows_of(30), page_size=10, token_length=4_096)
    given = await request(upstream, first=25)
    assert {len(call.token) for call in upstream.calls if call.token} == {4_096}
    assert max(len(cursor) for cursor in given.cursors) <= MAX_LENGTH
    for at, cursor in enumerate(given.cursors):
        assert (await request(upstream, first=5, after=cursor)).rows == upstream.rows[at + 1 : at + 6]
        assert (await request(upstream, last=5, before=cursor)).rows == upstream.rows[:at][-5:]


@pytest.mark.parametrize(
    "token", ["n\N{LATIN SMALL LETTER O WITH DIAERESIS}", "a.b", "+/=", "%2B ", '"\\', "\N{PILE OF POO}"]
)
async def test_tokens_of_any_characters_are_sent_back_unchanged(token: str) -> None:
    odd = f"keyset|3|0|{token}"
    upstream = UpstreamList(rows=rows_of(10), leads_to={None: odd})
    given = await request(upstream, first=2)
    await request(upstream, first=2, after=given.end_cursor)
    assert upstream.calls[-1].token == odd


def token_after(row: int) -> str:
    return f"keyset|{row}|0|"


def circle_of_one(size: int = 2) -> UpstreamList:
    """Return a list whose page 2 leads to itself."""
    rows = rows_of(20)
    second = token_after(rows[size - 1])
    return UpstreamList(rows=rows, page_size=size, leads_to={second: second})


def circle_of_two(size: int = 2) -> UpstreamList:
    """Return a list whose page 3 leads back to page 2."""
    rows = rows_of(20)
    second, third = token_after(rows[size - 1]), token_after(rows[2 * size - 1])
    return UpstreamList(rows=rows, page_size=size, leads_to={third: second})


CIRCLES: list[Callable[..., UpstreamList]] = [circle_of_one, circle_of_two]


@pytest.mark.parametrize("circle", CIRCLES)
async def test_list_that_leads_in_a_circle_is_an_upstream_error(
    circle: Callable[..., UpstreamList],
) -> None:
    upstream = circle()
    for arguments in ({"first": 20}, {"last": 1}):
        upstream.calls.clear()
        with pytest.raises(UpstreamBadResponse) as fault:
            await request(upstream, **arguments)  # type: ignore[arg-type]  # mypy checks the value against any argument.
        assert (fault.value.operation, fault.value.detail) == ("ListRows", "a page token repeats")
        assert len(upstream.calls) == len({call.token for call in upstream.calls})
    with pytest.raises(UpstreamBadResponse):
        await Paginator(upstream.source, max_pages=20).count()


@pytest.mark.parametrize("circle", CIRCLES)
@pytest.mark.parametrize("size", [1, 2, 5])
async def test_circle_is_detected_if_each_request_reads_one_page(
    circle: Callable[..., UpstreamList], size: int
) -> None:
    """No request reads more than one page of the circle. The cursor carries the previous request's state."""
    upstream = circle(size)
    with pytest.raises(UpstreamBadResponse, match="could not be read"):
        await forwards(upstream, repeat(size, 20))
    assert len(upstream.calls) <= 8


async def test_circle_is_detected_from_a_cursor_amid_a_page() -> None:
    upstream = circle_of_two()
    given = await request(upstream, first=6)
    for cursor in given.cursors:
        with pytest.raises(UpstreamBadResponse):
            await request(upstream, first=20, after=cursor)


async def test_rows_before_a_circle_are_returned() -> None:
    upstream = circle_of_two()
    response = await request(upstream, first=6)
    assert response.rows == upstream.rows[:6]
    assert response.page_info[:2] == (False, True)
    assert (await request(upstream, last=1, before=response.end_cursor)).rows == upstream.rows[4:5]


async def test_larger_circle_is_detected_within_one_request() -> None:
    upstream = UpstreamList(rows=rows_of(20), page_size=2, leads_to={token_after(11): token_after(3)})
    with pytest.raises(UpstreamBadResponse):
        await request(upstream, first=20)


async def test_token_that_expires_between_pages_is_cursor_expired() -> None:
    upstream = UpstreamList(rows=rows_of(20), page_size=2, expired={token_after(7)})
    for arguments in ({"first": 20}, {"last": 1}):
        with pytest.raises(CursorExpired, match="Start again from the first page"):
            await request(upstream, **arguments)  # type: ignore[arg-type]  # mypy checks the value against any argument.
    with pytest.raises(CursorExpired):
        await Paginator(upstream.source, max_pages=20).count()


async def test_cursor_with_an_expired_token_is_cursor_expired_in_either_direction() -> None:
    upstream = UpstreamList(rows=rows_of(20), page_size=2)
    given = await request(upstream, first=10)
    upstream.expired |= {token_after(3), token_after(7)}
    with pytest.raises(CursorExpired):
        await request(upstream, first=5, after=given.cursors[2])  # In mid-page, its own page's token is used.
    with pytest.raises(CursorExpired):
        await request(upstream, first=5, after=given.cursors[1])  # At a page's end, the next page's token is used.
    with pytest.raises(CursorExpired):
        await request(upstream, last=1, before=given.cursors[3])
    assert (await request(upstream, first=1, after=given.cursors[0])).rows == upstream.rows[1:2]
    assert (await request(upstream, last=1, before=given.cursors[1])).rows == upstream.rows[:1]
