"""The text of a cursor: one encrypted message (see cursor_keys) in base64url without padding.

The message starts with the digest of its binding. The rest of it is the position, in the form of its list
(cursor and sort_order). Texts that this gateway did not issue are rejected.
"""

import base64
import binascii
from typing import Final

from gateway.errors import BadCursor, CursorTooLong
from gateway.paging.cursor_keys import BINDING_BYTES, CursorBinding

_NOT_ISSUED: Final = "This cursor was not issued by this gateway, or it was changed. Use a cursor from a response."


def encrypt_cursor(position: bytes, binding: CursorBinding, operation: str) -> str:
    """Return the cursor of a position.

    Args:
        position: The position of the edge.
        binding: The list and caller that the cursor is valid for.
        operation: The list's name, for the error.

    Raises:
        CursorTooLong: If the key ring does not accept a cursor of this length.

    Cost: 2 to 3 microseconds with tokens of 400 characters.
    """
    text = _text(binding.key_ring.encrypt(binding.digest + position))
    if len(text) > binding.key_ring.max_length:
        detail = f"a cursor would have {len(text)} characters; the limit is {binding.key_ring.max_length}"
        raise CursorTooLong(operation, detail=detail)
    return text


def decrypt_cursor(text: str, binding: CursorBinding) -> bytes:
    """Return the position that a cursor holds.

    Raises:
        BadCursor: If the text was not issued for this binding.
    """
    if len(text) > binding.key_ring.max_length:
        raise BadCursor(f"A cursor has at most {binding.key_ring.max_length} characters.")
    try:
        encrypted = base64.urlsafe_b64decode(text + "==")
    except (binascii.Error, ValueError):
        raise BadCursor(_NOT_ISSUED) from None
    # Several texts decode to the same bytes, because characters outside of the alphabet are skipped. Only the text that
    # was issued is accepted.
    message = binding.key_ring.decrypt(encrypted) if _text(encrypted) == text else None
    if message is None:
        raise BadCursor(_NOT_ISSUED)
    if message[:BINDING_BYTES] != binding.digest:
        raise BadCursor(
            "This cursor belongs to another list, to the same list with another filter or sort, or to another caller."
        )
    return message[BINDING_BYTES:]


def _text(encrypted: bytes) -> str:
    return base64.urlsafe_b64encode(encrypted).rstrip(b"=").decode()
