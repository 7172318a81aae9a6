"""The calls a second that an operator grants: the account's quota, or this process's share of it."""

import time
from collections.abc import Callable
from typing import Final, Protocol

# Seconds that a call may come after its turn without a loss to those after it: timers are late by milliseconds, and
# at 100 calls a second that would add up to a tenth. In any second it is a twentieth more than the rate, and one.
LATENESS_SECONDS: Final = 0.05


class RateLimiter(Protocol):
    """Permits for calls, which several processes may draw on."""

    @property
    def rate(self) -> float:
        """Permits a second, at best."""
        ...

    async def permit(self, wanted: int) -> float:
        """Take a permit: 0; or, with none taken, the seconds after which to ask again.

        wanted: permits that would be used at once, this one among them: so many may be fetched together.
        It is asked for one call at a time, and must not raise.
        """
        ...


class LocalRateLimiter:
    """A quota that this process has for itself, evenly spaced.

    rate: calls a second, above 0. clock: seconds from any start.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._clock = clock
        self._next_at = clock()

    async def permit(self, wanted: int = 1) -> float:  # noqa: ARG002  # Nothing is fetched.
        """Quota.permit."""
        now = self._clock()
        if now < self._next_at:
            return self._next_at - now
        self._next_at = max(self._next_at, now - LATENESS_SECONDS) + 1 / self.rate
        return 0.0
