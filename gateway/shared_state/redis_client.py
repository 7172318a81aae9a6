"""The process's Redis (or Valkey) client: commands time out quickly, and every caller can do without Redis.

redis-py speaks to Redis. This client adds a circuit breaker. The first command that fails opens it, and later commands
fail at once. After the breaker's open time, the next command starts a probe in the background and does not wait for it.
So a Redis that is broken, slow or returns rubbish costs a request at most 0.5 s, and only once. In the worst case, slow
replies take TIMEOUT_SECONDS in all, and the next reply does not come.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any, Final

from gateway.errors import ConfigurationError
from gateway.shared_state.circuit_breaker import MAX_OPEN_SECONDS, CircuitBreaker

logger = logging.getLogger("gateway")

# Seconds that one command may take. A reply takes well under a millisecond, or two if Redis is in another availability
# zone.
TIMEOUT_SECONDS: Final = 0.2
# Slower replies may take TIMEOUT_SECONDS in all. A faster one halves what they have taken. 20 ms reach another region.
SLOW_SECONDS: Final = 0.02
# Seconds that a probe may take. Only the start of the process waits for one.
PROBE_SECONDS: Final = 2.0
# Commands at the same time. Later ones wait, because a new connection takes longer than a command.
MAX_CONNECTIONS: Final = 32

# Every key starts with it, because other programs may use the same Redis.
KEY_PREFIX: Final = "chime-gateway:"

Argument = str | bytes | int | float


class RedisUnavailable(Exception):
    """Redis does not reply in time, or its reply is an error or impossible. The message is only for the log."""


def _idle_time() -> float:
    """Return seconds, from any start, in which this thread did not compute.

    The process waits for Redis in this time only. While it computes, a reply may be there that it has not read yet.
    """
    return time.monotonic() - time.thread_time()


class RedisClient:
    """A client for one event loop.

    Attributes:
        healthy_since: The time, by time.monotonic, at which Redis recovered. It is -inf if Redis has never failed, and
            inf while Redis is unavailable.
    """

    def __init__(
        self,
        url: str,
        idle_clock: Callable[[], float] = _idle_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a client that is not connected.

        Args:
            url: A redis:// or rediss:// URL with user and password. No message shows it.
            idle_clock: Returns the seconds, from any start, that this thread spent waiting. It measures replies.
            clock: Returns seconds of time.monotonic. It measures the time for which Redis is not used.

        Raises:
            ConfigurationError: If the URL's options, or a file that they name, cannot be used.
        """
        # The library takes 7 MB and 0.1 s, so it is imported only if there is a Redis.
        from redis.asyncio import ConnectionPool, Redis, SSLConnection  # noqa: PLC0415  # See above.
        from redis.asyncio.retry import Retry  # noqa: PLC0415  # See above.
        from redis.backoff import NoBackoff  # noqa: PLC0415  # See above.

        try:
            # Protocol 2 has all the commands that are used, and a shorter handshake. `execute` limits the time of
            # a command as a whole, so the library must not limit its parts.
            pool: Any = ConnectionPool.from_url(
                url,
                protocol=2,
                driver_info=None,
                max_connections=MAX_CONNECTIONS,
                socket_timeout=None,
                socket_connect_timeout=PROBE_SECONDS / 2,
                retry=Retry(NoBackoff(), 0),
            )
            # TLS options, and the files that they name, are not read before this.
            connection = pool.make_connection()
            if isinstance(connection, SSLConnection):
                connection.ssl_context.get()
        except Exception as error:  # noqa: BLE001  # redis-py, ssl and Python each raise other errors for wrong options.
            raise ConfigurationError(f"GATEWAY_REDIS_URL: The URL's options cannot be used: {error}") from None
        self.healthy_since = math.inf
        self._pool = pool
        self._redis: Any = Redis.from_pool(pool)
        # The pool raises an error if all its connections are in use. So commands wait here.
        self._connections = asyncio.Semaphore(MAX_CONNECTIONS)
        # A failed command may just have cost TIMEOUT_SECONDS, so the first one opens it.
        self._breaker = CircuitBreaker("Redis", 1, clock=clock)
        self._has_failed = False
        self._idle_clock = idle_clock
        self._clock = clock
        # Seconds that slow replies have taken, and the time, by the idle clock, up to which they are counted.
        self._slow_seconds = 0.0
        self._slow_until = 0.0
        self._probe_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        """Return whether Redis is used, and the state of the circuit breaker."""
        return f"<RedisClient {'healthy' if self._is_healthy else 'unavailable'} {self._breaker!r}>"

    async def execute(self, *command: Argument) -> Any:
        """Return the reply to one command: bytes, int, None, or a list of these. The caller must check its type.

        redis-py turns the replies to some commands into others. SET returns True.

        Raises:
            RedisUnavailable: If Redis is unavailable, or replies with an error.

        Cost: One round trip, or none while Redis is unavailable.
        """
        self._check_health()
        async with self._connections:
            # Redis may have failed while this command waited.
            self._check_health()
            generation, began = self._breaker.generation, self._idle_clock()
            try:
                async with _time_limit():
                    reply = await self._redis.execute_command(*command)
            except Exception as error:  # noqa: BLE001  # A server that is no Redis may raise any error in redis-py.
                self._fail(generation, _reason(error))
                raise RedisUnavailable("it failed") from None
        self._measure(generation, began)
        return reply

    def execute_nowait(self, *command: Argument) -> None:
        """Send a command in the background and ignore its reply. While Redis is unavailable, do nothing."""

        async def write() -> None:
            with suppress(RedisUnavailable):
                await self.execute(*command)

        if self._is_healthy:
            self._start(write())

    def mark_unhealthy(self, reason: str) -> None:
        """Stop using Redis for a while, because a reply cannot be right. The reason is logged."""
        if self._is_healthy:
            self._fail(self._breaker.generation, reason)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Use Redis while the block runs, unless the first probe fails."""
        await self._probe(self._breaker.on_start())
        try:
            yield
        finally:
            if self._probe_task is not None:
                self._probe_task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._disconnect(in_use=True)

    @property
    def _is_healthy(self) -> bool:
        return self.healthy_since < math.inf

    def _check_health(self) -> None:
        """Raise RedisUnavailable while Redis is not used, and probe it if the circuit breaker allows that."""
        if self._is_healthy:
            return
        if self._breaker.retry_after == 0:
            self._probe_task = self._start(self._probe(self._breaker.on_start()))
        raise RedisUnavailable("Redis is not used at present")

    async def _probe(self, generation: int) -> None:
        """Use Redis again if it returns a stored value, and fast."""
        key, value = f"{KEY_PREFIX}probe:{token_hex(8)}", token_hex(8)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                # They may be as dead as the one that failed.
                await self._disconnect(in_use=False)
                # Connect, so that the next commands measure Redis alone.
                await self._redis.ping()
                began = self._idle_clock()
                await self._redis.set(key, value, px=1000)
                stored = await self._redis.get(key)
        except Exception as error:  # noqa: BLE001  # See `execute`.
            self._fail(generation, _reason(error))
            return
        if stored != value.encode():
            self._fail(generation, "it does not return a stored value")
        elif self._idle_clock() - began > 2 * SLOW_SECONDS:
            self._fail(generation, "it is slow")
        else:
            if self._has_failed:
                logger.warning("Redis is available again (GATEWAY_REDIS_URL).")
            self.healthy_since = self._clock() if self._has_failed else -math.inf
            self._has_failed, self._slow_seconds = False, 0.0

    def _fail(self, generation: int, reason: str) -> None:
        """Open the circuit breaker, unless it has opened since the command started."""
        if generation != self._breaker.generation:
            return
        if not self._has_failed:
            logger.warning("Redis is not used until it recovers: %s (GATEWAY_REDIS_URL).", reason)
        self._has_failed = True
        self.healthy_since = math.inf
        self._breaker.on_failure(generation)

    def _measure(self, generation: int, began: float) -> None:
        """Note that a reply came, and stop using Redis if replies take too long."""
        now = self._idle_clock()
        if now - began <= SLOW_SECONDS:
            self._slow_seconds /= 2
        else:
            # Replies that were awaited at the same time count once.
            self._slow_seconds += now - max(began, self._slow_until)
            self._slow_until = now
        if self._slow_seconds > TIMEOUT_SECONDS:
            self._fail(generation, "it is slow")
        # Until then it stays half open. If Redis passes probes but fails commands, the open time doubles.
        elif self._clock() - self.healthy_since > MAX_OPEN_SECONDS:
            self._breaker.on_success(generation)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work in the background, which ends before the client closes."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _disconnect(self, *, in_use: bool) -> None:
        # A dead connection may not end its TLS session in time. It is closed all the same.
        with suppress(Exception):
            await self._pool.disconnect(inuse_connections=in_use)


@asynccontextmanager
async def _time_limit() -> AsyncIterator[None]:
    """Raise TimeoutError if the block takes longer than TIMEOUT_SECONDS.

    If the timer is late because this process was busy or suspended, a reply may be there that it has not read yet. So
    the block gets that time back, and a moment to read.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + TIMEOUT_SECONDS
    async with asyncio.timeout(None) as limit:
        timer = loop.call_at(due, lambda: limit.reschedule(2 * loop.time() - due + SLOW_SECONDS))
        try:
            yield
        finally:
            timer.cancel()


def _reason(error: Exception) -> str:
    """Return the reason of a failure for the log. It is the type alone, because some messages contain the host."""
    return "it did not reply in time" if isinstance(error, TimeoutError) else type(error).__name__
