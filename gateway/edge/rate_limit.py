"""How much each caller may ask: a bucket of points, which fills up evenly within a minute."""

import math
import time
from collections.abc import Callable
from typing import Final

from gateway.edge.refusal import RateLimited

MINUTE: Final = 60.0
# What floats of a clock may be off by, and far more.
ROUNDING_SECONDS: Final = 1e-6


class RateLimit:
    """One bucket a principal, full at first. It counts for this process alone.

    points: what a bucket holds, and what flows into it a minute.
    clock: seconds from any start.
    """

    def __init__(self, points: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._points = points
        self._clock = clock
        # When each bucket is full again. Those that are need not be kept.
        self._full_at: dict[str, float] = {}
        self._sweep_at = clock() + MINUTE

    def spend(self, principal: str, cost: int) -> None:
        """Take a request's points from its caller's bucket. What costs more than a whole bucket takes a full one.

        Raises: RateLimited, which takes none.
        """
        now = self._clock()
        if now >= self._sweep_at:
            self._full_at = {each: full_at for each, full_at in self._full_at.items() if full_at > now}
            self._sweep_at = now + MINUTE
        full_at = max(self._full_at.get(principal, now), now) + min(cost, self._points) * MINUTE / self._points
        too_early = full_at - now - MINUTE
        if too_early > ROUNDING_SECONDS:
            raise RateLimited(math.ceil(too_early))
        self._full_at[principal] = full_at
