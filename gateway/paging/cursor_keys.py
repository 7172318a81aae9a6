"""Keys that encrypt cursors, and the list and caller that a cursor is bound to.

A cursor is one message of AES-SIV (RFC 5297), which encrypts and authenticates it. Unlike AES-GCM, AES-SIV needs no
nonce. So the same edge of the same page always has the same cursor, as caches and polling clients expect. There is also
no limit on the number of cursors per key. AES-GCM with random 96-bit nonces allows 2**32 messages, which one busy core
makes in two weeks.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# 256 bits, the key size of AES-256, which is keyed from them.
KEY_BYTES: Final = 32
BINDING_BYTES: Final = 16
# Characters of a cursor. This is room for two page tokens of 24 kB each. AWS documents no length, and its tokens have
# a few hundred bytes. A response with 1,000 rows holds 1,000 cursors, so there has to be a limit.
MAX_LENGTH: Final = 65_536

# Digests of the unfiltered lists and callers that were requested last. To compute one takes three times as long as to
# find it.
_CACHED_DIGESTS: Final = 256

# A new form of cursor needs a new label. The label changes the derived keys, so cursors of the old form are rejected.
_LABEL: Final = b"chime-gateway cursor, form 4"
# AES-256-SIV takes two keys of 256 bits as one.
_SIV_BYTES: Final = 64


class CursorBinding(NamedTuple):
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
        # Each cipher is derived from one secret of KEY_BYTES.
        self._ciphers = [
            AESSIV(HKDF(SHA256(), _SIV_BYTES, salt=None, info=_LABEL).derive(secret)) for secret in secrets
        ]

    def encrypt(self, message: bytes) -> bytes:
        """Return a message, encrypted and authenticated with the first key.

        Cost: About two microseconds.
        """
        return self._ciphers[0].encrypt(message, None)

    def decrypt(self, encrypted: bytes) -> bytes | None:
        """Return the message again, or None if no key of the ring encrypted it.

        Cost: About two microseconds for each key.
        """
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(encrypted, None)
            except InvalidTag:
                continue
        return None

    def bind(
        self, *, api: str, operation: str, filters: Mapping[str, str], principal: str = "", sort: str = ""
    ) -> CursorBinding:
        """Return the binding for one API, operation, filter and sort, as one caller requests it."""
        if not filters:
            return CursorBinding(self, _digest_of_unfiltered(api, operation, principal, sort))
        # A filter may be as long as a request, so its digest is not kept.
        return CursorBinding(self, _digest(api, operation, sorted(filters.items()), principal, sort))


def _digest(api: str, operation: str, filters: Sequence[tuple[str, str]], principal: str, sort: str) -> bytes:
    # Quotes keep the parts apart, because a filter's value may hold any separator.
    described = repr((api, operation, filters, principal, sort))
    return blake2b(described.encode(), digest_size=BINDING_BYTES).digest()


@lru_cache(_CACHED_DIGESTS)
def _digest_of_unfiltered(api: str, operation: str, principal: str, sort: str) -> bytes:
    return _digest(api, operation, [], principal, sort)


def random_key() -> bytes:
    """Return a new secret of KEY_BYTES from the operating system's random source."""
    return token_bytes(KEY_BYTES)
