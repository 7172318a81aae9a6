"""Twenty minutes' worth of all that clients ask, through seven kinds of storms, as fast as it goes."""

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

# Some 30 a second for twenty minutes.
ROUNDS = 4
REQUESTS_IN_A_STORM = 400
REQUESTS_AFTER_IT = 900
CLIENTS = 24
# What may be left of it all; megabytes, and open files.
MOST_GROWTH_MB = 40
MOST_FILES_MORE = 12
# The breaker's longest pause, a probe that hangs to its end, and to spare.
HEALING_SECONDS = 35

logger = logging.getLogger(__name__)


class Watched:
    """The gateway's process. errors: lines that it has logged as errors."""

    def __init__(self, serve: Started) -> None:
        self.url = serve.lines[0].split()[1].removesuffix("/graphql")
        self.errors: list[str] = []
        self._lines = serve.process.stdout
        self._proc = Path(f"/proc/{serve.process.pid}")

    def read_log(self) -> None:
        """Read its log as it comes, to its end; a log that nobody reads would stand still."""
        for line in self._lines or ():
            if json.loads(line)["level"] in {"error", "critical"}:
                self.errors.append(line)

    def megabytes(self) -> float:
        """Memory held now."""
        [kilobytes] = [
            int(line.split()[1])
            for line in (self._proc / "status").read_text().splitlines()
            if line.startswith("VmRSS:")
        ]
        return kilobytes / 1024

    def open_files(self) -> int:
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208  # Their names alone: they come and go.


@contextmanager
def gateway_over(aws: StormyAws, home: Path) -> Iterator[Watched]:
    """`chime-gateway serve` as it is by default, but for a deadline that hung calls soon come to."""
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
async def test_twenty_minutes_of_everything_leave_nothing_behind_and_lose_nothing(tmp_path: Path) -> None:
    """What there is to see of it while it runs: `--log-cli-level=INFO`."""
    with stormy_aws() as aws, gateway_over(aws, tmp_path) as gateway:
        begun_with = gateway.open_files()
        held: list[float] = []
        for turn in range(ROUNDS):
            limits = httpx.Limits(max_connections=2 * CLIENTS)
            async with httpx.AsyncClient(base_url=gateway.url, timeout=30, limits=limits) as http:
                clients = Clients(http, seed=turn)
                await clients.look_around()
                for storm, begins in STORMS.items():
                    begins(aws)
                    await clients.come(REQUESTS_IN_A_STORM, at_once=CLIENTS)
                    aws.clears_up()
                    async with asyncio.timeout(HEALING_SECONDS):
                        while not await clients.all_is_well():  # noqa: ASYNC110  # It tells nobody.
                            await asyncio.sleep(0.2)
                    await clients.come(REQUESTS_AFTER_IT, at_once=CLIENTS)
                    size = f"{gateway.megabytes():.0f} MB, {gateway.open_files()} files, {aws.came} calls"
                    logger.info("after %s: %s, %s", storm, size, clients)
                assert clients.answers["OK"] > clients.asked / 2
                assert min(clients.walked, clients.left) > 30
            held.append(gateway.megabytes())
        # The first round fills what is kept, to its bounds.
        assert held[-1] - held[0] <= MOST_GROWTH_MB, held
        async with asyncio.timeout(HEALING_SECONDS):
            while gateway.open_files() > begun_with + MOST_FILES_MORE:  # noqa: ASYNC110  # It tells nobody.
                await asyncio.sleep(0.2)
        assert gateway.errors == []
