"""Callers known by API keys, of which the gateway has only the SHA-256 hashes."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.auth.bearer import bearer_credential, missing, wrong
from gateway.auth.caller import Caller

# 256 bits, as many as the hash has: nobody guesses one, so that a plain hash without salt or stretching will do.
KEY_BYTES: Final = 32
# So that scanners for secrets, and people, know one when they see it.
KEY_PREFIX: Final = "chime_gateway_"


def new_api_key() -> str:
    """A key that nobody has had before."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_of(key: bytes) -> str:
    """What the gateway is told of a key: its SHA-256 hash in hex."""
    return hashlib.sha256(key).hexdigest()


class ApiKeyAuthenticator:
    """Takes a key in the header x-api-key, or in Authorization as a bearer's. A key has all scopes."""

    def __init__(self, hashes: Iterable[str]) -> None:
        # Hashed once more, as a principal may be logged and written into cursors, and is nobody's way to a key.
        self._callers = [(each, Caller(f"api-key:{hash_of(each.encode())[:32]}")) for each in hashes]

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        """The caller whose key a request brings.

        Raises: Unauthenticated.
        """
        key = fields.get(b"x-api-key") or bearer_credential(fields)
        if key is None:
            raise missing("Send an API key of this gateway in x-api-key, or as Authorization: Bearer.")
        given = hash_of(key)
        # All of them, whichever fits: how long it takes tells nothing of which one does.
        found = [caller for known, caller in self._callers if hmac.compare_digest(given, known)]
        if not found:
            raise wrong("This API key is not one of this gateway's.")
        return found[0]
