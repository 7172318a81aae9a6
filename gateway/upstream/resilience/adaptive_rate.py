"""An adaptive rate limiter: no limit until AWS throttles, then a lower rate that grows again.

It works like botocore's adaptive retry mode, which does not recognize these APIs' 429 responses. The algorithm is
CUBIC, as in TCP. After a 429 the rate falls to BETA of its value. It soon comes near the old value, stays there
for a while, and then grows faster.

Source: RFC 9438, 4.1 and 4.2, and botocore's retries/adaptive.py.
"""

import time
from collections.abc import Callable
from typing import Final

from gateway.upstream.resilience.rate_quota import RateLimiter

BETA: Final = 0.7
# Calls a second per cubic second: the constant C of RFC 9438 and of botocore.
GROWTH: Final = 0.4
# Calls a second, however often AWS throttles. botocore's 0.5 would make a page of 1,000 records take 20 s.
MIN_RATE: Final = 2.0
# Calls that may start at once after a pause, so that a single query's two retries need not wait for each other.
BURST: Final = 2
# Seconds after the plateau until the limit ends. The rate would then exceed 1,000 calls a second, more than one process
# makes.
RECOVERY_SECONDS: Final = 14.0
# Seconds over which the actual rate is measured.
WINDOW_SECONDS: Final = 1.0


class AdaptiveRateLimiter(RateLimiter):
    """The limit of this process's calls that AWS's 429 responses imply. It computes only, its caller waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a limiter without a limit. `clock` returns seconds from any start."""
        self._clock = clock
        self._throttled_at = float("-inf")
        # The rate before the last decrease, and the seconds after which it is reached again.
        self._plateau = 0.0
        self._plateau_after = 0.0
        # Calls that may start at once, as of `_tokens_at`.
        self._tokens, self._tokens_at = float(BURST), self._throttled_at
        self._window_began = clock()
        self._window_calls = 0
        self._measured = 0.0

    def __repr__(self) -> str:
        """Return the rate and the measured rate."""
        return f"<AdaptiveRateLimiter rate={self.rate} measured={self._measured:g}>"

    @property
    def rate(self) -> float | None:
        """Calls a second, or None if there is no limit now."""
        since_plateau = self._clock() - self._throttled_at - self._plateau_after
        if since_plateau >= RECOVERY_SECONDS:
            return None
        return float(GROWTH * since_plateau**3 + self._plateau)

    @property
    def wait(self) -> float:
        """Seconds until the next call may start, or 0 if it may start now."""
        rate = self.rate
        return 0.0 if rate is None else max(0.0, (1 - self._tokens_now(rate, self._clock())) / rate)

    def acquire(self) -> None:
        """Count a call that starts now."""
        now = self._clock()
        self._window_calls += 1
        if now - self._window_began >= WINDOW_SECONDS:
            self._measured = self._window_calls / (now - self._window_began)
            self._window_began, self._window_calls = now, 0
        rate = self.rate
        if rate is not None:
            self._tokens, self._tokens_at = self._tokens_now(rate, now) - 1, now

    def on_throttled(self, started_at: float) -> None:
        """Decrease the rate because AWS throttled a call that started at this time."""
        if started_at <= self._throttled_at:
            # The call was in flight at the last decrease, so it carries no new information.
            return
        measured = max(self._measured, self._window_calls / WINDOW_SECONDS)
        self._plateau = max(min(self.rate or measured, measured), MIN_RATE / BETA)
        self._plateau_after = float((self._plateau * (1 - BETA) / GROWTH) ** (1 / 3))
        self._throttled_at = self._clock()

    def _tokens_now(self, rate: float, now: float) -> float:
        return min(BURST, self._tokens + (now - self._tokens_at) * rate)
