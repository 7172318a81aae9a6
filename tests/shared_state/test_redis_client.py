"""The Redis client: the cost of a Redis that is broken, slow or wrong, and how the client finds that it recovered."""

import asyncio
import logging
import math
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.errors import ConfigurationError
from gateway.settings import read_settings
from gateway.shared_state.circuit_breaker import FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS
from gateway.shared_state.redis_client import (
    MAX_CONNECTIONS,
    PROBE_SECONDS,
    TIMEOUT_SECONDS,
    RedisClient,
    RedisUnavailable,
)
from tests.support.clock import Clock
from tests.support.processes import free_port
from tests.support.redis_server import RedisServer, Reply, healthy_for_get_and_set, pretending, redis_server
from tests.support.tls import self_signed


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server(password="open, sesame/@") as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the time for which Redis is not used."""
    return Clock()


@asynccontextmanager
async def connected(
    url: str, idle_clock: Clock | None = None, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[RedisClient]:
    """Open a client and wait until it is connected. Replies take no time unless a test moves the idle clock."""
    client = RedisClient(url, idle_clock or Clock(), clock)
    async with client.open():
        await until_healthy(client)
        yield client


async def until_healthy(client: RedisClient) -> None:
    """Send commands, which start probes, until one of them has succeeded."""
    async with asyncio.timeout(30):
        while client.healthy_since == math.inf:
            await is_unavailable(client)
            await asyncio.sleep(0.01)


async def recover(client: RedisClient, clock: Clock) -> None:
    """Wait for the end of a probe that may start at once."""
    clock.moves(MAX_OPEN_SECONDS)
    await until_healthy(client)


async def is_unavailable(client: RedisClient) -> bool:
    try:
        await client.execute("ECHO", "any")
    except RedisUnavailable:
        return True
    return False


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the client's log messages, without those of servers that other tests have left to end."""
    return [record.message for record in caplog.records if record.module == "redis_client"]


def name_of(command: bytes) -> bytes:
    return command.split(b"\r\n")[2]


def echo(command: bytes) -> bytes:
    """Return the reply to ECHO."""
    word = command.split(b"\r\n")[4]
    return b"$%d\r\n%b\r\n" % (len(word), word)


# Replies and connections


async def test_concurrent_commands_each_get_their_own_reply(server: RedisServer) -> None:
    async with connected(server.url) as client:
        words = [f"{each}" * 1000 for each in range(4 * MAX_CONNECTIONS)]
        assert await asyncio.gather(*(client.execute("ECHO", each) for each in words)) == [
            each.encode() for each in words
        ]
        with server.client() as own:
            assert len(own.client_list()) <= MAX_CONNECTIONS + 1


async def test_cancelled_commands_do_not_shift_the_replies_of_others(server: RedisServer) -> None:
    """They are cancelled while they wait for a connection, send, or wait for a reply."""
    async with connected(server.url) as client:
        for passes in range(12):
            commands = [asyncio.create_task(client.execute("ECHO", each)) for each in range(2 * MAX_CONNECTIONS)]
            for _ in range(passes):
                await asyncio.sleep(0)
            for leaving in commands[::2]:
                leaving.cancel()
            assert await asyncio.gather(*commands[1::2]) == [b"%d" % each for each in range(1, len(commands), 2)]
            assert await client.execute("ECHO", "after") == b"after"
        with server.client() as own:
            assert len(own.client_list()) <= MAX_CONNECTIONS + 1


async def test_the_late_reply_to_a_cancelled_command_is_never_read() -> None:
    requested, cancelled = threading.Event(), threading.Event()

    def late(command: bytes) -> bytes:
        if b"first" in command:
            requested.set()
            cancelled.wait(30)
        return echo(command)

    with pretending(healthy_for_get_and_set(late)) as url:
        async with connected(url) as client:
            first = asyncio.create_task(client.execute("ECHO", "first"))
            await asyncio.to_thread(requested.wait, 30)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            cancelled.set()
            assert [await client.execute("ECHO", each) for each in ("second", "third")] == [b"second", b"third"]
            assert client.healthy_since == -math.inf


