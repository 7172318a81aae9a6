"""Finished responses, kept as bytes and reused for identical requests of the same caller.

A response is reused only while the response cache holds every upstream response in it and all of them are fresh. So a
client never sees older data than without reuse, also after another request has replaced a cached upstream response by
a newer one.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.http.accept_encoding import AcceptEncoding
from gateway.http.compression import MAX_INLINE_BYTES, MIN_BYTES, compress
from gateway.upstream.cache.cache_memory import MAX_RESPONSE_BYTES, OVERHEAD_BYTES
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.used_responses import UsedResponses

# Responses that were not reused yet may always use one part in so many of the stored bytes.
NEW_SHARE: Final = 4


class RequestKey(NamedTuple):
    """The properties that decide the response to a request. Two requests with the same key get the same response.

    A body that is spelled differently is another request, so that a request need not be parsed to find its response.
    The media type is not part of it, because it only decides a header.

    Attributes:
        has_body: Whether the GraphQL request is the body of a POST. Otherwise it is the query string of a GET.
        text: The body or the query string, which hold the document or its id, the operation name and the variables.
        caller_id: The caller, which cursors are bound to.
        scopes: The caller's scopes, which decide the fields that it may read.
    """

    has_body: bool
    text: bytes
    caller_id: str
    scopes: frozenset[str]


@dataclass(slots=True, eq=False)
class StoredResponse:
    """A successful response without extensions, and the facts that each request for it needs.

    Attributes:
        body: The JSON text.
        operation: The operation's name for the log, if it has one.
        cost: The query cost.
        rows: The records in it.
        used: The upstream responses in it.
        removals_checked: ResponseCache.removals when the cache was last known to hold all of `used`.
        compressed: The body in each coding that a client has accepted so far.
        compressing: Held while the body is compressed in a thread.
    """

    body: bytes
    operation: str | None
    cost: int
    rows: int
    used: UsedResponses
    removals_checked: int
    compressed: dict[str, bytes] = field(default_factory=dict, init=False)
    compressing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def size(self) -> int:
        """The bytes that it takes, its compressed forms included."""
        parts = OVERHEAD_BYTES * (1 + len(self.used.serials))
        return len(self.body) + sum(map(len, self.compressed.values())) + parts


class EncodedBody(NamedTuple):
    """A body, and its content coding unless it has none."""

    content: bytes
    coding: str | None


class ResponseStore:
    """The stored responses of one process. They share their memory with the response cache.

    If memory is short and responses that were never reused take more than 1 / NEW_SHARE of the bytes, the oldest of
    these goes first. Otherwise the one goes that was reused least recently. So a client that sends many different
    requests does not evict the responses that others request again and again.

    Args:
        cache: The cache of the upstream responses.

    Attributes:
        size: Bytes that all responses count for.
        now: Returns the seconds since 1970 by the clock of the response cache.
    """

    def __init__(self, cache: ResponseCache) -> None:
        self.size = 0
        self.is_on = cache.ttl > 0
        self.now = cache.clock
        self._cache = cache
        # Both have the response that was used least recently first.
        self._new: OrderedDict[RequestKey, StoredResponse] = OrderedDict()
        self._reused: OrderedDict[RequestKey, StoredResponse] = OrderedDict()
        self._sizes: dict[RequestKey, int] = {}
        self._new_size = 0
        cache.memory.add(self)

    def __len__(self) -> int:
        """Return the number of responses."""
        return len(self._sizes)

    def get(self, key: RequestKey) -> StoredResponse | None:
        """Return the response to a request, if it can be reused now."""
        reused = self._reused.get(key)
        stored = reused or self._new.get(key)
        if stored is None or not self.is_fresh(stored, self.now()):
            # An expired response stays, so that the next one takes its place.
            return None
        if reused is None:
            del self._new[key]
            self._new_size -= self._sizes[key]
            self._reused[key] = stored
        else:
            self._reused.move_to_end(key)
        return stored

    def is_fresh(self, stored: StoredResponse, when: float) -> bool:
        """Return whether all parts of a response were fresh at some time, and the response cache still holds them."""
        # If a part is newer than now, the clock was set back.
        if when >= stored.used.fresh_until or stored.used.newest > self.now():
            return False
        if stored.removals_checked != self._cache.removals:
            if not self._cache.holds(stored.used.serials):
                return False
            stored.removals_checked = self._cache.removals
        return True

    def can_reuse(self, used: UsedResponses) -> bool:
        """Return whether a response of these parts can be reused: it has parts, and the response cache holds all."""
        return bool(used.serials) and self._cache.holds(used.serials)

    def put(
        self, key: RequestKey, body: bytes, *, operation: str | None, cost: int, rows: int, used: UsedResponses
    ) -> StoredResponse:
        """Store a response whose parts the response cache holds, in place of an earlier one for the same request.

        A response that is too large is returned, but not stored.
        """
        # orjson 3.13 returns bytes that take 4 kB for a small body, and up to 14 times the length of a large one.
        body = bytes(memoryview(body))
        stored = StoredResponse(body, operation, cost, rows, used, self._cache.removals)
        was_reused = key in self._reused
        self._remove(key)
        size = stored.size + len(key.text)
        if size <= MAX_RESPONSE_BYTES:
            (self._reused if was_reused else self._new)[key] = stored
            self._count(key, size)
        return stored

    async def encoded(self, key: RequestKey, stored: StoredResponse, accepted: AcceptEncoding) -> EncodedBody:
        """Return the body of a response in the coding that a client accepts. Compress it once for each coding."""
        coding = accepted.coding
        if coding is None or (accepted.identity and len(stored.body) < MIN_BYTES):
            return EncodedBody(stored.body, None)
        if coding not in stored.compressed:
            await _compress(stored, coding)
            if stored is (self._new.get(key) or self._reused.get(key)):
                self._count(key, stored.size + len(key.text))
        return EncodedBody(stored.compressed[coding], coding)

    def evict_one(self) -> None:
        """Drop the response that was used least recently. It is a new one if these take more than their share."""
        responses = self._new if self._new_size * NEW_SHARE > self.size or not self._reused else self._reused
        self._remove(next(iter(responses)))

    def _remove(self, key: RequestKey) -> None:
        size = self._sizes.pop(key, 0)
        self.size -= size
        if self._new.pop(key, None) is not None:
            self._new_size -= size
        else:
            self._reused.pop(key, None)

    def _count(self, key: RequestKey, size: int) -> None:
        """Count the bytes of a stored response, which may have grown. If they are too many, evict responses."""
        grown = size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self.size += grown
        if key in self._new:
            self._new_size += grown
        self._cache.memory.make_room()


async def _compress(stored: StoredResponse, coding: str) -> None:
    if len(stored.body) <= MAX_INLINE_BYTES:
        stored.compressed[coding] = compress(stored.body, coding)
        return
    # Of several requests at the same time, one compresses.
    async with stored.compressing:
        if coding not in stored.compressed:
            stored.compressed[coding] = await asyncio.to_thread(compress, stored.body, coding)
