"""The link to Redis: what a broken, slow or lying one costs, and how it is found to be well again."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from gateway.redis_link import RedisLink, RedisUnavailable
from tests.redis_server import RedisServer, redis_server


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server(password="open, sesame/@") as running:
        yield running


async def refused(link: RedisLink) -> bool:
    try:
        await link.ask("PING")
    except RedisUnavailable:
        return True
    return False


async def test_commands_asked_at_once_each_get_their_own_reply(server: RedisServer) -> None:
    link = RedisLink(server.url)
    async with link.open():
        replies = await asyncio.gather(*(link.ask("ECHO", f"{each}" * 1000) for each in range(100)))
        assert replies == [(f"{each}" * 1000).encode() for each in range(100)]


async def test_a_caller_that_leaves_takes_nobody_elses_reply(server: RedisServer) -> None:
    link = RedisLink(server.url)
    async with link.open():
        asked = [asyncio.create_task(link.ask("ECHO", each)) for each in range(50)]
        await asyncio.sleep(0)
        for leaving in asked[::2]:
            leaving.cancel()
        assert await asyncio.gather(*asked[1::2]) == [b"%d" % each for each in range(1, 50, 2)]
        assert await link.ask("ECHO", "after") == b"after"


async def test_all_who_wait_for_a_hung_redis_fail_together_and_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server() as own:
        link = RedisLink(own.url)
        async with asyncio.timeout(30), link.open():
            own.process.send_signal(signal.SIGSTOP)
            ended: list[int] = []

            async def ask(number: int) -> None:
                assert await refused(link)
                ended.append(number)

            first = asyncio.create_task(ask(0))
            await asyncio.sleep(0.1)
            later = [asyncio.create_task(ask(number)) for number in range(1, 100)]
            await first
            await asyncio.sleep(0)
            assert len(ended) == 100
            await asyncio.gather(*later)
            assert await refused(link)
            own.process.send_signal(signal.SIGCONT)
            while await refused(link):  # noqa: ASYNC110  # It says so to nobody.
                await asyncio.sleep(0.05)
    assert [record.message.rpartition(" ")[2] for record in caplog.records] == ["time", "back"]
