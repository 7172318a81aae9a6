"""A quota that replicas and their workers keep together, by Redis.

Any of them may use all of it while the others are idle. Where several want it, whoever asks first after a permit has
come in takes it, and chance decides who that is.
"""

import math
import random
import time
from collections.abc import Callable
from typing import Final

from gateway.shared_state.redis_client import CONNECT_SECONDS, MOST_PAUSE_SECONDS, RedisClient, RedisUnavailable
from gateway.shared_state.token_bucket import SECOND, take_together
from gateway.upstream.resilience.rate_quota import LATENESS_SECONDS, LocalRateLimiter

# Seconds by which processes that wait for the same permit ask apart: those next to Redis, whose way there is a
# millisecond shorter, would else have them all. It is well within LATENESS_SECONDS, and so no permit is lost by it.
SPREAD_SECONDS: Final = 0.01
# Seconds in which each process has found again a Redis that came back.
ALL_BACK_SECONDS: Final = MOST_PAUSE_SECONDS + CONNECT_SECONDS


class SharedRateLimiter:
    """One upstream's quota, in one Redis.

    While Redis is away each process keeps to its share of it; and also until all must have found it again, for those
    that have not take their share uncounted.

    whole: calls a second, above 0. processes: those that share them.
    upstream: names what a quota is for: service, region, endpoint, and the account if it is configured. The access
    key is not in it, as replicas that have temporary credentials sign with a key each.
    clock: seconds, time.monotonic's.
    """

    def __init__(
        self,
        whole: float,
        processes: int,
        redis: RedisClient,
        upstream: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._whole = whole
        self._share = LocalRateLimiter(whole / processes, clock)
        self._redis = redis
        self._upstream = upstream
        self._clock = clock
        # Microseconds: what a permit takes to come in, and none to be there until all are that may be used at once.
        self._part = math.ceil(SECOND / whole)
        self._size = self._part + round(LATENESS_SECONDS * SECOND)
        # Fetched together with another. A call that comes late with one would come beside those of the time since.
        self._fetched = 0
        self._fetched_until = 0.0
        # Of the share, and still to be counted.
        self._has_own = False

    @property
    def rate(self) -> float:
        """Quota.rate."""
        return self._share.rate if self._some_may_be_away else self._whole

    async def permit(self, wanted: int) -> float:
        """Quota.permit.

        Cost: a round trip to Redis for as many permits as are wanted and there; nothing while it is left alone.
        """
        if self._fetched and self._clock() < self._fetched_until:
            self._fetched -= 1
            return 0.0
        if not self._some_may_be_away:
            wait = await self._take_together(wanted)
            if wait is not None:
                return wait
        if not self._has_own:
            wait = await self._share.permit()
            if wait > 0:
                return wait
            self._has_own = True
        wait = await self._take_together(1)
        self._has_own = bool(wait)
        return wait or 0.0

    @property
    def _some_may_be_away(self) -> bool:
        return self._clock() - self._redis.healthy_since < ALL_BACK_SECONDS

    async def _take_together(self, wanted: int) -> float | None:
        """Seconds to wait, 0 where permits were taken; None where there is no Redis to ask."""
        try:
            full_in = await take_together(
                self._redis, "quota", self._upstream, part=self._part, parts=wanted, size=self._size
            )
        except RedisUnavailable:
            return None
        taken = min(wanted, (self._size - full_in) // self._part)
        if taken == 0:
            too_early = (full_in + self._part - self._size) / SECOND
            return too_early + random.uniform(0, SPREAD_SECONDS)  # noqa: S311  # No secret.
        self._fetched = taken - 1
        self._fetched_until = self._clock() + LATENESS_SECONDS
        return 0.0
