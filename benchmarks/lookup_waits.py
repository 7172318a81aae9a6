"""The upstream calls and waits of a lookup of k numbers, counted with the gateway's own upstream on a virtual clock.

    python -m benchmarks.lookup_waits

The program prints its table and writes it to lookup_waits.md beside it. Draws are seeded, so that the same code
produces the same table. Each response is compared with the records that the inventory holds at that time.
"""

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.aws import e164
from tests.support.timed_account import PAGE_SIZE, Measured, TimedAccount, run_timed

KEYS: Final = (1, 3, 10, 30, 100, 300)
INVENTORIES: Final = (100, 250, 1_000, 10_000, 100_000)
PLACES: Final = ("spread", "contiguous")
MODES: Final = ((False, False), (True, False), (False, True), (True, True))
WRITTEN_TO: Final = Path(__file__).with_suffix(".md")


class Cost(NamedTuple):
    """The cost of one lookup."""

    calls: int
    waits: int

    def __str__(self) -> str:
        return f"{self.calls:,}: {self.waits}"


class Row(NamedTuple):
    """The costs of one case, in the order in which they were measured."""

    k: int
    inventory: int
    places: str
    costs: list[Cost]


def draw(draws: random.Random, places: str, k: int, inventory: int) -> Sequence[int]:
    """Return the places of k numbers in the inventory."""
    if places == "spread":
        return draws.sample(range(inventory), k)
    start = draws.randrange(inventory - k + 1)
    return range(start, start + k)


async def _nothing(_account: TimedAccount, _draws: random.Random) -> None:
    return


async def _read_whole_list(account: TimedAccount, _draws: random.Random) -> None:
    await account.read_whole_list()


async def _delete_a_few(account: TimedAccount, draws: random.Random) -> None:
    """Delete three rows, so that the rows after them move up."""
    for row in draws.sample(account.rows, 3):
        account.rows.remove(row)


async def _move_a_tenth(account: TimedAccount, draws: random.Random) -> None:
    """Move a tenth of the rows to the end."""
    moved = set(draws.sample(account.rows, len(account.rows) // 10))
    account.rows = [row for row in account.rows if row not in moved] + sorted(moved)


async def _add_a_page(account: TimedAccount, _draws: random.Random) -> None:
    """Add 99 new rows to the front, so that each page has the rows of the page before it."""
    account.rows[:0] = [e164(1_000_000 + row) for row in range(PAGE_SIZE)]


async def _shuffle(account: TimedAccount, draws: random.Random) -> None:
    draws.shuffle(account.rows)


async def _expire_tokens(account: TimedAccount, _draws: random.Random) -> None:
    await account.read_whole_list()
    account.expire_tokens()


# The events before each lookup, in this order.
EVENTS: Final[dict[str, Callable[[TimedAccount, random.Random], Awaitable[None]]]] = {
    "first": _nothing,
    "second": _nothing,
    "fifth": _nothing,
    "known": _read_whole_list,
    "3 deleted": _delete_a_few,
    "a tenth moved": _move_a_tenth,
    "a page added": _add_a_page,
    "shuffled": _shuffle,
    "tokens expired": _expire_tokens,
}


async def measure(k: int, inventory: int, places: str, *, quota: bool, unstable_tokens: bool) -> Row:
    """Return the costs of looking up the same numbers after each event."""
    draws = random.Random(f"{k} {inventory} {places}")
    numbers = [e164(place) for place in draw(draws, places, k, inventory)]
    account = TimedAccount(range(inventory), quota=quota, unstable_tokens=unstable_tokens)
    costs = list[Cost]()
    for name, event in EVENTS.items():
        if name == "fifth":
            for _ in range(2):
                await account.find(numbers)
        await event(account, draws)
        account.version += 1
        with Measured(account) as measured:
            found = await account.find(numbers)
        assert found == account.expected(numbers), f"{k} of {inventory}, {places}, {name}"
        costs.append(Cost(measured.calls, measured.waits))
    return Row(k, inventory, places, costs)


def rows(
    inventories: Sequence[int] = INVENTORIES, *, quota: bool = False, unstable_tokens: bool = False
) -> Iterator[Row]:
    """Yield a row for each case."""
    for inventory, k, places in product(inventories, KEYS, PLACES):
        if k <= inventory:
            yield run_timed(lambda: measure(k, inventory, places, quota=quota, unstable_tokens=unstable_tokens))  # noqa: B023  # It is called at once.


def tables() -> Iterator[str]:
    """Yield the whole file, line by line."""
    yield "# Upstream calls and waits for looking up k numbers"
    yield ""
    yield "Written by `python -m benchmarks.lookup_waits`; do not edit."
    yield ""
    yield "A cell is calls: waits. Calls that run at the same time are one wait. A page has 99 rows. Each row looks up"
    yield "the same numbers again and again, and compares each record with the inventory of that moment:"
    yield ""
    yield "- first, second, fifth: the process has just started, and knows the pages that these lookups read"
    yield "- known: another request has read the whole list"
    yield "- 3 deleted: three rows of the inventory were deleted, and the rows after them moved up"
    yield "- a tenth moved: a tenth of the inventory moved to the end of the list"
    yield "- a page added: 99 new rows came before all others, so that each page has the rows of the page before it"
    yield "- shuffled: all rows are in another order"
    yield "- tokens expired: another request has read the whole list, and then AWS rejects all tokens that it has sent"
    for quota, unstable_tokens in MODES:
        measured = list(rows(quota=quota, unstable_tokens=unstable_tokens))
        yield ""
        yield f"## {'With' if quota else 'No'} quota, {'unstable' if unstable_tokens else 'stable'} tokens"
        yield ""
        yield "| k | inventory | places |" + "".join(f" {name} |" for name in EVENTS)
        yield "| --: | --: | :-- |" + " --: |" * len(EVENTS)
        for row in measured:
            yield f"| {row.k:,} | {row.inventory:,} | {row.places} |" + "".join(f" {cost} |" for cost in row.costs)
        yield ""
        extra = [max(row.costs[at].calls - row.k for row in measured) for at in range(len(EVENTS))]
        most = ", ".join(f"{name}: k + {most}" for name, most in zip(EVENTS, extra, strict=True))
        yield f"Most calls: {most}."


def main() -> None:
    """Print each line of the tables when it is ready, then write the file."""
    lines = list[str]()
    for line in tables():
        print(line, flush=True)  # noqa: T201  # Its output.
        lines.append(line)
    WRITTEN_TO.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
