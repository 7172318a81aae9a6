"""The report: measurements as tables and ratios, on the terminal and in ../results.md."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.rivals.latency import Waits
from benchmarks.rivals.load import CONNECTIONS, Sample
from benchmarks.rivals.queries import QUERIES, Query
from benchmarks.rivals.servers import ROOT


class Walk(NamedTuple):
    """One walk through the whole inventory.

    Attributes:
        first_ms: CPU ms per page in the first tenth.
        last_ms: CPU ms per page in the last tenth.
        first_mb: Memory after the first tenth.
        last_mb: Memory after the last tenth.
        calls: Upstream calls.
    """

    first_ms: float
    last_ms: float
    first_mb: float
    last_mb: float
    calls: int


class Mixed(NamedTuple):
    """Memory in MB under mixed requests: after a tenth of them, after all of them, and the peak."""

    requests: int
    early_mb: float
    late_mb: float
    peak_mb: float


class Goal(NamedTuple):
    """One goal and its measured value, which is None if the rival did not run."""

    what: str
    goal: str
    seen: str | None
    met: bool


def _commit() -> str:
    try:
        git = ["git", "describe", "--always", "--dirty=, with changes"]
        return subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"


@dataclass
class Report:
    """The results of a run, collected while it runs and written at its end."""

    rounds: int
    seconds: float
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    bare: list[tuple[float, float]] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    page_sizes: dict[str, dict[int, Sample]] = field(default_factory=dict)
    inventories: dict[str, dict[int, Sample]] = field(default_factory=dict)
    latencies: dict[int, dict[str, Waits]] = field(default_factory=dict)
    walks: list[Walk] = field(default_factory=list)
    mixed: Mixed | None = None
    notes: list[str] = field(default_factory=list)
    # Read at the start, because a commit during the run would not be measured.
    commit: str = field(default_factory=_commit)

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)  # noqa: T201  # The output of the program.

    def note(self, line: str) -> None:
        """Print a line, and add it to the notes of the written report."""
        self.notes.append(line)
        self.say(line)

    def sample(self, query: Query, server: str, sample: Sample) -> None:
        """Store the sample of a round, and print it."""
        self.samples.setdefault((query.name, server), []).append(sample)
        self.say(
            f"  {query.name} {server:15} {sample.per_second:9,.1f}/s {sample.cpu_ms:8.2f} ms of CPU, "
            f"{sample.core_share:4.0%} of its core"
        )

    def servers(self, query: str) -> list[str]:
        """Return the servers that were measured with a query, in the order of their start."""
        return [name for name in self.starts if (query, name) in self.samples]

    def median(self, query: str, server: str, what: Callable[[Sample], float]) -> float:
        """Return the median of all rounds."""
        return statistics.median(map(what, self.samples[query, server]))

    def text(self, plots: list[Path]) -> str:
        """Return the report as Markdown, with the plots at the end."""
        return "\n".join(self._lines(plots)) + "\n"

    def _lines(self, plots: list[Path]) -> Iterator[str]:
        yield "# The gateway and its rivals"
        yield ""
        yield "Written by `python -m benchmarks.rivals`; do not edit. [README.md](README.md) describes the method."
        yield ""
        yield (
            f"Medians of {self.rounds} rounds of about {self.seconds:g} s, {CONNECTIONS} connections. Each server is "
            f"one process on core 0. Load and stub are on core 1 of {os.cpu_count()} ({_processor()}, Python "
            f"{platform.python_version()}). Gateway at {self.commit}."
        )
        yield ""
        yield "If a server had less than all of its core, other processes ran there. Then trust CPU, not throughput."
        for query in QUERIES:
            yield from self._query(query)
        yield from self._goals()
        yield from self._costs()
        yield ""
        yield "## Notes"
        yield ""
        for note in self.notes:
            yield f"- {note}"
        for plot in plots:
            yield ""
            yield f"![{plot.stem.replace('_', ' ')}]({plot.name})"

    def _query(self, query: Query) -> Iterator[str]:
        yield ""
        yield f"## {query.name}: {query.title}"
        yield ""
        head = ["", "requests/s", "spread", "p50 ms", "p99 ms", "CPU ms", "of its core", "peak MB", "upstream calls"]
        yield from _table(
            [*head, "ours is faster", "costs more than ours"],
            [self._row(query.name, server) for server in self.servers(query.name)] + self._bare_row(query.name),
        )

    def _row(self, query: str, server: str) -> list[str]:
        rates = [sample.per_second for sample in self.samples[query, server]]
        rate, cpu = statistics.median(rates), self.median(query, server, lambda s: s.cpu_ms)
        return [
            server,
            f"{rate:,.1f}",
            f"{(max(rates) - min(rates)) / rate:.0%}",
            f"{self.median(query, server, lambda s: s.p50_ms):,.1f}",
            f"{self.median(query, server, lambda s: s.p99_ms):,.1f}",
            f"{cpu:.2f}",
            f"{self.median(query, server, lambda s: s.core_share):.0%}",
            f"{self.peaks[server]:.0f}",
            f"{self.median(query, server, lambda s: s.calls):.2f}",
            f"{self._ours(query, lambda s: s.per_second) / rate:.2f} x",
            f"{cpu / self._ours(query, lambda s: s.cpu_ms):.2f} x",
        ]

    def _ours(self, query: str, what: Callable[[Sample], float]) -> float:
        """Return our median, of the gateway without single flight if it was measured with this query."""
        name = "ours, unshared" if (query, "ours, unshared") in self.samples else "ours"
        return self.median(query, name, what)

    def _bare_row(self, query: str) -> list[list[str]]:
        if query != "q1" or not self.bare:
            return []
        cpu, rate = (statistics.median(each) for each in zip(*self.bare, strict=True))
        rates = [each for _, each in self.bare]
        row = ["bare aioboto3 call", f"{rate:,.1f}", f"{(max(rates) - min(rates)) / rate:.0%}", "", "", f"{cpu:.2f}"]
        ours = self._ours(query, lambda s: s.per_second) / rate
        return [[*row, "", "", "1.00", f"{ours:.2f} x", f"{cpu / self._ours(query, lambda s: s.cpu_ms):.2f} x"]]

    def goals(self) -> Iterator[Goal]:
        """Yield every goal with its measured value."""
        floors = {
            "q1": {"naive": 15.0, "Hive Gateway": 2.5, "Tailcall": 0.6},
            "q2": {"naive": 6.0, "Hive Gateway": 1.2},
            "q3": {"naive": 25.0, "Hive Gateway": 8.0, "Tailcall": 2.0},
        }
        for query, rivals in floors.items():
            for rival, floor in rivals.items():
                what, goal = f"{query} throughput against {rival}", f"at least {floor:g} x"
                if (query, rival) not in self.samples:
                    yield Goal(what, goal, None, met=False)
                    continue
                ratio = self._ours(query, lambda s: s.per_second) / self.median(query, rival, lambda s: s.per_second)
                by_cpu = self.median(query, rival, lambda s: s.cpu_ms) / self._ours(query, lambda s: s.cpu_ms)
                yield Goal(what, goal, f"{ratio:.2f} x, by CPU {by_cpu:.2f} x", ratio >= floor)
            if query == "q1" and self.bare:
                ratio = self._ours(query, lambda s: s.cpu_ms) / statistics.median(cpu for cpu, _ in self.bare)
                what = "q1 CPU against a bare aioboto3 list call"
                yield Goal(what, "at most 0.15 x", f"{ratio:.2f} x", ratio <= 0.15)
        yield from self._latency_goals()
        if self.walks:
            ratio = statistics.median(walk.last_ms / walk.first_ms for walk in self.walks)
            yield Goal("walk of 100,000: last tenth to first", "at most 1.2 x", f"{ratio:.2f} x", ratio <= 1.2)
            growth = max(walk.last_mb - walk.first_mb for walk in self.walks)
            yield Goal("walk of 100,000: memory growth", "at most 10 MB", f"{growth:.1f} MB", growth <= 10)
        if self.mixed:
            what = f"{self.mixed.requests:,} mixed requests"
            yield Goal(f"{what}: peak", "under 120 MB", f"{self.mixed.peak_mb:.0f} MB", self.mixed.peak_mb < 120)
            growth = self.mixed.late_mb - self.mixed.early_mb
            # 2 MB is the variation of the allocator's arenas over several runs of the same load.
            yield Goal(f"{what}: growth after a tenth", "none (2 MB)", f"{growth:.1f} MB", growth <= 2)
        yield Goal("start to first answer", "under 2 s", f"{self.starts['ours']:.2f} s", self.starts["ours"] < 2)

    def _latency_goals(self) -> Iterator[Goal]:
        by_server = self.latencies.get(30, {})
        ours, tailcall = by_server.get("ours"), by_server.get("Tailcall")
        if ours is None:
            return
        for what, mine, calls, theirs, most, most_calls in (
            ("once pages are known", ours.warm_ms, ours.warm_calls, tailcall and tailcall.warm_ms, 1.15, 12),
            ("of a new process", ours.cold_ms, ours.cold_calls, tailcall and tailcall.cold_ms, 2.5, 102),
        ):
            name, goal = f"q3 {what}, 30 ms, p50 against Tailcall", f"at most {most:g} x and {most_calls} calls"
            ratio = mine / theirs if theirs else None
            seen = None if ratio is None else f"{ratio:.2f} x, {calls:.0f} calls"
            yield Goal(name, goal, seen, ratio is not None and ratio <= most and calls <= most_calls)

    def _goals(self) -> Iterator[str]:
        yield ""
        yield "## Goals"
        yield ""
        rows = [
            [goal.what, goal.goal, goal.seen or "not run", "" if goal.seen is None else "yes" if goal.met else "no"]
            for goal in self.goals()
        ]
        yield from _table(["", "goal", "measured", "met"], rows)

    def _costs(self) -> Iterator[str]:
        for title, costs in (
            ("CPU ms a request by page size, every field", self.page_sizes),
            ("CPU ms a request of q3 by inventory", self.inventories),
        ):
            if costs:
                sizes = list(next(iter(costs.values())))
                yield ""
                yield f"## {title}"
                yield ""
                rows = [[name, *(f"{by[size].cpu_ms:.2f}" for size in sizes)] for name, by in costs.items()]
                yield from _table(["", *(f"{size:,}" for size in sizes)], rows)
        if self.inventories:
            yield ""
            yield "Upstream calls of the same:"
            yield ""
            rows = [[name, *(f"{by[size].calls:.0f}" for size in sizes)] for name, by in self.inventories.items()]
            yield from _table(["", *(f"{size:,}" for size in sizes)], rows)
        for latency_ms, by_server in self.latencies.items():
            yield ""
            yield f"## q3 of one caller, upstream latency {latency_ms} ms, 990 numbers"
            yield ""
            rows = [
                [name, f"{w.cold_ms:,.0f}", f"{w.cold_calls:.0f}", f"{w.warm_ms:,.0f}", f"{w.warm_calls:.0f}"]
                for name, w in by_server.items()
            ]
            yield from _table(["", "first, p50 ms", "upstream calls", "later, p50 ms", "upstream calls"], rows)
        yield ""
        yield "## Start to first answer"
        yield ""
        yield from _table(["", "seconds"], [[name, f"{took:.2f}"] for name, took in self.starts.items()])
        if self.walks:
            yield ""
            yield "## Walk of 100,000 numbers by pages of 99"
            yield ""
            yield from _table(
                [
                    "first tenth, CPU ms a page",
                    "last tenth",
                    "MB after the first tenth",
                    "at the end",
                    "upstream calls",
                ],
                [
                    [f"{w.first_ms:.2f}", f"{w.last_ms:.2f}", f"{w.first_mb:.1f}", f"{w.last_mb:.1f}", f"{w.calls:,}"]
                    for w in self.walks
                ],
            )


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    table = [head, *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(head))]
    for number, row in enumerate(table):
        # The first column holds words, the others numbers.
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"| {' | '.join(['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])])} |"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
