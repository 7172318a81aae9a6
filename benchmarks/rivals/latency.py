"""One caller and an upstream that takes time, so that a server's waits for it count, and not its CPU."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.rivals.load import bodies, check
from benchmarks.rivals.queries import QUERIES, Page
from benchmarks.rivals.servers import CannotRun, Server, Stub

LATENCIES_MS: Final = (30, 100)
# Ten pages of 99, over which the 100 linked numbers of each request are spread.
INVENTORY: Final = 990
STARTS: Final = 3
WARM_UPS: Final = 20
REQUESTS: Final = 20
Q2, Q3 = QUERIES[1:]


class Waits(NamedTuple):
    """The first q3 of a process, and q3 after 20 requests: median milliseconds and upstream calls."""

    cold_ms: float
    cold_calls: float
    warm_ms: float
    warm_calls: float


def measure_latencies(
    starts: Sequence[Callable[[str, Path], Server]], folder: Path
) -> Iterator[tuple[int, str, Waits]]:
    """Yield the waits of each server at each latency. A server that cannot run is left out."""
    stub = Stub(folder, INVENTORY)
    try:
        for latency_ms in LATENCIES_MS:
            for start in starts:
                stub.takes(latency_ms)
                try:
                    name, waits = _waits(start, stub, folder)
                except (CannotRun, OSError):
                    continue
                yield latency_ms, name, waits
    finally:
        stub.process.stop()


def _waits(start: Callable[[str, Path], Server], stub: Stub, folder: Path) -> tuple[str, Waits]:
    cold: list[tuple[float, int]] = []
    for again in range(STARTS):
        server = start(stub.url, folder)
        try:
            # The first request also opens connections and reads the schema.
            server.first_response(server.dialect.body(Q2, Page(10, 0), None))
            asked = bodies(server, Q3, Q3.pages[:1])
            cold += _requests(server, stub, asked)
            if again < STARTS - 1:
                continue
            check(server, Q3, INVENTORY, Q3.pages[:5])
            _requests(server, stub, bodies(server, Q3, Q3.pages[:WARM_UPS]))
            warm = _requests(server, stub, bodies(server, Q3, Q3.pages[:REQUESTS]))
        finally:
            server.process.stop()
    (cold_ms, cold_calls), (warm_ms, warm_calls) = (
        map(statistics.median, zip(*each, strict=True)) for each in (cold, warm)
    )
    return server.name, Waits(cold_ms, cold_calls, warm_ms, warm_calls)


def _requests(server: Server, stub: Stub, asked: Sequence[str]) -> list[tuple[float, int]]:
    """Send requests one after the other, and return the milliseconds and upstream calls of each."""
    measured = []
    for body in asked:
        # The count is one of the stub's own responses, so it does not change the calls.
        calls, began = stub.calls(), time.perf_counter()
        server.post(body)
        measured.append(((time.perf_counter() - began) * 1e3, stub.calls() - calls))
    return measured
