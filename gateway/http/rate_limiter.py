"""The rate limit on points of query cost, per caller, by the generic cell rate algorithm (GCRA).

Replicas that share a Redis count together in it. Without Redis, and while Redis is unavailable, each process counts its
share of the points. In both, a bucket is stored as the time at which it is full again.
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
    """A rate in GCRA's terms.

    Attributes:
        interval: Microseconds in which one point refills.
        burst: Microseconds in which an empty bucket refills.
    """

    interval: int
    burst: int

    @classmethod
    def of(cls, points: float) -> "_Rate":
        """Return the rate of this many points a minute.

        A bucket holds as many points, but at least one. A smaller bucket could never pay for a request.
        """
        interval = math.ceil(MINUTE / points)
        return cls(interval, max(MINUTE, interval))

    def time_of(self, points: int) -> int:
        """Return the microseconds in which points refill. More points than a bucket holds count as a whole bucket."""
        return min(points * self.interval, self.burst)


class CallerRateLimiter:
    """A rate limiter with one token bucket for each caller. Every bucket starts full and refills evenly.

    Args:
        points: The size of a bucket, and the points that refill in a minute.
        replicas: The number of processes that share the points when they cannot count together.
        redis: The Redis in which replicas count together.
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
        # Until then a bucket, here or in Redis, is known to hold less than one point. Past times may be dropped.
        self._empty_until: dict[str, int] = {}
        self._sweep_at = self._now() + MINUTE

    def check(self, caller_id: str) -> None:
        """Raise RateLimited if the caller is known to have no point left.

        A caller that keeps sending requests then costs no parsing and no call to Redis.
        """
        if caller_id in self._empty_until:
            self._reject_if_early(self._empty_until[caller_id] - self._now())

    async def consume(self, caller_id: str, points: int) -> None:
        """Take points from the caller's bucket, or raise RateLimited and take none.

        Cost: One round trip to Redis, if there is one.
        """
        rate, wanted = self._whole, self._whole.time_of(points)
        backlog = await self._consume_shared(caller_id, wanted)
        if backlog is None:
            rate, wanted = self._share, self._share.time_of(points)
            backlog = self._consume_local(caller_id, wanted)
        now = self._now()
        self._sweep(now)
        if backlog + rate.interval > rate.burst:
            self._empty_until[caller_id] = now + backlog + rate.interval - rate.burst
        self._reject_if_early(backlog + wanted - rate.burst)

    async def _consume_shared(self, caller_id: str, wanted: int) -> int | None:
        """Return the shared bucket's backlog before the call, or None if there is no Redis."""
        if self._redis is None:
            return None
        try:
            return await acquire(self._redis, "limit", caller_id, interval=wanted, burst=self._whole.burst)
        except RedisUnavailable:
            return None

    def _consume_local(self, caller_id: str, wanted: int) -> int:
        """Return the backlog of this process's bucket before the call."""
        bucket = self._buckets.setdefault(caller_id, TokenBucket(self._share.burst, self._clock))
        backlog = bucket.backlog
        bucket.acquire(wanted)
        return backlog

    def _sweep(self, now: int) -> None:
        """Drop full buckets and past times, at most once a minute."""
        if now >= self._sweep_at:
            self._buckets = {each: bucket for each, bucket in self._buckets.items() if bucket.backlog > 0}
            self._empty_until = {each: until for each, until in self._empty_until.items() if until > now}
            self._sweep_at = now + MINUTE

    def _reject_if_early(self, wait: int) -> None:
        """Raise RateLimited if the caller has to wait, in microseconds."""
        if wait > 0:
            raise RateLimited(math.ceil(wait / SECOND))

    def _now(self) -> int:
        return int(self._clock() * SECOND)
