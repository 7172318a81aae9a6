"""The upstream responses that one request used, which decide how long the response to it is fresh."""

import math
from dataclasses import dataclass, field

# A call's identity. If two calls have the same key, they share a response.
CacheKey = tuple[str, tuple[tuple[str, str | int], ...]]


@dataclass(slots=True)
class UsedResponses:
    """The upstream responses that a request used.

    Attributes:
        serials: The serial number of each response, by the identity of its call. It is None if the response is not in
            the response cache, or if the request used two responses to the same call.
        oldest: The time when the oldest of them came from AWS, in seconds since 1970.
        newest: The time when the newest of them came.
        fresh_until: The time until which all of them are fresh.
    """

    serials: dict[CacheKey, int | None] = field(default_factory=dict)
    oldest: float = math.inf
    newest: float = -math.inf
    fresh_until: float = math.inf

    def add(self, key: CacheKey, serial: int | None, stored_at: float, ttl: float) -> None:
        """Add a response.

        Args:
            key: The identity of its call.
            serial: Its serial number, or None if the response cache does not hold it.
            stored_at: The time when it came from AWS, in seconds since 1970.
            ttl: Seconds from then for which it is fresh.
        """
        # The cache holds one response to a call, so it cannot hold two that differ.
        self.serials[key] = serial if self.serials.get(key, serial) == serial else None
        self.oldest = min(stored_at, self.oldest)
        self.newest = max(stored_at, self.newest)
        self.fresh_until = min(stored_at + ttl, self.fresh_until)
