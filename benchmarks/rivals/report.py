"""The measurements of a run, collected while it runs."""

import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from benchmarks.rivals.latency import Measured
from benchmarks.rivals.load import Sample
from benchmarks.rivals.servers import ROOT


class Walk(NamedTuple):
    """One walk through the whole inventory.

    Attributes:
        first_ms: CPU ms per page in the first tenth.
        last_ms: CPU ms per page in the last tenth.
        first_mb: Memory after the first tenth.
        last_mb: Memory after the last tenth.
        calls: Upstream calls.
    """

    first_ms: float
    last_ms: float
    first_mb: float
    last_mb: float
    calls: int


class Mixed(NamedTuple):
    """Memory in MB under mixed requests: after a tenth of them, after all of them, and the peak."""

    requests: int
    early_mb: float
    late_mb: float
    peak_mb: float


def commit(checkout: Path = ROOT) -> str:
    """Return the commit of a checkout, as git describes it."""
    try:
        git = ["git", "describe", "--always", "--dirty=, with changes"]
        return subprocess.run(git, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "an unknown commit"


@dataclass
class Report:
    """The results of a run.

    Attributes:
        samples: The samples of each workload on each server, one for each round.
        bare: CPU ms per call and calls per second of a bare client, one pair for each round.
        starts: Seconds to the first response of each server.
        peaks: Peak memory in MB of each server after a workload.
        latencies: The waits of each server, by scenario and upstream latency in ms.
        commit: The measured commit. It is read at the start, because a commit during the run would not be measured.
    """

    rounds: int
    seconds: float
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    bare: list[tuple[float, float]] = field(default_factory=list)
    starts: dict[str, float] = field(default_factory=dict)
    peaks: dict[tuple[str, str], float] = field(default_factory=dict)
    page_sizes: dict[str, dict[int, Sample]] = field(default_factory=dict)
    inventories: dict[str, dict[int, Sample]] = field(default_factory=dict)
    latencies: dict[tuple[str, int], dict[str, Measured]] = field(default_factory=dict)
    walks: list[Walk] = field(default_factory=list)
    mixed: Mixed | None = None
    notes: list[str] = field(default_factory=list)
    commit: str = field(default_factory=commit)

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)  # noqa: T201  # The output of the program.

    def note(self, line: str) -> None:
        """Print a line, and add it to the notes of the written report."""
        self.notes.append(line)
        self.say(line)

    def sample(self, workload: str, server: str, sample: Sample) -> None:
        """Store the sample of a round, and print it."""
        self.samples.setdefault((workload, server), []).append(sample)
        self.say(
            f"  {workload} {server:15} {sample.per_second:9,.1f}/s {sample.cpu_ms:8.2f} ms of CPU, "
            f"{sample.core_share:4.0%} of its core"
        )

    def servers(self, workload: str) -> list[str]:
        """Return the servers that were measured with a workload, in the order of their start."""
        return [server for name, server in self.samples if name == workload]

    def median(self, workload: str, server: str, what: Callable[[Sample], float]) -> float:
        """Return the median of all rounds."""
        return statistics.median(map(what, self.samples[workload, server]))

    def ours(self, workload: str, what: Callable[[Sample], float]) -> float:
        """Return our median, of the gateway without single flight if it was measured with this workload."""
        name = "ours, unshared" if (workload, "ours, unshared") in self.samples else "ours"
        return self.median(workload, name, what)
