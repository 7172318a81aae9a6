"""What a request says of the cache of upstream answers, and what its answer says of it.

Answers themselves are kept by nobody on the way: `no-store` stays on each. Source: RFC 9111, 5.1, 5.2.1 and 5.4.
"""

from collections.abc import Mapping
from typing import Final

from gateway.errors import Headers
from gateway.telemetry.request_record import CacheUse

_ANEW: Final = frozenset({b"no-cache", b"max-age=0"})


def cache_use_of(fields: Mapping[bytes, bytes]) -> CacheUse:
    """A request's part in the cache: `no-store` puts nothing in; it, `no-cache` and `max-age=0` take nothing out.

    Browsers send the last one for a page's `fetch(url, {cache: "no-cache"})`.
    """
    wishes = fields.get(b"cache-control", fields.get(b"pragma"))
    if wishes is None:
        return CacheUse()
    directives = {each.strip() for each in wishes.lower().split(b",")}
    keeps = b"no-store" not in directives
    return CacheUse(anew=not keeps or not directives.isdisjoint(_ANEW), keeps=keeps)


def age_header(use: CacheUse) -> Headers:
    """`Age`, where anything of an answer came out of the cache: whole seconds of the oldest."""
    return () if use.age is None else ((b"age", b"%d" % use.age),)
