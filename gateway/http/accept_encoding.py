"""The meaning of the header Accept-Encoding for the gateway's codings. Pure functions. Source: RFC 9110, 12.5.3."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.http.content_negotiation import MAX_CACHED_HEADERS, MAX_CACHED_LENGTH

GZIP: Final = "gzip"
ZSTD: Final = "zstd"
_IDENTITY: Final = "identity"
_ANY: Final = "*"
# RFC 9110, 8.4.1.3.
_ALIASES: Final = {"x-gzip": GZIP}

# A coding and its weight, in lower case. An element of another form is ignored.
_ELEMENT: Final = re.compile(r"([^\s;=\"]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?")


class AcceptEncoding(NamedTuple):
    """The codings that a client accepts.

    Attributes:
        coding: The coding that a response should have. Unset if the response should not be compressed.
        identity: Whether the client can read an uncompressed response.
    """

    coding: str | None
    identity: bool


UNCOMPRESSED: Final = AcceptEncoding(None, identity=True)


def read_accept_encoding(header: bytes | None, offers: tuple[str, ...] = (ZSTD, GZIP)) -> AcceptEncoding:
    """Return the coding that the client ranks first.

    Without the header, a response is not compressed, because a client that can read a coding says so.

    Args:
        header: The header's value, or None if it is missing.
        offers: The codings that the response may have, the best and newest first.
    """
    if header is None:
        return UNCOMPRESSED
    return (_read_cached if len(header) <= MAX_CACHED_LENGTH else _read)(header, offers)


def _read(header: bytes, offers: tuple[str, ...]) -> AcceptEncoding:
    weights = _weights(header.decode("latin-1").lower())
    identity = weights.get(_IDENTITY, weights.get(_ANY))
    # A client that names zstd reads it. One that sends only `*` may be older than zstd, so it gets the older coding.
    ranked = [
        *(each for each in offers if each in weights),
        *(each for each in reversed(offers) if each not in weights),
    ]
    coding = max(ranked, key=lambda each: weights.get(each, weights.get(_ANY, 0.0)), default=None)
    weight = 0.0 if coding is None else weights.get(coding, weights.get(_ANY, 0.0))
    # A client that does not name identity accepts it, but prefers the codings that it names.
    if weight == 0 or weight < (identity or 0.0):
        coding = None
    return AcceptEncoding(coding, identity is None or identity > 0)


_read_cached = lru_cache(MAX_CACHED_HEADERS)(_read)


def _weights(header: str) -> Mapping[str, float]:
    """Return the weight of each coding. If a coding occurs twice, the lower weight counts."""
    weights: dict[str, float] = {}
    for text in header.split(","):
        element = _ELEMENT.fullmatch(text.strip(" \t"))
        if element is not None:
            name = _ALIASES.get(element[1], element[1])
            weights[name] = min(float(element[2] or 1), weights.get(name, 1.0))
    return weights
