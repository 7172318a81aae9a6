"""A report with made-up measurements of every server and workload."""

from benchmarks.rivals.latency import LATENCIES_MS, SCENARIOS, Measured, Waits
from benchmarks.rivals.load import Sample
from benchmarks.rivals.report import Report, Walk

FRESH = {"ours": 1000.0, "ours, unshared": 500.0, "naive": 50.0, "Hive Gateway": 250.0, "Tailcall": 2000.0}
HOT = {"ours": 9000.0, "baseline": 2250.0, "Hive Gateway": 3000.0, "Tailcall": 1000.0}


def sample(per_second: float) -> Sample:
    return Sample(per_second, p50_ms=1, p99_ms=2, cpu_ms=1e3 / per_second, calls=4, core_share=0.99, stub_share=0.1)


def made_up_report() -> Report:
    """Return a report in which the gateway is 4 x as fast as Hive Gateway when fresh, and 3 x when hot."""
    report = Report(rounds=1, seconds=1, commit="0000000")
    report.starts = dict.fromkeys(FRESH, 0.5)
    report.bare = [(20.0, 50.0)]
    report.walks = [Walk(1, 1, 100, 101, 1011)]
    for query in ("q1", "q2", "q3"):
        for server, rate in FRESH.items():
            if query == "q3" or server != "ours, unshared":
                report.samples[query, server] = [sample(rate)]
        for workload in (f"hot {query}", f"mix {query}"):
            for server, rate in HOT.items():
                report.samples[workload, server] = [sample(rate)]
    report.peaks = dict.fromkeys(report.samples, 100.0)
    report.page_sizes = {"ours": {1: sample(1000), 99: sample(500)}}
    report.inventories = {"ours, unshared": {250: sample(100)}}
    for scenario in SCENARIOS:
        for latency_ms in LATENCIES_MS:
            waits = Measured(first=Waits(latency_ms * 4, 20), later=Waits(latency_ms * 2, 12))
            report.latencies[scenario.title, latency_ms] = {"ours": waits, "Tailcall": waits}
    return report
