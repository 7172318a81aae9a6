"""Servers with their response caches on, under repeated queries alone and under a mix of repeated and new ones."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from benchmarks.rivals.account import INVENTORY
from benchmarks.rivals.group import Group, Workload
from benchmarks.rivals.queries import QUERIES, Page, pages
from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import CACHING, Start, Stub

# The first page of each list, which every caller requests first.
FIRST_PAGES: Final = {"q1": Page(99, 0), "q2": Page(10, 0), "q3": Page(20, 0)}
REPEATED_OF_TEN: Final = 9
# So many that a new page has left every cache before it is requested again. The fewest are 864 pages of q3. At 4,000
# requests/s of the mix, they last longer than the 2 s of the caches.
NEW_PAGES: Final = {
    "q1": pages(range(90, 100), range(1, 151)),
    "q2": pages(range(1, 20), range(1, 151)),
    "q3": pages(range(16, 25), range(1, 97)),
}


def workloads(name: str) -> tuple[Workload, Workload]:
    """Return the repeated page of a query, and the mix of nine repetitions with a new page."""
    [query] = [each for each in QUERIES if each.name == name]
    first = FIRST_PAGES[name]
    mix = [page for new in NEW_PAGES[name] for page in [*[first] * REPEATED_OF_TEN, new]]
    return Workload(f"hot {name}", query, [first]), Workload(f"mix {name}", query, mix)


def measure_hot(report: Report, ours: Mapping[str, Start], rivals: Collection[str], folder: Path) -> None:
    """Measure the gateway and those of the rivals that have caches."""
    stub = Stub(folder, INVENTORY)
    group = Group(report, stub, folder)
    try:
        starts = {**ours, **{name: start for name, start in CACHING.items() if name in rivals}}
        for server, _ in group.start(starts, times=1):
            report.say(f"{server.name} with its cache")
        for query in QUERIES:
            hot, mix = workloads(query.name)
            # Twenty equal requests are one miss and nineteen hits.
            group.check(Workload(hot.name, query, [FIRST_PAGES[query.name]] * 20), INVENTORY)
            group.check(mix, INVENTORY)
            group.warm_up([hot, mix])
            for turn in range(report.rounds):
                report.say(f"{query.title}, repeated: round {turn + 1} of {report.rounds}")
                group.round([hot, mix], turn)
            group.note_peaks([hot, mix])
    finally:
        group.stop()
        stub.process.stop()
