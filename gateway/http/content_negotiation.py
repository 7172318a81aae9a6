"""Content negotiation: the meaning of the headers Accept and Content-Type for this gateway. Pure functions.

Source: RFC 9110, 8.3 (Content-Type) and 12.5.1 (Accept), and GraphQL over HTTP, "Media Types".
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
HTML: Final = "text/html"
MULTIPART: Final = "multipart/mixed"

# The first is the response to `*/*`. The specification's audits require that it is JSON.
RESPONSE_MEDIA_TYPES: Final = (JSON, GRAPHQL_RESPONSE)

# The incremental formats: the one that graphql-core produces, and the one that older clients read.
INCREMENTAL_V0_2: Final = "v0.2"
DEFER_2022: Final = "20220824"
_INCREMENTAL_FORMATS: Final = {
    ("incrementalspec", INCREMENTAL_V0_2): INCREMENTAL_V0_2,
    ("deferspec", DEFER_2022): DEFER_2022,
}
# A client that names only subscriptionSpec wants a subscription, which the gateway does not have.
_SPECIFICATIONS: Final = frozenset({"incrementalspec", "deferspec", "subscriptionspec"})

# "utf8" is not a registered name, but several clients send it.
UTF_8: Final = frozenset({"utf-8", "utf8"})

# Parsed headers that are cached. All clients together send a handful.
MAX_CACHED_HEADERS: Final = 256
# A longer header is parsed for each request, so that made-up headers cannot fill the memory. A browser's Accept has
# about 150 characters.
MAX_CACHED_LENGTH: Final = 256

# The text between two separators. Separators within quotes do not count. The pattern always matches further, so it does
# not backtrack.
_BETWEEN: Final = {mark: re.compile(rf'(?:[^{mark}"]+|"(?:[^"\\]+|\\.?)*+"?)+', re.DOTALL) for mark in ",;"}


class Accept(NamedTuple):
    """The responses that a client accepts, according to its Accept header.

    Attributes:
        media_type: The type of a response in one piece, unless the client accepts neither type.
        incremental_format: The format of a response in parts, if the client accepts parts.
        prefers_html: Whether the client, such as a browser, ranks a page above JSON.
    """

    media_type: str | None
    incremental_format: str | None
    prefers_html: bool


class _MediaType(NamedTuple):
    """A media type or range in lower case, with its parameters in order."""

    essence: str
    parameters: list[tuple[str, str]]

    def in_utf_8(self) -> bool:
        """Return whether the charset is UTF-8 or not named."""
        return all(value in UTF_8 for name, value in self.parameters if name == "charset")

    def weight(self) -> float:
        """Return the q parameter, 0 to 1, or 0 if it is malformed."""
        try:
            weight = float(next((value for name, value in self.parameters if name == "q"), "1"))
        except ValueError:
            return 0.0
        return weight if 0 <= weight <= 1 else 0.0


def read_accept(header: str) -> Accept:
    """Return the responses that an Accept header allows. If it is empty, it allows every type."""
    return (_read_accept_cached if len(header) <= MAX_CACHED_LENGTH else _read_accept)(header)


def is_json(content_type: str) -> bool:
    """Return whether a Content-Type is JSON in UTF-8."""
    if content_type == JSON:
        return True
    media_type = _read(content_type)
    return media_type.essence == JSON and media_type.in_utf_8()


def _read_accept(header: str) -> Accept:
    ranges = [_read(text) for text in _split(header, ",") if text]
    incremental_format = _incremental_format(ranges)
    ranges = ranges or [_read("*/*")]
    media_type = _negotiate(ranges, RESPONSE_MEDIA_TYPES)
    if media_type is None and incremental_format is not None:
        # Each part is JSON, so a client that accepts parts can read a response in one piece, too.
        media_type = JSON
    return Accept(media_type, incremental_format, _negotiate(ranges, (*RESPONSE_MEDIA_TYPES, HTML)) == HTML)


_read_accept_cached = lru_cache(MAX_CACHED_HEADERS)(_read_accept)


def _negotiate(ranges: Sequence[_MediaType], offers: Sequence[str]) -> str | None:
    """Return the offered media type that the ranges rank first, unless they exclude all.

    The highest weight wins. Ties are broken by how exactly a range names the offer, then by the order of the ranges,
    then by the order of the offers. Parameters other than charset and q are ignored, because offers do not differ in
    them.
    """
    ranked = [(rank, offer) for offer in offers if (rank := _rank(offer, ranges)) is not None]
    # `max` returns the first of equals.
    return max(ranked, key=lambda each: each[0])[1] if ranked else None


def _rank(offer: str, ranges: Sequence[_MediaType]) -> tuple[float, int, int] | None:
    """Return weight, exactness and position of the most exact range for an offer, or None if the offer is excluded."""
    exactness = {offer: 2, f"{offer.partition('/')[0]}/*": 1, "*/*": 0}
    matching = [
        (exactness[each.essence], -position, each.weight())
        for position, each in enumerate(ranges)
        if each.essence in exactness and each.in_utf_8()
    ]
    if not matching:
        return None
    exact, position, weight = max(matching)
    return (weight, exact, position) if weight > 0 else None


def _incremental_format(ranges: Sequence[_MediaType]) -> str | None:
    """Return the first supported format of `multipart/mixed`.

    The client must name `multipart/mixed`. A client that sends only `*/*`, such as curl, cannot read parts.
    """
    for each in ranges:
        if each.essence == MULTIPART and each.in_utf_8() and each.weight() > 0:
            named = [(name, value) for name, value in each.parameters if name in _SPECIFICATIONS]
            incremental_format = INCREMENTAL_V0_2 if not named else _INCREMENTAL_FORMATS.get(named[0])
            if incremental_format is not None:
                return incremental_format
    return None


def _split(text: str, mark: str) -> list[str]:
    return [piece.strip(" \t") for piece in _BETWEEN[mark].findall(text)]


def _read(text: str) -> _MediaType:
    essence, *parameters = _split(text.lower(), ";") or [""]
    pairs = (parameter.partition("=") for parameter in parameters)
    return _MediaType(essence, [(name, value.strip('"')) for name, _, value in pairs])
