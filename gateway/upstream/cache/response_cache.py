"""Upstream answers that are kept for a few seconds: in memory, and behind it in the Redis that replicas share.

They are the account's, whoever asks: what a caller may read is settled before (gateway/context.py). What is kept is
what callers are given, the very objects; nobody changes a record.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.errors import Throttled, UpstreamError
from gateway.telemetry.metrics import count_cache_lookup
from gateway.telemetry.request_record import current_record
from gateway.upstream.cache.shared_cache import Answer, CacheKey, SharedResponseCache
from gateway.upstream.cache.single_flight import Flight, SingleFlight
from gateway.upstream.requester import CacheDirectives, Requester

# Bytes of JSON that are kept in memory, of which Python makes objects of about four times that: 70 pages of 99 numbers.
MAX_BYTES: Final = 4 * 1024 * 1024
# Bytes that an answer takes beside its own: what it is known by, and the objects around it.
OVERHEAD_BYTES: Final = 500
# A record that is not there may be there soon: an order's numbers come into the inventory while somebody waits.
NEGATIVE_TTL_RATIO: Final = 0.25

Fetch = Callable[[Flight[Any]], Coroutine[Any, Any, Answer]]
Read = Callable[[Answer], Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    """result: what callers are given. stored_at: when it came from upstream. fresh_for: seconds from then."""

    result: Any
    stored_at: float
    fresh_for: float
    size: int


class ResponseCache:
    """Answers by what was asked; those asked for at once are one call.

    ttl: seconds for which an answer is as good as a new one; 0 keeps none.
    stale: seconds after that for which it may stand in for an upstream that fails.
    clock: seconds since 1970.
    """

    def __init__(
        self,
        ttl: float,
        stale: float,
        shared: SharedResponseCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ttl = ttl
        self._stale = stale
        self._shared = shared if ttl > 0 else None
        self._clock = clock
        # The oldest first: they are the first that are too old, too.
        self._kept: OrderedDict[CacheKey, _Kept] = OrderedDict()
        self._size = 0
        self._fetches: SingleFlight[Any] = SingleFlight()
        self._lookups: SingleFlight[None] = SingleFlight()

    def __len__(self) -> int:
        """Answers in memory."""
        return len(self._kept)

    async def get(self, key: CacheKey, fetch: Fetch, read: Read, requester: Requester) -> Any:
        """What `read` makes of the answer that is kept, or that `fetch` gets.

        fetch: is given those who wait for it; None is the answer that there is no such record.
        read: raises UpstreamError where the answer is none.
        Cost: some microseconds where memory has it; a round trip more where Redis was asked in vain.
        Raises: UpstreamError.
        """
        if not requester.cache.bypass:
            kept = self._fresh(key)
            if kept is None and self._shared is not None:
                shared = self._shared
                await self._lookups.do(key, lambda _: self._look_up(shared, key, read), requester.deadline)
                kept = self._fresh(key)
            if kept is not None:
                current_record().cached_response_used(self._clock() - kept.stored_at)
                count_cache_lookup(key[0], "hit" if kept.result is not None else "negative_hit")
                return kept.result
            if self._ttl > 0:
                count_cache_lookup(key[0], "miss")
        # Whoever wants a new answer may join a call that is under way: it is not answered yet.
        return await self._fetches.do(
            key, partial(self._fetch, key, fetch, read, requester.cache.store), requester.deadline
        )

    def stale_fallback(self, key: CacheKey, fault: UpstreamError, directives: CacheDirectives) -> tuple[Any] | None:
        """What was kept, in a tuple, where it may stand in for a fault; None otherwise.

        Only a failing upstream is stood in for, as RFC 5861 has it: 500 and above, time-outs, garbage, no connection.
        """
        kept = self._kept.get(key)
        if kept is None or directives.bypass or not fault.retryable or isinstance(fault, Throttled):
            return None
        age = self._clock() - kept.stored_at
        if not 0 <= age <= kept.fresh_for + self._stale:
            return None
        current_record().cached_response_used(age, stale=True)
        count_cache_lookup(key[0], "stale")
        return (kept.result,)

    def _fresh(self, key: CacheKey) -> _Kept | None:
        kept = self._kept.get(key)
        # Before 0 it was the clock that was set.
        return kept if kept is not None and 0 <= self._clock() - kept.stored_at < kept.fresh_for else None

    async def _look_up(self, shared: SharedResponseCache, key: CacheKey, read: Read) -> None:
        """Take over what Redis has, also what is only good to stand in."""
        found = await shared.get(key)
        if found is None:
            return
        answer, stored_at, size = found
        kept = self._kept.get(key)
        if kept is None or stored_at > kept.stored_at:
            # Only another release of the gateway could have taken for an answer what is none to this one.
            with suppress(UpstreamError):
                self._keep(key, self._entry(read(answer), answer, min(stored_at, self._clock()), size))

    async def _fetch(self, key: CacheKey, fetch: Fetch, read: Read, keep: bool, wanted: Flight[Any]) -> Any:
        answer = await fetch(wanted)
        result = read(answer)
        if keep and self._ttl + self._stale > 0:
            size = 0 if answer is None else answer.pop("ResponseMetadata")["Bytes"]
            kept = self._entry(result, answer, self._clock(), size)
            self._keep(key, kept)
            if self._shared is not None:
                self._shared.put(key, answer, kept.stored_at, kept.fresh_for + self._stale)
        return result

    def _entry(self, result: Any, answer: Answer, stored_at: float, size: int) -> _Kept:
        fresh_for = self._ttl * NEGATIVE_TTL_RATIO if answer is None else self._ttl
        return _Kept(result, stored_at, fresh_for, size + OVERHEAD_BYTES)

    def _keep(self, key: CacheKey, kept: _Kept) -> None:
        former = self._kept.pop(key, None)
        self._size -= 0 if former is None else former.size
        # One that is longer would put out too many others.
        if kept.size <= MAX_BYTES // 4:
            self._kept[key] = kept
            self._size += kept.size
        too_old = self._clock() - self._ttl - self._stale
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if self._size <= MAX_BYTES and oldest.stored_at > too_old:
                return
            self._kept.popitem(last=False)
            self._size -= oldest.size
