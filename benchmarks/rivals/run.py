"""One run: fresh queries, repeated queries, upstream latency, a long walk and memory, one after the other."""

import http.client
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.rivals.account import INVENTORY
from benchmarks.rivals.group import Group, Workload
from benchmarks.rivals.hot import measure_hot
from benchmarks.rivals.latency import measure_latencies
from benchmarks.rivals.load import bodies, check, measure, wrk
from benchmarks.rivals.queries import EVERY_FIELD, QUERIES, Page, Query, pages
from benchmarks.rivals.report import Mixed, Report, Walk
from benchmarks.rivals.servers import (
    LOAD_CORE,
    RIVALS,
    ROOT,
    SERVER_CORE,
    Server,
    Start,
    Stub,
    environment,
    on_core,
    start_baseline,
    start_ours,
    start_unshared,
)

PAGE_SIZES: Final = (1, 10, 25, 50, 99)
INVENTORIES: Final = (250, 1_000, 10_000, 100_000)
WALKED: Final = 100_000
WALKS: Final = 3
WALK_PAGE: Final = 99
Q1, Q2, Q3 = QUERIES
# The calls of q1 and q2 do not repeat, so there is nothing to share. The ratios of q3 are those of "ours, unshared".
FRESH: Final = (
    Workload("q1", Q1, Q1.pages, frozenset({"ours, unshared"})),
    Workload("q2", Q2, Q2.pages, frozenset({"ours, unshared"})),
    Workload("q3", Q3, Q3.pages, frozenset({"baseline"})),
)


class Run:
    """The measurements of one run."""

    def __init__(self, report: Report, folder: Path, rivals: Sequence[str], baseline: Path | None) -> None:
        self._report = report
        self._folder = folder
        self._rivals = {name: RIVALS[name] for name in rivals}
        self._baseline = baseline

    def all(self, *, mixed: int) -> None:
        """Make all measurements."""
        self._fresh()
        self._hot()
        self._latencies()
        self._walk()
        if mixed:
            self._mixed(mixed)
        else:
            self._report.note("Memory under mixed requests was not measured, because of --mixed 0.")

    def _fresh(self) -> None:
        """Measure varied queries without caches, then costs by page size and by inventory."""
        report = self._report
        self._stub = Stub(self._folder, INVENTORY)
        group = Group(report, self._stub, self._folder)
        starts: dict[str, Start] = {"ours": start_ours, "ours, unshared": start_unshared, **self._rivals}
        if self._baseline:
            starts["baseline"] = partial(start_baseline, self._baseline)
        try:
            self._measure_stub()
            for server, seconds in group.start(starts):
                report.starts[server.name] = seconds
                report.say(f"{server.name}: first response after {seconds:.2f} s")
            for workload in FRESH:
                group.check(workload, INVENTORY)
            report.say("All responses are correct")
            group.warm_up(FRESH)
            for turn in range(report.rounds):
                report.say(f"Round {turn + 1} of {report.rounds}")
                self._bare()
                group.round(FRESH, turn)
            group.note_peaks(FRESH)
            servers = [server for server in group.servers if server.name != "baseline"]
            self._page_sizes([server for server in servers if server.name != "ours, unshared"])
            self._inventories([server for server in servers if server.name != "ours"])
        finally:
            group.stop()
            self._stub.process.stop()

    def _hot(self) -> None:
        """Measure repeated queries with caches."""
        ours: dict[str, Start] = {"ours": partial(start_ours, cached=True)}
        if self._baseline:
            ours["baseline"] = partial(start_baseline, self._baseline, cached=True)
        measure_hot(self._report, ours, self._rivals, self._folder)

    def _measure_stub(self) -> None:
        paths = {"a number": "/phone-numbers/%2B12065550007", "a page of 99": "/phone-numbers?max-results=99"}
        rates = []
        for what, path in paths.items():
            load = wrk(f"{self._stub.url}{path}", 1)
            rates.append(f"{load.requests / load.seconds:,.0f} calls/s for {what}")
        self._report.note(f"The stub alone serves {' and '.join(rates)}.")

    def _bare(self) -> None:
        env = environment(self._folder, STUB_URL=self._stub.url)
        command = [sys.executable, "-m", "benchmarks.rivals.bare", str(self._report.seconds)]
        with on_core(SERVER_CORE):
            ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        result = json.loads(ran.stdout)
        self._report.bare.append((result["cpu"] * 1e3 / result["calls"], result["calls"] / result["clock"]))

    def _page_sizes(self, servers: Sequence[Server]) -> None:
        self._report.say("Page sizes")
        for size in PAGE_SIZES:
            every = pages([size], range(1, 151))
            query = Query(f"size{size}", f"{size} numbers, every field", False, EVERY_FIELD, every)
            for server in servers:
                one = check(server, query)
                sample = measure(server, self._stub, bodies(server, query), 1, one, self._folder)
                self._report.page_sizes.setdefault(server.name, {})[size] = sample

    def _inventories(self, servers: Sequence[Server]) -> None:
        self._report.say("Inventories")
        for inventory in INVENTORIES:
            self._stub.holds(inventory)
            for server in servers:
                one = check(server, Q3, inventory, Q3.pages[:5])
                sample = measure(server, self._stub, bodies(server, Q3), 1, one, self._folder)
                self._report.inventories.setdefault(server.name, {})[inventory] = sample

    def _latencies(self) -> None:
        """Measure one caller while the upstream takes time."""
        self._report.say("Upstream latency")
        starts: dict[str, Start] = {"ours": start_ours, **self._rivals}
        for title, latency_ms, name, waits in measure_latencies(starts, self._folder, self._report.note):
            self._report.latencies.setdefault((title, latency_ms), {})[name] = waits
            first, later = waits
            self._report.say(
                f"  {title}, {latency_ms} ms, {name:15} first {first.ms:5,.0f} ms, {first.calls:.0f} calls, "
                f"later {later.ms:5,.0f} ms, {later.calls:.0f} calls"
            )

    def _walk(self) -> None:
        """Page through 100,000 numbers, one page after another, like a front end."""
        self._report.say(f"Walking {WALKED:,} numbers")
        stub = Stub(self._folder, WALKED)
        server = None
        try:
            server = start_ours(stub.url, self._folder)
            server.first_response(server.dialect.body(Q2, Page(10, 0), server.start))
            self._report.walks = [_walked(server, stub) for _ in range(WALKS)]
        finally:
            if server:
                server.process.stop()
            stub.process.stop()

    def _mixed(self, count: int) -> None:
        """Measure the memory under thousands of requests such as front ends and crawlers send."""
        self._report.say(f"{count:,} mixed requests")
        stub = Stub(self._folder, INVENTORY)
        server = None
        try:
            # The caches are on, because their memory counts.
            server = start_ours(stub.url, self._folder, cached=True)
            server.first_response(server.dialect.body(Q2, Page(10, 0), server.start))
            asked = _mixture(server)
            file = self._folder / "mixed.txt"
            file.write_text("\n".join(asked) + "\n")
            done, early = 0, 0.0
            while done < count:
                load = wrk(f"http://127.0.0.1:{server.port}/graphql", 5, file, start=done % len(asked))
                done += load.requests
                if not early and done >= count / 10:
                    early = server.process.memory()
                    self._report.say(f"{done:,} requests: {early:.0f} MB")
            self._report.mixed = Mixed(done, early, server.process.memory(), server.process.memory("VmHWM"))
        finally:
            if server:
                server.process.stop()
            stub.process.stop()


