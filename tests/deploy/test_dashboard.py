"""The Grafana dashboard: its PromQL uses the gateway's metrics and labels, and it shows every metric."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.rendered import Manifest, dashboard
from tests.support.processes import ROOT

# The labels that Prometheus adds to every target.
OF_THE_TARGET = {"job", "instance"}

Labels = dict[str, set[str]]


@pytest.fixture(scope="module")
def exported() -> dict[str, Labels]:
    """Return each sample's name with the values of each of its labels."""
    command = [sys.executable, "-m", "tests.deploy.every_metric"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, Labels] = {}
    for family in text_string_to_metric_families(text):
        # A metric has no sample until it is counted.
        assert family.samples, f"{family.name}: count it in every_metric.py"
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def panels() -> list[Manifest]:
    """Return the panels that draw something. Rows are headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def parsed(expression: str) -> Any:
    """Parse an expression as Prometheus gets it, with a duration instead of Grafana's variable."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m"))


TARGETS: dict[str, Manifest] = {
    f"{panel['title']} {target['refId']}": target for panel in panels() for target in panel["targets"]
}
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def nodes(expression: Any, kind: type) -> list[Any]:
    """Return all nodes of a kind in an expression."""
    found: list[Any] = []
    promql_parser.walk(expression, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


@every_target
def test_expression_uses_existing_metrics_and_labels(target: Manifest, exported: dict[str, Labels]) -> None:
    expression = parsed(target["expr"])
    selectors = nodes(expression, promql_parser.VectorSelector)
    assert {selector.name for selector in selectors} <= exported.keys()
    for selector in selectors:
        matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert [matchers.pop(name) for name in ("job", "instance")] == ["$job", "$instance"]
        labels = exported[selector.name]
        assert {name: value for name, value in matchers.items() if not set(value.split("|")) <= labels[name]} == {}
    for aggregate in nodes(expression, promql_parser.AggregateExpr):
        beneath = [exported[selector.name].keys() for selector in nodes(aggregate, promql_parser.VectorSelector)]
        grouped = set(aggregate.modifier.labels) if aggregate.modifier else set()
        assert all(grouped <= labels | OF_THE_TARGET for labels in beneath)


@every_target
def test_legend_names_the_labels_that_distinguish_its_lines(target: Manifest) -> None:
    """If a label is aggregated, it would show as empty. If a grouped label is missing, several lines have one name."""
    expression = parsed(target["expr"])
    aggregates = nodes(expression, promql_parser.AggregateExpr)
    kept = {label for each in aggregates if each.modifier for label in each.modifier.labels} - {"le"}
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == (kept if aggregates else {"instance"})


def test_quantile_is_computed_from_buckets(exported: dict[str, Labels]) -> None:
    buckets = {name for name in exported if name.endswith("_bucket")}
    quantiles = [target["expr"] for target in TARGETS.values() if "_bucket" in target["expr"]]
    assert quantiles
    for expression in map(parsed, quantiles):
        assert expression.func.name == "histogram_quantile"
        [aggregate] = nodes(expression, promql_parser.AggregateExpr)
        assert "le" in aggregate.modifier.labels
        assert {each.name for each in nodes(aggregate, promql_parser.VectorSelector)} <= buckets


def test_every_metric_is_shown(exported: dict[str, Labels]) -> None:
    """A histogram is shown by its buckets, which include its sum and count."""
    ours = {
        name
        for name in exported
        if name.startswith("chime_gateway_")
        and not (name.endswith(("_sum", "_count")) and f"{name.rpartition('_')[0]}_bucket" in exported)
    }
    drawn = {
        selector.name
        for target in TARGETS.values()
        for selector in nodes(parsed(target["expr"]), promql_parser.VectorSelector)
    }
    assert len(ours) > 15
    assert ours - drawn == set()


def data_sources(part: Any) -> Iterator[str]:
    """Yield the id of each data source in a part of the dashboard."""
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["uid"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from data_sources(each)


def test_dashboard_can_be_imported_with_any_prometheus(exported: dict[str, Labels]) -> None:
    """It has no id of a specific data source, and defines every variable that it uses."""
    whole = dashboard()
    variables = {variable["name"]: variable for variable in whole["templating"]["list"]}
    assert variables.keys() == {"datasource", "job", "instance"}
    assert set(data_sources(whole)) == {"${datasource}"}
    assert len(list(data_sources(whole))) == len(panels()) + 2
    for name in ("job", "instance"):
        [(requested, label)] = re.findall(r"^label_values\((\w+)(?:{.*})?, (\w+)\)$", variables[name]["query"]["query"])
        assert (requested in exported, label) == (True, name)
    # `All` means the gateway's instances only, because a job may have other pods, which have memory and files too.
    assert "allValue" not in variables["instance"]


def test_panels_have_unique_ids_titles_and_places_and_a_description() -> None:
    drawn = dashboard()["panels"]
    assert len({panel["id"] for panel in drawn}) == len(drawn) == len({panel["title"] for panel in drawn})
    assert all(panel["description"].endswith(".") for panel in panels())
    for one, other in combinations([panel["gridPos"] for panel in drawn], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in drawn) == 24
