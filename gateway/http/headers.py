"""The header fields that keep browsers from doing more with an answer than showing it to whoever asked.

GraphiQL's page and its assets, which are there to be shown, have their own (gateway/http/graphiql_page.py).
Source: OWASP, REST Security Cheat Sheet, "Security Headers".
"""

from typing import Final

SECURITY_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
