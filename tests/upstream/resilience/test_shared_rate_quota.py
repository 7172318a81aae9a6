"""A rate limit shared through Redis: never exceeded, whole for a single process, and divided without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.shared_state.redis_client import RedisClient, RedisUnavailable
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.rate_quota import RateLimiter
from gateway.upstream.resilience.shared_rate_quota import ALL_RECONNECTED_SECONDS, SharedRateLimiter
from tests.support.clock import Clock
from tests.support.processes import free_port
from tests.support.redis_server import RedisServer, healthy_for_get_and_set, pretending, redis_server

UPSTREAM = "chime us-east-1"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    with server.client() as client:
        client.flushall()
        client.config_resetstat()
    return server


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[RedisClient]:
    link = RedisClient(url)
    async with link.open():
        yield link


def trips(server: RedisServer) -> int:
    """Return how many times Redis was called for permits."""
    with server.client() as client:
        return int(client.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"])


async def acquire(limiter: SharedRateLimiter, count: int) -> float:
    """Take one permit and return 0, or return the seconds to wait. If none is at hand, fetch up to `count`."""
    if limiter.wait != 0:
        await limiter.fetch(count)
    wait = limiter.wait
    assert wait is not None
    if wait == 0:
        limiter.acquire()
    return wait


async def acquire_all(limiter: SharedRateLimiter, permits: int, count: int) -> None:
    while permits > 0:
        wait = await acquire(limiter, count)
        await asyncio.sleep(wait)
        permits -= wait == 0


@pytest.mark.parametrize("count", [1, 20])
async def test_processes_together_stay_within_the_rate(redis: RedisServer, count: int) -> None:
    """The limit holds for permits fetched one by one and for permits fetched together.

    Redis's own clock counts, by which the time is measured too. At 200 a second, and a twentieth of a second's permits
    in the full bucket, 150 permits take at least 0.695 s.
    """
    async with linked(redis.url) as one, linked(redis.url) as other:
        limiters = [SharedRateLimiter(200, 3, link, UPSTREAM) for link in (one, one, other)]
        began = redis_time(redis)
        await asyncio.gather(*(acquire_all(limiter, 50, count) for limiter in limiters))
        # Permits that were fetched together and expired are lost, which only makes it longer.
        assert redis_time(redis) - began >= (150 - 1) / 200 - 0.05


def redis_time(server: RedisServer) -> float:
    with server.client() as client:
        seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)


async def test_a_single_process_may_use_the_whole_rate(redis: RedisServer) -> None:
    """Its own share would take 99 seconds."""
    async with linked(redis.url) as link, asyncio.timeout(30):
        await acquire_all(SharedRateLimiter(500, 500, link, UPSTREAM), 100, 1)


async def test_a_process_that_wants_little_gets_it_beside_one_that_wants_everything(redis: RedisServer) -> None:
    async with linked(redis.url) as link, asyncio.timeout(30):
        greedy = asyncio.create_task(acquire_all(SharedRateLimiter(100, 2, link, UPSTREAM), 100_000, 64))
        await asyncio.sleep(0.1)
        await acquire_all(SharedRateLimiter(100, 2, link, UPSTREAM), 5, 1)
        greedy.cancel()


async def test_permits_for_all_waiting_calls_cost_one_round_trip_and_expire_soon(redis: RedisServer) -> None:
    clock = Clock()
    async with linked(redis.url) as link:
        limiter = SharedRateLimiter(400, 1, link, UPSTREAM, clock)
        assert [await acquire(limiter, 10 - taken) for taken in range(10)] == [0] * 10
        assert trips(redis) == 1
        assert [await acquire(limiter, 5), trips(redis)] == [0, 2]
        clock.moves(0.049)
        assert [await acquire(limiter, 4), trips(redis)] == [0, 2]
        clock.moves(0.002)
        await acquire(limiter, 3)
        assert trips(redis) == 3


async def test_an_empty_bucket_reports_how_long_to_wait(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        limiter = SharedRateLimiter(0.02, 1, link, UPSTREAM, Clock())
        assert await acquire(limiter, 100) == 0
        assert 20 < await acquire(limiter, 100) < 50
        with redis.client() as client:
            [name] = client.scan_iter("chime-gateway:quota:*")
            # The key expires by itself, and its name does not show the region.
            assert 0 < client.pttl(name) <= 50_000
        assert b"east" not in name


async def test_each_upstream_has_a_limit_of_its_own(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        limiters = [SharedRateLimiter(0.02, 1, link, each) for each in (UPSTREAM, "chime eu-west-1", UPSTREAM)]
        assert [await acquire(limiter, 1) > 0 for limiter in limiters] == [False, False, True]


async def test_the_queue_fetches_as_many_permits_as_calls_wait_for_with_capacity() -> None:
    fetched: list[int] = []

    class SinglePermits(RateLimiter):
        """A limiter that fetches one permit at a time, however many it is called for."""

        rate = 1_000.0
        wait: float | None = None

        def acquire(self) -> None:
            self.wait = None

        async def fetch(self, count: int) -> None:
            fetched.append(count)
            self.wait = 0.0

    class Call:
        deadline = asyncio.get_running_loop().time() + 60

    queue = FairQueue(["A"], 3, [AdaptiveRateLimiter(Clock()), SinglePermits()])
    acquiring = [asyncio.create_task(queue.acquire("A", None, Call())) for _ in range(5)]
    await asyncio.wait(acquiring[:3])
    assert fetched == [3, 2, 1]
    queue.release("A")
    await acquiring[3]
    queue.release("A")
    await acquiring[4]
    assert fetched == [3, 2, 1, 1, 1]


async def test_each_process_uses_its_share_without_redis_and_until_all_have_reconnected() -> None:
    """A replica that has not reconnected uses its share uncounted, so the others must leave it that share."""
    port, clock = free_port(), Clock()
    clock.now = time.monotonic()
    with redis_server(port) as first:
        async with asyncio.timeout(60), linked(first.url) as link:
            limiter = SharedRateLimiter(0.2, 2, link, UPSTREAM, clock)
            assert [limiter.rate, await acquire(limiter, 1)] == [0.2, 0]
            first.process.kill()
            first.process.wait()
            clock.moves(1)
            assert await acquire(limiter, 1) == 0
            # The interval of a share less the time that a call may be late.
            assert [limiter.rate, await acquire(limiter, 1)] == [0.1, pytest.approx(9.95)]
            assert repr(limiter) == "<SharedRateLimiter rate=0.1 by=share permits=0>"
            with redis_server(port) as again:
                while link.healthy_since > time.monotonic():
                    # A command that fails starts a probe when the circuit breaker allows one.
                    with suppress(RedisUnavailable):
                        await link.execute("PING")
                    await asyncio.sleep(0.05)
                clock.now = time.monotonic() + 15
                async with linked(again.url) as other:
                    assert await acquire(SharedRateLimiter(0.2, 2, other, UPSTREAM), 1) == 0
                # The process has a permit of its share. Redis has none left, so the process keeps its own.
                assert [await acquire(limiter, 1) > 0, trips(again)] == [True, 2]
                with again.client() as client:
                    client.flushall()
                assert [await acquire(limiter, 1), trips(again)] == [0, 3]
                assert [limiter.rate, await acquire(limiter, 1), trips(again)] == [0.1, pytest.approx(9.95), 3]
                clock.moves(ALL_RECONNECTED_SECONDS)
                await acquire(limiter, 1)
                assert [limiter.rate, trips(again)] == [0.2, 4]


@pytest.mark.parametrize("reply", [b":-1\r\n", b":99999999999999\r\n", b"+OK\r\n", b"*-1\r\n", b"HTTP/1.1\r\n"])
async def test_each_process_uses_its_share_if_redis_returns_impossible_replies(reply: bytes) -> None:
    clock = Clock()
    with pretending(healthy_for_get_and_set(lambda _requested: reply)) as url:
        async with linked(url) as link:
            limiter = SharedRateLimiter(10, 2, link, UPSTREAM, clock)
            clock.moves(1)
            assert await acquire(limiter, 5) == 0
            assert [limiter.rate, await acquire(limiter, 5)] == [5, pytest.approx(0.15)]
