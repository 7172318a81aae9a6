"""The work of cursors: none unless they are read, and little if they are. Tests count it instead of timing it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.paging.arguments import read_page_arguments
from gateway.paging.pages import Slice
from gateway.paging.paginator import Paginator
from gateway.paging.token_list import TokenList
from tests.paging.scripted_lists import BINDING, READ_CURSOR, ScriptedPage

ROWS = 99


class CountingToken(str):
    """A token that counts how often it is written into a cursor. All other code only compares it or passes it on."""

    __slots__ = ("written",)

    written: Counter[str]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        self.written[str(self)] += 1
        return super().encode(encoding, errors)


class CountedKeys(tuple[str, ...]):
    """The keys of a page, which count how many of them are read."""

    read = 0

    def __iter__(self) -> Iterator[str]:
        self.read += len(self)
        return super().__iter__()

    def __getitem__(self, index: Any) -> Any:
        self.read += len(range(len(self))[index]) if isinstance(index, slice) else 1
        return super().__getitem__(index)


class CountedList:
    """Three full pages. Its tokens count the cursors that they are written into, and its keys count their reads."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()
        self.pages: list[CountedKeys] = []

    def token(self, text: str) -> CountingToken:
        token = CountingToken(text)
        token.written = self.written
        return token

    @property
    def keys(self) -> int:
        return sum(keys.read for keys in self.pages)

    async def fetch(self, token: str | None, size: int) -> ScriptedPage[str]:
        assert size == ROWS
        page = 0 if token is None else int(token)
        rows = [f"+1206555{page * ROWS + row:04}" for row in range(ROWS)]
        self.pages.append(CountedKeys(rows))
        return ScriptedPage(rows, self.pages[-1], self.token(str(page + 1)) if page < 2 else None)

    async def slice(self, pages: int = 3) -> Slice[str]:
        source = TokenList(fetch=self.fetch, binding=BINDING, operation="ListRows", page_size=ROWS)
        arguments = read_page_arguments(
            first=ROWS * pages, after=None, last=None, before=None, read_cursor=READ_CURSOR, max_size=1_000
        )
        return await Paginator(source, max_pages=20).slice(arguments)


async def test_unread_cursors_cost_no_work() -> None:
    counted = CountedList()
    rows = await counted.slice()
    assert len(rows.rows()) == 3 * ROWS
    assert (rows.has_previous_page, rows.has_next_page) == (False, False)
    assert len([edge.node for edge in rows.edges()]) == 3 * ROWS
    assert not counted.written
    assert counted.keys == 0


async def test_each_cursor_costs_one_encryption_and_each_key_one_hash() -> None:
    counted = CountedList()
    cursors = [edge.cursor for edge in (await counted.slice()).edges()]
    assert len(set(cursors)) == 3 * ROWS
    # Token 1 leads to the second page: once in the first page's last cursor, and in each cursor of the second page.
    assert counted.written == {"1": 1 + ROWS, "2": 1 + ROWS}
    assert counted.keys <= 3 * ROWS


async def test_page_info_reuses_the_cursors_of_the_edges() -> None:
    counted = CountedList()
    rows = await counted.slice(pages=2)
    cursors = [edge.cursor for edge in rows.edges()]
    keys = counted.keys
    counted.written.clear()
    assert (rows.start_cursor, rows.end_cursor) == (cursors[0], cursors[-1])
    assert counted.written == {"1": 1, "2": 1}
    assert counted.keys == keys


@pytest.mark.parametrize("times", [1, 3])
async def test_end_cursor_alone_costs_one_encryption_and_at_most_the_keys_of_its_page(times: int) -> None:
    counted = CountedList()
    rows = await counted.slice(pages=2)
    for _ in range(times):
        assert rows.end_cursor is not None
    assert counted.written == {"1": times, "2": times}
    assert counted.keys <= ROWS
