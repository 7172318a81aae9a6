"""The cost of a page in the emulator, with a thousand numbers and with a million.

    python -m benchmarks.emulator_pages

Each case is one ListPhoneNumbers call, from the query string to the JSON of the response, without HTTP and signature.
The two inventories alternate in each round, so that other load on the machine affects both. The table shows medians.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

from gateway.emulator.next_tokens import NextTokens, TokenScope
from gateway.emulator.operations import Operations
from gateway.emulator.sample.generator import fill
from gateway.emulator.service_model import CHIME
from gateway.emulator.store import Store

CONNECTOR = {"filter-name": "VoiceConnectorId", "filter-value": "abcdef1ghij2klmno3pqr4"}
FILTERS = ("filter-name", "filter-value", "product-type", "status")


@dataclass(frozen=True)
class Case:
    """One kind of page.

    Attributes:
        size: Number of rows.
        place: Returns the row at which the page begins, given the size of the inventory.
    """

    name: str
    size: int = 99
    place: Callable[[int], int] = lambda _: 0
    filters: dict[str, str] = field(default_factory=dict)


def middle(numbers: int) -> int:
    return numbers // 2


CASES = (
    Case("the first page"),
    Case("a page in the middle", place=middle),
    Case("the last page", place=lambda numbers: numbers - 99),
    Case("a page anywhere, another each time", place=lambda numbers: random.randrange(numbers - 99)),
    Case("status", place=middle, filters={"status": "Assigned"}),
    Case("product type", place=middle, filters={"product-type": "VoiceConnector"}),
    Case(
        "status, product type",
        size=20,
        place=middle,
        filters={"status": "Unassigned", "product-type": "VoiceConnector"},
    ),
    # Of a thousand numbers, too few match for a page of 99.
    Case("association", size=10, place=middle, filters=CONNECTOR),
    Case("association, status", size=10, place=middle, filters={**CONNECTOR, "status": "Assigned"}),
    Case("association, product type", size=10, place=middle, filters={**CONNECTOR, "product-type": "VoiceConnector"}),
    Case(
        "association, status, product type",
        size=10,
        place=middle,
        filters={**CONNECTOR, "status": "Assigned", "product-type": "VoiceConnector"},
    ),
    Case("association, status: none has both", size=99, filters={**CONNECTOR, "status": "Unassigned"}),
    Case(
        "association without numbers",
        filters={"filter-name": "VoiceConnectorId", "filter-value": "zyxwvu9tsrq8ponml7kjih"},
    ),
)


@contextmanager
def inventory(folder: Path, numbers: int) -> Iterator[Operations]:
    """Fill a database with so many numbers, and yield the emulator's operations on it."""
    started = time.perf_counter()
    store = Store(folder / f"{numbers}.db", CHIME.api)
    try:
        fill(store, CHIME, numbers=numbers, orders=40, day=date(2026, 11, 28))
        print(f"{numbers:,} numbers inserted in {time.perf_counter() - started:.1f} s")  # noqa: T201  # Its output.
        yield Operations(CHIME, store, NextTokens(store.token_key, time.time))
    finally:
        store.close()


def cost(operations: Operations, case: Case, numbers: int) -> float:
    """Return the microseconds that one page takes."""
    query = {"max-results": str(case.size), **case.filters}
    if place := case.place(numbers):
        scope = TokenScope(CHIME.api, "ListPhoneNumbers", tuple(case.filters.get(name) for name in FILTERS))
        query["next-token"] = operations.tokens.issue(scope, place)
    raw_query = urlencode(query)
    started = time.perf_counter()
    operations.list_phone_numbers(raw_query)
    return (time.perf_counter() - started) * 1e6


def main() -> None:
    """Build both inventories, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=500)
    chosen = parser.parse_args()
    random.seed(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        inventory(Path(folder), chosen.few) as few,
        inventory(Path(folder), chosen.many) as many,
    ):
        print(f"\n{'microseconds a page':38}{'rows':>5}{chosen.few:>12,}{chosen.many:>12,}{'ratio':>8}")  # noqa: T201  # Its output.
        for case in CASES:
            small: list[float] = []
            large: list[float] = []
            for _ in range(chosen.rounds):
                small.append(cost(few, case, chosen.few))
                large.append(cost(many, case, chosen.many))
            one, other = statistics.median(small), statistics.median(large)
            print(f"{case.name:38}{case.size:>5}{one:>12.0f}{other:>12.0f}{other / one:>8.2f}")  # noqa: T201  # Its output.


if __name__ == "__main__":
    main()
