"""A rate limiter that replicas and their workers share through Redis.

Each process may use the whole rate while the others are idle. If several want permits, the first one to request the
next permit gets it, and chance decides which one is first.
"""

import math
import random
import time
from collections.abc import Callable
from typing import Final

from gateway.shared_state.circuit_breaker import MAX_OPEN_SECONDS
from gateway.shared_state.redis_client import PROBE_SECONDS, RedisClient, RedisUnavailable
from gateway.shared_state.token_bucket import SECOND, acquire
from gateway.upstream.resilience.rate_quota import LATENESS_SECONDS, LocalRateLimiter, RateLimiter

# Seconds over which waiting processes spread their requests. Otherwise the processes next to Redis, whose round trip is
# a millisecond shorter, would get every permit. It is well within LATENESS_SECONDS, so no permit is lost by it.
SPREAD_SECONDS: Final = 0.01
# Seconds in which every process that wants permits has found that Redis recovered.
ALL_RECONNECTED_SECONDS: Final = MAX_OPEN_SECONDS + PROBE_SECONDS


class SharedRateLimiter(RateLimiter):
    """The rate limiter of one upstream, in one Redis.

    While Redis is unavailable, each process uses its share of the rate. It goes on doing so until all processes must
    have reconnected, because those that have not still use their shares without counting them in Redis.
    """

    def __init__(
        self,
        rate: float,
        processes: int,
        redis: RedisClient,
        upstream: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a limiter with no permits.

        Args:
            rate: Calls a second of all processes together, above 0.
            processes: Number of processes that share the rate.
            redis: The Redis in which they count.
            upstream: The limit's owner: service, region, endpoint, and the account if it is configured. The access key
                is no part of it, since replicas with temporary credentials sign with a key each.
            clock: Returns seconds of time.monotonic.
        """
        self._whole_rate = rate
        self._share = LocalRateLimiter(rate / processes, clock)
        self._redis = redis
        self._upstream = upstream
        self._clock = clock
        self._interval = math.ceil(SECOND / rate)
        self._burst = self._interval + round(LATENESS_SECONDS * SECOND)
        # Permits at hand. They expire, because using one late would exceed the rate at that later time.
        self._permits = 0
        self._expire_at = 0.0
        # No permit can be had before this time.
        self._retry_at = -math.inf
        # A permit of the share that must still be counted in Redis.
        self._has_uncounted = False

    def __repr__(self) -> str:
        """Return the rate, the strategy and the permits at hand."""
        strategy = "share" if self._uses_share else "redis"
        return f"<SharedRateLimiter rate={self.rate:g} by={strategy} permits={self._permits}>"

    @property
    def rate(self) -> float:
        """Permits a second that this process can have at most."""
        return self._share.rate if self._uses_share else self._whole_rate

    @property
    def wait(self) -> float | None:
        """Seconds until a permit can be taken or fetched. None if one must be fetched."""
        now = self._clock()
        if self._permits > 0 and now < self._expire_at:
            return 0.0
        return self._retry_at - now if now < self._retry_at else None

    def acquire(self) -> None:
        """Take one of the permits at hand."""
        self._permits -= 1

    async def fetch(self, count: int) -> None:
        """Fetch up to `count` permits from Redis, or one from this process's share.

        Cost: One round trip to Redis, or none while Redis is unavailable.
        """
        self._permits, self._retry_at = 0, -math.inf
        if self._uses_share or not await self._fetch_from_redis(count):
            await self._fetch_from_share()

    @property
    def _uses_share(self) -> bool:
        return self._clock() - self._redis.healthy_since < ALL_RECONNECTED_SECONDS

    async def _fetch_from_redis(self, count: int) -> bool:
        """Fetch permits or learn how long to wait. Return False if Redis is unavailable."""
        try:
            backlog = await acquire(
                self._redis, "quota", self._upstream, interval=self._interval, burst=self._burst, count=count
            )
        except RedisUnavailable:
            return False
        permits = min(count, (self._burst - backlog) // self._interval)
        if permits > 0:
            self._store(permits)
        else:
            wait = (backlog + self._interval - self._burst) / SECOND
            spread = random.uniform(0, SPREAD_SECONDS)  # noqa: S311  # No secret.
            self._retry_at = self._clock() + wait + spread
        return True

    async def _fetch_from_share(self) -> None:
        """Take a permit of the share. It becomes usable once it is counted in Redis or Redis is unavailable."""
        if not self._has_uncounted:
            if (wait := self._share.wait) > 0:
                self._retry_at = self._clock() + wait
                return
            self._share.acquire()
            self._has_uncounted = True
        await self._count_in_redis()

    async def _count_in_redis(self) -> None:
        """Count the share's permit in Redis, for the processes that already use the whole rate."""
        if not await self._fetch_from_redis(1):
            self._store(1)
        self._has_uncounted = self._permits == 0

    def _store(self, permits: int) -> None:
        self._permits, self._expire_at = permits, self._clock() + LATENESS_SECONDS
