"""The process's Redis (or Valkey) client: commands time out quickly, and every caller can do without Redis.

A Redis that is broken, slow or returns rubbish costs the whole process TIMEOUT_SECONDS once. The commands that wait at
that time fail together. Later commands fail at once, until a background task finds that Redis has recovered.

The commands of all requests are pipelined on one connection. Redis replies in their order, so if one reply is late, all
commands behind it wait too.
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

# Seconds that Redis may cost before it counts as unavailable. A reply takes well under a millisecond, or two if Redis
# is in another availability zone.
TIMEOUT_SECONDS: Final = 0.3
# A slower reply uses up part of the timeout. A faster one restores half of the used part. 20 ms reach another region.
SLOW_SECONDS: Final = 0.02
# Requests never wait for a connection. Start-up does, for at most TIMEOUT_SECONDS.
CONNECT_SECONDS: Final = 2.0
# Seconds without a connection after a failure. They double with each failure, until Redis has worked for
# MOST_PAUSE_SECONDS.
FIRST_PAUSE_SECONDS: Final = 2.0
MOST_PAUSE_SECONDS: Final = 30.0

# Every key starts with it, because other programs may use the same Redis.
KEY_PREFIX: Final = "chime-gateway:"

Argument = str | bytes | int | float


class RedisUnavailable(Exception):
    """Redis does not reply in time, or its reply is an error or impossible. The message is only for the log."""


def _idle_time() -> float:
    """Return seconds, from any start, in which this thread did not compute.

    Only in this time the process waits for Redis. While it computes, a reply may be there that it has not read yet.
    """
    return time.monotonic() - time.thread_time()


class RedisClient:
    """A client for one event loop, with one connection.

    Attributes:
        healthy_since: The time, by time.monotonic, at which Redis recovered. It is -inf if Redis has never failed, and
            inf while Redis is unavailable.
    """

    def __init__(self, url: str, idle_clock: Callable[[], float] = _idle_time) -> None:
        """Create a client that is not connected.

        Args:
            url: A redis:// or rediss:// URL with user and password. No message shows it.
            idle_clock: Returns the seconds, from any start, that this thread spent waiting. It measures replies.

        Raises:
            ConfigurationError: If the URL's options, or a file that they name, cannot be used.
        """
        # The library takes 7 MB and 0.1 s, so it is imported only if there is a Redis.
        from redis.asyncio import ConnectionPool  # noqa: PLC0415  # See above.

        try:
            # Protocol 2 has all the commands that are used, and a shorter handshake. This class keeps the connection,
            # so the pool only makes it.
            pool: Any = ConnectionPool.from_url(url, protocol=2, socket_timeout=None, driver_info=None)
            self._new_connection: Callable[[], Any] = pool.make_connection
            # TLS options, and the files that they name, are not read before this.
            tls = getattr(self._new_connection(), "ssl_context", None)
            if tls is not None:
                tls.get()
        except Exception as error:  # noqa: BLE001  # redis-py, ssl and Python each raise other errors for wrong options.
            raise ConfigurationError(f"GATEWAY_REDIS_URL: The URL's options cannot be used: {error}") from None
        self.healthy_since = math.inf
        self._idle_clock = idle_clock
        self._connection: Any = None
        # None while Redis is unavailable.
        self._writer: asyncio.StreamWriter | None = None
        # The futures of the replies to come, in their order. None for a command whose reply is ignored.
        self._pending: deque[asyncio.Future[Any] | None] = deque()
        # The part of TIMEOUT_SECONDS that slow replies have used up.
        self._used_seconds = 0.0
        # When the next reply became possible, by the idle clock, and when it is overdue, by the loop's clock.
        self._waiting_since = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._error: RedisUnavailable | None = None

    def __repr__(self) -> str:
        """Return the state, the number of pending replies and the used part of the timeout."""
        state = "unavailable" if self._writer is None else "connected"
        return f"<RedisClient {state} pending={len(self._pending)} used={self._used_seconds:g}>"

    async def execute(self, *command: Argument) -> Any:
        """Return the reply to one command: bytes, int, None, or a list of these. The caller must check its type.

        Raises:
            RedisUnavailable: If Redis is unavailable, or replies with an error.

        Cost: One round trip, or none while Redis is unavailable.
        """
        reply = asyncio.get_running_loop().create_future()
        self._send(command, reply)
        return await reply

    def execute_nowait(self, *command: Argument) -> None:
        """Send a command and ignore its reply. While Redis is unavailable, do nothing."""
        with suppress(RedisUnavailable):
            self._send(command, None)

    def mark_unhealthy(self, reason: str) -> None:
        """Stop using Redis for a while, because a reply cannot be right. The reason is logged."""
        if self._writer is not None:
            self._error = RedisUnavailable(reason)
            # The reading task then sees a broken connection, and ends.
            self._writer.transport.abort()
            self._fail_pending()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep a connection while the block runs. If none is ready soon, the block starts without one."""
        tried = asyncio.Event()
        connecting = asyncio.create_task(self._keep_connected(tried))
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await tried.wait()
            yield
        finally:
            connecting.cancel()
            with suppress(asyncio.CancelledError):
                await connecting

    def _send(self, command: tuple[Argument, ...], reply: asyncio.Future[Any] | None) -> None:
        if self._writer is None:
            raise RedisUnavailable("Redis is not used at present")
        packed = self._connection.pack_command(*command)
        if not self._pending:
            self._expect_next()
        # redis-py's own method is a coroutine. If its caller is cancelled, it closes the connection for all callers.
        self._writer.writelines(packed)
        self._pending.append(reply)

    def _expect_next(self) -> None:
        """Begin to measure the next reply's time, and set the timer for it."""
        loop = asyncio.get_running_loop()
        self._waiting_since = self._idle_clock()
        self._due = loop.time() + TIMEOUT_SECONDS - self._used_seconds
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._check_timeout)

    def _check_timeout(self) -> None:
        """Fail if the next reply is overdue. Otherwise set the timer again for when it would be."""
        self._timer = None
        if not self._pending:
            return
        loop = asyncio.get_running_loop()
        late = loop.time() - self._due
        if 0 <= late < SLOW_SECONDS:
            self.mark_unhealthy("it did not reply in time")
            return
        if late > 0:
            # The timer itself is late because this process was busy. The reply may be there, but not read yet.
            self._due = loop.time() + SLOW_SECONDS
        self._timer = loop.call_at(self._due, self._check_timeout)

    async def _keep_connected(self, tried: asyncio.Event) -> None:
        """Connect, read replies until a failure, pause, and start again."""
        pause = FIRST_PAUSE_SECONDS
        was_unavailable = False
        while True:
            healthy_since = math.inf
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connect()
                healthy_since = time.monotonic()
                self.healthy_since = healthy_since if was_unavailable else -math.inf
                if was_unavailable:
                    logger.warning("Redis is available again (GATEWAY_REDIS_URL).")
                was_unavailable = False
                tried.set()
                await self._read_replies()
            except Exception as error:  # noqa: BLE001  # A server that is no Redis may raise any error in redis-py.
                if not was_unavailable:
                    cause = self._error or error
                    # Other errors are logged by type alone, because some messages contain the host.
                    reason = str(cause) if isinstance(cause, RedisUnavailable) else type(cause).__name__
                    logger.warning("Redis is not used until it recovers: %s (GATEWAY_REDIS_URL).", reason)
                was_unavailable = True
                tried.set()
            finally:
                await self._disconnect()
            if time.monotonic() - healthy_since > MOST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE_SECONDS)

    async def _connect(self) -> None:
        """Connect, and check that Redis returns a stored value, and fast.

        Raises:
            RedisUnavailable: If it does not.
            Exception: Any error of redis-py.
        """
        self._error = None
        self._connection = connection = self._new_connection()
        await connection.connect()
        key, value = f"{KEY_PREFIX}probe:{token_hex(8)}", token_hex(8)
        began = self._idle_clock()
        await connection.send_command("SET", key, value, "PX", 1000)
        stored = await connection.read_response()
        await connection.send_command("GET", key)
        if (stored, await connection.read_response()) != (b"OK", value.encode()):
            raise RedisUnavailable("it does not return a stored value")
        if self._idle_clock() - began > 2 * SLOW_SECONDS:
            raise RedisUnavailable("it is slow")
        self._used_seconds = 0.0
        self._writer = _writer(connection)

    async def _read_replies(self) -> None:
        """Pass replies to their callers until an error.

        Raises:
            RedisUnavailable: If there is a reply too many, or slow replies have used up the timeout.
            Exception: Any error of redis-py.
        """
        read, pending = self._connection.read_response, self._pending
        while True:
            reply = await read(timeout=math.inf, disconnect_on_error=False)
            if not pending:
                raise RedisUnavailable("it sent a reply without a command")
            waited = self._idle_clock() - self._waiting_since
            self._used_seconds = self._used_seconds + waited if waited > SLOW_SECONDS else self._used_seconds / 2
            future = pending.popleft()
            if future is not None and not future.done():
                future.set_result(reply)
            if self._used_seconds >= TIMEOUT_SECONDS:
                raise RedisUnavailable("it is slow")
            if pending:
                self._expect_next()

    def _fail_pending(self) -> None:
        """Send no more commands, and raise RedisUnavailable for all that wait."""
        self._writer = None
        self.healthy_since = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._pending:
            future = self._pending.popleft()
            if future is not None and not future.done():
                future.set_exception(RedisUnavailable("it failed"))

    async def _disconnect(self) -> None:
        self._fail_pending()
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_connected:
            # If Redis does not read, unsent bytes would keep the socket open forever. So they are dropped.
            _writer(connection).transport.abort()
            await connection.disconnect(nowait=True)


def _writer(connection: Any) -> asyncio.StreamWriter:
    writer: asyncio.StreamWriter = connection._writer  # noqa: SLF001  # redis-py has no public name for it.
    return writer
