"""The process's one connection to Redis (or Valkey): what is asked of it waits little, and is never in need of it.

A Redis that is broken, slow or lying costs the whole process TIMEOUT_SECONDS once: whoever waits at that time fails
together, and those who come after fail at once, until a task in the background has found Redis to be well again.

Commands of all requests go over one connection, each behind the other, and replies come in the same order: what one
waits for, all wait for together.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any, Final

from gateway.errors import ConfigurationError

logger = logging.getLogger("gateway")

# Seconds that Redis may cost before it is left alone. A reply takes well under a millisecond, in another zone two.
TIMEOUT_SECONDS: Final = 0.3
# A reply that takes longer costs patience, and one that does not gives half of it back. 20 ms are another region.
SLOW_SECONDS: Final = 0.02
# Nobody waits for a connection, but a process that starts, and that only for as long as it has patience.
CONNECT_SECONDS: Final = 2.0
# How long Redis is left alone: twice as long each time it fails again, until it has been well for MOST_PAUSE_SECONDS.
FIRST_PAUSE_SECONDS: Final = 2.0
MOST_PAUSE_SECONDS: Final = 30.0

# Of every key: other programs may share the Redis.
KEY_PREFIX: Final = "chime-gateway:"

Argument = str | bytes | int | float


class RedisUnavailable(Exception):
    """Redis does not answer, or not soon, or not what it was asked. The words are for the log alone."""


class RedisClient:
    """Commands to Redis, from one event loop.

    url: redis:// or rediss://, with user and password; it is in no message.
    Raises: Misconfigured if the URL's options cannot be used, or a file that they name.
    healthy_since: when it was found to be well again, by time.monotonic; -inf where it always was, inf while it is not.
    """

    def __init__(self, url: str) -> None:
        # Only who has a Redis pays for its library: 7 MB, and 0.1 s.
        from redis.asyncio import ConnectionPool  # noqa: PLC0415  # See above.

        try:
            # The older protocol has all that is asked for, and a shorter handshake. Connections are kept here.
            pool: Any = ConnectionPool.from_url(url, protocol=2, socket_timeout=None, driver_info=None)
            self._new_connection: Callable[[], Any] = pool.make_connection
            # The options of TLS, and the files that they name, are read only now.
            tls = getattr(self._new_connection(), "ssl_context", None)
            if tls is not None:
                tls.get()
        except Exception as error:  # noqa: BLE001  # redis-py, ssl and Python each refuse options in their own way.
            raise ConfigurationError(f"GATEWAY_REDIS_URL: its options cannot be used: {error}") from None
        self.healthy_since = math.inf
        self._connection: Any = None
        # None while Redis is left alone.
        self._writer: asyncio.StreamWriter | None = None
        # Who waits for the replies to come; None for one that nobody waits for.
        self._asked: deque[asyncio.Future[Any] | None] = deque()
        self._spent_patience = 0.0
        # Since when the next reply could have come, by _idle_time, and when it must have, by the loop's clock.
        self._waiting_since = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fault: RedisUnavailable | None = None

    async def ask(self, *command: Argument) -> Any:
        """The reply to one command: bytes, int, None, or a list of these. What it has to be is the caller's to check.

        Cost: a round trip; nothing while Redis is left alone.
        Raises: RedisUnavailable, also where Redis answers with an error.
        """
        reply = asyncio.get_running_loop().create_future()
        self._send(command, reply)
        return await reply

    def tell(self, *command: Argument) -> None:
        """Send a command whose reply nobody waits for; while Redis is left alone, nothing happens."""
        with suppress(RedisUnavailable):
            self._send(command, None)

    def mark_unhealthy(self, why: str) -> None:
        """Leave Redis alone for a while: what it answered cannot be right.

        why: for the log.
        """
        if self._writer is not None:
            self._fault = RedisUnavailable(why)
            # The task that reads hears of it as a connection that broke.
            self._writer.transport.abort()
            self._let_go()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep a connection while the block runs. Where there is none to be had soon, the block starts without."""
        tried = asyncio.Event()
        keeping = asyncio.create_task(self._keep_connected(tried))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await tried.wait()
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    def _send(self, command: tuple[Argument, ...], reply: asyncio.Future[Any] | None) -> None:
        if self._writer is None:
            raise RedisUnavailable("it is left alone for now")
        # redis-py writes by a coroutine, which closes the connection for all when one who waits in it leaves.
        self._writer.writelines(self._connection.pack_command(*command))
        if not self._asked:
            self._wait_for_next()
        self._asked.append(reply)

    def _wait_for_next(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting_since = _idle_time()
        self._due = loop.time() + TIMEOUT_SECONDS - self._spent_patience
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._look)

    def _look(self) -> None:
        """Break off where the next reply is overdue; otherwise look again when it would be."""
        self._timer = None
        if not self._asked:
            return
        loop = asyncio.get_running_loop()
        late = loop.time() - self._due
        if 0 <= late < SLOW_SECONDS:
            self.mark_unhealthy("it did not answer in time")
            return
        if late > 0:
            # It is this process that was late: a reply may have come, which has still to be read.
            self._due = loop.time() + SLOW_SECONDS
        self._timer = loop.call_at(self._due, self._look)

    async def _keep_connected(self, tried: asyncio.Event) -> None:
        pause = FIRST_PAUSE_SECONDS
        away = False
        while True:
            healthy_since = math.inf
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connect()
                healthy_since = time.monotonic()
                self.healthy_since = healthy_since if away else -math.inf
                if away:
                    logger.warning("Redis, at GATEWAY_REDIS_URL, is back")
                away = False
                tried.set()
                await self._read_replies()
            except Exception as error:  # noqa: BLE001  # What is no Redis may trip its client anywhere.
                if not away:
                    fault = self._fault or error
                    # Its kind alone, where it is not ours: the words of some hold the host.
                    words = str(fault) if isinstance(fault, RedisUnavailable) else type(fault).__name__
                    logger.warning("Redis, at GATEWAY_REDIS_URL, is left alone until it is well: %s", words)
                away = True
                tried.set()
            finally:
                await self._disconnect()
            if time.monotonic() - healthy_since > MOST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE_SECONDS)

    async def _connect(self) -> None:
        """Connect, and see that Redis keeps what it is given, and soon.

        Raises: RedisUnavailable; whatever the client trips over.
        """
        self._fault = None
        self._connection = connection = self._new_connection()
        await connection.connect()
        key, value = f"{KEY_PREFIX}probe:{token_hex(8)}", token_hex(8)
        began = _idle_time()
        await connection.send_command("SET", key, value, "PX", 1000)
        kept = await connection.read_response()
        await connection.send_command("GET", key)
        if (kept, await connection.read_response()) != (b"OK", value.encode()):
            raise RedisUnavailable("it does not keep what it is given")
        if _idle_time() - began > 2 * SLOW_SECONDS:
            raise RedisUnavailable("it is slow")
        self._spent_patience = 0.0
        self._writer = _writer(connection)

    async def _read_replies(self) -> None:
        """Hand out replies until something is wrong.

        Raises: RedisUnavailable; whatever the client trips over.
        """
        read, asked = self._connection.read_response, self._asked
        while True:
            reply = await read(timeout=math.inf, disconnect_on_error=False)
            if not asked:
                raise RedisUnavailable("it answers what it was not asked")
            waited = _idle_time() - self._waiting_since
            self._spent_patience = self._spent_patience + waited if waited > SLOW_SECONDS else self._spent_patience / 2
            future = asked.popleft()
            if future is not None and not future.done():
                future.set_result(reply)
            if asked:
                self._wait_for_next()

    def _let_go(self) -> None:
        """Nothing more is asked, and whoever still waits is told so."""
        self._writer = None
        self.healthy_since = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._asked:
            future = self._asked.popleft()
            if future is not None and not future.done():
                future.set_exception(RedisUnavailable("it failed"))

    async def _disconnect(self) -> None:
        self._let_go()
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_connected:
            # What has still to be written to a Redis that does not read would keep the socket for good.
            _writer(connection).transport.abort()
            await connection.disconnect(nowait=True)


def _writer(connection: Any) -> asyncio.StreamWriter:
    writer: asyncio.StreamWriter = connection._writer  # noqa: SLF001  # It has no public name.
    return writer


def _idle_time() -> float:
    """Seconds, from any start, in which this thread did not compute: only then is it Redis that is waited for."""
    return time.monotonic() - time.thread_time()
