"""A fleet for tests: replicas in processes of their own, with one Redis and one emulator that throttles."""

import asyncio
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx

from tests.fleet.counting_proxy import CountingProxy, counting_proxy
from tests.support.processes import BIN, Started, environment, started
from tests.support.redis_server import RedisServer, redis_server

COMMAND = str(BIN / "chime-gateway")
REPLICAS = 3
# Upstream calls per second of the whole fleet. The emulator throttles at a quarter more.
RATE = 60
INVENTORY = 1_000
# Calls allowed beyond 1.1 times the rate: late calls, and one call of each process.
BURST = RATE * 0.05 + REPLICAS

NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"
ALL = "{ phoneNumbers(first: 1000) { nodes { e164PhoneNumber } pageInfo { hasNextPage } } }"


class Replica:
    """A running gateway. `process` is its process, or the parent of its workers."""

    def __init__(self, started: Started) -> None:
        self.process = started.process
        stdout = self.process.stdout
        assert stdout is not None
        self.url = next(line.split()[1] for line in stdout if line.startswith("GraphQL"))
        # If the log is not read, the pipe fills up and blocks the process.
        threading.Thread(target=_drain, args=(stdout,), daemon=True).start()


def _drain(log: IO[str]) -> None:
    # Reading raises ValueError when the pipe is closed at the end of the process.
    with suppress(ValueError):
        for _ in log:
            pass


class Fleet:
    """Replicas and their Redis, all of which a test may kill.

    Attributes:
        proxy: The proxy between the replicas and the emulator.
        numbers: The inventory, in its order.
    """

    def __init__(self, home: Path, proxy: CountingProxy, running: ExitStack) -> None:
        self.proxy = proxy
        self.redis: RedisServer = running.enter_context(redis_server())
        self.numbers: list[str] = []
        self._replicas: list[Replica] = []
        self._env = environment(
            home,
            AWS_ACCESS_KEY_ID="local",
            AWS_SECRET_ACCESS_KEY="local",
            GATEWAY_UPSTREAM_API="chime",
            GATEWAY_UPSTREAM_ENDPOINT_URL=proxy.url,
            GATEWAY_UPSTREAM_RATE_LIMIT=str(RATE),
            GATEWAY_REPLICAS=str(REPLICAS),
            GATEWAY_REDIS_URL=self.redis.url,
            GATEWAY_CURSOR_KEYS=b64encode(b"of all replicas, and 32 bytes it").decode(),
        )
        self._running = running

    @property
    def urls(self) -> list[str]:
        """Return the URL of each replica."""
        return [replica.url for replica in self._replicas]

    def starts(self, *options: str) -> Replica:
        """Start one more replica, which `urls` does not list."""
        command = (COMMAND, "serve", "--port", "0", *options)
        return Replica(self._running.enter_context(started(*command, env=self._env, lines=0)))

    def starts_replicas(self) -> None:
        """Replace the replicas that were killed."""
        alive = [replica for replica in self._replicas if replica.process.poll() is None]
        with ThreadPoolExecutor(REPLICAS) as starting:
            new = list(starting.map(lambda _: self.starts(), range(REPLICAS - len(alive))))
        self._replicas = alive + new

    def starts_redis(self) -> None:
        """Start an empty Redis on the same port if it was killed."""
        if self.redis.process.poll() is not None:
            self.redis = self._running.enter_context(redis_server(self.redis.port))

    def kills_replica(self, index: int) -> None:
        self._replicas[index].process.kill()
        self._replicas[index].process.wait()

    def kills_redis(self) -> None:
        self.redis.process.kill()
        self.redis.process.wait()


@contextmanager
def fleet_over_one_emulator(home: Path) -> Iterator[Fleet]:
    emulator = (COMMAND, "emulator", "--port", "0", "--numbers", str(INVENTORY), "--rate", str(RATE * 5 // 4))
    with ExitStack() as running:
        emulating = running.enter_context(started(*emulator, env=environment(home), lines=1))
        [url] = re.findall(r"http://127\.0\.0\.1:\d+", emulating.lines[0])
        fleet = Fleet(home, running.enter_context(counting_proxy(url)), running)
        fleet.starts_replicas()
        listed = httpx.post(fleet.urls[0], json={"query": ALL}, timeout=30).json()["data"]["phoneNumbers"]
        assert not listed["pageInfo"]["hasNextPage"]
        fleet.numbers = [node["e164PhoneNumber"] for node in listed["nodes"]]
        assert len(set(fleet.numbers)) == INVENTORY
        yield fleet


class Clients:
    """Clients that request one number after another until the block ends, each over a connection of its own.

    Each client uses the replicas in turn. If a replica does not respond, the client uses the next one.

    Attributes:
        responded: Correct responses so far.
        retried: Number of requests to which a replica did not respond.
    """

    def __init__(self, fleet: Fleet, urls: Sequence[str], count: int = 24, *, keep_alive: bool = True) -> None:
        self.responded = 0
        self.retried = 0
        self._fleet = fleet
        self._urls = urls
        self._count = count
        self._keep_alive = None if keep_alive else 0
        self._asking: list[asyncio.Task[None]] = []
        self._leaving = False
        self._calls_before = 0
        self._began = 0.0

    async def __aenter__(self) -> "Clients":
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._keep_alive)
        self._http = httpx.AsyncClient(limits=limits, timeout=30)
        self._calls_before, self._began = self._fleet.proxy.requests, time.monotonic()
        self._asking = [asyncio.create_task(self._run_client(client)) for client in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        # Requests in flight would count as calls of the next clients, so wait for their responses.
        self._leaving = True
        await asyncio.gather(*self._asking)
        await self._http.aclose()
        self.stay_under(RATE)

    @property
    def calls(self) -> int:
        """Return the number of upstream calls since the start of the clients."""
        return self._fleet.proxy.requests - self._calls_before

    def stay_under(self, rate: float) -> None:
        """Check that the upstream calls so far are within 1.1 times the rate."""
        calls = self.calls
        assert calls <= 1.1 * rate * (time.monotonic() - self._began) + BURST

    async def wait_for_responses(self, more: int) -> None:
        """Wait for so many more responses. Fail after a minute."""
        wanted = self.responded + more
        async with asyncio.timeout(60):
            while self.responded < wanted:
                self._raise_client_errors()
                await asyncio.sleep(0.02)

    async def reach(self, rate: float) -> None:
        """Wait for a second with so many upstream calls. A busy machine may need several attempts."""
        for _ in range(60):
            calls, began = self.calls, time.monotonic()
            await asyncio.sleep(1)
            self._raise_client_errors()
            self.stay_under(RATE)
            if self.calls - calls >= rate * (time.monotonic() - began):
                return
        raise AssertionError(f"no second of a minute had {rate} upstream calls")

    def _raise_client_errors(self) -> None:
        for each in self._asking:
            if each.done():
                each.result()

    async def _run_client(self, client: int) -> None:
        numbers, turn = self._fleet.numbers, client
        while not self._leaving:
            number = numbers[turn * 7 % len(numbers)]
            response = await self._execute(turn, {"query": NUMBER, "variables": {"number": number}})
            assert response == {"data": {"phoneNumber": {"e164PhoneNumber": number}}}, response
            self.responded += 1
            turn += self._count + 1

    async def _execute(self, turn: int, body: dict[str, Any]) -> Any:
        for attempt in range(len(self._urls)):
            url = self._urls[(turn + attempt) % len(self._urls)]
            try:
                return (await self._http.post(url, json=body)).json()
            except httpx.TransportError:
                self.retried += 1
        raise AssertionError("no replica responded")
