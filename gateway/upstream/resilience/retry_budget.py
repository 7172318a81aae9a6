"""How many retries the process may make: what keeps a storm from being multiplied.

A bucket as AWS's SDKs have in their standard retry mode, but far smaller: theirs holds 100 retries, so that a client
that only reads lists would go on hammering a dead upstream.
"""

import time
from collections.abc import Callable
from typing import Final

# Retries that a full bucket holds. One query with a few calls rides out two faults each; 150 queries add 20, not 300.
CAPACITY: Final = 20.0
# Retries that each good answer adds: passing faults of up to a tenth of all calls are ridden out for good.
PER_SUCCESS: Final = 0.1
# Retries that each second adds, so that soon after a storm queries have theirs, too. With a storm of 150 queries that
# lasts for a deadline of 10 s, and with as many good answers, it all comes to 50 retries: a fifth of the calls, and 20.
PER_SECOND: Final = 1.5


class RetryBudget:
    """A bucket of retries, full at first. In any n seconds at most CAPACITY + 1.5 n + a tenth of the good answers.

    clock: seconds from any start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = CAPACITY
        self._filled_at = clock()

    @property
    def left(self) -> float:
        """Retries that may be made now."""
        return min(CAPACITY, self._left + (self._clock() - self._filled_at) * PER_SECOND)

    def spend(self) -> bool:
        """Take one retry; False, and nothing taken, where none is left."""
        left, self._filled_at = self.left, self._clock()
        self._left = left - 1 if left >= 1 else left
        return left >= 1

    def succeeded(self) -> None:
        """A call was answered as it should be."""
        if self._left < CAPACITY:
            self._left = min(CAPACITY, self._left + PER_SUCCESS)