async def test_a_reply_too_many_is_never_read() -> None:
    with pretending(healthy_for_get_and_set(lambda command: 2 * echo(command))) as url:
        async with connected(url) as client:
            assert [await client.execute("ECHO", each) for each in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_reply_that_came_while_the_process_was_busy_is_read(
    server: RedisServer, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def execute() -> Any:
        async with connected(server.url) as client:
            commands = [asyncio.create_task(client.execute("ECHO", "word")) for _ in range(3)]
            await asyncio.sleep(0)
            time.sleep(2 * TIMEOUT_SECONDS)  # noqa: ASYNC251  # A busy process does not run its event loop.
            return await asyncio.gather(*commands)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(execute()) == [b"word"] * 3


async def test_writes_without_a_reply_are_sent_before_the_client_closes(server: RedisServer) -> None:
    async with connected(server.url) as client:
        for each in range(100):
            client.execute_nowait("SET", f"written:{each}", each)
    with server.client() as own:
        assert len(own.keys("written:*")) == 100
        assert len(own.client_list()) == 1


async def test_tls_is_used_and_the_certificate_is_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate = self_signed(tmp_path, "localhost")
    with redis_server(password="hunter2", tls=certificate) as own:
        async with connected(own.url) as client:
            assert await client.execute("ECHO", "word") == b"word"
        unknown = RedisClient(own.url.partition("?")[0])
        async with unknown.open():
            assert await is_unavailable(unknown)
    assert messages(caplog) == ["Redis is not used until it recovers: ConnectionError (GATEWAY_REDIS_URL)."]


# Failures


async def test_a_hung_redis_costs_the_commands_that_wait_one_timeout_and_later_ones_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server() as own:
        async with connected(own.url, clock=clock) as client:
            own.process.send_signal(signal.SIGSTOP)
            waiting = [asyncio.create_task(is_unavailable(client)) for _ in range(4 * MAX_CONNECTIONS)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            # Commands that waited for a connection fail together with the first that waited for a reply.
            for _ in range(100):
                await asyncio.sleep(0)
            assert sum(each.done() for each in waiting) >= 3 * MAX_CONNECTIONS
            assert all(await asyncio.gather(*waiting))
            assert await fails_at_once(client)
            assert repr(client) == (
                "<RedisClient unavailable <CircuitBreaker Redis open failures=1 generation=1 retry_after=2>>"
            )
            own.process.send_signal(signal.SIGCONT)
            await recover(client, clock)
            assert not await is_unavailable(client)
    assert messages(caplog) == [
        "Redis is not used until it recovers: it did not reply in time (GATEWAY_REDIS_URL).",
        "Redis is available again (GATEWAY_REDIS_URL).",
    ]


async def fails_at_once(client: RedisClient) -> bool:
    """Return whether a command fails within one pass of the event loop, so that it cannot wait for anything."""
    command = asyncio.create_task(is_unavailable(client))
    await asyncio.sleep(0)
    return command.done() and command.result()


async def test_a_probe_of_a_hung_redis_costs_no_command_any_time(clock: Clock) -> None:
    probes = 0
    hangs = False

    def hung(command: bytes) -> Reply:
        nonlocal probes
        if hangs:
            probes += name_of(command) == b"PING"
            return b""
        return healthy(command)

    healthy = healthy_for_get_and_set(lambda _command: b"-ERR no\r\n")
    with pretending(hung) as url:
        async with connected(url, clock=clock) as client:
            assert await is_unavailable(client)
            hangs = True
            for _ in range(3):
                clock.moves(MAX_OPEN_SECONDS)
                assert all([await fails_at_once(client) for _ in range(5)])
                # All of them start one probe.
                sent = probes
                async with asyncio.timeout(30):
                    while probes == sent:  # noqa: ASYNC110  # The fake server runs in threads.
                        await asyncio.sleep(0.01)
                assert probes == sent + 1
                await asyncio.sleep(PROBE_SECONDS)
                assert await fails_at_once(client)


async def test_a_slow_redis_is_unavailable_after_a_few_commands() -> None:
    """Each reply comes before its timeout, but together the replies cost little more than one that never comes."""
    idle_clock = Clock()

    def late(_command: bytes) -> bytes:
        idle_clock.moves(0.09)
        return b"+PONG\r\n"

    with pretending(healthy_for_get_and_set(late)) as url:
        async with connected(url, idle_clock) as client:
            began = idle_clock.now
            outcomes = [await is_unavailable(client) for _ in range(20)]
    assert outcomes == [False] * 3 + [True] * 17
    # The last reply could have taken a whole timeout.
    assert idle_clock.now - began - 0.09 + TIMEOUT_SECONDS <= 0.5


async def test_slow_replies_among_fast_ones_count_less_and_concurrent_ones_count_once() -> None:
    idle_clock = Clock()
    requested = threading.Barrier(8)

    def reply(command: bytes) -> bytes:
        if b"together" in command and requested.wait(30) == 0:
            idle_clock.moves(0.1)
        if b"together" in command:
            requested.wait(30)
        if b"slow" in command:
            idle_clock.moves(0.1)
        return echo(command)

    with pretending(healthy_for_get_and_set(reply)) as url:
        async with connected(url, idle_clock) as client:
            for _ in range(10):
                await client.execute("ECHO", "slow")
                for _ in range(2):
                    await client.execute("ECHO", "fast")
            await asyncio.gather(*(client.execute("ECHO", "together") for _ in range(8)))
            assert not await is_unavailable(client)


async def test_a_redis_that_is_slow_from_the_start_is_not_used() -> None:
    idle_clock = Clock()
    redis = healthy_for_get_and_set(echo)

    def late(command: bytes) -> Reply:
        idle_clock.moves(0.03)
        return redis(command)

    with pretending(late) as url:
        client = RedisClient(url, idle_clock)
        async with client.open():
            assert await is_unavailable(client)


def closed_within(_command: bytes) -> Iterator[bytes]:
    yield b"$100\r\nhalf"
    raise ConnectionAbortedError


def dripping(_command: bytes) -> Iterator[bytes]:
    yield b"$10000\r\n"
    while True:
        yield b"x"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (lambda _command: b"-ERR no\r\n", "ResponseError"),
        (lambda _command: b"-LOADING dataset\r\n", "BusyLoadingError"),
        (lambda _command: b"$abc\r\n", "ValueError"),
        (lambda _command: b"@\r\n", "InvalidResponse"),
        (lambda _command: b"HTTP/1.1 400 Bad Request\r\n\r\n", "InvalidResponse"),
        (lambda _command: b"*1\r\n" * 5_000, "RecursionError"),
        (lambda _command: b"+" + bytes(100_000) + b"\r\n", "ValueError"),
        (closed_within, "ConnectionError"),
        (dripping, "it did not reply in time"),
        (lambda _command: b"", "it did not reply in time"),
    ],
)
async def test_after_an_error_or_rubbish_no_command_is_sent(
    reply: Callable[[bytes], Reply], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[bytes] = []

    def wrong(command: bytes) -> Reply:
        received.append(command)
        return reply(command)

    with pretending(healthy_for_get_and_set(wrong)) as url:
        async with connected(url) as client:
            assert await is_unavailable(client)
            assert [await fails_at_once(client) for _ in range(20)] == [True] * 20
    assert len(received) == 1
    [message] = messages(caplog)
    # The message contains neither the error's text nor the host.
    assert message == f"Redis is not used until it recovers: {reason} (GATEWAY_REDIS_URL)."


async def test_a_redis_that_does_not_return_a_stored_value_gets_no_commands() -> None:
    received: list[bytes] = []

    def ok(command: bytes) -> bytes:
        received.append(name_of(command))
        return b"+OK\r\n"

    with pretending(ok) as url:
        client = RedisClient(url, Clock())
        async with client.open():
            assert await fails_at_once(client)
    assert received == [b"PING", b"SET", b"GET"]


async def test_a_redis_that_refuses_or_ignores_connections_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    with pretending(lambda _command: b"") as silent:
        for url in (f"redis://:hunter2@127.0.0.1:{free_port()}/0", silent):
            client = RedisClient(url)
            async with client.open():
                assert await fails_at_once(client)
    assert [message.split(": ")[1] for message in messages(caplog)] == [
        "ConnectionError (GATEWAY_REDIS_URL).",
        "it did not reply in time (GATEWAY_REDIS_URL).",
    ]


async def test_a_redis_that_passes_probes_but_fails_commands_is_probed_less_and_less_often(clock: Clock) -> None:
    with pretending(healthy_for_get_and_set(lambda _command: b"-NOPERM\r\n")) as url:
        async with connected(url, clock=clock) as client:
            for open_seconds in (FIRST_OPEN_SECONDS, 2 * FIRST_OPEN_SECONDS, 4 * FIRST_OPEN_SECONDS, MAX_OPEN_SECONDS):
                assert await is_unavailable(client)
                clock.moves(open_seconds - 0.1)
                assert await is_unavailable(client)
                await asyncio.sleep(0.05)
                assert client.healthy_since == math.inf
                clock.moves(0.1)
                await until_probed(client)
                assert client.healthy_since == clock.now


async def until_probed(client: RedisClient) -> None:
    """Send one command, and wait for the end of the probe that it starts."""
    assert await fails_at_once(client)
    async with asyncio.timeout(30):
        while client.healthy_since == math.inf:  # noqa: ASYNC110  # The client sends no event.
            await asyncio.sleep(0.01)


async def test_the_open_time_starts_anew_after_redis_has_worked(server: RedisServer, clock: Clock) -> None:
    async with connected(server.url, clock=clock) as client:
        for _ in range(3):
            client.mark_unhealthy("it lied")
            clock.moves(MAX_OPEN_SECONDS)
            await until_probed(client)
        clock.moves(MAX_OPEN_SECONDS + 1)
        assert not await is_unavailable(client)
        client.mark_unhealthy("it lied")
        assert repr(client).endswith(f"retry_after={FIRST_OPEN_SECONDS:g}>>")


async def test_dead_connections_are_dropped_when_redis_recovers(clock: Clock) -> None:
    """A firewall that forgets connections sends no error. Each of them would cost a timeout of its own."""
    seen: set[threading.Thread] = set()
    dead: set[threading.Thread] = set()
    healthy = healthy_for_get_and_set(echo)

    def response(command: bytes) -> Reply:
        # Each connection has a thread.
        seen.add(threading.current_thread())
        return b"" if threading.current_thread() in dead else healthy(command)

    with pretending(response) as url:
        async with connected(url, clock=clock) as client:
            await asyncio.gather(*(client.execute("ECHO", each) for each in range(4)))
            dead |= seen
            assert await is_unavailable(client)
            clock.moves(FIRST_OPEN_SECONDS)
            await until_probed(client)
            words = await asyncio.gather(*(client.execute("ECHO", each) for each in range(4)))
            assert words == [b"%d" % each for each in range(4)]


async def test_an_unhealthy_redis_gets_no_commands(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(server.url) as client:
        assert not await is_unavailable(client)
        client.mark_unhealthy("it lied")
        client.mark_unhealthy("it lied again")
        assert await fails_at_once(client)
        client.execute_nowait("SET", "any", "thing")
    with server.client() as own:
        assert own.get("any") is None
    assert [message.rpartition(": ")[2] for message in messages(caplog)] == ["it lied (GATEWAY_REDIS_URL)."]


# The URL


async def test_the_password_is_never_logged(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for port in (server.port, free_port()):
        client = RedisClient(f"redis://hunter1:hunter2@127.0.0.1:{port}/0")
        async with client.open():
            assert await is_unavailable(client)
            with pytest.raises(RedisUnavailable) as error:
                await client.execute("ECHO", "any")
        assert "hunter" not in f"{client!r} {error.value!r} {error.value.__cause__!r}"
    assert "AuthenticationError" in messages(caplog)[0]
    assert "hunter" not in caplog.text


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
    with pytest.raises(
        ConfigurationError, match=r"a URL such as redis://host:6379/0.*\(GATEWAY_REDIS_URL\)\.$"
    ) as refusal:
        read_settings(redis_url=url)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [("", None), ("memory://", None), ("valkey://a:1/2", "redis://a:1/2"), ("valkeys://a:1", "rediss://a:1")],
)
def test_valkey_schemes_and_values_for_no_redis_are_accepted(given: str, url: str | None) -> None:
    redis_url = read_settings(redis_url=given).redis_url
    assert (redis_url and redis_url.get_secret_value()) == url
