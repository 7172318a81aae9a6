"""The goals of the gateway, each with its measured value."""

import statistics
from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.rivals.latency import COUNT, LINKS, LONG_LIST
from benchmarks.rivals.report import Report

# Requests per second of the gateway divided by those of another server.
FLOORS: Final = {
    "hot q1": {"Hive Gateway": 3.5, "Tailcall": 4.0},
    "hot q2": {"Hive Gateway": 2.5, "Tailcall": 0.4},
    "hot q3": {"Hive Gateway": 8.0, "Tailcall": 8.0},
    "mix q1": {"baseline": 3.0},
    "mix q2": {"baseline": 3.0},
    "mix q3": {"baseline": 3.0},
    "q1": {"naive": 18.0, "Hive Gateway": 2.5, "Tailcall": 0.65},
    "q2": {"naive": 9.0, "Hive Gateway": 1.9, "Tailcall": 0.2},
    "q3": {"naive": 27.0, "Hive Gateway": 8.0, "Tailcall": 2.0},
}
# Waits at 30 ms, relative to Tailcall's: at most so many times its p50, and so many calls.
LINK_LIMITS: Final = {"later": (1.15, 12), "first": (2.5, 102)}
# Later waits at 30 ms: at most so many ms.
LIST_LIMITS_MS: Final = {LONG_LIST.title: 100, COUNT.title: 120}


class Goal(NamedTuple):
    """One goal and its measured value, which is None if the server to compare with did not run."""

    title: str
    target: str
    measured: str | None
    met: bool


def goals(report: Report) -> Iterator[Goal]:
    """Yield every goal with its measured value."""
    for workload, floors in FLOORS.items():
        for other, floor in floors.items():
            yield _throughput(report, workload, other, floor)
    if report.bare:
        ratio = report.ours("q1", lambda s: s.cpu_ms) / statistics.median(cpu for cpu, _ in report.bare)
        title = "q1 CPU against a bare aioboto3 list call"
        yield Goal(title, "at most 0.15 x", f"{ratio:.2f} x", ratio <= 0.15)
    yield from _waits(report)
    if report.walks:
        ratio = statistics.median(walk.last_ms / walk.first_ms for walk in report.walks)
        yield Goal("walk of 100,000: last tenth to first", "at most 1.2 x", f"{ratio:.2f} x", ratio <= 1.2)
        growth = max(walk.last_mb - walk.first_mb for walk in report.walks)
        yield Goal("walk of 100,000: memory growth", "at most 10 MB", f"{growth:.1f} MB", growth <= 10)
    if mixed := report.mixed:
        title = f"{mixed.requests:,} mixed requests"
        yield Goal(f"{title}: peak", "under 150 MB", f"{mixed.peak_mb:.0f} MB", mixed.peak_mb < 150)
        growth = mixed.late_mb - mixed.early_mb
        # 2 MB is the variation of the allocator's arenas over several runs of the same load.
        yield Goal(f"{title}: growth after a tenth", "none (2 MB)", f"{growth:.1f} MB", growth <= 2)
    yield Goal("start to first answer", "under 2 s", f"{report.starts['ours']:.2f} s", report.starts["ours"] < 2)


def _throughput(report: Report, workload: str, other: str, floor: float) -> Goal:
    title, target = f"{workload} throughput against {other}", f"at least {floor:g} x"
    if (workload, other) not in report.samples:
        return Goal(title, target, None, met=False)
    ratio = report.ours(workload, lambda s: s.per_second) / report.median(workload, other, lambda s: s.per_second)
    by_cpu = report.median(workload, other, lambda s: s.cpu_ms) / report.ours(workload, lambda s: s.cpu_ms)
    return Goal(title, target, f"{ratio:.2f} x, by CPU {by_cpu:.2f} x", ratio >= floor)


def _waits(report: Report) -> Iterator[Goal]:
    by_server = report.latencies.get((LINKS.title, 30), {})
    if "ours" in by_server:
        for which, (most, most_calls) in LINK_LIMITS.items():
            name, target = f"q3, {which}, 30 ms, p50 against Tailcall", f"at most {most:g} x and {most_calls} calls"
            if "Tailcall" not in by_server:
                yield Goal(name, target, None, met=False)
                continue
            ours, theirs = (getattr(by_server[server], which) for server in ("ours", "Tailcall"))
            ratio = ours.ms / theirs.ms
            met = ratio <= most and ours.calls <= most_calls
            yield Goal(name, target, f"{ratio:.2f} x, {ours.calls:.0f} calls", met)
    for title, most_ms in LIST_LIMITS_MS.items():
        if (title, 30) in report.latencies:
            ms = report.latencies[title, 30]["ours"].later.ms
            yield Goal(f"{title}, later, 30 ms, p50", f"at most {most_ms} ms", f"{ms:.0f} ms", ms <= most_ms)
