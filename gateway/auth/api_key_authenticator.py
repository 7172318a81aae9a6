"""Authentication by API keys. The gateway knows only the SHA-256 hashes of the keys."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.auth.bearer import bearer_credential, invalid_credential, missing_credential
from gateway.auth.caller import Caller

# 256 bits, as many as the hash has. Such a key cannot be guessed, so a plain hash without salt or stretching is enough.
API_KEY_BYTES: Final = 32
# Lets secret scanners, and people, recognize a key.
API_KEY_PREFIX: Final = "chime_gateway_"


def new_api_key() -> str:
    """Return a new random key."""
    return API_KEY_PREFIX + secrets.token_urlsafe(API_KEY_BYTES)


def hash_api_key(key: bytes) -> str:
    """Return the SHA-256 hash of a key in hex, as GATEWAY_API_KEYS lists it."""
    return hashlib.sha256(key).hexdigest()


class ApiKeyAuthenticator:
    """An authenticator by a key in the header x-api-key, or in Authorization as a bearer credential.

    A key has all scopes but the one for debugging.

    Args:
        hashes: The hash of each key.
    """

    def __init__(self, hashes: Iterable[str]) -> None:
        # A caller's id may be logged, and cursors are bound to it. It is a hash of the hash, so it does not reveal the
        # hash that the settings hold.
        self._callers = [(known, Caller(f"api-key:{hash_api_key(known.encode())[:32]}")) for known in hashes]

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return the caller whose key the request has.

        Raises:
            Unauthenticated: If the key is missing or unknown.
        """
        key = headers.get(b"x-api-key") or bearer_credential(headers)
        if key is None:
            raise missing_credential("The request has no API key. Send one in x-api-key, or as Authorization: Bearer.")
        key_hash = hash_api_key(key)
        # Compare with every hash, so that the time taken does not reveal which one matches.
        found = [caller for known, caller in self._callers if hmac.compare_digest(key_hash, known)]
        if not found:
            raise invalid_credential("The API key is not valid. Send one that this gateway knows (GATEWAY_API_KEYS).")
        return found[0]
