"""How fast AWS may be asked, by what it says: no limit until it throttles, then slower, then faster again.

The way of botocore's adaptive retry mode, which cannot be had for these APIs: CUBIC, as TCP has it. After a 429 the
rate is BETA of what it was, is soon back near that, stays there for a while, and then looks for more.

Source: RFC 9438, 4.1 and 4.2; botocore's retries/adaptive.py.
"""

import time
from collections.abc import Callable
from typing import Final

BETA: Final = 0.7
# Calls a second, by the third power of seconds: RFC 9438's C, and botocore's.
GROWTH: Final = 0.4
# Calls a second, however much is throttled; botocore's is 0.5, at which a page of 1,000 would take 20 s.
MIN_RATE: Final = 2.0
# Calls that may be made at once after a pause, so that a single query's two retries need not be spaced out.
BURST: Final = 2
# Seconds after which the rate would be past 1,000 calls a second, more than one process makes: no limit any more.
RECOVERY_SECONDS: Final = 14.0
# Seconds over which the rate that was really reached is measured.
WINDOW_SECONDS: Final = 1.0


class AdaptiveRateLimiter:
    """The rate of the process's calls. All of it is arithmetic; whoever makes calls does the waiting.

    clock: seconds from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slowed_at = float("-inf")
        # The rate at the last slowing, and the seconds until it is reached again.
        self._plateau = 0.0
        self._plateau_after = 0.0
        # Calls that may be made at once, as of then.
        self._tokens, self._tokens_at = float(BURST), self._slowed_at
        self._window_began = clock()
        self._begun = 0
        self._measured = 0.0

    @property
    def rate(self) -> float | None:
        """Calls a second, None where there is no limit."""
        since_plateau = self._clock() - self._slowed_at - self._plateau_after
        if since_plateau >= RECOVERY_SECONDS:
            return None
        return float(GROWTH * since_plateau**3 + self._plateau)

    @property
    def wait(self) -> float:
        """Seconds until the next call may be made, 0 where it may be now."""
        rate = self.rate
        return 0.0 if rate is None else max(0.0, (1 - self._filled(rate, self._clock())) / rate)

    def begin(self) -> None:
        """A call is made."""
        now = self._clock()
        self._begun += 1
        if now - self._window_began >= WINDOW_SECONDS:
            self._measured = self._begun / (now - self._window_began)
            self._window_began, self._begun = now, 0
        rate = self.rate
        if rate is not None:
            self._tokens, self._tokens_at = self._filled(rate, now) - 1, now

    def throttled(self, begun_at: float) -> None:
        """A call that was begun then was answered with 429."""
        if begun_at <= self._slowed_at:
            # Of those that were under way at the last slowing, it says nothing new.
            return
        reached = max(self._measured, self._begun / WINDOW_SECONDS)
        self._plateau = max(min(self.rate or reached, reached), MIN_RATE / BETA)
        self._plateau_after = float((self._plateau * (1 - BETA) / GROWTH) ** (1 / 3))
        self._slowed_at = self._clock()

    def _filled(self, rate: float, now: float) -> float:
        return min(BURST, self._tokens + (now - self._tokens_at) * rate)
