"""A retry budget, which keeps retries from multiplying the calls of a storm.

AWS's SDKs have such a bucket in their standard retry mode. Theirs holds 100 retries, with which a client that only
reads lists would continue to hammer an AWS that is down. This one is far smaller.
"""

import time
from collections.abc import Callable
from typing import Final

from gateway.shared_state.token_bucket import SECOND, TokenBucket

# Retries in a full bucket. One query with a few calls survives two errors each. 150 queries add 20 calls, not 300.
CAPACITY: Final = 20
# Retries that each successful call adds. So transient errors of up to a tenth of all calls are always retried.
PER_SUCCESS: Final = 0.1
# Retries that each second adds, so that queries soon after a storm have theirs. In a storm of 10 s, which is a
# deadline, with 150 successful calls, there are at most 50 retries. 20 come from the full bucket, 15 from the time and
# 15 from the calls.
PER_SECOND: Final = 1.5

# The bucket's clock runs at PER_SECOND, so that one retry refills in one second of it.
_RETRY: Final = SECOND


class RetryBudget:
    """A token bucket of retries, full at first.

    In any n seconds it allows at most CAPACITY + 1.5 n retries, and a tenth of the successful calls.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds from any start."""
        self._bucket = TokenBucket(CAPACITY * _RETRY, lambda: PER_SECOND * clock())

    def __repr__(self) -> str:
        """Return the number of retries in the bucket."""
        return f"<RetryBudget left={self.left:.1f}>"

    @property
    def left(self) -> float:
        """Retries that are in the bucket now."""
        return CAPACITY - self._bucket.backlog / _RETRY

    def spend(self) -> bool:
        """Take one retry if there is one, and return whether there was."""
        return self._bucket.acquire(_RETRY)

    def on_success(self) -> None:
        """Add to the bucket for a successful call."""
        self._bucket.refund(round(PER_SUCCESS * _RETRY))
