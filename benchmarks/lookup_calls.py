"""The upstream calls that a lookup of k keys costs, counted with the gateway's own batches over lists in memory.

    python -m benchmarks.lookup_calls

The program prints its tables and writes them to lookup_calls.md beside it. Draws are seeded, so that the same code
produces the same tables. One run takes about five minutes.
"""

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.loaders.page_source import calls_of

KEYS: Final = (1, 2, 3, 5, 10, 30, 100, 300, 1_000)
INVENTORIES: Final = (10, 100, 250, 1_000, 10_000, 100_000, 1_000_000)
PAGE_SIZE: Final = 99
DRAWS: Final = 100
WRITTEN_TO: Final = Path(__file__).with_suffix(".md")

Draw = Callable[[random.Random, int, int], Sequence[int]]


@dataclass(frozen=True)
class Case:
    """The positions of k keys in a list. A position past the end of the list is a key that the list does not hold."""

    title: str
    draw: Draw
    draws: int = 1


def anywhere(draws: random.Random, k: int, inventory: int) -> Sequence[int]:
    return draws.sample(range(inventory), k)


def first_rows(_: random.Random, k: int, _inventory: int) -> Sequence[int]:
    return range(k)


def last_rows(_: random.Random, k: int, inventory: int) -> Sequence[int]:
    return range(inventory - k, inventory)


def nowhere(_: random.Random, k: int, inventory: int) -> Sequence[int]:
    return range(inventory, inventory + k)


RANDOM: Final = Case("Keys anywhere, drawn at random", anywhere, DRAWS)
CASES: Final = (
    RANDOM,
    Case("A cluster of keys: the newest rows, in a list with the newest first", first_rows),
    Case("A cluster of keys: the newest rows, in a list with the newest last", last_rows),
    Case("Keys that the list does not hold", nowhere),
)


class Costs(NamedTuple):
    """The calls for one draw."""

    plan: int
    walk: int
    best: int

    @property
    def ratio(self) -> float:
        return self.plan / self.best


class Row(NamedTuple):
    """All draws of k keys from an inventory of one size."""

    k: int
    inventory: int
    draws: list[Costs]

    @property
    def median_ratio(self) -> float:
        return statistics.median(costs.ratio for costs in self.draws)

    @property
    def worst_ratio(self) -> float:
        return max(costs.ratio for costs in self.draws)

    def cells(self) -> list[str]:
        plan = [costs.plan for costs in self.draws]
        walk, best = ([getattr(costs, name) for costs in self.draws] for name in ("walk", "best"))
        return [
            f"{self.k:,}",
            f"{self.inventory:,}",
            f"{statistics.median(plan):,.0f}",
            f"{max(plan):,}",
            f"{self.k:,}",
            f"{statistics.median(walk):,.0f}",
            f"{statistics.median(best):,.0f}",
            f"{self.median_ratio:.2f}",
            f"{self.worst_ratio:.2f}",
        ]


def walk_and_best(places: Sequence[int], inventory: int) -> tuple[int, int]:
    """Return the list calls until all keys are found, and the fewest calls that any plan could make.

    The best plan reads the first p pages and gets each key that they do not hold. If it reads the list to its end, no
    get is needed, because the end proves that the other keys do not exist.
    """
    in_all = -(-inventory // PAGE_SIZE)
    pages = sorted(min(place // PAGE_SIZE + 1, in_all) if place < inventory else in_all + 1 for place in places)
    walk = min(pages[-1], in_all)
    best = min(len(pages), walk, *(page + len(pages) - found for found, page in enumerate(pages, 1)))
    return walk, best


def measure(case: Case, inventories: Sequence[int] = INVENTORIES, draws: int | None = None) -> Iterator[Row]:
    """Yield a row for each k and inventory that the case allows."""
    for inventory in inventories:
        rows = [str(place) for place in range(inventory)]
        pages = [rows[start : start + PAGE_SIZE] for start in range(0, inventory, PAGE_SIZE)]
        held = frozenset(rows)
        for k in KEYS:
            if k > inventory and case.draw is not nowhere:
                continue
            source = random.Random(f"{case.title} {k} {inventory}")
            costs = list[Costs]()
            for _ in range(draws or case.draws):
                places = case.draw(source, k, inventory)
                walk, best = walk_and_best(places, inventory)
                costs.append(Costs(calls_of(pages, held, [str(place) for place in places]), walk, best))
            yield Row(k, inventory, costs)


HEAD: Final = ["k", "inventory", "plan", "worst plan", "gets", "walk", "best", "ratio", "worst ratio"]


def tables() -> Iterator[str]:
    """Yield the whole file, line by line."""
    yield "# Upstream calls for looking up k keys"
    yield ""
    yield "Written by `python -m benchmarks.lookup_calls`; do not edit."
    yield ""
    yield f"A page has {PAGE_SIZE} rows. If keys are drawn at random, a row of the table sums up {DRAWS} seeded draws."
    yield ""
    yield "- plan: calls of the gateway's batches, median and worst of the draws"
    yield "- gets: one call per key"
    yield "- walk: list pages until all keys are found, median"
    yield "- best: the fewest calls possible, p list pages and a get for each key that they do not hold, median"
    yield "- ratio: plan divided by best of the same draw, median and worst"
    yield ""
    yield "A plan that never makes more than k + 2 calls can read at most two pages before a page must resolve a key."
    yield "If all keys are on later pages, or on none, it has to switch to gets, even if a short list had been cheaper."
    yield "No plan with the same bound does better there."
    for case in CASES:
        rows = list(measure(case))
        yield ""
        yield f"## {case.title}"
        yield ""
        yield "|" + "".join(f" {cell} |" for cell in HEAD)
        yield "|" + " --: |" * len(HEAD)
        for row in rows:
            yield "|" + "".join(f" {cell} |" for cell in row.cells())
        yield ""
        median = max(rows, key=lambda row: row.median_ratio)
        worst = max(rows, key=lambda row: row.worst_ratio)
        extra = max(costs.plan - row.k for row in rows for costs in row.draws)
        yield (
            f"Largest median ratio: {median.median_ratio:.2f} (k {median.k:,}, inventory {median.inventory:,}). "
            f"Largest ratio of a draw: {worst.worst_ratio:.2f} (k {worst.k:,}, inventory {worst.inventory:,}). "
            f"Most calls: k + {extra}."
        )


def main() -> None:
    """Print each line of the tables when it is ready, then write the file."""
    lines = list[str]()
    for line in tables():
        print(line, flush=True)  # noqa: T201  # Its output.
        lines.append(line)
    WRITTEN_TO.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
