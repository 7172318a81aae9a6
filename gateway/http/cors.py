"""The CORS policy: which origins' pages may read responses. Source: Fetch Standard, "CORS protocol".

Starlette's CORSMiddleware does the same, but wraps every request, and compares origins as they are spelled. If
the setting and the browser spell a port differently, it rejects the page.
"""

from collections.abc import Mapping
from typing import Final

from gateway.auth.origin import read_origin
from gateway.errors import Headers
from gateway.http.error_response import METHODS

ALLOWED_HEADERS: Final = (
    b"content-type, authorization, x-api-key, apollo-require-preflight, x-apollo-operation-name, x-requested-with, "
    b"traceparent, tracestate, cache-control, x-debug-upstream"
)
# The headers that a page's script may read. They hold the request's id in the log, the caller's limit, and the time to
# wait after a 429. They also hold the age of a cached response, and the time that the response took.
EXPOSED_HEADERS: Final = b"x-request-id, ratelimit, ratelimit-policy, retry-after, age, server-timing"
_PREFLIGHT_HEADERS: Final[Headers] = (
    (b"access-control-allow-methods", METHODS.encode()),
    (b"access-control-allow-headers", ALLOWED_HEADERS),
    # Browsers cache a preflight for these seconds, so that a changed setting applies everywhere after 10 minutes.
    (b"access-control-max-age", b"600"),
)


class CorsPolicy:
    """The other origins whose pages may send requests and read the responses. By default there are none.

    Attributes:
        depends_on_origin: Whether responses differ by the header Origin.
    """

    def __init__(self, allowed_origins: tuple[str, ...] | None) -> None:
        self._allowed = frozenset(map(read_origin, allowed_origins or ())) - {None}
        self.depends_on_origin = bool(self._allowed)

    def allows(self, origin: bytes | None) -> bool:
        """Return whether an Origin header is one of the allowed. Browsers write scheme and name in lower case."""
        if origin is None or not self._allowed or origin != origin.lower():
            return False
        return read_origin(origin.decode("latin-1")) in self._allowed

    def response_headers(self, request_headers: Mapping[bytes, bytes]) -> Headers:
        """Return the headers that let a page of an allowed origin read the response and its timing.

        Cookies are never allowed.
        """
        origin = request_headers.get(b"origin")
        if origin is None or not self.allows(origin):
            return ()
        # The browser compares this with its own spelling byte by byte.
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
            (b"timing-allow-origin", origin),
        )

    def preflight_headers(self, request_headers: Mapping[bytes, bytes]) -> Headers:
        """Return the further headers of the response to a preflight from an allowed origin, else an empty tuple."""
        if not self.allows(request_headers.get(b"origin")) or b"access-control-request-method" not in request_headers:
            return ()
        return _PREFLIGHT_HEADERS
