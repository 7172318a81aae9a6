"""Repeated and new pages of the benchmark, and its checks of responses, with the gateway over the stub upstream."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.rivals import latency
from benchmarks.rivals.account import INVENTORY
from benchmarks.rivals.group import Group, Workload
from benchmarks.rivals.hot import FIRST_PAGES, workloads
from benchmarks.rivals.load import WrongResponse, bodies, check
from benchmarks.rivals.queries import QUERIES, Query
from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import RIVALS, CannotRun, Server, Stub, start_ours


def missing(_stub: str, _folder: Path) -> Server:
    raise CannotRun("not installed")


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    stub = Stub(tmp_path, INVENTORY)
    yield stub
    stub.process.stop()


@pytest.fixture
def gateway(stub: Stub, tmp_path: Path) -> Iterator[Server]:
    """Yield the gateway with its cache."""
    server = start_ours(stub.url, tmp_path, cached=True)
    server.first_response(server.dialect.body(QUERIES[1], FIRST_PAGES["q2"], server.start))
    yield server
    server.process.stop()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_mix_has_nine_repetitions_for_each_new_page(query: Query) -> None:
    hot, mix = workloads(query.name)
    [first] = hot.pages
    new = [page for page in mix.pages if page != first]
    assert len(mix.pages) == 10 * len(new)
    assert mix.pages[:10].count(first) == 9
    assert len(set(new)) == len(new)
    # All new pages are full.
    assert all(len(query.expected(page, INVENTORY).rows) == page.first for page in (new[0], max(new), min(new)))


def test_repeated_pages_are_checked_against_the_records_and_are_hits(stub: Stub, gateway: Server) -> None:
    for query in QUERIES:
        hot, mix = workloads(query.name)
        check(gateway, query, pages=hot.pages)
        calls = stub.calls()
        check(gateway, query, pages=[*hot.pages] * 3)
        assert stub.calls() == calls
        check(gateway, query, pages=mix.pages[8:10])
        assert stub.calls() > calls


def test_wrong_responses_are_found(gateway: Server) -> None:
    hot, _ = workloads("q1")
    check(gateway, hot.query, pages=hot.pages)
    with pytest.raises(WrongResponse, match="ours, q1"):
        check(gateway, hot.query, inventory=50, pages=hot.pages)


def test_first_page_has_no_cursor_and_other_pages_have_one(gateway: Server) -> None:
    first, other = bodies(gateway, QUERIES[1], [FIRST_PAGES["q2"], QUERIES[1].pages[0]])
    assert '"after":null' in first
    assert '"after":"' in other


def test_waits_of_every_scenario_are_measured_with_right_responses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(latency, "LATENCIES_MS", (1,))
    monkeypatch.setattr(latency, "STARTS", 1)
    notes: list[str] = []
    starts = {"ours": start_ours, "naive": RIVALS["naive"], "hive": missing}
    measured = list(latency.measure_latencies(starts, tmp_path, notes.append))
    calls = {(title, name): waits.first.calls for title, _, name, waits in measured}
    titles = [scenario.title for scenario in latency.SCENARIOS]
    assert list(calls) == [(title, name) for title in titles for name in ("ours", "naive")]
    # The naive app's clients request ten and twenty pages. The gateway may add calls, but needs no fewer.
    assert [calls[title, "naive"] for title in titles] == [101, 10, 20]
    assert calls[titles[0], "ours"] <= 102
    assert [calls[title, "ours"] for title in titles[1:]] == [10, 20]
    assert len(notes) == len(titles)


def test_rival_that_cannot_run_is_noted_and_left_out(stub: Stub, tmp_path: Path) -> None:
    report = Report(rounds=1, seconds=1)
    group = Group(report, stub, tmp_path)
    assert list(group.start({"hive": missing})) == []
    assert report.notes == ["hive could not run here: not installed"]
    with pytest.raises(CannotRun):
        list(group.start({"ours": missing}))


def test_wrong_rival_is_left_out_but_a_wrong_gateway_ends_the_run(stub: Stub, tmp_path: Path) -> None:
    report = Report(rounds=1, seconds=1)
    group = Group(report, stub, tmp_path)
    list(group.start({"ours": start_ours, "naive": RIVALS["naive"]}, times=1))
    try:
        hot, _ = workloads("q2")
        group.check(hot, INVENTORY)
        stub.holds(5)
        naive_only = Workload(hot.name, hot.query, hot.pages, frozenset({"ours"}))
        group.check(naive_only, INVENTORY)
        assert [server.name for server in group.servers] == ["ours"]
        assert report.notes[0].startswith("Left out because of a wrong response: naive, q2")
        with pytest.raises(WrongResponse):
            group.check(hot, INVENTORY)
    finally:
        group.stop()
