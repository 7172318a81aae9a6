"""The Grafana dashboard: it asks Prometheus in PromQL, for numbers that the gateway has, and leaves none out."""

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

# What Prometheus says of every target.
OF_THE_TARGET = {"job", "instance"}

Labels = dict[str, set[str]]


@pytest.fixture(scope="module")
def exported() -> dict[str, Labels]:
    """Each sample's name, with the values of each of its labels."""
    command = [sys.executable, "-m", "tests.deploy.every_metric"]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[str, Labels] = {}
    for family in text_string_to_metric_families(text):
        # One without a sample would be one that nothing has happened to.
        assert family.samples, f"{family.name}: count it in every_metric.py"
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def panels() -> list[Manifest]:
    """Those that draw something; rows are headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def parsed(expression: str) -> Any:
    """The expression as Prometheus gets it: Grafana puts durations and values in place of its variables."""
    return promql_parser.parse(expression.replace("$__rate_interval", "1m"))


TARGETS: dict[str, Manifest] = {
    f"{panel['title']} {target['refId']}": target for panel in panels() for target in panel["targets"]
}
every_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def nodes(expression: Any, kind: type) -> list[Any]:
    """Those of a kind anywhere in an expression."""
    found: list[Any] = []
    promql_parser.walk(expression, lambda node: found.append(node) if isinstance(node, kind) else None)
    return found


@every_target
def test_an_expression_asks_for_numbers_and_labels_that_the_gateway_has(
    target: Manifest, exported: dict[str, Labels]
) -> None:
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
def test_a_legend_names_what_tells_its_lines_apart(target: Manifest) -> None:
    """A label that is aggregated away would be drawn as nothing, and one left out as lines of one name."""
    expression = parsed(target["expr"])
    aggregates = nodes(expression, promql_parser.AggregateExpr)
    kept = {label for each in aggregates if each.modifier for label in each.modifier.labels} - {"le"}
    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) == (kept if aggregates else {"instance"})


def test_a_quantile_is_taken_of_buckets(exported: dict[str, Labels]) -> None:
    buckets = {name for name in exported if name.endswith("_bucket")}
    quantiles = [target["expr"] for target in TARGETS.values() if "_bucket" in target["expr"]]
    assert quantiles
    for expression in map(parsed, quantiles):
        assert expression.func.name == "histogram_quantile"
        [aggregate] = nodes(expression, promql_parser.AggregateExpr)
        assert "le" in aggregate.modifier.labels
        assert {each.name for each in nodes(aggregate, promql_parser.VectorSelector)} <= buckets


def test_every_number_of_the_gateway_is_drawn(exported: dict[str, Labels]) -> None:
    """A histogram by its buckets, which have its sum and count within them."""
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
    """The id of each data source that is named anywhere within."""
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["uid"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from data_sources(each)


def test_it_can_be_imported_beside_any_prometheus(exported: dict[str, Labels]) -> None:
    """No id of somebody's own data source is in it, and every variable that it uses is defined."""
    whole = dashboard()
    variables = {variable["name"]: variable for variable in whole["templating"]["list"]}
    assert variables.keys() == {"datasource", "job", "instance"}
    assert set(data_sources(whole)) == {"${datasource}"}
    assert len(list(data_sources(whole))) == len(panels()) + 2
    for name in ("job", "instance"):
        [(asked, label)] = re.findall(r"^label_values\((\w+)(?:{.*})?, (\w+)\)$", variables[name]["query"]["query"])
        assert (asked in exported, label) == (True, name)
    # All are the gateway's own: a job may have others' pods in it, which have memory and files too.
    assert "allValue" not in variables["instance"]


def test_panels_are_told_apart_described_and_beside_each_other() -> None:
    drawn = dashboard()["panels"]
    assert len({panel["id"] for panel in drawn}) == len(drawn) == len({panel["title"] for panel in drawn})
    assert all(panel["description"].endswith(".") for panel in panels())
    for one, other in combinations([panel["gridPos"] for panel in drawn], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in drawn) == 24
