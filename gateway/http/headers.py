"""The header fields that keep browsers from doing more with an answer than showing it to whoever asked.

GraphiQL's page and its assets, which are there to be shown, have their own (gateway/http/graphiql_page.py).
Source: OWASP, REST Security Cheat Sheet, "Security Headers".
"""

from collections.abc import Iterable, Mapping
from typing import Final

SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """The fields by their names, which ASGI gives in lower case."""
    lines = list(headers)
    fields = dict(lines)
    if len(fields) < len(lines):
        # A field may come in several lines, which stand for one list. RFC 9110, 5.3.
        fields = {name: b", ".join(value for each, value in lines if each == name) for name in fields}
    return fields
