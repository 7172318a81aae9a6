"""The cost of the cursors of a full page.

    python -m benchmarks.cursors

Each round reads a page of 99 rows, and then makes all of its cursors. The page's own token and next token have 50, 400
or 4,096 characters. Only the time of the cursors is shown. The goal is less than 0.5 ms for all 99.
"""

import argparse
import asyncio
import statistics
import time
from functools import partial

from gateway.paging.arguments import read_page_arguments
from gateway.paging.cursor import read_cursor
from gateway.paging.cursor_keys import CursorKeyRing, random_key
from gateway.paging.pages import Slice
from gateway.paging.paginator import Paginator
from gateway.paging.token_list import TokenList
from gateway.upstream.records import PhoneNumberPage, PhoneNumberRecord, e164_of

ROWS = 99
BINDING = CursorKeyRing([random_key()]).bind(api="chime", operation="ListPhoneNumbers", filters={})
NUMBERS: list[PhoneNumberRecord] = [{"E164PhoneNumber": f"+1206555{number:04}"} for number in range(3 * ROWS)]
LENGTHS = (50, 400, 4_096)


def numbers_behind_tokens(length: int) -> TokenList[PhoneNumberRecord]:
    """Return a list of three pages. Only the page in the middle has both a token of its own and a next token."""

    async def fetch(token: str | None, size: int) -> PhoneNumberPage:
        begin = int(token[:4]) if token else 0
        end = begin + size
        keys = tuple(map(e164_of, NUMBERS[begin:end]))
        return PhoneNumberPage(NUMBERS[begin:end], keys, f"{end:04}".ljust(length, "t") if end < len(NUMBERS) else None)

    return TokenList(
        fetch=fetch,
        binding=BINDING,
        operation="ListPhoneNumbers",
        page_size=ROWS,
    )


async def page(source: TokenList[PhoneNumberRecord], after: str | None) -> Slice[PhoneNumberRecord]:
    """Return a page of 99 rows after a cursor."""
    window = read_page_arguments(
        first=ROWS,
        after=after,
        last=None,
        before=None,
        read_cursor=partial(read_cursor, binding=BINDING),
        max_size=1_000,
    )
    return await Paginator(source, max_pages=20).slice(window)


async def measure(length: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return, per round, the milliseconds to make 99 cursors and the microseconds to read one."""
    source = numbers_behind_tokens(length)
    after = (await page(source, None)).end_cursor
    made: list[float] = []
    read: list[float] = []
    for _ in range(rounds):
        given = await page(source, after)
        started = time.perf_counter()
        cursors = [edge.cursor for edge in given.edges()]
        made.append((time.perf_counter() - started) * 1e3)
        started = time.perf_counter()
        read_cursor(cursors[-1], BINDING)
        read.append((time.perf_counter() - started) * 1e6)
        assert len(set(cursors)) == ROWS
    return made, read


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3_000)
    rounds = parser.parse_args().rounds
    print(f"{'characters of a token':>22}{'99 cursors, ms':>16}{'95th percentile':>17}{'reading one, us':>17}")  # noqa: T201  # Its output.
    for length in LENGTHS:
        made, read = asyncio.run(measure(length, rounds))
        percentile = statistics.quantiles(made, n=20)[-1]
        print(f"{length:>22,}{statistics.median(made):>16.4f}{percentile:>17.4f}{statistics.median(read):>17.1f}")  # noqa: T201  # Its output.


if __name__ == "__main__":
    main()
