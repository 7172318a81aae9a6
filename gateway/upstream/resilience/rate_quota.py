"""The interface of rate limiters, and the limiter for the calls a second that an operator grants to this process."""

import math
import time
from collections.abc import Callable
from typing import Final, Protocol

from gateway.shared_state.token_bucket import SECOND, TokenBucket

# Seconds that a call may be late without delaying later calls. Timers fire milliseconds late, which at 100 calls a
# second would lose a tenth of the rate. In return any one second may exceed the rate by a twentieth, and by one call.
LATENESS_SECONDS: Final = 0.05


class RateLimiter(Protocol):
    """A limit of calls a second. Each call takes one permit."""

    @property
    def rate(self) -> float | None:
        """Permits a second at most, if there is a limit now."""
        ...

    @property
    def wait(self) -> float | None:
        """Seconds until a permit can be taken, or 0 if it can be taken now. None means that `fetch` must run first."""
        ...

    def acquire(self) -> None:
        """Take one permit. Only call this if `wait` is 0."""
        ...

    async def fetch(self, count: int) -> None:  # noqa: ARG002  # Limiters that fetch use it.
        """Fetch up to `count` permits that can be used at once, or find out how long to wait.

        It is called only if `wait` demands it. At most one call is in flight, and it must not raise. Limiters whose
        `wait` never demands it inherit this one, which has no effect.
        """
        return


class LocalRateLimiter(RateLimiter):
    """A rate limiter for this process alone, which spaces calls evenly."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`rate` is in calls a second and above 0. `clock` returns seconds from any start."""
        self._rate = rate
        self._interval = math.ceil(SECOND / rate)
        self._bucket = TokenBucket(self._interval + round(LATENESS_SECONDS * SECOND), clock)

    @property
    def rate(self) -> float:
        """Permits a second."""
        return self._rate

    @property
    def wait(self) -> float:
        """Seconds until a permit can be taken."""
        return self._bucket.wait(self._interval) / SECOND

    def acquire(self) -> None:
        """Take one permit."""
        self._bucket.acquire(self._interval)
