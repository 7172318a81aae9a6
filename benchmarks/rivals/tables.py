"""The written report: ../results.md."""

import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import interpreter
from benchmarks.rivals.goals import goals
from benchmarks.rivals.load import CONNECTIONS
from benchmarks.rivals.queries import QUERIES
from benchmarks.rivals.report import Report


def results_text(report: Report, plots: Sequence[Path]) -> str:
    """Return the report as Markdown, with the plots at the end."""
    return "\n".join(_lines(report, plots)) + "\n"


def _lines(report: Report, plots: Sequence[Path]) -> Iterator[str]:
    yield "# The gateway and its rivals"
    yield ""
    yield "Written by `python -m benchmarks.rivals`; do not edit. [README.md](README.md) describes the method."
    yield ""
    yield (
        f"Medians of {report.rounds} rounds of about {report.seconds:g} s, {CONNECTIONS} connections. Each server is "
        f"one process on core 0. Load and stub are on core 1 of {os.cpu_count()} ({_processor()}). Gateway at "
        f"{report.commit}, on {interpreter.described()}."
    )
    yield ""
    yield "If a server had less than all of its core, other processes ran there. Then trust CPU, not throughput."
    yield from _section("Goals")
    yield from table(
        ["", "goal", "measured", "met"],
        [
            [
                goal.title,
                goal.target,
                goal.measured or "not run",
                "" if goal.measured is None else "yes" if goal.met else "no",
            ]
            for goal in goals(report)
        ],
    )
    for query in QUERIES:
        yield from _section(f"{query.name}: {query.title}")
        yield from _workload(report, query.name)
    for query in QUERIES:
        yield from _section(f"hot {query.name}: the first page, repeated, response caches on")
        yield from _workload(report, f"hot {query.name}")
    for query in QUERIES:
        yield from _section(f"mix {query.name}: 90 % the first page and 10 % new pages, response caches on")
        yield from _workload(report, f"mix {query.name}")
    yield from _waits(report)
    yield from _costs(report)
    yield from _section("Notes")
    for note in report.notes:
        yield f"- {note}"
    for plot in plots:
        yield ""
        yield f"![{plot.stem.replace('_', ' ')}]({plot.name})"


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""


def _workload(report: Report, workload: str) -> Iterator[str]:
    head = ["", "requests/s", "spread", "p50 ms", "p99 ms", "CPU ms", "of its core", "peak MB", "upstream calls"]
    yield from table(
        [*head, "ours is faster", "costs more than ours"],
        [_row(report, workload, server) for server in report.servers(workload)] + _bare_row(report, workload),
    )


def _row(report: Report, workload: str, server: str) -> list[str]:
    rates = [sample.per_second for sample in report.samples[workload, server]]
    rate, cpu = statistics.median(rates), report.median(workload, server, lambda s: s.cpu_ms)
    return [
        server,
        f"{rate:,.1f}",
        f"{(max(rates) - min(rates)) / rate:.0%}",
        f"{report.median(workload, server, lambda s: s.p50_ms):,.1f}",
        f"{report.median(workload, server, lambda s: s.p99_ms):,.1f}",
        f"{cpu:.2f}",
        f"{report.median(workload, server, lambda s: s.core_share):.0%}",
        f"{report.peaks[workload, server]:.0f}",
        f"{report.median(workload, server, lambda s: s.calls):.2f}",
        f"{report.ours(workload, lambda s: s.per_second) / rate:.2f} x",
        f"{cpu / report.ours(workload, lambda s: s.cpu_ms):.2f} x",
    ]


def _bare_row(report: Report, workload: str) -> list[list[str]]:
    if workload != "q1" or not report.bare:
        return []
    cpu, rate = (statistics.median(each) for each in zip(*report.bare, strict=True))
    rates = [each for _, each in report.bare]
    row = ["bare aioboto3 call", f"{rate:,.1f}", f"{(max(rates) - min(rates)) / rate:.0%}", "", "", f"{cpu:.2f}"]
    ours = report.ours(workload, lambda s: s.per_second) / rate
    return [[*row, "", "", "1.00", f"{ours:.2f} x", f"{cpu / report.ours(workload, lambda s: s.cpu_ms):.2f} x"]]


def _waits(report: Report) -> Iterator[str]:
    for (title, latency_ms), by_server in report.latencies.items():
        yield from _section(f"{title}, one caller, upstream latency {latency_ms} ms")
        yield from table(
            ["", "first, p50 ms", "upstream calls", "later, p50 ms", "upstream calls"],
            [
                [name, f"{first.ms:,.0f}", f"{first.calls:.0f}", f"{later.ms:,.0f}", f"{later.calls:.0f}"]
                for name, (first, later) in by_server.items()
            ],
        )


def _costs(report: Report) -> Iterator[str]:
    for title, costs in (
        ("CPU ms a request by page size, every field", report.page_sizes),
        ("CPU ms a request of q3 by inventory", report.inventories),
    ):
        sizes = list(next(iter(costs.values())))
        yield from _section(title)
        yield from table(
            ["", *(f"{size:,}" for size in sizes)],
            [[name, *(f"{by[size].cpu_ms:.2f}" for size in sizes)] for name, by in costs.items()],
        )
    yield ""
    yield "Upstream calls of the same:"
    yield ""
    rows = [[name, *(f"{by[size].calls:.0f}" for size in sizes)] for name, by in report.inventories.items()]
    yield from table(["", *(f"{size:,}" for size in sizes)], rows)
    yield from _section("Start to first answer")
    yield from table(["", "seconds"], [[name, f"{took:.2f}"] for name, took in report.starts.items()])
    yield from _section("Walk of 100,000 numbers by pages of 99")
    yield from table(
        ["first tenth, CPU ms a page", "last tenth", "MB after the first tenth", "at the end", "upstream calls"],
        [
            [f"{w.first_ms:.2f}", f"{w.last_ms:.2f}", f"{w.first_mb:.1f}", f"{w.last_mb:.1f}", f"{w.calls:,}"]
            for w in report.walks
        ],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table. The first column holds words, the others numbers."""
    lines = [head, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for number, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"| {' | '.join(['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])])} |"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
