"""One run: start all servers, check their responses, and measure them alternately."""

import http.client
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.rivals.account import INVENTORY
from benchmarks.rivals.latency import measure_latencies
from benchmarks.rivals.load import Sample, WrongResponse, bodies, check, measure, wrk
from benchmarks.rivals.queries import EVERY_FIELD, QUERIES, Page, Query, pages
from benchmarks.rivals.report import Mixed, Report, Walk
from benchmarks.rivals.servers import (
    LOAD_CORE,
    RIVALS,
    ROOT,
    SERVER_CORE,
    CannotRun,
    Server,
    Stub,
    environment,
    on_core,
    start_ours,
    start_unshared,
)

Start = Callable[[str, Path], Server]
STARTS: Final = 3
# Seconds of warm-up per query. V8 compiles for thousands of requests (q2: 520 requests/s at first, 880 later).
WARM_UPS: Final = {"Hive Gateway": 5}
PAGE_SIZES: Final = (1, 10, 25, 50, 99)
INVENTORIES: Final = (250, 1_000, 10_000, 100_000)
WALKED: Final = 100_000
WALKS: Final = 3
WALK_PAGE: Final = 99
Q1, Q2, Q3 = QUERIES


class Run:
    """The servers of one run, and their common stub upstream."""

    def __init__(self, report: Report, folder: Path, rivals: Sequence[str]) -> None:
        self._report = report
        self._folder = folder
        self._rivals = rivals
        self._servers: list[Server] = []
        self._rates: dict[tuple[str, str], float] = {}

    def all(self, *, mixed: int) -> None:
        """Make all measurements, and stop every process at the end."""
        report = self._report
        self._stub = Stub(self._folder, INVENTORY)
        try:
            self._measure_stub()
            self._start()
            self._check()
            report.say("Warm-up")
            for query, server in self._turns(0):
                for _ in range(WARM_UPS.get(server.name, 1)):
                    sample = self._sample(server, query, 1)
                    # The rate decides how many requests a round needs.
                    self._rates[server.name, query.name] = sample.per_second
            for turn in range(report.rounds):
                report.say(f"Round {turn + 1} of {report.rounds}")
                self._bare()
                for query, server in self._turns(turn):
                    report.sample(query, server.name, self._sample(server, query, report.seconds))
            for server in self._servers:
                report.peaks[server.name] = server.process.memory("VmHWM")
            self._page_sizes()
            self._inventories()
        finally:
            for server in self._servers:
                server.process.stop()
            self._stub.process.stop()
        self._latencies()
        self._walk()
        if mixed:
            self._mixed(mixed)
        else:
            report.note("Memory under mixed requests was not measured. --mixed 100000 measures it.")

    def _sample(self, server: Server, query: Query, seconds: float) -> Sample:
        one = 1 / self._rates[server.name, query.name]
        return measure(server, self._stub, bodies(server, query), seconds, one, self._folder)

    def _turns(self, turn: int) -> list[tuple[Query, Server]]:
        """Return every query with every server, with another server first in each turn.

        "ours, unshared" takes part in q3 alone, because the calls of the other queries do not repeat.
        """
        count = len(self._servers)
        return [
            (query, self._servers[(turn + place) % count])
            for query in QUERIES
            for place in range(count)
            if query is Q3 or self._servers[(turn + place) % count].name != "ours, unshared"
        ]

    def _measure_stub(self) -> None:
        paths = {"a number": "/phone-numbers/%2B12065550007", "a page of 99": "/phone-numbers?max-results=99"}
        rates = []
        for what, path in paths.items():
            load = wrk(f"{self._stub.url}{path}", 1)
            rates.append(f"{load.requests / load.seconds:,.0f} calls/s for {what}")
        self._report.note(f"The stub alone serves {' and '.join(rates)}.")

    def _start(self) -> None:
        starts: list[Start] = [start_ours, start_unshared, *(RIVALS[name] for name in self._rivals)]
        for start in starts:
            took = []
            for again in range(STARTS):
                server = None
                try:
                    server = start(self._stub.url, self._folder)
                    took.append(server.first_response(server.dialect.body(Q2, Page(10, 0), None)))
                except (CannotRun, OSError) as reason:
                    self._report.note(f"{start.__name__.removeprefix('start_')} could not run here: {reason}")
                    if server:
                        server.process.stop()
                    break
                if again < STARTS - 1:
                    server.process.stop()
            else:
                assert server is not None
                self._servers.append(server)
                self._report.starts[server.name] = statistics.median(took)
                self._report.say(f"{server.name}: first response after {statistics.median(took):.2f} s")

    def _check(self) -> None:
        for server in list(self._servers):
            try:
                for query in QUERIES:
                    self._rates[server.name, query.name] = 1 / check(server, query)
            except WrongResponse as wrong:
                if server.name.startswith("ours"):
                    raise
                self._report.note(f"Left out because of a wrong response: {wrong}")
                server.process.stop()
                self._servers.remove(server)
        self._report.say("All responses are correct")

    def _bare(self) -> None:
        env = environment(self._folder, STUB_URL=self._stub.url)
        command = [sys.executable, "-m", "benchmarks.rivals.bare", str(self._report.seconds)]
        with on_core(SERVER_CORE):
            ran = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        result = json.loads(ran.stdout)
        self._report.bare.append((result["cpu"] * 1e3 / result["calls"], result["calls"] / result["clock"]))

    def _page_sizes(self) -> None:
        self._report.say("Page sizes")
        for size in PAGE_SIZES:
            every = pages([size], range(1, 151))
            query = Query(f"size{size}", f"{size} numbers, every field", False, EVERY_FIELD, every)
            for server in self._servers:
                if server.name != "ours, unshared":
                    one = check(server, query)
                    sample = measure(server, self._stub, bodies(server, query), 1, one, self._folder)
                    self._report.page_sizes.setdefault(server.name, {})[size] = sample

    def _inventories(self) -> None:
        self._report.say("Inventories")
        for inventory in INVENTORIES:
            self._stub.holds(inventory)
            for server in self._servers:
                if server.name == "ours":
                    continue
                one = check(server, Q3, inventory, Q3.pages[:5])
                sample = measure(server, self._stub, bodies(server, Q3), 1, one, self._folder)
                self._report.inventories.setdefault(server.name, {})[inventory] = sample

    def _latencies(self) -> None:
        """Measure one caller while the upstream takes time."""
        self._report.say("Upstream latency")
        starts: list[Start] = [start_ours, *(RIVALS[name] for name in self._rivals)]
        for latency_ms, name, waits in measure_latencies(starts, self._folder):
            self._report.latencies.setdefault(latency_ms, {})[name] = waits
            self._report.say(
                f"  q3 at {latency_ms} ms {name:15} first {waits.cold_ms:4.0f} ms, {waits.cold_calls:.0f} calls, "
                f"later {waits.warm_ms:4.0f} ms, {waits.warm_calls:.0f} calls"
            )

    def _walk(self) -> None:
        """Page through 100,000 numbers, one page after another, like a front end."""
        self._report.say(f"Walking {WALKED:,} numbers")
        stub = Stub(self._folder, WALKED)
        server = None
        try:
            server = start_ours(stub.url, self._folder)
            server.first_response(server.dialect.body(Q2, Page(10, 0), None))
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
            server = start_ours(stub.url, self._folder)
            server.first_response(server.dialect.body(Q2, Page(10, 0), None))
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
