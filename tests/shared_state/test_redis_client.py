"""The link to Redis: what a broken, slow or lying one costs, and how it is found to be well again."""

import asyncio
import signal
import time
from collections.abc import Iterator

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import read_settings
from gateway.shared_state.redis_client import RedisClient, RedisUnavailable
from tests.support.redis_server import RedisServer, pretending, redis_server, well_until_asked


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server(password="open, sesame/@") as running:
        yield running


async def refused(link: RedisClient) -> bool:
    try:
        await link.ask("PING")
    except RedisUnavailable:
        return True
    return False


async def test_commands_asked_at_once_each_get_their_own_reply(server: RedisServer) -> None:
    link = RedisClient(server.url)
    async with link.open():
        replies = await asyncio.gather(*(link.ask("ECHO", f"{each}" * 1000) for each in range(100)))
        assert replies == [(f"{each}" * 1000).encode() for each in range(100)]


async def test_a_caller_that_leaves_takes_nobody_elses_reply(server: RedisServer) -> None:
    link = RedisClient(server.url)
    async with link.open():
        asked = [asyncio.create_task(link.ask("ECHO", each)) for each in range(50)]
        await asyncio.sleep(0)
        for leaving in asked[::2]:
            leaving.cancel()
        assert await asyncio.gather(*asked[1::2]) == [b"%d" % each for each in range(1, 50, 2)]
        assert await link.ask("ECHO", "after") == b"after"


async def test_all_who_wait_for_a_hung_redis_fail_together_and_it_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    with redis_server() as own:
        link = RedisClient(own.url)
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


async def test_a_redis_that_is_slow_is_left_alone_after_a_few_commands() -> None:
    """Each of its replies comes before time is up; all together they cost no more than one that never comes."""

    def late(_asked: bytes) -> bytes:
        time.sleep(0.1)
        return b"+PONG\r\n"

    with pretending(well_until_asked(late)) as url:
        link = RedisClient(url)
        async with link.open():
            outcomes = [await refused(link) for _ in range(20)]
    assert outcomes[0] is False
    assert 1 <= outcomes.index(True) <= 4
    assert all(outcomes[outcomes.index(True) :])


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"-ERR no\r\n", "ResponseError"),
        (b"+PONG\r\n+PONG\r\n", "it answers what it was not asked"),
        (b"$abc\r\n", "ValueError"),
        (b"@\r\n", "InvalidResponse"),
        (b"*1\r\n" * 5_000, "RecursionError"),
    ],
)
async def test_after_an_error_or_rubbish_nothing_more_is_asked(
    reply: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[bytes] = []

    def wrong(command: bytes) -> bytes:
        asked.append(command)
        return reply

    with pretending(well_until_asked(wrong)) as url:
        link = RedisClient(url)
        async with link.open():
            while not await refused(link):  # noqa: ASYNC110  # A reply too many is only noticed when it is read.
                await asyncio.sleep(0.01)
            commands = len(asked)
            assert [await refused(link) for _ in range(20)] == [True] * 20
            await asyncio.sleep(0.05)
    assert len(asked) == commands
    [record] = caplog.records
    # Neither its words nor where it is.
    assert record.message == f"Redis, at GATEWAY_REDIS_URL, is left alone until it is well: {said}"


async def test_what_does_not_keep_what_it_is_given_is_asked_nothing() -> None:
    asked: list[bytes] = []

    def all_is_well(command: bytes) -> bytes:
        asked.append(command.split(b"\r\n")[2])
        return b"+OK\r\n"

    with pretending(all_is_well) as url:
        link = RedisClient(url)
        async with link.open():
            assert await refused(link)
    assert asked == [b"SET", b"GET"]


async def test_what_is_distrusted_is_left_alone(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    link = RedisClient(server.url)
    async with link.open():
        assert not await refused(link)
        link.mark_unhealthy("it lied")
        link.mark_unhealthy("it lied again")
        assert await refused(link)
        link.tell("SET", "any", "thing")
        await asyncio.sleep(0.05)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ["it lied"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:6379/0",
        "redis://",
        "redis://:hunter2/x@127.0.0.1:6379/0",
        "redis://:hunter2@127.0.0.1:99999/0",
        "redis://:hunter2@127.0.0.1/zero",
        "redis://:hunter2@127.0.0.1/0?socket_timeout=0",
    ],
)
def test_a_url_that_names_no_redis_is_refused_at_start_up_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"GATEWAY_REDIS_URL: .*a URL such as redis://host:6379/0") as refusal:
        read_settings(redis_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [("", None), ("memory://", None), ("valkey://a:1/2", "redis://a:1/2"), ("valkeys://a:1", "rediss://a:1")],
)
def test_valkeys_own_schemes_and_words_for_none_are_understood(given: str, url: str | None) -> None:
    redis_url = read_settings(redis_url=given).redis_url
    assert (redis_url and redis_url.get_secret_value()) == url
