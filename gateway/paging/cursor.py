"""Cursors: where an edge stands in a list that can only be entered at a page token.

    head "." tail
    head  base64url of: version, scope, flags, size asked, token that fetched the page, token of the next page
    tail  hexadecimal, 32 bits each: edges of the page up to and with this one, the hash of the edge's key, that of the
          edge behind it in its page, and a check over head and tail

All edges of a page share their head, so a cursor costs one short tail. Only the page's last edge also carries the
next page's token: `after` it starts there at once, while `before` it is answered by its own page.

The check tells damage from an expired token; it keeps nobody from making cursors.
"""

import base64
import binascii
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from zlib import crc32

from gateway.errors import BadCursor

# Two 4 KB tokens in base64 are 11 KB; what is longer was not made here.
MAX_LENGTH: Final = 16_384

_VERSION: Final = 1
_FIXED: Final = struct.Struct(">B8sBHH")  # version, scope, flags, size, bytes of the page's own token
_PRECEDED: Final = 1
_REPEATS: Final = 2
_TAIL: Final = re.compile(r"[0-9a-f]{32}")
_PLACE: Final = struct.Struct(">III")  # edges, edge, follower

_NOT_OURS: Final = "This cursor was not given out here, or was changed on the way."


def scope_of(*, api: str, operation: str, filters: Mapping[str, str]) -> bytes:
    """What a cursor is good for: 8 bytes that differ for another API generation, operation or filter."""
    # JSON, because a filter's value may hold any separator.
    described = json.dumps([api, operation, sorted(filters.items())])
    return blake2b(described.encode(), digest_size=8).digest()


def hash_of(key: str) -> int:
    """32 bits of a row's key: among the 1,980 rows of the longest walk two agree once in 2,000 walks of distinct
    rows, and then only the place of one of them is taken for the other's.
    """
    return crc32(key.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a cursor's edge stood when the cursor was given out.

    token: fetched the edge's page (None: the first), size: rows asked for with it.
    skip: edges of the page up to and with this one, from 1.
    edge: hash_of the edge's key.
    follower: that of the edge behind it in its page, 0 for the page's last: where the edge is gone, its place is there.
    next_token: of the page after, for the last edge of a page that has one.
    preceded: rows stood before the page.
    repeats: next_token had been met before on the way here.
    """

    token: str | None
    size: int
    skip: int
    edge: int
    follower: int
    next_token: str | None
    preceded: bool
    repeats: bool


class CursorHead:
    """The part that the cursors of one page share; `cursor` adds an edge to it."""

    __slots__ = ("_check", "_text")

    def __init__(
        self,
        scope: bytes,
        *,
        token: str | None,
        size: int,
        next_token: str | None,
        preceded: bool,
        repeats: bool,
    ) -> None:
        own = (token or "").encode()
        flags = preceded * _PRECEDED | repeats * _REPEATS
        raw = _FIXED.pack(_VERSION, scope, flags, size, len(own)) + own + (next_token or "").encode()
        head = base64.urlsafe_b64encode(raw).rstrip(b"=")
        self._text = head.decode() + "."
        self._check = crc32(head)

    def cursor(self, skip: int, edge: int, follower: int) -> str:
        """The cursor of the edge that is the page's skip-th, counted from 1. Under a microsecond."""
        place = _PLACE.pack(skip, edge, follower)
        # One text of the whole tail: formatting its parts would cost more than all the rest.
        return self._text + (place + crc32(place, self._check).to_bytes(4)).hex()


def read_cursor(text: str, scope: bytes) -> Position:
    """The position a cursor stands for.

    Raises: BadCursor for any text that was not given out for this scope.
    """
    if len(text) > MAX_LENGTH:
        raise BadCursor(f"A cursor has at most {MAX_LENGTH} characters.")
    head, _, tail = text.partition(".")
    if not _TAIL.fullmatch(tail):
        raise BadCursor(_NOT_OURS)
    place, check = bytes.fromhex(tail[:24]), int(tail[24:], 16)
    skip, edge, follower = _PLACE.unpack(place)
    try:
        raw = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True)
        version, its_scope, flags, size, own_length = _FIXED.unpack_from(raw)
        token = raw[_FIXED.size : _FIXED.size + own_length].decode()
        next_token = raw[_FIXED.size + own_length :].decode()
    except (binascii.Error, struct.error, ValueError):
        raise BadCursor(_NOT_OURS) from None
    if version != _VERSION or check != crc32(place, crc32(head.encode())) or 0 in {skip, size}:
        raise BadCursor(_NOT_OURS)
    if its_scope != scope:
        raise BadCursor("This cursor belongs to another list, or to the same list with another filter.")
    return Position(
        token=token or None,
        size=size,
        skip=skip,
        edge=edge,
        follower=follower,
        next_token=next_token or None,
        preceded=bool(flags & _PRECEDED),
        repeats=bool(flags & _REPEATS),
    )
