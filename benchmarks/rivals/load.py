"""Load on one server, and its cost: wrk for a fixed time if the server is fast, else a fixed number of requests."""

import http.client
import json
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.rivals.account import INVENTORY
from benchmarks.rivals.queries import Page, Query, same
from benchmarks.rivals.servers import HERE, LOAD_CORE, Server, Stub, on_core

CONNECTIONS: Final = 32
# Requests that wrk must complete. Requests in flight when its time is up are counted nowhere: here at most 5 %.
ENOUGH_FOR_WRK: Final = 20 * CONNECTIONS
CHECKED: Final = 20
# The errors of `Dialect.read` if a response is not what was requested.
UNREADABLE: Final = (AssertionError, KeyError, TypeError, ValueError)


class WrongResponse(Exception):
    """A response that differs from the account's records, so that its time would mean nothing."""


@dataclass(frozen=True)
class Sample:
    """The measurement of one server under load with one query."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    calls: float
    # CPU time divided by clock time. A server at its limit has nearly all of its core unless another process ran there.
    core_share: float
    stub_share: float


def bodies(server: Server, query: Query, pages: Sequence[Page] | None = None) -> list[str]:
    """Return the request body for each page."""
    return [server.dialect.body(query, page, cursor(server, query, page.offset)) for page in pages or query.pages]


def cursor(server: Server, query: Query, offset: int) -> str | None:
    """Return the cursor after so many rows: a cursor of the gateway, or the offset itself for the other servers."""
    if offset == 0:
        return server.start
    if not server.opaque:
        return str(offset)
    kept = server.cursors.get((query.orders, offset))
    if kept is None:
        field = "phoneNumberOrders" if query.orders else "phoneNumbers"
        # A cursor at the end of an upstream page, as front ends have it. A cursor within a page costs one more call.
        page, start = min(99, offset), max(0, offset - 99)
        after = cursor(server, query, start)
        text = f"query($n: Int!, $a: String) {{ {field}(first: $n, after: $a) {{ pageInfo {{ endCursor }} }} }}"
        answer = json.loads(server.post(json.dumps({"query": text, "variables": {"n": page, "a": after}})))
        kept = server.cursors[query.orders, offset] = str(answer["data"][field]["pageInfo"]["endCursor"])
    return kept


def check(server: Server, query: Query, inventory: int = INVENTORY, pages: Sequence[Page] | None = None) -> float:
    """Request some pages one after another, compare each response in full, and return the median seconds per request.

    Raises:
        WrongResponse: If a response differs from the records of the account.
    """
    chosen = (pages or query.pages)[:CHECKED]
    took = []
    for page, body in zip(chosen, bodies(server, query, chosen), strict=True):
        start = time.perf_counter()
        answer = server.post(body)
        took.append(time.perf_counter() - start)
        try:
            right = same(server.dialect.read(query, answer), query.expected(page, inventory))
        except UNREADABLE as error:
            raise WrongResponse(f"{server.name}, {query.name}, {page}: {error!r} in {answer[:300]!r}") from error
        if not right:
            raise WrongResponse(f"{server.name}, {query.name}, {page}: {answer[:300]!r}")
    return statistics.median(took)


def measure(server: Server, stub: Stub, asked: Sequence[str], seconds: float, one: float, folder: Path) -> Sample:
    """Load a server with these bodies in turn.

    Args:
        server: The server.
        stub: The upstream, which counts calls.
        asked: Request bodies.
        seconds: Approximate duration of the load.
        one: Seconds that a single request takes.
        folder: A folder for temporary files.

    Raises:
        WrongResponse: If any request fails.
    """
    calls, cpu, stub_cpu, clock = stub.calls(), server.process.cpu(), stub.process.cpu(), time.perf_counter()
    if seconds / one >= ENOUGH_FOR_WRK:
        load = _wrk(server, asked, seconds, folder)
    else:
        load = _batch(server, asked, max(2, round(seconds / one / CONNECTIONS)))
    cpu, stub_cpu, clock = server.process.cpu() - cpu, stub.process.cpu() - stub_cpu, time.perf_counter() - clock
    if load.errors or not load.requests:
        raise WrongResponse(f"{server.name}: {load.errors} of {load.errors + load.requests} requests failed")
    return Sample(
        per_second=load.requests / load.seconds,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        cpu_ms=cpu * 1e3 / load.requests,
        calls=(stub.calls() - calls) / load.requests,
        core_share=cpu / clock,
        stub_share=stub_cpu / clock,
    )


class Load(NamedTuple):
    """Completed requests, the seconds they took in all, median and 99th percentile, bytes received, and failures."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    bytes: int
    errors: int


def wrk(url: str, seconds: float, file: Path | None = None, *, start: int = 0) -> Load:
    """Run wrk on the load's core.

    Args:
        url: The URL to request.
        seconds: Duration.
        file: Bodies to post, one per line. Without a file, wrk sends GET requests.
        start: Index of the first body.
    """
    options = [f"-c{CONNECTIONS}", "-t1", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
    script = ["-s", str(HERE / "load.lua"), url, "--", str(file or ""), str(start)]
    with on_core(LOAD_CORE):
        ran = subprocess.run(["wrk", *options, *script], capture_output=True, text=True, check=True)
    return Load(**json.loads(next(line for line in ran.stdout.splitlines() if line.startswith("{"))))


def _wrk(server: Server, asked: Sequence[str], seconds: float, folder: Path) -> Load:
    file = folder / "bodies.txt"
    file.write_text("\n".join(asked) + "\n")
    return wrk(f"http://127.0.0.1:{server.port}/graphql", seconds, file)


def _batch(server: Server, asked: Sequence[str], each: int) -> Load:
    """Send `each` requests on every connection, and measure the time until the last response."""
    turns = cycle(asked)
    work = [[next(turns) for _ in range(each)] for _ in range(CONNECTIONS)]
    took: list[float] = []
    sizes: list[int] = []

    def connection(mine: list[str]) -> None:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for body in mine:
            start = time.perf_counter()
            client.request("POST", "/graphql", body, {"content-type": "application/json"})
            response = client.getresponse()
            answer = response.read()
            if response.status == 200 and not answer.startswith(b'{"errors"'):
                took.append(time.perf_counter() - start)
                sizes.append(len(answer))
        client.close()

    threads = [threading.Thread(target=connection, args=[mine]) for mine in work]
    start = time.perf_counter()
    with on_core(LOAD_CORE):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    clock = time.perf_counter() - start
    ranks = sorted(took) or [0.0]
    slowest = ranks[int(len(ranks) * 0.99)] * 1e3
    return Load(len(took), clock, statistics.median(ranks) * 1e3, slowest, sum(sizes), CONNECTIONS * each - len(took))
