"""The rate limit on points of query cost, per caller, by the generic cell rate algorithm (GCRA).

Replicas that share a Redis count together in it. Without Redis, and while Redis is unavailable, each process counts its
share of the points. In both, a bucket is stored as the time at which it is full again.

Source of the header fields: IETF, draft-ietf-httpapi-ratelimit-headers-11.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.errors import Headers
from gateway.http.error_response import RateLimited
from gateway.shared_state.redis_client import RedisClient, RedisUnavailable
from gateway.shared_state.token_bucket import SECOND, TokenBucket, acquire

MINUTE: Final = 60 * SECOND


class Allowance(NamedTuple):
    """The points that a caller has left.

    Attributes:
        limit: Points per minute.
        left: Points that the caller can spend now.
        reset_seconds: Seconds until the caller has all of its points again.
    """

    limit: int
    left: int
    reset_seconds: int

    def headers(self) -> Headers:
        """Return the header RateLimit. CallerRateLimiter.policy is the header that goes with it."""
        return ((b"ratelimit", b'"points";r=%d;t=%d' % (self.left, self.reset_seconds)),)

    def extension(self) -> dict[str, Any]:
        """Return the entry of a response's `extensions`."""
        return {"rateLimit": {"limit": self.limit, "left": self.left, "resetSeconds": self.reset_seconds}}


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

        A bucket holds as many whole points, but at least one. A smaller bucket could never pay for a request.
        """
        interval = math.floor(MINUTE / points)
        return cls(interval, interval * max(1, math.floor(points)))

    def time_of(self, points: int) -> int:
        """Return the microseconds in which points refill. More points than a bucket holds count as a whole bucket."""
        return min(points * self.interval, self.burst)


class _EmptyBucket(NamedTuple):
    """A bucket that held less than one point when a request was rejected.

    Attributes:
        until: The time at which it holds one point, in microseconds.
        enough_at: The time at which it holds the points of that request, in microseconds.
    """

    until: int
    enough_at: int


class CallerRateLimiter:
    """A rate limiter with one token bucket for each caller. Every bucket starts full and refills evenly.

    Args:
        points: The size of a bucket, and the points that refill in a minute.
        replicas: The number of processes that share the points when they cannot count together.
        redis: The Redis in which replicas count together.
        clock: Returns seconds from any start.

    Attributes:
        policy: The header RateLimit-Policy.
    """

    def __init__(
        self,
        points: int,
        replicas: int = 1,
        redis: RedisClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.policy: Headers = ((b"ratelimit-policy", b'"points";q=%d;w=60' % points),)
        self._points = points
        self._whole, self._share = _Rate.of(points), _Rate.of(points / replicas)
        self._redis = redis
        self._clock = clock
        # This process's buckets. Full ones may be dropped.
        self._buckets: dict[str, TokenBucket] = {}
        # The callers whose bucket, here or in Redis, is known to hold less than one point. Past times may be dropped.
        self._empty: dict[str, _EmptyBucket] = {}
        self._sweep_at = self._now() + MINUTE

    def check(self, caller_id: str) -> None:
        """Raise RateLimited if the caller is known to have no point left.

        A caller that keeps sending requests then costs no parsing and no call to Redis. The cost of its request is not
        known, so the reported wait is that of the last request whose cost was known.
        """
        empty = self._empty.get(caller_id)
        if empty is not None and (left := empty.until - (now := self._now())) > 0:
            rate = self._share if self._redis is None else self._whole
            self._reject_if_early(empty.enough_at - now, rate, rate.burst - rate.interval + left)

    async def allowance(self, caller_id: str) -> Allowance:
        """Return the points that the caller has left, and take none.

        Cost: As for `consume`.
        """
        rate, backlog = await self._take(caller_id, 0)
        return self._allowance(rate, backlog)

    async def consume(self, caller_id: str, points: int) -> Allowance:
        """Take points from the caller's bucket and return those that are left, or raise RateLimited and take none.

        Cost: One round trip to Redis, if there is one.
        """
        rate, backlog = await self._take(caller_id, points)
        wanted = rate.time_of(points)
        now = self._now()
        self._sweep(now)
        empty_at = now + backlog - rate.burst
        if empty_at + rate.interval > now:
            self._empty[caller_id] = _EmptyBucket(empty_at + rate.interval, empty_at + wanted)
        self._reject_if_early(backlog + wanted - rate.burst, rate, backlog)
        return self._allowance(rate, backlog + wanted)

    async def _take(self, caller_id: str, points: int) -> tuple[_Rate, int]:
        """Take points if the bucket holds them, and return the bucket's rate and its backlog before the call."""
        backlog = await self._take_shared(caller_id, points)
        if backlog is not None:
            return self._whole, backlog
        bucket = self._buckets.setdefault(caller_id, TokenBucket(self._share.burst, self._clock))
        backlog = bucket.backlog
        bucket.acquire(self._share.time_of(points))
        return self._share, backlog

    async def _take_shared(self, caller_id: str, points: int) -> int | None:
        """Return the shared bucket's backlog before the call, or None if there is no Redis."""
        if self._redis is None:
            return None
        # All points are one token for Redis. Without points, no token is taken, and its size does not matter.
        size, count = (self._whole.time_of(points), 1) if points else (self._whole.interval, 0)
        try:
            return await acquire(self._redis, "limit", caller_id, interval=size, burst=self._whole.burst, count=count)
        except RedisUnavailable:
            return None

    def _allowance(self, rate: _Rate, backlog: int) -> Allowance:
        left = max(0, rate.burst - backlog) // rate.interval
        return Allowance(self._points, min(left, self._points), math.ceil(backlog / SECOND))

    def _sweep(self, now: int) -> None:
        """Drop full buckets and past times, at most once a minute."""
        if now >= self._sweep_at:
            self._buckets = {each: bucket for each, bucket in self._buckets.items() if bucket.backlog > 0}
            self._empty = {each: empty for each, empty in self._empty.items() if empty.until > now}
            self._sweep_at = now + MINUTE

    def _reject_if_early(self, wait: int, rate: _Rate, backlog: int) -> None:
        """Raise RateLimited if the caller has to wait, in microseconds."""
        if wait > 0:
            seconds = math.ceil(wait / SECOND)
            # Both headers have to mean the same time.
            raise RateLimited(seconds, self._allowance(rate, backlog)._replace(reset_seconds=seconds).headers())

    def _now(self) -> int:
        return int(self._clock() * SECOND)
