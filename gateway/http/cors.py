"""Which web pages may ask: cross-site requests are refused, but for origins that a setting names (CORS).

A page anywhere can make its reader's browser send what needs no preflight: any GET, and a POST of a form. A POST of
JSON does need one, and so is safe from that alone; the rest is told by what browsers say of themselves. Programs say
nothing of the kind, and have no reader whose place in a network or credentials a page could borrow.
Source: Fetch Standard, "CORS protocol" and "CORS-safelisted request-header"; W3C, Fetch Metadata Request Headers;
Go's net/http.CrossOriginProtection, whose order of checks this is; Apollo Server, "csrfPrevention".
"""

from collections.abc import Mapping
from typing import Final

from gateway.auth.origin import is_host_of, read_origin
from gateway.errors import Headers
from gateway.http.content_negotiation import is_json
from gateway.http.error_response import METHODS, CrossSiteRequest

# A page can set any of these only after a preflight, which is not granted: Apollo's two, and jQuery's.
PREFLIGHTED: Final = (b"apollo-require-preflight", b"x-apollo-operation-name", b"x-requested-with")

ALLOWED_HEADERS: Final = (
    b"content-type, authorization, x-api-key, apollo-require-preflight, x-apollo-operation-name, x-requested-with, "
    b"traceparent, tracestate, cache-control, x-debug-upstream"
)
# What a page's script may read beside the body: the id in the log, how long to wait after 429, and whether the answer
# came out of the cache.
EXPOSED_HEADERS: Final = b"x-request-id, retry-after, age"
_GRANTED: Final[Headers] = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", ALLOWED_HEADERS),
    # Seconds that a browser keeps this: a changed setting is known everywhere after 10 minutes.
    (b"access-control-max-age", b"600"),
)

Fields = Mapping[bytes, bytes]


class Origins:
    """The foreign origins whose pages may ask and read the answer; mostly there are none."""

    def __init__(self, allowed: tuple[str, ...] | None) -> None:
        self._allowed = frozenset(map(read_origin, allowed or ())) - {None}
        self.vary = (b"vary", b"Accept, Origin" if self._allowed else b"Accept")

    def reject_cross_site(self, method: str, fields: Fields) -> None:
        """Pass who is no browser, a page of the gateway's own, or one of an allowed origin.

        Raises: CrossSiteRequest.
        """
        origin, site = fields.get(b"origin"), fields.get(b"sec-fetch-site")
        if self._allows(origin):
            return
        if site is not None:
            # Only the browser itself can set it. "none" is what its user typed or has bookmarked.
            if site not in {b"same-origin", b"none"}:
                raise CrossSiteRequest(
                    "A page of another site may not ask, unless GATEWAY_CORS_ORIGINS names its origin."
                )
        elif origin is not None:
            # A browser without Fetch Metadata, or not over TLS. "null" has no host.
            host = fields.get(b"host", b"").decode("latin-1")
            if not is_host_of(host, read_origin(origin.decode("latin-1"))):
                raise CrossSiteRequest("A page of another origin may not ask, unless GATEWAY_CORS_ORIGINS names it.")
        elif method != "POST" and fields.get(b"user-agent", b"").startswith(b"Mozilla/") and not _preflighted(fields):
            # Over plain HTTP, but for loopback, browsers give a page's GETs neither mark; all call themselves so.
            raise CrossSiteRequest(
                "A browser that does not say which page asks must add a header such as x-requested-with."
            )

    def preflight(self, fields: Fields) -> Headers:
        """What an allowed origin's page may send, where this is asked; it stands beside `headers`."""
        if not self._allows(fields.get(b"origin")) or b"access-control-request-method" not in fields:
            return ()
        return _GRANTED

    def headers(self, fields: Fields) -> Headers:
        """What lets an allowed origin's page read an answer. Credentials, cookies, are never granted."""
        origin = fields.get(b"origin")
        if origin is None or not self._allows(origin):
            return ()
        # As the browser wrote it: it compares the two byte by byte.
        return ((b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED_HEADERS))

    def _allows(self, origin: bytes | None) -> bool:
        """Return whether an Origin header is one of the allowed. Browsers write scheme and name in lower case."""
        if origin is None or not self._allowed or origin != origin.lower():
            return False
        return read_origin(origin.decode("latin-1")) in self._allowed


def _preflighted(fields: Fields) -> bool:
    return any(name in fields for name in PREFLIGHTED) or is_json(fields.get(b"content-type", b"").decode("latin-1"))
