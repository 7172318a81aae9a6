"""The request's directives for the response cache, and how long a router may cache a response.

The response cache holds upstream responses. Responses of the gateway itself have `no-store`, unless a router requests
them. Source: RFC 9111, 4.2, 5.1, 5.2 and 5.4.
"""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Final

from gateway.errors import Headers
from gateway.telemetry.request_record import RequestRecord
from gateway.upstream.requester import DEFAULT_DIRECTIVES, CacheDirectives

_BYPASSING: Final = frozenset({b"no-cache", b"max-age=0"})


class CacheScope(Enum):
    """The requests for which a cache may use a response.

    Attributes:
        NONE: Only the request that the response belongs to.
        PRIVATE: Requests of the same caller. Its credentials decided which fields it could read and made its cursors.
        PUBLIC: All requests.
    """

    NONE = b"no-store"
    PRIVATE = b"private"
    PUBLIC = b"public"


def cache_directives(headers: Mapping[bytes, bytes]) -> CacheDirectives:
    """Return the directives of a request's headers for the response cache.

    `no-store` bypasses the cache and stores nothing. `no-cache` and `max-age=0` bypass it. Browsers send `max-age=0`
    for a page's `fetch(url, {cache: "no-cache"})`.
    """
    value = headers.get(b"cache-control", headers.get(b"pragma"))
    if value is None:
        return DEFAULT_DIRECTIVES
    directives = {each.strip() for each in value.lower().split(b",")}
    store = b"no-store" not in directives
    return CacheDirectives(bypass=not store or not directives.isdisjoint(_BYPASSING), store=store)


def with_lifetime(headers: Headers, record: RequestRecord, scope: CacheScope, now: float) -> Headers:
    """Return a response's headers with those for caches: Age, and Cache-Control if a cache may use the response.

    `max-age` is the whole seconds for which everything in the response is still fresh. Apollo Router subtracts the age
    from it. If the age is higher, older versions of it underflow, so such a response has `no-store`.

    Args:
        headers: The headers, among them `cache-control: no-store`.
        record: What the request used.
        scope: The requests for which a cache may use the response.
        now: Seconds since 1970.
    """
    # A response that came from no cache has no age.
    oldest_at = record.oldest_at if record.cache_hits > 0 else None
    # A negative age means that the clock was set back.
    age = 0 if oldest_at is None else max(0, math.floor(now - oldest_at))
    fresh = 0 if record.fresh_until is None or record.stale else math.floor(record.fresh_until - now)
    if scope is CacheScope.NONE or fresh < max(1, age):
        return headers if oldest_at is None else (*headers, (b"age", b"%d" % age))
    kept = tuple(each for each in headers if each[0] != b"cache-control")
    return (*kept, (b"cache-control", b"max-age=%d, %s" % (fresh, scope.value)), (b"age", b"%d" % age))
