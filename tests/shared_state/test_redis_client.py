"""The Redis client: the cost of a Redis that is broken, slow or wrong, and how the client finds that it recovered."""

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import read_settings
from gateway.shared_state.redis_client import RedisClient, RedisUnavailable
from tests.support.clock import Clock
from tests.support.redis_server import RedisServer, pretending, redis_server, well_until_asked


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server(password="open, sesame/@") as running:
        yield running


@asynccontextmanager
async def connected(url: str, clock: Clock | None = None) -> AsyncIterator[RedisClient]:
    """Open a client and wait until it is connected. Replies take no time unless a test moves the client's clock."""
    client = RedisClient(url, clock or Clock())
    async with client.open(), asyncio.timeout(30):
        await until_healthy(client)
        yield client


async def until_healthy(client: RedisClient) -> None:
    while client.healthy_since == math.inf:  # noqa: ASYNC110  # The client sends no event.
        await asyncio.sleep(0.01)


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the client's log messages, without those of servers that other tests have left to end."""
    return [record.message for record in caplog.records if record.module == "redis_client"]


async def is_unavailable(client: RedisClient) -> bool:
    try:
        await client.execute("PING")
    except RedisUnavailable:
        return True
    return False


async def test_concurrent_commands_each_get_their_own_reply(server: RedisServer) -> None:
    async with connected(server.url) as client:
        replies = await asyncio.gather(*(client.execute("ECHO", f"{each}" * 1000) for each in range(100)))
        assert replies == [(f"{each}" * 1000).encode() for each in range(100)]


async def test_a_cancelled_command_does_not_shift_the_replies_of_others(server: RedisServer) -> None:
    async with connected(server.url) as client:
        commands = [asyncio.create_task(client.execute("ECHO", each)) for each in range(50)]
        await asyncio.sleep(0)
        for leaving in commands[::2]:
            leaving.cancel()
        assert await asyncio.gather(*commands[1::2]) == [b"%d" % each for each in range(1, 50, 2)]
        assert await client.execute("ECHO", "after") == b"after"


async def test_all_commands_that_wait_for_a_hung_redis_fail_together_and_it_recovers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server() as own:
        async with connected(own.url) as client:
            own.process.send_signal(signal.SIGSTOP)
            ended: list[int] = []

            async def execute(number: int) -> None:
                assert await is_unavailable(client)
                ended.append(number)

            first = asyncio.create_task(execute(0))
            await asyncio.sleep(0.1)
            later = [asyncio.create_task(execute(number)) for number in range(1, 100)]
            await first
            await asyncio.sleep(0)
            assert len(ended) == 100
            await asyncio.gather(*later)
            assert await is_unavailable(client)
            assert repr(client) == "<RedisClient unavailable pending=0 used=0>"
            own.process.send_signal(signal.SIGCONT)
            await until_healthy(client)
            assert not await is_unavailable(client)
    assert messages(caplog) == [
        "Redis is not used until it recovers: it did not reply in time (GATEWAY_REDIS_URL).",
        "Redis is available again (GATEWAY_REDIS_URL).",
    ]


async def test_a_slow_redis_is_unavailable_after_a_few_commands() -> None:
    """Each reply comes before its timeout, but together the replies cost no more than one that never comes."""
    clock = Clock()

    def late(_command: bytes) -> bytes:
        clock.moves(0.1)
        return b"+PONG\r\n"

    with pretending(well_until_asked(late)) as url:
        async with connected(url, clock) as client:
            outcomes = [await is_unavailable(client) for _ in range(20)]
    assert outcomes[0] is False
    assert 1 <= outcomes.index(True) <= 4
    assert all(outcomes[outcomes.index(True) :])


async def test_a_redis_that_is_slow_from_the_start_is_not_used() -> None:
    clock = Clock()
    redis = well_until_asked(lambda _command: b"+PONG\r\n")

    def late(command: bytes) -> bytes:
        clock.moves(0.03)
        return redis(command)

    with pretending(late) as url:
        client = RedisClient(url, clock)
        async with client.open():
            assert await is_unavailable(client)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"-ERR no\r\n", "ResponseError"),
        (b"+PONG\r\n+PONG\r\n", "it sent a reply without a command"),
        (b"$abc\r\n", "ValueError"),
        (b"@\r\n", "InvalidResponse"),
        (b"*1\r\n" * 5_000, "RecursionError"),
    ],
)
async def test_after_an_error_or_rubbish_no_command_is_sent(
    reply: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[bytes] = []

    def wrong(command: bytes) -> bytes:
        received.append(command)
        return reply

    with pretending(well_until_asked(wrong)) as url:
        async with connected(url) as client:
            while not await is_unavailable(client):  # noqa: ASYNC110  # A reply too many is noticed only when it is read.
                await asyncio.sleep(0.01)
            commands = len(received)
            assert [await is_unavailable(client) for _ in range(20)] == [True] * 20
            await asyncio.sleep(0.05)
    assert len(received) == commands
    [message] = messages(caplog)
    # The message contains neither the error's text nor the host.
    assert message == f"Redis is not used until it recovers: {reason} (GATEWAY_REDIS_URL)."


async def test_a_redis_that_does_not_return_a_stored_value_gets_no_commands() -> None:
    received: list[bytes] = []

    def ok(command: bytes) -> bytes:
        received.append(command.split(b"\r\n")[2])
        return b"+OK\r\n"

    with pretending(ok) as url:
        client = RedisClient(url, Clock())
        async with client.open():
            assert await is_unavailable(client)
    assert received == [b"SET", b"GET"]


async def test_an_unhealthy_redis_gets_no_commands(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(server.url) as client:
        assert not await is_unavailable(client)
        client.mark_unhealthy("it lied")
        client.mark_unhealthy("it lied again")
        assert await is_unavailable(client)
        client.execute_nowait("SET", "any", "thing")
        await asyncio.sleep(0.05)
    assert [message.rpartition(": ")[2] for message in messages(caplog)] == ["it lied (GATEWAY_REDIS_URL)."]


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
def test_an_invalid_url_is_rejected_at_start_up_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"GATEWAY_REDIS_URL: .*a URL such as redis://host:6379/0") as refusal:
        read_settings(redis_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [("", None), ("memory://", None), ("valkey://a:1/2", "redis://a:1/2"), ("valkeys://a:1", "rediss://a:1")],
)
def test_valkey_schemes_and_values_for_no_redis_are_accepted(given: str, url: str | None) -> None:
    redis_url = read_settings(redis_url=given).redis_url
    assert (redis_url and redis_url.get_secret_value()) == url
