"""Token buckets in the form of the generic cell rate algorithm (GCRA), in this process and in Redis.

A bucket refills evenly. Its whole state is its theoretical arrival time (TAT), at which it will be full again. Costs
and sizes are therefore times, in microseconds: the time in which the tokens refill.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from gateway.shared_state.redis_client import KEY_PREFIX, RedisClient, RedisUnavailable

SECOND: Final = 1_000_000

# Redis's clock counts, so replicas need not agree on the time. The backlog is at most a whole bucket. If it is longer,
# the clock was set back.
_ACQUIRE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, count, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
local backlog = math.min(math.max(tat - now, 0), burst)
local acquired = math.min(count, math.floor((burst - backlog) / interval))
if acquired > 0 then
  local new = backlog + acquired * interval
  redis.call('SET', KEYS[1], string.format('%.0f', now + new), 'PX', math.ceil(new / 1000))
end
return backlog
"""


class TokenBucket:
    """A token bucket in this process, full at first."""

    __slots__ = ("_burst", "_clock", "_tat")

    def __init__(self, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Create a bucket of `burst` microseconds, in which it refills. `clock` returns seconds from any start."""
        self._burst = burst
        self._clock = clock
        self._tat = self._now()

    @property
    def backlog(self) -> int:
        """Microseconds until the bucket is full."""
        return max(self._tat - self._now(), 0)

    def wait(self, cost: int) -> int:
        """Return the microseconds until the bucket holds the cost, or 0 if it does."""
        return max(self.backlog + cost - self._burst, 0)

    def acquire(self, cost: int) -> bool:
        """Take the cost from the bucket if it holds it, and return whether it did."""
        now = self._now()
        tat = max(self._tat, now) + cost
        if tat - now > self._burst:
            return False
        self._tat = tat
        return True

    def refund(self, cost: int) -> None:
        """Return the cost to the bucket, which holds no more than `burst`."""
        self._tat -= cost

    def _now(self) -> int:
        return int(self._clock() * SECOND)


async def acquire(redis: RedisClient, kind: str, owner: str, *, interval: int, burst: int, count: int = 1) -> int:
    """Take up to `count` tokens from a bucket that replicas share, as many as it holds.

    Args:
        redis: The Redis that holds the bucket.
        kind: The first part of the bucket's name.
        owner: The other part. It is stored as a digest, because an owner may be a person.
        interval: Microseconds in which one token refills.
        burst: Microseconds in which the empty bucket refills.
        count: Number of tokens. 0 takes none.

    Returns:
        The backlog before the call: microseconds until the bucket would have been full, from 0 to `burst`.

    Raises:
        RedisUnavailable: If Redis is unavailable or returns an impossible backlog.

    Cost: One round trip to Redis.
    """
    name = f"{KEY_PREFIX}{kind}:{sha256(owner.encode()).hexdigest()}"
    backlog = await redis.execute("EVAL", _ACQUIRE, 1, name, interval, count, burst)
    if not isinstance(backlog, int) or not 0 <= backlog <= burst:
        redis.mark_unhealthy(why := "it returned an impossible backlog of a token bucket")
        raise RedisUnavailable(why)
    return backlog
