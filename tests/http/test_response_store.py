"""The memory of stored responses, which they share with the cached upstream responses, by plain calls."""

import tracemalloc
from itertools import count
from random import randbytes

import orjson

from gateway.http.accept_encoding import AcceptEncoding
from gateway.http.response_store import RequestKey, ResponseStore
from gateway.upstream.cache.cache_memory import MAX_BYTES, MAX_RESPONSE_BYTES
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.call import UpstreamResponse
from gateway.upstream.used_responses import UsedResponses


class Filled:
    """A response cache and a response store, by plain calls."""

    def __init__(self) -> None:
        self.cache = ResponseCache(60, 0, lambda: 1000.0)
        self.store = ResponseStore(self.cache)
        self._serial = count(1)

    def part(self, size: int) -> UsedResponses:
        """Cache an upstream response with so many bytes of JSON."""
        key = ("List", (("MaxResults", next(self._serial)),))
        cached = self.cache.store(key, UpstreamResponse({}, size=size))
        used = UsedResponses()
        used.add(key, cached.serial, cached.stored_at, cached.ttl)
        return used

    def put(self, name: str, size: int, used: UsedResponses) -> None:
        """Store a response with so many bytes, as the endpoint does."""
        if self.store.can_reuse(used):
            self.store.put(key_of(name), bytes(size), operation=None, cost=1, rows=1, used=used)

    def has(self, name: str) -> bool:
        return self.store.get(key_of(name)) is not None


def key_of(name: str) -> RequestKey:
    return RequestKey(has_body=True, text=name.encode(), caller_id="anyone", scopes=frozenset())


def test_many_different_requests_do_not_evict_those_that_are_repeated() -> None:
    filled = Filled()
    used = filled.part(60_000)
    for hot in range(60):
        filled.put(f"hot {hot}", 60_000, used)
        assert filled.has(f"hot {hot}")
    for other in range(2_000):
        filled.put(f"other {other}", 60_000, used)
        assert filled.store.size + filled.cache.size <= MAX_BYTES
    assert all(filled.has(f"hot {hot}") for hot in range(60))
    assert filled.has("other 1999")
    assert not filled.has("other 0")


def test_reused_responses_leave_room_for_new_ones() -> None:
    filled = Filled()
    used = filled.part(60_000)
    for old in range(400):
        filled.put(f"old {old}", 60_000, used)
        assert filled.has(f"old {old}")
    for new in range(50):
        filled.put(f"new {new}", 60_000, used)
    assert all(filled.has(f"new {new}") for new in range(50))
    assert filled.has("old 399")
    assert not filled.has("old 0")


def test_both_caches_together_stay_within_the_limit_and_each_has_its_half() -> None:
    filled = Filled()
    first = filled.part(60_000)
    for each in range(400):
        filled.put(str(each), 60_000, first)
    assert MAX_BYTES * 0.97 < filled.store.size + filled.cache.size <= MAX_BYTES
    assert filled.store.size > MAX_BYTES / 2
    for _ in range(100):
        filled.part(60_000)
        assert filled.store.size + filled.cache.size <= MAX_BYTES
    assert filled.store.size > MAX_BYTES * 0.48
    assert filled.cache.size > MAX_BYTES * 0.48


def test_a_response_whose_part_was_evicted_is_not_reused() -> None:
    filled = Filled()
    first = filled.part(60_000)
    filled.put("first", 100, first)
    assert filled.has("first")
    for _ in range(100):
        filled.part(60_000)
    assert not filled.has("first")


def test_a_response_above_a_quarter_of_the_memory_is_not_stored() -> None:
    filled = Filled()
    used = filled.part(1_000)
    filled.put("small", 1_000, used)
    filled.put("large", MAX_RESPONSE_BYTES, used)
    assert filled.has("small")
    assert not filled.has("large")
    # Nor is it if one of its parts is too large to be cached.
    filled.put("of a large part", 1_000, filled.part(MAX_RESPONSE_BYTES))
    assert not filled.has("of a large part")


async def test_compressed_forms_count_for_the_memory() -> None:
    filled = Filled()
    used = filled.part(1_000)
    body = randbytes(200_000)
    for each in range(90):
        stored = filled.store.put(key_of(str(each)), body, operation=None, cost=1, rows=1, used=used)
        before = filled.store.size
        for coding in ("gzip", "zstd"):
            sent, told = await filled.store.encoded(key_of(str(each)), stored, AcceptEncoding(coding, identity=True))
            assert told == coding
            assert len(sent) > 190_000
        assert filled.store.size + filled.cache.size <= MAX_BYTES
    assert filled.store.size > before - 600_000
    assert len(filled.store) < 30


def test_a_request_counts_for_the_memory() -> None:
    filled = Filled()
    used = filled.part(1_000)
    for each in range(1_000):
        filled.put(str(each).zfill(100_000), 100, used)
        assert filled.store.size <= MAX_BYTES
    assert len(filled.store) < 170


def test_stored_bytes_have_no_unused_rest() -> None:
    """Orjson returns bytes that hold more memory than they need."""
    filled = Filled()
    used = filled.part(1_000)
    tracemalloc.start()
    try:
        for each in range(100):
            body = orjson.dumps(["x" * 300])
            filled.store.put(key_of(str(each)), body, operation=None, cost=1, rows=1, used=used)
        del body
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 300 * 100 < taken < filled.store.size * 1.2
