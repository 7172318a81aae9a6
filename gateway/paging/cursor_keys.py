"""The keys that cursors are sealed with, and what a sealed cursor is bound to.

A cursor's head is sealed by AES-SIV (RFC 5297): nothing in it can be read or changed without a key. Unlike AES-GCM it
takes no nonce. So an edge keeps its cursor, and what is asked again is answered the same to the letter, as caches and
front ends that poll would have it; and no number of cursors wears a key out, where random nonces of 96 bits do for
2**32 seals, two weeks of a busy core. A tail is not worth a seal of its own: it has a keyed check over head and tail.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# 256 bits, as many as the AES-256 has that is keyed from them.
KEY_BYTES: Final = 32
SCOPE_BYTES: Final = 16
# AES-SIV puts its tag, which is the IV as well, in front of the text.
TAG_BYTES: Final = 16
# Characters of a cursor: two page tokens of 24 kB each. AWS documents no length, and its tokens have some hundred
# bytes. A response of 1,000 rows repeats a cursor's head 1,000 times, so there has to be a limit.
MAX_LENGTH: Final = 65_536

# Another form of the cursors takes another label, and with it other keys: what was sealed in this one opens no more.
_LABEL: Final = b"chime-gateway cursor, form 2"
# AES-256-SIV takes two keys of 256 bits in one.
_SIV_BYTES: Final = 64


class CursorKey:
    """What one secret of KEY_BYTES seals with."""

    __slots__ = ("_siv", "_tail_key")

    def __init__(self, secret: bytes) -> None:
        derived = HKDF(SHA256(), _SIV_BYTES + KEY_BYTES, salt=None, info=_LABEL).derive(secret)
        self._siv = AESSIV(derived[:_SIV_BYTES])
        self._tail_key = derived[_SIV_BYTES:]

    def seal(self, head: bytes) -> bytes:
        """What a head becomes. About a microsecond."""
        return self._siv.encrypt(head, None)

    def open(self, sealed: bytes) -> bytes:
        """The head again.

        Raises: InvalidTag for what was not sealed with this key.
        """
        return self._siv.decrypt(sealed, None)

    def check(self, written_head: bytes, size: int) -> blake2b:
        """A keyed check of `size` bytes that knows the head already; a copy of it takes the rest of a tail."""
        return blake2b(written_head, key=self._tail_key, digest_size=size)


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """One list as one caller sees it: cursors given out for it are good for nothing else.

    digest: SCOPE_BYTES that differ for whatever a cursor is bound to.
    """

    seal: "CursorKeyRing"
    digest: bytes


class CursorKeyRing:
    """A process's ring of keys: the first one seals, all of them open.

    max_length: characters of the longest cursor that is given out and accepted.
    """

    def __init__(self, secrets: Sequence[bytes], max_length: int = MAX_LENGTH) -> None:
        self.max_length = max_length
        self.newest, *self._older = map(CursorKey, secrets)

    def open(self, sealed: bytes) -> tuple[bytes, CursorKey] | None:
        """What was sealed and the key that opened it; None where no key does. Cost: a microsecond a key."""
        for key in (self.newest, *self._older):
            try:
                return key.open(sealed), key
            except InvalidTag:
                continue
        return None

    def scope(self, *, api: str, operation: str, filters: Mapping[str, str], principal: str = "") -> CursorBinding:
        """What a cursor is good for: one API generation, operation and filter, asked by one principal."""
        # JSON, because a filter's value may hold any separator.
        described = json.dumps([api, operation, sorted(filters.items()), principal])
        return CursorBinding(self, blake2b(described.encode(), digest_size=SCOPE_BYTES).digest())


def random_key() -> bytes:
    """A secret that nobody else has."""
    return token_bytes(KEY_BYTES)
