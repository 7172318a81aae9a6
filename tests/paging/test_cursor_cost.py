"""Cursors cost work only where they are asked for, and little then. Work is counted, not timed."""

from collections import Counter

import pytest

from gateway.paging.arguments import read_page_arguments
from gateway.paging.pages import Slice, TokenList
from gateway.paging.paginator import Paginator
from tests.paging.scripted_lists import SCOPE

ROWS = 99


class CountingToken(str):
    """A token that counts how often it is written into a cursor's head: all else only compares it, or hands it on."""

    __slots__ = ("written",)

    written: Counter[str]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.written[str(self)] += 1
        return super().encode(encoding, errors)


class CountedList:
    """Three full pages whose tokens count the heads they go into, and whose keys count how often they are asked for."""

    def __init__(self) -> None:
        self.heads: Counter[str] = Counter()
        self.keys = 0

    def token(self, text: str) -> CountingToken:
        token = CountingToken(text)
        token.written = self.heads
        return token

    async def fetch(self, token: str | None, size: int) -> tuple[list[str], str | None]:
        assert size == ROWS
        page = 0 if token is None else int(token)
        rows = [f"+1206555{page * ROWS + row:04}" for row in range(ROWS)]
        return rows, self.token(str(page + 1)) if page < 2 else None

    def key(self, row: str) -> str:
        self.keys += 1
        return row

    async def slice(self, pages: int = 3) -> Slice[str]:
        source = TokenList(fetch=self.fetch, key=self.key, scope=SCOPE, operation="ListRows", page_size=ROWS)
        window = read_page_arguments(
            first=ROWS * pages, after=None, last=None, before=None, scope=SCOPE, max_size=1_000
        )
        return await Paginator(source, max_pages=20).slice(window)


async def test_cursors_that_nobody_asks_for_cost_nothing() -> None:
    counted = CountedList()
    given = await counted.slice()
    assert len(given.rows()) == 3 * ROWS
    assert (given.has_previous_page, given.has_next_page) == (False, False)
    assert len([edge.node for edge in given.edges()]) == 3 * ROWS
    assert not counted.heads
    assert counted.keys == 0


async def test_all_cursors_of_a_page_share_one_head_but_for_the_last_which_has_the_next_token() -> None:
    counted = CountedList()
    cursors = [edge.cursor for edge in (await counted.slice()).edges()]
    assert len(set(cursors)) == 3 * ROWS
    heads = [cursor.partition(".")[0] for cursor in cursors]
    assert [len(set(heads[at : at + ROWS])) for at in range(0, 3 * ROWS, ROWS)] == [2, 2, 1]
    # Token 1 leads to the second page: once in the first page's last head, twice in the second's two.
    assert counted.heads == {"1": 1 + 2, "2": 1 + 1}
    assert counted.keys <= 3 * ROWS


async def test_page_info_beside_the_cursors_makes_no_head_again() -> None:
    counted = CountedList()
    given = await counted.slice(pages=2)
    cursors = [edge.cursor for edge in given.edges()]
    made = counted.heads.copy()
    assert (given.start_cursor, given.end_cursor) == (cursors[0], cursors[-1])
    assert counted.heads == made


@pytest.mark.parametrize("times", [1, 3])
async def test_an_end_cursor_alone_costs_one_head_and_the_keys_of_its_page_at_most(times: int) -> None:
    counted = CountedList()
    given = await counted.slice(pages=2)
    for _ in range(times):
        assert given.end_cursor is not None
    assert counted.heads == {"1": 1, "2": 1}
    assert counted.keys <= ROWS
