"""The page arguments first, after, last and before."""

import pytest

from gateway.errors import BadCursor, BadUserInput, PageOutOfRange
from gateway.paging.arguments import PageArguments, read_page_arguments
from gateway.paging.cursor import Position
from tests.paging.scripted_lists import READ_CURSOR, UpstreamList, request, rows_of


def window(
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
    max_size: int = 1_000,
) -> PageArguments[Position]:
    return read_page_arguments(
        first=first, after=after, last=last, before=before, read_cursor=READ_CURSOR, max_size=max_size
    )


async def cursor() -> str:
    return (await request(UpstreamList(rows=rows_of(10)), first=5)).end_cursor


def test_no_arguments_request_the_first_fifty_rows() -> None:
    assert window() == PageArguments(count=50, backward=False, after=None, before=None)


def test_default_size_is_at_most_the_maximum() -> None:
    assert window(max_size=20).count == 20
    assert window(max_size=50).count == 50
    assert window(max_size=51).count == 50


@pytest.mark.parametrize("size", [0, 1, 99, 1_000])
def test_sizes_from_zero_to_the_maximum_are_accepted_from_either_end(size: int) -> None:
    assert window(first=size) == PageArguments(count=size, backward=False, after=None, before=None)
    assert window(last=size) == PageArguments(count=size, backward=True, after=None, before=None)


@pytest.mark.parametrize("size", [-1, -(2**31), 1_001, 2**31 - 1])
def test_size_out_of_range_is_rejected_with_its_argument_and_range(size: int) -> None:
    with pytest.raises(PageOutOfRange, match=rf"^first must be between 0 and 1000, not {size}\.$") as refused:
        window(first=size)
    assert refused.value.code == "BAD_USER_INPUT"
    with pytest.raises(PageOutOfRange, match=rf"^last must be between 0 and 1000, not {size}\.$"):
        window(last=size)


@pytest.mark.parametrize("sizes", [(1, 1), (0, 0), (5, 10), (-1, 5)])
def test_first_with_last_is_rejected(sizes: tuple[int, int]) -> None:
    with pytest.raises(BadUserInput, match="first or last, not both"):
        window(first=sizes[0], last=sizes[1])


async def test_cursor_without_first_or_last_requests_the_first_fifty_rows() -> None:
    given = await cursor()
    after, before = window(after=given), window(before=given)
    assert (after.count, after.backward, after.before) == (50, False, None)
    assert (before.count, before.backward, before.after) == (50, False, None)
    assert after.after is not None
    assert after.after == before.before


@pytest.mark.parametrize("argument", ["after", "before"])
def test_invalid_cursor_is_rejected_in_after_and_before(argument: str) -> None:
    with pytest.raises(BadCursor):
        window(**{argument: "no cursor"})  # type: ignore[arg-type]  # mypy checks the one value against every argument.
