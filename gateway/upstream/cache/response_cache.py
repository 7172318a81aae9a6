"""The response cache: recent upstream responses in this process's memory.

Responses belong to the account and not to a caller. Scopes are checked before a call (gateway/context.py). The cache
returns the stored objects themselves, so callers must not change a record.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.upstream.call import CacheKey, UpstreamResponse

# Bytes of JSON in memory: 70 pages of 99 numbers. Python's objects take about four times as much.
MAX_BYTES: Final = 4 * 1024 * 1024
# Bytes that a response takes in addition to its JSON, for its key and the objects around it.
OVERHEAD_BYTES: Final = 500
# If a record is missing, it may exist soon. An order's numbers enter the inventory while a client waits for them.
NEGATIVE_TTL_RATIO: Final = 0.25


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response in the cache.

    Attributes:
        stored_at: The time when it came from the upstream, in seconds since 1970.
        ttl: Seconds from then for which it is fresh.
        size: Bytes that it counts for.
    """

    response: UpstreamResponse
    stored_at: float
    ttl: float
    size: int


class ResponseCache:
    """Responses by the identity of their calls.

    Args:
        ttl: Seconds for which a response is fresh. If 0, it never is.
        stale_seconds: Seconds after the TTL for which a response may replace the error of a failing upstream.
        clock: Seconds since 1970.
    """

    def __init__(self, ttl: float, stale_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.ttl = ttl
        self.stale_seconds = stale_seconds
        self._clock = clock
        # The oldest response comes first, so it is always the first to become too old.
        self._cached: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of responses in memory."""
        return len(self._cached)

    def age(self, cached: CachedResponse) -> float:
        """Return the seconds since a response came from the upstream."""
        return self._clock() - cached.stored_at

    def expiry(self, response: UpstreamResponse) -> float:
        """Return the time until which a response that has just come is fresh, in seconds since 1970."""
        return self._clock() + self._lifetime(response)

    def fresh(self, key: CacheKey) -> CachedResponse | None:
        """Return the response to a call if it is within its TTL."""
        cached = self._cached.get(key)
        # A negative age means that the clock was set back.
        return cached if cached is not None and 0 <= self.age(cached) < cached.ttl else None

    def usable_on_error(self, key: CacheKey) -> CachedResponse | None:
        """Return the response to a call if it may replace an error."""
        cached = self._cached.get(key)
        if cached is None or not 0 <= self.age(cached) <= cached.ttl + self.stale_seconds:
            return None
        return cached

    def store(self, key: CacheKey, response: UpstreamResponse, stored_at: float | None = None) -> CachedResponse:
        """Store a response, unless a newer one is stored or it is too large. Evict the oldest if there are too many.

        Args:
            key: The call's identity.
            response: The response. It must not change afterwards.
            stored_at: The time when it came from the upstream. The default is now.
        """
        now = self._clock()
        ttl = self._lifetime(response)
        # Another replica's clock may be ahead.
        stored = now if stored_at is None else min(stored_at, now)
        cached = CachedResponse(response, stored, ttl, response.size + OVERHEAD_BYTES)
        former = self._cached.get(key)
        if stored_at is not None and former is not None and former.stored_at >= stored_at:
            return former
        if former is not None:
            del self._cached[key]
            self._size -= former.size
        # A larger one would evict too many others.
        if cached.size <= MAX_BYTES // 4:
            self._cached[key] = cached
            self._size += cached.size
        self._evict(now - self.ttl - self.stale_seconds)
        return cached

    def _lifetime(self, response: UpstreamResponse) -> float:
        # A response without a record is the API's NotFound.
        return self.ttl if response.body is not None else self.ttl * NEGATIVE_TTL_RATIO

    def _evict(self, too_old: float) -> None:
        while self._cached:
            oldest = next(iter(self._cached.values()))
            if self._size <= MAX_BYTES and oldest.stored_at > too_old:
                return
            self._cached.popitem(last=False)
            self._size -= oldest.size