def _walked(server: Server, stub: Stub) -> Walk:
    text = server.dialect.document(Query("walk", "", False, EVERY_FIELD, ()))
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    last_page = -(-WALKED // WALK_PAGE)
    tenth = last_page // 10
    cursor, seen, calls = None, 0, stub.calls()
    cpu: list[float] = [server.process.cpu()]
    memory: list[float] = []
    with on_core(LOAD_CORE):
        for page in range(1, last_page + 1):
            body = json.dumps({"query": text, "variables": {"first": WALK_PAGE, "after": cursor}})
            client.request("POST", "/graphql", body, {"content-type": "application/json"})
            connection = json.loads(client.getresponse().read())["data"]["phoneNumbers"]
            assert int(connection["nodes"][0]["e164PhoneNumber"][-6:]) == (550_000 + seen) % 1_000_000
            seen += len(connection["nodes"])
            cursor = connection["pageInfo"]["endCursor"]
            if page % tenth == 0:
                cpu.append(server.process.cpu())
                memory.append(server.process.memory())
    client.close()
    assert seen == WALKED
    assert not connection["pageInfo"]["hasNextPage"]
    each = [(after - before) * 1e3 / tenth for before, after in pairwise(cpu)]
    return Walk(each[0], each[9], memory[0], memory[-1], stub.calls() - calls)


def _mixture(server: Server) -> list[str]:
    """Return request bodies: the three queries, single objects, a count, introspection, mistakes and new documents."""

    def plain(text: str, **variables: object) -> str:
        return json.dumps({"query": text, "variables": variables}, separators=(",", ":"))

    asked = [body for query in QUERIES for body in bodies(server, query, query.pages[:40])]
    asked.append(plain("{ __schema { types { name fields { name type { name } } } } }"))
    for index in range(60):
        number = f"+{12_065_550_000 + index}"
        asked += [
            plain("query($n: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $n) { status } }", n=number),
            plain("query fresh__N__ { phoneNumbers(first: 5) { nodes { a__N__: status e164PhoneNumber } } }"),
            plain("{ phoneNumbers(first: 3) { edges { cursor node { id associations { target { __typename } } } } } }"),
        ]
    asked.append(plain("{ phoneNumbers(first: 1) { totalCount } }"))
    asked += [plain("{ nonsense__N__ }"), plain("{"), plain("{ phoneNumbers(first: 5000) { totalCount } }")] * 5
    asked += [plain('{ phoneNumbers(after: "forged") { totalCount } }'), "not JSON"] * 5
    return asked
