"""A rate limiter with one token bucket for each caller. A bucket refills evenly within a minute.

Replicas that share a Redis count together in it. Without Redis, and while Redis is unavailable, each process counts its
share of the points. In both a bucket is stored as the time at which it will be full again (GCRA).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.http.error_response import RateLimited
from gateway.shared_state.redis_client import RedisClient, RedisUnavailable
from gateway.shared_state.token_bucket import SECOND, TokenBucket, acquire

MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class _Rate:
    """The time in which one point, and a whole bucket, refills. Both are in microseconds."""

    interval: int
    bucket: int

    @classmethod
    def of(cls, points: float) -> "_Rate":
        """Return the rate of this many points a minute.

        A bucket holds as many points, but at least one. A smaller bucket could never pay for a request.
        """
        interval = math.ceil(MINUTE / points)
        return cls(interval, max(MINUTE, interval))

    def time_of(self, cost: int) -> int:
        """Return the microseconds in which a cost refills. A cost above a whole bucket counts as a whole bucket."""
        return min(cost * self.interval, self.bucket)


class CallerRateLimiter:
    """A rate limiter that lets each principal spend points. Every bucket starts full.

    Args:
        points: The size of a bucket, and the points that refill in a minute.
        replicas: The number of processes that share the points when they cannot count together.
        redis: Where replicas count together.
        clock: Return seconds from any start.
    """

    def __init__(
        self,
        points: int,
        replicas: int = 1,
        redis: RedisClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole, self._share = _Rate.of(points), _Rate.of(points / replicas)
        self._redis = redis
        self._clock = clock
        # This process's buckets. Full ones may be dropped.
        self._buckets: dict[str, TokenBucket] = {}
        # The time until which a bucket is known to be empty, whether it is here or in Redis. Past times may be dropped.
        self._empty_until: dict[str, int] = {}
        self._sweep_at = self._now() + MINUTE

    def check(self, principal: str) -> None:
        """Raise RateLimited if the principal is known to have no point left.

        A caller that keeps sending requests then costs no parsing and no call to Redis.
        """
        if principal in self._empty_until:
            self._refuse(self._empty_until[principal] - self._now())

    async def consume(self, principal: str, points: int) -> None:
        """Take points from the principal's bucket, or raise RateLimited and take none.

        Cost: one round trip to Redis, if there is one.
        """
        rate, wanted = self._whole, self._whole.time_of(points)
        backlog = await self._acquire_shared(principal, wanted)
        if backlog is None:
            rate, wanted = self._share, self._share.time_of(points)
            backlog = self._acquire_local(principal, wanted)
        now = self._now()
        self._sweep(now)
        if backlog + rate.interval > rate.bucket:
            self._empty_until[principal] = now + backlog + rate.interval - rate.bucket
        self._refuse(backlog + wanted - rate.bucket)

    async def _acquire_shared(self, principal: str, wanted: int) -> int | None:
        """Return the shared bucket's backlog before the call, or None if there is no Redis."""
        if self._redis is None:
            return None
        try:
            return await acquire(self._redis, "limit", principal, interval=wanted, burst=self._whole.bucket)
        except RedisUnavailable:
            return None

    def _acquire_local(self, principal: str, wanted: int) -> int:
        """Return the backlog of this process's bucket before the call."""
        bucket = self._buckets.setdefault(principal, TokenBucket(self._share.bucket, self._clock))
        backlog = bucket.backlog
        bucket.acquire(wanted)
        return backlog

    def _sweep(self, now: int) -> None:
        if now >= self._sweep_at:
            self._buckets = {each: bucket for each, bucket in self._buckets.items() if bucket.backlog > 0}
            self._empty_until = {each: until for each, until in self._empty_until.items() if until > now}
            self._sweep_at = now + MINUTE

    def _refuse(self, too_early: int) -> None:
        if too_early > 0:
            raise RateLimited(math.ceil(too_early / SECOND))

    def _now(self) -> int:
        return int(self._clock() * SECOND)
