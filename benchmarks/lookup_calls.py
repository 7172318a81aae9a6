"""What looking up k keys costs in upstream calls, by the real batches, over lists in memory.

    python -m benchmarks.lookup_calls

Prints its tables and writes them to lookup_calls.md beside it. Draws are seeded: the same code gives the same tables.
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
    """Where in a list of so many rows the k keys stand; a row past its end stands for a key that it does not hold."""

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
    Case("Keys in a cluster: the newest rows, of a list that gives the newest first", first_rows),
    Case("Keys in a cluster: the newest rows, of a list that gives the newest last", last_rows),
    Case("Keys that the list does not hold", nowhere),
)


class Costs(NamedTuple):
    """Calls for one draw."""

    plan: int
    walk: int
    best: int

    @property
    def ratio(self) -> float:
        return self.plan / self.best


class Row(NamedTuple):
    """All draws of k keys from so large an inventory."""

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
    """Calls of a walk until all is found, and of the best that hindsight allows: p pages, and gets for what they leave.

    The list's end settles whatever is still left.
    """
    in_all = -(-inventory // PAGE_SIZE)
    pages = sorted(min(place // PAGE_SIZE + 1, in_all) if place < inventory else in_all + 1 for place in places)
    walk = min(pages[-1], in_all)
    best = min(len(pages), walk, *(page + len(pages) - found for found, page in enumerate(pages, 1)))
    return walk, best


def measure(case: Case, inventories: Sequence[int] = INVENTORIES, draws: int | None = None) -> Iterator[Row]:
    """Every k and inventory that the case can have."""
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


HEAD: Final = ["k", "inventory", "plan", "its worst", "gets", "walk", "best", "ratio", "its worst"]


def tables() -> Iterator[str]:
    """The whole file, line by line."""
    yield "# Upstream calls for looking up k keys"
    yield ""
    yield "Written by `python -m benchmarks.lookup_calls`; do not edit."
    yield ""
    yield f"Pages of {PAGE_SIZE}; where keys are drawn, {DRAWS} seeded draws a row."
    yield ""
    yield "- plan: what the gateway's batches make, median and worst of the draws"
    yield "- gets: one call a key"
    yield "- walk: list pages until all keys are found, median"
    yield "- best: the least that hindsight allows, p list pages and a get for each key that they leave, median"
    yield "- ratio: plan to best of the same draw, median and worst"
    yield ""
    yield "A plan that never takes more than k + 2 calls can fetch no more than two pages before one resolves a key. So"
    yield "where all keys stand behind them, or nowhere, it must turn to gets, though a walk of a short list had been"
    yield "cheaper: no plan with that promise does better there."
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
    """Print the tables as they come, then write the file."""
    lines = list[str]()
    for line in tables():
        print(line, flush=True)  # noqa: T201  # Its output.
        lines.append(line)
    WRITTEN_TO.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
