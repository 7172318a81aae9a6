"""Which media types a request may come in, and which one its answer goes out in. Pure functions of header values.

Source: RFC 9110, 8.3 (Content-Type) and 12.5.1 (Accept); GraphQL over HTTP, "Media Types".
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
HTML: Final = "text/html"
MULTIPART: Final = "multipart/mixed"

# What `*/*` gets is JSON, as the specification's audits ask.
ANSWERS: Final = (JSON, GRAPHQL_RESPONSE)

# Of an answer in parts: what graphql-core gives, and what clients before it read. Subscriptions there are none.
INCREMENTAL_V0_2: Final = "v0.2"
DEFER_2022: Final = "20220824"
_FORMS: Final = {("incrementalspec", INCREMENTAL_V0_2): INCREMENTAL_V0_2, ("deferspec", DEFER_2022): DEFER_2022}
_SPECIFICATIONS: Final = frozenset({"incrementalspec", "deferspec", "subscriptionspec"})

# "utf8" is no registered name, but several clients write it.
UTF_8: Final = frozenset({"utf-8", "utf8"})

# Headers that are kept read. A fleet of clients sends a handful; a browser's Accept has about 150 characters, and
# longer ones, which might be made up to fill the memory, are read each time.
KEPT_HEADERS: Final = 256
KEPT_CHARACTERS: Final = 256

# What stands between two separators; within quotes they do not count. It can always go on, so it never goes back.
_BETWEEN: Final = {mark: re.compile(rf'(?:[^{mark}"]+|"(?:[^"\\]+|\\.?)*+"?)+', re.DOTALL) for mark in ",;"}


class _MediaType(NamedTuple):
    """A media type or range, in lower case, with its parameters in order."""

    essence: str
    parameters: list[tuple[str, str]]

    def in_utf_8(self) -> bool:
        """Whether it leaves the charset open or says UTF-8."""
        return all(value in UTF_8 for name, value in self.parameters if name == "charset")

    def weight(self) -> float:
        """Its q, 0 to 1; 0 where that cannot be read."""
        try:
            weight = float(next((value for name, value in self.parameters if name == "q"), "1"))
        except ValueError:
            return 0.0
        return weight if 0 <= weight <= 1 else 0.0


def response_media_type(accept: str) -> str | None:
    """The media type of a GraphQL answer in one; None where the client takes none that there is.

    Whoever takes parts takes JSON, which they are in.
    """
    return negotiate(accept, ANSWERS) or (JSON if incremental_format(accept) else None)


def incremental_format(accept: str) -> str | None:
    """The form in which a client takes an answer in parts: INCREMENTAL_V0_2 or DEFER_2022; None where it takes none.

    It must name `multipart/mixed`: what takes anything, as curl does, does not take that apart.
    """
    return (_incremental_format_cached if len(accept) <= KEPT_CHARACTERS else _incremental_format)(accept)


def prefers_html(accept: str) -> bool:
    """Whether the client, such as a browser, would rather have a page than JSON."""
    return negotiate(accept, (*ANSWERS, HTML)) == HTML


def negotiate(accept: str, offers: tuple[str, ...]) -> str | None:
    """The offered media type that an Accept header ranks first; None where it takes none of them.

    By weight; among equals by how exactly the header names it, then by the header's order, then by the offers'. An
    empty header takes anything. Parameters other than charset and q say nothing that an offer could differ in.
    """
    return (_negotiate_cached if len(accept) <= KEPT_CHARACTERS else _negotiate)(accept, offers)


def is_json(content_type: str) -> bool:
    """Whether a body of this Content-Type is JSON in UTF-8, and nothing that only resembles it."""
    return (_is_json_cached if len(content_type) <= KEPT_CHARACTERS else _is_json)(content_type)


def _negotiate(accept: str, offers: tuple[str, ...]) -> str | None:
    ranges = [_read(text) for text in _split(accept, ",") if text] or [_read("*/*")]
    ranked = [(rank, offer) for offer in offers if (rank := _rank(offer, ranges)) is not None]
    # Of equals max gives the first.
    return max(ranked, key=lambda each: each[0])[1] if ranked else None


def _rank(offer: str, ranges: Sequence[_MediaType]) -> tuple[float, int, int] | None:
    """Weight, exactness and place of the range that decides over an offer: the most exact one; None where not taken."""
    exactness = {offer: 2, f"{offer.partition('/')[0]}/*": 1, "*/*": 0}
    fitting = [
        (exactness[each.essence], -place, each.weight())
        for place, each in enumerate(ranges)
        if each.essence in exactness and each.in_utf_8()
    ]
    if not fitting:
        return None
    exact, place, weight = max(fitting)
    return (weight, exact, place) if weight > 0 else None


def _is_json(content_type: str) -> bool:
    media_type = _read(content_type)
    return media_type.essence == JSON and media_type.in_utf_8()


def _incremental_format(accept: str) -> str | None:
    for each in map(_read, _split(accept, ",")):
        if each.essence == MULTIPART and each.in_utf_8() and each.weight() > 0:
            named = [(name, value) for name, value in each.parameters if name in _SPECIFICATIONS]
            form = INCREMENTAL_V0_2 if not named else _FORMS.get(named[0])
            if form is not None:
                return form
    return None


_incremental_format_cached = lru_cache(KEPT_HEADERS)(_incremental_format)
_negotiate_cached = lru_cache(KEPT_HEADERS)(_negotiate)
_is_json_cached = lru_cache(KEPT_HEADERS)(_is_json)


def _split(text: str, mark: str) -> list[str]:
    return [piece.strip(" \t") for piece in _BETWEEN[mark].findall(text)]


def _read(text: str) -> _MediaType:
    essence, *parameters = _split(text.lower(), ";") or [""]
    pairs = (parameter.partition("=") for parameter in parameters)
    return _MediaType(essence, [(name, value.strip('"')) for name, _, value in pairs])
