"""Cursors: where an edge stands in a list that can only be entered at a page token.

    head "." tail
    head  base64url of, sealed: scope, flags, size asked, token that fetched the page, token of the next page
    tail  hexadecimal: a place, and a keyed check of 96 bits over head and place. The place is, masked and 32 bits each:
          edges of the page up to and with this one, the hash of the edge's key, that of the edge behind it in its page

All edges of a page share their head, so a page costs one seal, and a cursor one short tail. Only the page's last edge
also carries the next page's token: `after` it starts there at once, while `before` it is answered by its own page.

All of it was made here, or it is refused. The mask is the same for all edges of a head. It is there for who comes upon
one cursor, in some log, and would else try phone numbers until one has the edge's hash.
"""

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import Final
from zlib import crc32

from gateway.errors import BadCursor, CursorTooLong
from gateway.paging.cursor_keys import SCOPE_BYTES, TAG_BYTES, CursorBinding, CursorKey

_FIXED: Final = struct.Struct(f">{SCOPE_BYTES}sBHH")  # scope, flags, size, bytes of the page's own token
_PRECEDED: Final = 1
_REPEATS: Final = 2
_PLACE: Final = struct.Struct(">III")  # edges, edge, follower
# The check is as long as a place, which its first value masks.
_TAIL_LENGTH: Final = 4 * _PLACE.size
_TAIL: Final = re.compile(f"[0-9a-f]{{{_TAIL_LENGTH}}}")

_NOT_OURS: Final = "This cursor was not given out here, or was changed on the way."


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
    next_row_hash: int
    next_token: str | None
    has_rows_before: bool
    next_token_repeats: bool


class CursorHead:
    """The part that the cursors of one page share; `cursor` adds an edge to it.

    operation: the list's name, for the error.
    Raises: CursorTooLong if the cursors would be longer than the scope accepts.
    """

    __slots__ = ("_check", "_masks", "_text")

    def __init__(
        self,
        scope: CursorBinding,
        operation: str,
        *,
        token: str | None,
        size: int,
        next_token: str | None,
        has_rows_before: bool,
        next_token_repeats: bool,
    ) -> None:
        own, following = (token or "").encode(), (next_token or "").encode()
        length = _length(_FIXED.size + len(own) + len(following))
        if length > scope.seal.max_length:
            detail = f"a cursor would have {length} characters; the limit is {scope.seal.max_length}"
            raise CursorTooLong(operation, detail=detail)
        flags = has_rows_before * _PRECEDED | next_token_repeats * _REPEATS
        raw = _FIXED.pack(scope.digest, flags, size, len(own)) + own + following
        key = scope.seal.newest
        head = base64.urlsafe_b64encode(key.seal(raw)).rstrip(b"=") + b"."
        self._text = head.decode()
        self._check = key.check(head, _PLACE.size)
        self._masks = _masks(self._check)

    def cursor(self, skip: int, edge: int, next_row_hash: int) -> str:
        """The cursor of the edge that is the page's skip-th, counted from 1. Under a microsecond."""
        of_skip, of_edge, of_follower = self._masks
        place = _PLACE.pack(skip ^ of_skip, edge ^ of_edge, next_row_hash ^ of_follower)
        check = self._check.copy()
        check.update(place)
        # One text of the whole tail: formatting its parts would cost more than all the rest.
        return self._text + (place + check.digest()).hex()


def read_cursor(text: str, scope: CursorBinding) -> Position:
    """The position a cursor stands for.

    Raises: BadCursor for any text that was not given out for this scope.
    """
    if len(text) > scope.seal.max_length:
        raise BadCursor(f"A cursor has at most {scope.seal.max_length} characters.")
    head, _, tail = text.partition(".")
    if not _TAIL.fullmatch(tail):
        raise BadCursor(_NOT_OURS)
    try:
        sealed = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursor(_NOT_OURS) from None
    opened = scope.seal.open(sealed)
    if opened is None:
        raise BadCursor(_NOT_OURS)
    raw, key = opened
    # The same bytes have several spellings in base64; the check is over the one that was given out.
    skip, edge, next_row_hash = _read_tail(tail, key, f"{head}.".encode())
    its_scope, flags, size, own_length = _FIXED.unpack_from(raw)
    if its_scope != scope.digest:
        raise BadCursor(
            "This cursor belongs to another list, to the same list with another filter, or to another caller."
        )
    token = raw[_FIXED.size : _FIXED.size + own_length].decode()
    next_token = raw[_FIXED.size + own_length :].decode()
    return Position(
        token=token or None,
        size=size,
        skip=skip,
        edge=edge,
        next_row_hash=next_row_hash,
        next_token=next_token or None,
        has_rows_before=bool(flags & _PRECEDED),
        next_token_repeats=bool(flags & _REPEATS),
    )


def _length(raw_bytes: int) -> int:
    """Return the number of characters of a cursor: a head in base64 without padding, a point and a tail."""
    return (4 * (TAG_BYTES + raw_bytes) + 2) // 3 + 1 + _TAIL_LENGTH


def _read_tail(tail: str, key: CursorKey, head: bytes) -> tuple[int, int, int]:
    """Raises: BadCursor where the tail does not belong to the head."""
    place, given = bytes.fromhex(tail[: 2 * _PLACE.size]), bytes.fromhex(tail[2 * _PLACE.size :])
    check = key.check(head, _PLACE.size)
    masks = _masks(check)
    check.update(place)
    if not compare_digest(check.digest(), given):
        raise BadCursor(_NOT_OURS)
    (skip, edge, next_row_hash), (of_skip, of_edge, of_follower) = _PLACE.unpack(place), masks
    return skip ^ of_skip, edge ^ of_edge, next_row_hash ^ of_follower


def _masks(check: blake2b) -> tuple[int, int, int]:
    """What hides the three numbers of a place: the check as it is before any place is added to it."""
    of_skip, of_edge, of_follower = _PLACE.unpack(check.digest())
    return of_skip, of_edge, of_follower
