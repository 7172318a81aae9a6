"""Request headers as a mapping, and the security headers of every response.

GraphiQL's page and its assets have security headers of their own (gateway/http/graphiql_page.py).
Source: OWASP, REST Security Cheat Sheet, "Security Headers".
"""

from collections.abc import Iterable, Mapping
from typing import Final

# A browser may not store, frame or run a response, guess its type, or send its URL to other sites.
SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def read_headers(raw_headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """Return the values by name. ASGI passes the names in lower case."""
    lines = list(raw_headers)
    headers = dict(lines)
    if len(headers) < len(lines):
        # A header may have several lines, which together are one list. RFC 9110, 5.3.
        headers = {name: b", ".join(value for each, value in lines if each == name) for name in headers}
    return headers
