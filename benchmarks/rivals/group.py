"""Servers over one stub that take the same workloads in turn."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.rivals.load import Sample, WrongResponse, bodies, check, measure
from benchmarks.rivals.queries import QUERIES, Page, Query
from benchmarks.rivals.report import Report
from benchmarks.rivals.servers import CannotRun, Server, Start, Stub

STARTS: Final = 3
# With empty caches, the slowest rival takes over a second for the first responses to 32 connections.
WARM_UP_SECONDS: Final = 3.0
# Warm-ups per workload. V8 compiles for thousands of requests (q2: 520 requests/s at first, 880 later).
WARM_UPS: Final = {"Hive Gateway": 2}


@dataclass(frozen=True)
class Workload:
    """One query with the pages that are requested in turn, and the servers that do not take part."""

    name: str
    query: Query
    pages: Sequence[Page]
    without: frozenset[str] = frozenset()


class Group:
    """Running servers. A server that cannot run, or whose responses are wrong, is left out with a note."""

    def __init__(self, report: Report, stub: Stub, folder: Path) -> None:
        self._report = report
        self._stub = stub
        self._folder = folder
        self._rates: dict[tuple[str, str], float] = {}
        self._bodies: dict[tuple[str, str], list[str]] = {}
        self.servers: list[Server] = []

    def start(self, starts: Mapping[str, Start], times: int = STARTS) -> Iterator[tuple[Server, float]]:
        """Start each server so many times. Yield it with the median seconds to its first response."""
        for name, start in starts.items():
            took = []
            for again in range(times):
                server = None
                try:
                    server = start(self._stub.url, self._folder)
                    took.append(server.first_response(server.dialect.body(QUERIES[1], Page(10, 0), server.start)))
                except (CannotRun, OSError) as reason:
                    self._report.note(f"{name} could not run here: {reason}")
                    if server:
                        server.process.stop()
                    if name == "ours":
                        raise
                    break
                if again < times - 1:
                    server.process.stop()
            else:
                assert server is not None
                self.servers.append(server)
                yield server, statistics.median(took)

    def stop(self) -> None:
        """Stop every server."""
        for server in self.servers:
            server.process.stop()

    def check(self, workload: Workload, inventory: int) -> None:
        """Compare responses of each server with the records of the account.

        Raises:
            WrongResponse: If a response of the gateway differs.
        """
        for _, server in self._turns([workload], 0):
            try:
                took = check(server, workload.query, inventory, workload.pages)
            except WrongResponse as wrong:
                if server.name == "ours":
                    raise
                self._report.note(f"Left out because of a wrong response: {wrong}")
                server.process.stop()
                self.servers.remove(server)
                continue
            self._rates[server.name, workload.name] = 1 / took
            self._bodies[server.name, workload.name] = bodies(server, workload.query, workload.pages)

    def warm_up(self, workloads: Sequence[Workload]) -> None:
        """Load each server without counting it."""
        self._report.say("Warm-up")
        for workload, server in self._turns(workloads, 0):
            for _ in range(WARM_UPS.get(server.name, 1)):
                # The rate decides how many requests a round needs.
                self._rates[server.name, workload.name] = self._sample(server, workload, WARM_UP_SECONDS).per_second

    def round(self, workloads: Sequence[Workload], turn: int) -> None:
        """Measure each workload on each server, with another server first in each turn."""
        for workload, server in self._turns(workloads, turn):
            sample = self._sample(server, workload, self._report.seconds)
            self._report.sample(workload.name, server.name, sample)

    def note_peaks(self, workloads: Sequence[Workload]) -> None:
        """Store the peak memory of each server so far as that of these workloads."""
        for workload, server in self._turns(workloads, 0):
            self._report.peaks[workload.name, server.name] = server.process.memory("VmHWM")

    def _sample(self, server: Server, workload: Workload, seconds: float) -> Sample:
        key = server.name, workload.name
        return measure(server, self._stub, self._bodies[key], seconds, 1 / self._rates[key], self._folder)

    def _turns(self, workloads: Sequence[Workload], turn: int) -> list[tuple[Workload, Server]]:
        count = len(self.servers)
        return [
            (workload, server)
            for workload in workloads
            for server in (self.servers[(turn + place) % count] for place in range(count))
            if server.name not in workload.without
        ]
