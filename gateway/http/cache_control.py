"""The request's directives for the response cache, and the response's Age. Source: RFC 9111, 5.1, 5.2.1 and 5.4.

The cache holds upstream responses. Responses of the gateway itself have `no-store`, so that they are cached nowhere.
"""

from collections.abc import Mapping
from typing import Final

from gateway.errors import Headers
from gateway.upstream.requester import DEFAULT_DIRECTIVES, CacheDirectives

_BYPASSING: Final = frozenset({b"no-cache", b"max-age=0"})


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


def age_header(age: float | None) -> Headers:
    """Return the header `Age` in whole seconds, or no header if the age is None because no cached response was used."""
    return () if age is None else ((b"age", b"%d" % age),)
