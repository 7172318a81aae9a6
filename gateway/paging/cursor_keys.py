"""Keys that encrypt cursors, and the list and caller that a cursor is bound to.

A cursor is one message of AES-SIV (RFC 5297), which encrypts and authenticates it. Unlike AES-GCM, AES-SIV needs no
nonce. So the same edge of the same page always has the same cursor, as caches and polling clients expect. There is also
no limit on the number of cursors per key. AES-GCM with random 96-bit nonces allows 2**32 messages, which one busy core
makes in two weeks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from secrets import token_bytes
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# 256 bits, the key size of AES-256, which is keyed from them.
KEY_BYTES: Final = 32
BINDING_BYTES: Final = 16
# AES-SIV puts its tag, which is also its initialization vector, in front of the text.
TAG_BYTES: Final = 16
# Characters of a cursor. This is room for two page tokens of 24 kB each. AWS documents no length, and its tokens have
# a few hundred bytes. A response with 1,000 rows holds 1,000 cursors, so there has to be a limit.
MAX_LENGTH: Final = 65_536

# A new form of cursor needs a new label. The label changes the derived keys, so cursors of the old form are rejected.
_LABEL: Final = b"chime-gateway cursor, form 4"
# AES-256-SIV takes two keys of 256 bits as one.
_SIV_BYTES: Final = 64


class CursorKey:
    """A cipher for cursors, derived from one secret of KEY_BYTES."""

    __slots__ = ("_siv",)

    def __init__(self, secret: bytes) -> None:
        self._siv = AESSIV(HKDF(SHA256(), _SIV_BYTES, salt=None, info=_LABEL).derive(secret))

    def encrypt(self, message: bytes) -> bytes:
        """Return a message, encrypted and authenticated.

        Cost: About a microsecond.
        """
        return self._siv.encrypt(message, None)

    def decrypt(self, encrypted: bytes) -> bytes:
        """Return the message again.

        Raises:
            InvalidTag: If the message was not encrypted with this key.
        """
        return self._siv.decrypt(encrypted, None)


@dataclass(frozen=True, slots=True)
class CursorBinding:
    """One list as one caller sees it. A cursor is valid only for the binding that it was issued for.

    Attributes:
        key_ring: The keys for the cursors.
        digest: BINDING_BYTES that differ if the API, operation, filter, sort or caller differs.
    """

    key_ring: "CursorKeyRing"
    digest: bytes


class CursorKeyRing:
    """The keys of one process. The first key encrypts, and every key decrypts.

    Args:
        secrets: One secret for each key.
        max_length: Characters of the longest cursor that is issued and accepted.
    """

    def __init__(self, secrets: Sequence[bytes], max_length: int = MAX_LENGTH) -> None:
        self.max_length = max_length
        self._keys = [CursorKey(secret) for secret in secrets]

    def encrypt(self, message: bytes) -> bytes:
        """Return a message, encrypted with the first key."""
        return self._keys[0].encrypt(message)

    def decrypt(self, encrypted: bytes) -> bytes | None:
        """Return the message again, or None if no key of the ring encrypted it.

        Cost: About a microsecond for each key.
        """
        for key in self._keys:
            try:
                return key.decrypt(encrypted)
            except InvalidTag:
                continue
        return None

    def bind(
        self, *, api: str, operation: str, filters: Mapping[str, str], principal: str = "", sort: str = ""
    ) -> CursorBinding:
        """Return the binding for one API, operation, filter and sort, as one caller requests it."""
        # Quotes keep the parts apart, because a filter's value may hold any separator.
        described = repr((api, operation, sorted(filters.items()), principal, sort))
        return CursorBinding(self, blake2b(described.encode(), digest_size=BINDING_BYTES).digest())


def random_key() -> bytes:
    """Return a new secret of KEY_BYTES from the operating system's random source."""
    return token_bytes(KEY_BYTES)
