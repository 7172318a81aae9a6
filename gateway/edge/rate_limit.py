"""How much each caller may ask: a bucket of points, which fills up evenly within a minute.

Buckets are in the Redis that replicas share, so that they count together, or, without one and while it is away, in each
process for its share. There, too, a bucket is kept as the time when it will be full again.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.edge.refusal import RateLimited
from gateway.redis_link import RedisLink, RedisUnavailable
from gateway.shared_bucket import SECOND, take_together

MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class _Rate:
    """In microseconds: what a point takes to come back, and an empty bucket to be full."""

    point: int
    bucket: int

    @classmethod
    def of(cls, points: float) -> "_Rate":
        """So many points a minute. A bucket holds as many, and at least one, or a small share could buy nothing."""
        point = math.ceil(MINUTE / points)
        return cls(point, max(MINUTE, point))

    def takes(self, cost: int) -> int:
        """Microseconds that a cost is; what costs more than a whole bucket takes a full one."""
        return min(cost * self.point, self.bucket)


class RateLimit:
    """One bucket a principal, full at first.

    points: what a bucket holds, and what flows into it a minute.
    replicas: processes that share the points where they cannot count together.
    redis: where they count together.
    clock: seconds from any start.
    """

    def __init__(
        self,
        points: int,
        replicas: int = 1,
        redis: RedisLink | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole, self._share = _Rate.of(points), _Rate.of(points / replicas)
        self._redis = redis
        self._clock = clock
        # When each bucket of this process is full again, and until when one of anywhere was last seen to be empty.
        # Past times need not be kept.
        self._full_at: dict[str, int] = {}
        self._empty_until: dict[str, int] = {}
        self._sweep_at = self._now() + MINUTE

    def refuse_empty(self, principal: str) -> None:
        """Pass a caller that is not known to have no point left: who asks on and on costs no reading, and no Redis.

        Raises: RateLimited.
        """
        if principal in self._empty_until:
            self._refuse(self._empty_until[principal] - self._now())

    async def spend(self, principal: str, cost: int) -> None:
        """Take a request's points from its caller's bucket.

        Cost: a round trip to Redis, where there is one.
        Raises: RateLimited, which takes none.
        """
        rate, wanted = self._whole, self._whole.takes(cost)
        full_in = await self._take_together(principal, wanted)
        if full_in is None:
            rate, wanted = self._share, self._share.takes(cost)
            full_in = self._take_alone(principal, wanted)
        now = self._now()
        self._sweep(now)
        if full_in + rate.point > rate.bucket:
            self._empty_until[principal] = now + full_in + rate.point - rate.bucket
        self._refuse(full_in + wanted - rate.bucket)

    async def _take_together(self, principal: str, wanted: int) -> int | None:
        """Microseconds in which the shared bucket is full, as it was before; None where there is none to be had."""
        if self._redis is None:
            return None
        try:
            return await take_together(self._redis, "limit", principal, part=wanted, size=self._whole.bucket)
        except RedisUnavailable:
            return None

    def _take_alone(self, principal: str, wanted: int) -> int:
        now = self._now()
        full_in = max(self._full_at.get(principal, now) - now, 0)
        if full_in + wanted <= self._share.bucket:
            self._full_at[principal] = now + full_in + wanted
        return full_in

    def _sweep(self, now: int) -> None:
        if now >= self._sweep_at:
            self._full_at = {each: until for each, until in self._full_at.items() if until > now}
            self._empty_until = {each: until for each, until in self._empty_until.items() if until > now}
            self._sweep_at = now + MINUTE

    def _refuse(self, too_early: int) -> None:
        if too_early > 0:
            raise RateLimited(math.ceil(too_early / SECOND))

    def _now(self) -> int:
        return round(self._clock() * SECOND)


class Purse:
    """One request's way to its caller's bucket. It spends once: what comes later is paid for."""

    __slots__ = ("_limit", "_principal", "_spent")

    def __init__(self, limit: RateLimit, principal: str) -> None:
        self._limit = limit
        self._principal = principal
        self._spent = False

    async def spend(self, cost: int) -> None:
        """Take the request's points, unless it has spent them.

        Raises: RateLimited.
        """
        if not self._spent:
            self._spent = True
            await self._limit.spend(self._principal, cost)
