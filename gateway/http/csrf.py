"""Protection against cross-site request forgery (CSRF).

A page anywhere can make its visitor's browser send requests that need no preflight: any GET, and a POST of a form. A
POST of JSON needs a preflight, so a page of another site cannot send one. For other requests, the headers that the
browser adds tell which page sent them. Programs that are not browsers have no visitor whose network access or
credentials a page could abuse, so their requests pass.

Source: W3C's Fetch Metadata Request Headers, the Fetch Standard's "CORS-safelisted request-header", Apollo Server's
"csrfPrevention", and for the order of the checks, Go's net/http.CrossOriginProtection.
"""

from collections.abc import Mapping
from typing import Final

from gateway.auth.origin import is_host_of, read_origin
from gateway.http.content_negotiation import is_json
from gateway.http.cors import CorsPolicy
from gateway.http.error_response import CrossSiteRequest

# A page can set any of these only after a preflight, which is not granted: Apollo's two, and jQuery's.
PREFLIGHTED_HEADERS: Final = (b"apollo-require-preflight", b"x-apollo-operation-name", b"x-requested-with")

_NOT_ALLOWED: Final = (
    "Requests from pages of other sites are rejected. "
    "If you trust this page, allow its origin in the gateway's settings (GATEWAY_CORS_ORIGINS)."
)


class CsrfProtection:
    """Rejects requests that a browser sends for a page of another site, unless CORS allows the page's origin."""

    def __init__(self, cors: CorsPolicy) -> None:
        self._cors = cors

    def check(self, method: str, headers: Mapping[bytes, bytes]) -> None:
        """Raise CrossSiteRequest if the request may be forged.

        Requests of programs, of the gateway's own pages, and of allowed origins pass.
        """
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if self._cors.allows(origin):
            return
        if site is not None:
            # Only the browser can set this header. It is "none" if the user typed the URL or opened a bookmark.
            if site not in {b"same-origin", b"none"}:
                raise CrossSiteRequest(_NOT_ALLOWED)
        elif origin is not None:
            # The browser has no Fetch Metadata, or the connection is not TLS. The origin "null" has no host.
            host = headers.get(b"host", b"").decode("latin-1")
            if not is_host_of(host, read_origin(origin.decode("latin-1"))):
                raise CrossSiteRequest(_NOT_ALLOWED)
        elif method != "POST" and headers.get(b"user-agent", b"").startswith(b"Mozilla/") and not _preflighted(headers):
            # Over plain HTTP, except on loopback, browsers add neither header to a page's GETs. All browsers have this
            # User-Agent.
            raise CrossSiteRequest(
                "The browser did not say which page sent this request. Add a header such as x-requested-with."
            )


def _preflighted(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a page of another site would need a preflight for these headers."""
    if any(name in headers for name in PREFLIGHTED_HEADERS):
        return True
    return is_json(headers.get(b"content-type", b"").decode("latin-1"))
