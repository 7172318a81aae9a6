"""README.md and docs/operations.md show the figures of benchmarks/results.md."""

from pathlib import Path

import pytest

from benchmarks.rivals import published
from benchmarks.rivals.latency import COUNT, LINKS, LONG_LIST, Measured, Waits
from benchmarks.rivals.published import OPERATIONS, README, RESULTS, ratios, read_results, replaced, sizing, waits
from benchmarks.rivals.tables import results_text
from tests.benchmarks.reports import made_up_report


def test_readme_and_sizing_show_the_results() -> None:
    """Run `python -m benchmarks.rivals.published` to update the tables."""
    results = read_results(RESULTS.read_text())
    readme, operations = README.read_text(), OPERATIONS.read_text()
    assert replaced(replaced(readme, ratios(results)), waits(results)) == readme
    assert replaced(operations, sizing(results)) == operations


def test_ratios_are_those_of_the_report() -> None:
    results = read_results(results_text(made_up_report(), []))
    assert list(ratios(results))[2:] == [
        "| first 99 numbers, every field | 20 x | 4.0 x | 0.50 x |",
        "| the same, repeated | no cache | 3.0 x | 9.0 x |",
        "| first 10 numbers, 5 fields | 20 x | 4.0 x | 0.50 x |",
        "| the same, repeated | no cache | 3.0 x | 9.0 x |",
        # Of the gateway without single flight.
        "| 20 orders, their 100 numbers linked | 10 x | 2.0 x | 0.25 x |",
        "| the same, repeated | no cache | 3.0 x | 9.0 x |",
    ]


def test_waits_are_those_at_30_ms() -> None:
    report = made_up_report()
    report.latencies[LINKS.title, 30]["naive"] = Measured(first=Waits(400, 101), later=Waits(390, 101))
    ours = "120 / 60 ms, 20 / 12"
    assert list(waits(read_results(results_text(report, []))))[2:] == [
        f"| {LINKS.title} | {ours} | 400 / 390 ms, 101 | not run | {ours} |",
        f"| {LONG_LIST.title} | {ours} | not run | not run | {ours} |",
        f"| {COUNT.title} | {ours} | not run | not run | {ours} |",
    ]


def test_sizing_leaves_out_sharing_between_requests_for_links() -> None:
    rows = list(sizing(read_results(results_text(made_up_report(), []))))[2:]
    assert [row.split(" | ", 1)[1] for row in rows] == ["1,000 | 4 |", "1,000 | 4 |", "500 | 4 |"]


def test_a_rival_that_did_not_run_has_no_ratio() -> None:
    report = made_up_report()
    del report.samples["hot q1", "Tailcall"]
    rows = list(ratios(read_results(results_text(report, []))))
    assert rows[3] == "| the same, repeated | no cache | 3.0 x | not run |"


def test_only_the_table_with_the_same_first_column_is_replaced() -> None:
    text = "a\n\n| x | old |\n|---|---|\n| 1 | 2 |\n\n| y | old |\n|---|---|\n\nz\n"
    assert replaced(text, iter(["| y | new |", "|---|---|"])) == text.replace("| y | old |", "| y | new |")
    with pytest.raises(ValueError, match="substring not found"):
        replaced(text, iter(["| missing | new |"]))


def test_publishing_changes_readme_and_operations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readme, operations = tmp_path / "README.md", tmp_path / "operations.md"
    readme.write_text(README.read_text())
    operations.write_text(OPERATIONS.read_text())
    monkeypatch.setattr(published, "README", readme)
    monkeypatch.setattr(published, "OPERATIONS", operations)
    published.publish(results_text(made_up_report(), []))
    assert "| the same, repeated | no cache | 3.0 x | 9.0 x |" in readme.read_text()
    assert "| first 10 numbers, 5 fields | 1,000 | 4 |" in operations.read_text()
