"""A soak test: the requests of twenty minutes, sent at full speed through seven kinds of upstream failure."""

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.soak.load import Clients
from tests.soak.storms import STORMS, StormyAws, stormy_aws
from tests.support.processes import BIN, Started, environment, started

# In all, about 30 requests per second for twenty minutes.
ROUNDS = 4
REQUESTS_IN_A_STORM = 400
REQUESTS_AFTER_IT = 900
CLIENTS = 24
# Allowed growth: megabytes, and open files.
MOST_GROWTH_MB = 40
MOST_FILES_MORE = 12
# The circuit breaker's longest pause, a probe that runs into its timeout, and a margin.
HEALING_SECONDS = 35

logger = logging.getLogger(__name__)


class Watched:
    """The process of the gateway. `errors` holds the log lines of level error and critical."""

    def __init__(self, serve: Started) -> None:
        self.url = serve.lines[0].split()[1].removesuffix("/graphql")
        self.errors: list[str] = []
        self._lines = serve.process.stdout
        self._proc = Path(f"/proc/{serve.process.pid}")

    def read_log(self) -> None:
        """Read the log to its end. If the log is not read, the pipe fills up and blocks the process."""
        for line in self._lines or ():
            if json.loads(line)["level"] in {"error", "critical"}:
                self.errors.append(line)

    def megabytes(self) -> float:
        """Return the resident memory."""
        [kilobytes] = [
            int(line.split()[1])
            for line in (self._proc / "status").read_text().splitlines()
            if line.startswith("VmRSS:")
        ]
        return kilobytes / 1024

    def open_files(self) -> int:
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208  # Only the count of names is needed.


@contextmanager
def gateway_over(aws: StormyAws, home: Path) -> Iterator[Watched]:
    """Run `chime-gateway serve` with its defaults, except for a short request timeout and a short cache TTL."""
    variables: dict[str, Any] = {
        **aws.variables,
        "AWS_REGION": "us-east-1",
        "GATEWAY_CACHE_TTL_SECONDS": "2",
        "GATEWAY_REQUEST_TIMEOUT_SECONDS": "2",
    }
    command = (str(BIN / "chime-gateway"), "serve", "--port", "0")
    with started(*command, env=environment(home, **variables), lines=3) as serve:
        watched = Watched(serve)
        reading = threading.Thread(target=watched.read_log)
        reading.start()
        try:
            yield watched
        finally:
            serve.process.terminate()
            reading.join()
        assert serve.process.wait(20) == 0


@pytest.mark.slow
async def test_mixed_load_through_upstream_failures_leaks_no_memory_and_no_files(tmp_path: Path) -> None:
    """The option `--log-cli-level=INFO` shows the progress."""
    with stormy_aws() as aws, gateway_over(aws, tmp_path) as gateway:
        begun_with = gateway.open_files()
        held: list[float] = []
        for turn in range(ROUNDS):
            limits = httpx.Limits(max_connections=2 * CLIENTS)
            async with httpx.AsyncClient(base_url=gateway.url, timeout=30, limits=limits) as http:
                clients = Clients(http, seed=turn)
                await clients.read_account()
                for storm, begins in STORMS.items():
                    begins(aws)
                    await clients.send(REQUESTS_IN_A_STORM, at_once=CLIENTS)
                    aws.ends_failures()
                    async with asyncio.timeout(HEALING_SECONDS):
                        while not await clients.all_is_well():  # noqa: ASYNC110  # There is no event to wait for.
                            await asyncio.sleep(0.2)
                    await clients.send(REQUESTS_AFTER_IT, at_once=CLIENTS)
                    size = f"{gateway.megabytes():.0f} MB, {gateway.open_files()} files, {aws.came} calls"
                    logger.info("after %s: %s, %s", storm, size, clients)
                assert clients.responses["OK"] > clients.sent / 2
                assert min(clients.walked, clients.left) > 30
            held.append(gateway.megabytes())
        # The first round fills the bounded caches.
        assert held[-1] - held[0] <= MOST_GROWTH_MB, held
        async with asyncio.timeout(HEALING_SECONDS):
            while gateway.open_files() > begun_with + MOST_FILES_MORE:  # noqa: ASYNC110  # No event.
                await asyncio.sleep(0.2)
        assert gateway.errors == []
