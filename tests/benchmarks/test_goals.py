"""Goals compare the gateway with a rival in the same run."""

from benchmarks.rivals.goals import Goal, goals
from benchmarks.rivals.latency import COUNT, LINKS, Measured, Waits
from benchmarks.rivals.report import Mixed, Report
from benchmarks.rivals.tables import results_text
from tests.benchmarks.reports import made_up_report


def goal(report: Report, title: str) -> Goal:
    [found] = [each for each in goals(report) if each.title == title]
    return found


def test_repeated_queries_are_compared_with_rivals_that_cache() -> None:
    report = made_up_report()
    assert goal(report, "hot q1 throughput against Hive Gateway") == Goal(
        "hot q1 throughput against Hive Gateway", "at least 3.5 x", "3.00 x, by CPU 3.00 x", met=False
    )
    assert goal(report, "hot q1 throughput against Tailcall").met


def test_the_mix_is_compared_with_the_baseline() -> None:
    assert goal(made_up_report(), "mix q2 throughput against baseline").measured == "4.00 x, by CPU 4.00 x"


def test_ratios_of_q3_are_those_without_single_flight() -> None:
    assert goal(made_up_report(), "q3 throughput against Hive Gateway").measured == "2.00 x, by CPU 2.00 x"


def test_without_the_other_server_a_goal_was_not_run() -> None:
    report = made_up_report()
    del report.samples["mix q1", "baseline"]
    assert goal(report, "mix q1 throughput against baseline").measured is None
    row = next(line for line in results_text(report, []).splitlines() if "mix q1 throughput" in line)
    assert "not run" in row


def test_waits_for_links_need_both_time_and_calls() -> None:
    report = made_up_report()
    title = "q3, later, 30 ms, p50 against Tailcall"
    assert goal(report, title).met
    ours = report.latencies[LINKS.title, 30]["ours"]
    report.latencies[LINKS.title, 30]["ours"] = Measured(ours.first, Waits(60, 13))
    assert not goal(report, title).met
    report.latencies[LINKS.title, 30]["ours"] = Measured(ours.first, Waits(70, 12))
    assert goal(report, title).measured == "1.17 x, 12 calls"
    assert not goal(report, title).met


def test_a_count_has_a_limit_in_milliseconds() -> None:
    report = made_up_report()
    title = f"{COUNT.title}, later, 30 ms, p50"
    assert goal(report, title).met
    report.latencies[COUNT.title, 30]["ours"] = Measured(Waits(500, 20), Waits(121, 20))
    assert goal(report, title) == Goal(title, "at most 120 ms", "121 ms", met=False)


def test_peak_of_mixed_requests_has_a_limit() -> None:
    report = made_up_report()
    report.mixed = Mixed(100_000, early_mb=120, late_mb=121, peak_mb=149)
    assert goal(report, "100,000 mixed requests: peak").met
    report.mixed = Mixed(100_000, early_mb=120, late_mb=121, peak_mb=151)
    assert not goal(report, "100,000 mixed requests: peak").met
