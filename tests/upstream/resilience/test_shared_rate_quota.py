"""A quota that processes keep together by Redis: never exceeded, whole for one alone, and by shares without Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.shared_state.redis_client import RedisClient
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.shared_rate_quota import ALL_BACK_SECONDS, SharedRateLimiter
from tests.support.clock import Clock
from tests.support.processes import free_port
from tests.support.redis_server import RedisServer, pretending, redis_server, well_until_asked

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
    """How often Redis was asked for permits."""
    with server.client() as client:
        return int(client.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"])


async def take(quota: SharedRateLimiter, permits: int, wanted: int) -> None:
    while permits > 0:
        wait = await quota.permit(wanted)
        await asyncio.sleep(wait)
        permits -= wait == 0


@pytest.mark.parametrize("wanted", [1, 20])
async def test_processes_together_stay_under_the_rate(redis: RedisServer, wanted: int) -> None:
    """Whether each permit is fetched by itself or with others: 200 a second, and a twentieth of a second's at once."""
    async with linked(redis.url) as one, linked(redis.url) as other:
        quotas = [SharedRateLimiter(200, 3, link, UPSTREAM) for link in (one, one, other)]
        began = time.monotonic()
        await asyncio.gather(*(take(quota, 50, wanted) for quota in quotas))
        # What was fetched with another and came late is lost, which only makes it longer.
        assert time.monotonic() - began >= (150 - 1) / 200 - 0.05


async def test_one_process_alone_may_use_the_whole_rate(redis: RedisServer) -> None:
    """Its own share would take 99 seconds."""
    async with linked(redis.url) as link, asyncio.timeout(30):
        await take(SharedRateLimiter(500, 500, link, UPSTREAM), 100, 1)


async def test_one_that_wants_little_gets_it_beside_one_that_wants_all(redis: RedisServer) -> None:
    async with linked(redis.url) as link, asyncio.timeout(30):
        greedy = asyncio.create_task(take(SharedRateLimiter(100, 2, link, UPSTREAM), 100_000, 64))
        await asyncio.sleep(0.1)
        await take(SharedRateLimiter(100, 2, link, UPSTREAM), 5, 1)
        greedy.cancel()


async def test_permits_for_all_that_wait_come_in_one_trip_and_are_used_soon_or_never(redis: RedisServer) -> None:
    clock = Clock()
    async with linked(redis.url) as link:
        quota = SharedRateLimiter(400, 1, link, UPSTREAM, clock)
        assert [await quota.permit(10 - taken) for taken in range(10)] == [0] * 10
        assert trips(redis) == 1
        assert [await quota.permit(5), trips(redis)] == [0, 2]
        clock.moves(0.049)
        assert [await quota.permit(4), trips(redis)] == [0, 2]
        clock.moves(0.002)
        await quota.permit(3)
        assert trips(redis) == 3


async def test_no_more_is_fetched_than_there_is_and_who_is_refused_is_told_how_long_to_wait(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        quota = SharedRateLimiter(0.02, 1, link, UPSTREAM, Clock())
        assert await quota.permit(100) == 0
        assert 20 < await quota.permit(100) < 50
        with redis.client() as client:
            [name] = client.scan_iter("chime-gateway:quota:*")
            # It goes by itself, and tells of no region.
            assert 0 < client.pttl(name) <= 50_000
        assert b"east" not in name


async def test_each_upstream_has_a_quota_of_its_own(redis: RedisServer) -> None:
    async with linked(redis.url) as link:
        quotas = [SharedRateLimiter(0.02, 1, link, each) for each in (UPSTREAM, "chime eu-west-1", UPSTREAM)]
        assert [await quota.permit(1) > 0 for quota in quotas] == [False, False, True]


async def test_fetched_are_as_many_as_wait_for_which_there_is_room() -> None:
    asked: list[int] = []

    class Noting:
        rate = 1_000.0

        async def permit(self, wanted: int) -> float:
            asked.append(wanted)
            return 0.0

    class Patient:
        deadline = asyncio.get_running_loop().time() + 60

    turns = FairQueue(["A"], 3, AdaptiveRateLimiter(Clock()), Noting())
    taking = [asyncio.create_task(turns.take("A", Requester(deadline=0), Patient())) for _ in range(5)]
    await asyncio.wait(taking[:3])
    assert asked == [3, 2, 1]
    turns.give_back("A")
    await taking[3]
    turns.give_back("A")
    await taking[4]
    assert asked == [3, 2, 1, 1, 1]


async def test_each_takes_its_share_without_redis_and_the_whole_only_when_all_must_be_back() -> None:
    """A replica that has not found Redis again takes its share uncounted: the others must leave it that."""
    port, clock = free_port(), Clock()
    clock.now = time.monotonic()
    with redis_server(port) as first:
        async with asyncio.timeout(60), linked(first.url) as link:
            quota = SharedRateLimiter(0.2, 2, link, UPSTREAM, clock)
            assert [quota.rate, await quota.permit(1)] == [0.2, 0]
            first.process.kill()
            first.process.wait()
            clock.moves(1)
            assert await quota.permit(1) == 0
            # All but the time that a call may be late.
            assert [quota.rate, await quota.permit(1)] == [0.1, pytest.approx(9.95)]
            with redis_server(port) as again:
                while link.healthy_since > time.monotonic():  # noqa: ASYNC110  # It says so to nobody.
                    await asyncio.sleep(0.05)
                clock.now = time.monotonic() + 15
                async with linked(again.url) as other:
                    assert await SharedRateLimiter(0.2, 2, other, UPSTREAM).permit(1) == 0
                # It has one of its share, for which nothing is left in Redis; that one it keeps.
                assert [await quota.permit(1) > 0, trips(again)] == [True, 2]
                with again.client() as client:
                    client.flushall()
                assert [await quota.permit(1), trips(again)] == [0, 3]
                assert [quota.rate, await quota.permit(1), trips(again)] == [0.1, pytest.approx(9.95), 3]
                clock.moves(ALL_BACK_SECONDS)
                await quota.permit(1)
                assert [quota.rate, trips(again)] == [0.2, 4]


@pytest.mark.parametrize("reply", [b":-1\r\n", b":99999999999999\r\n", b"+OK\r\n", b"*-1\r\n", b"HTTP/1.1\r\n"])
async def test_a_redis_that_does_not_count_leaves_each_its_share(reply: bytes) -> None:
    clock = Clock()
    with pretending(well_until_asked(lambda _asked: reply)) as url:
        async with linked(url) as link:
            quota = SharedRateLimiter(10, 2, link, UPSTREAM, clock)
            clock.moves(1)
            assert await quota.permit(5) == 0
            assert [quota.rate, await quota.permit(5)] == [5, pytest.approx(0.15)]
