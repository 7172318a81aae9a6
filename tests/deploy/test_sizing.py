"""Sizing in docs/operations.md shows the figures that were measured last."""

import re

from tests.deploy.rendered import manifests
from tests.support.processes import ROOT

SIZING = (ROOT / "docs" / "operations.md").read_text().partition("## Sizing")[2].partition("\n## ")[0]
RESULTS = (ROOT / "benchmarks" / "results.md").read_text()


def measured(query: str, server: str) -> tuple[float, float]:
    """Return requests a second and upstream calls each."""
    section = RESULTS.partition(f"## {query}:")[2].partition("\n## ")[0]
    [row] = re.findall(rf"^\| {server} +\|(.*)\|$", section, re.MULTILINE)
    cells = [float(cell.strip(" %x").replace(",", "")) for cell in row.split("|")]
    return cells[0], cells[7]


def test_requests_a_second_and_calls_are_as_measured() -> None:
    rows = re.findall(r"^\| .+ \| ([\d,]+) \| (\d+) \|$", SIZING, re.MULTILINE)
    said = [(float(rate.replace(",", "")), float(calls)) for rate, calls in rows]
    # The last one leaves out sharing between requests, which depends on the queries that run at the same time.
    seen = [measured("q2", "ours"), measured("q1", "ours"), measured("q3", "ours, unshared")]
    assert len(said) == len(seen)
    for (rate, calls), (measured_rate, measured_calls) in zip(said, seen, strict=True):
        assert abs(rate / measured_rate - 1) < 0.05
        assert round(measured_calls) == calls


def test_a_pod_may_use_what_is_advised_and_that_is_twice_the_peak() -> None:
    [peak, advised] = map(int, re.findall(r"Memory peaks at (\d+) MB.*\s.*Give each process (\d+)", SIZING)[0])
    [container] = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == f"{advised}Mi"
    assert int(container["resources"]["requests"]["memory"].removesuffix("Mi")) > peak
    assert peak * 2 <= advised
