"""The response cache: recent upstream responses in this process's memory.

Responses belong to the account and not to a caller. Scopes are checked before a call (gateway/context.py). The cache
returns the stored objects themselves, so callers must not change a record.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final, NamedTuple

from gateway.upstream.cache.cache_memory import MAX_RESPONSE_BYTES, OVERHEAD_BYTES, CacheMemory
from gateway.upstream.call import UpstreamResponse
from gateway.upstream.used_responses import CacheKey

# Python's objects take up to four times the bytes of their JSON, and the last projection of a page's rows up to twice.
BYTES_PER_JSON_BYTE: Final = 6
# If a record is missing, it may exist soon. An order's numbers enter the inventory while a client waits for them.
NEGATIVE_TTL_RATIO: Final = 0.25


class CachedResponse(NamedTuple):
    """A response in the cache.

    Attributes:
        response: The response, which must not be changed.
        stored_at: The time when it came from the upstream, in seconds since 1970.
        ttl: Seconds from then for which it is fresh.
        size: Bytes that it counts for.
        serial: Its number among all responses of the process. It is None if the cache never held it.
    """

    response: UpstreamResponse
    stored_at: float
    ttl: float
    size: int
    serial: int | None


class ResponseCache:
    """Responses by the identity of their calls.

    Args:
        ttl: Seconds for which a response is fresh. If 0, it never is.
        stale_seconds: Seconds after the TTL for which a response may replace the error of a failing upstream.
        clock: Seconds since 1970.

    Attributes:
        size: Bytes that all responses count for.
        memory: The memory that this cache shares with the cache of responses to clients.
        removals: How often a response was replaced or evicted. While it stays the same, all responses that the cache
            held are still in it.
    """

    def __init__(self, ttl: float, stale_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.ttl = ttl
        self.stale_seconds = stale_seconds
        self.clock = clock
        self.size = 0
        self.memory = CacheMemory()
        self.memory.add(self)
        self.removals = 0
        # The oldest response comes first, so it is always the first to become too old.
        self._cached: OrderedDict[CacheKey, CachedResponse] = OrderedDict()
        self._serials = count(1)

    def __len__(self) -> int:
        """Return the number of responses in memory."""
        return len(self._cached)

    def age(self, cached: CachedResponse) -> float:
        """Return the seconds since a response came from the upstream."""
        return self.clock() - cached.stored_at

    def fresh(self, key: CacheKey) -> CachedResponse | None:
        """Return the response to a call if it is within its TTL."""
        cached = self._cached.get(key)
        return cached if cached is not None and self._is_fresh(cached) else None

    def holds(self, serials: Mapping[CacheKey, int | None]) -> bool:
        """Return whether the cache holds all of these responses, and has not replaced one of them.

        Args:
            serials: The serial number of each response, by its call's identity.
        """
        return all(
            serial is not None and key in self._cached and self._cached[key].serial == serial
            for key, serial in serials.items()
        )

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
        now = self.clock()
        # Another replica's clock may be ahead.
        stored = now if stored_at is None else min(stored_at, now)
        former = self._cached.get(key)
        if stored_at is not None and former is not None and former.stored_at >= stored_at:
            return former
        if former is not None:
            self._remove(key)
        cached = self._received(response, stored, next(self._serials))
        # A larger one would evict too many others.
        if cached.size > MAX_RESPONSE_BYTES:
            return self._received(response, stored, None)
        self._cached[key] = cached
        self.size += cached.size
        self._remove_expired(now - self.ttl - self.stale_seconds)
        self.memory.make_room()
        return cached

    def not_stored(self, response: UpstreamResponse) -> CachedResponse:
        """Return a response that has just come and must not be stored, with its lifetime."""
        return self._received(response, self.clock(), None)

    def evict_one(self) -> None:
        """Drop the oldest response."""
        self._remove(next(iter(self._cached)))

    def _received(self, response: UpstreamResponse, stored_at: float, serial: int | None) -> CachedResponse:
        # A response without a record is the API's NotFound.
        ttl = self.ttl if response.body is not None else self.ttl * NEGATIVE_TTL_RATIO
        size = response.size * BYTES_PER_JSON_BYTE + OVERHEAD_BYTES
        return CachedResponse(response, stored_at, ttl, size, serial)

    def _is_fresh(self, cached: CachedResponse) -> bool:
        # A negative age means that the clock was set back.
        return 0 <= self.age(cached) < cached.ttl

    def _remove(self, key: CacheKey) -> None:
        self.size -= self._cached.pop(key).size
        self.removals += 1

    def _remove_expired(self, too_old: float) -> None:
        while self._cached and next(iter(self._cached.values())).stored_at <= too_old:
            self.evict_one()
