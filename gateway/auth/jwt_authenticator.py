"""Callers known by access tokens: JWTs that one issuer has signed for this gateway. Source: RFC 7519, 8725 and 9068."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt

from gateway.auth.bearer import bearer_credential, missing, wrong
from gateway.auth.caller import ALL_SCOPES, READ_DEBUG, Caller
from gateway.auth.jwks import ALGORITHMS, Jwks, KeysUnavailable

# Seconds by which two machines' clocks may differ; those that a time server sets differ by well under one.
LEEWAY_SECONDS: Final = 10
# Tokens whose signatures need no second look; a check takes a tenth of a millisecond. Together they are some 300 KB.
KEPT_TOKENS: Final = 1024
# Access tokens are one to two kilobytes; what is longer is not even decoded.
MAX_TOKEN_BYTES: Final = 8192


class _Verified(NamedTuple):
    """expires_at: seconds since 1970; leeway comes on top."""

    caller: Caller
    key_id: str | None
    key: jwt.PyJWK
    expires_at: float


class JwtAuthenticator:
    """Takes tokens of one issuer that are for one audience, signed by RS256, ES256 or EdDSA, with an end (exp).

    A caller's principal is the token's subject (sub); without one the client that it was made for, and tokens without
    either are all of one principal.
    """

    def __init__(self, keys: Jwks, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        # By their hashes: the tokens themselves are not kept.
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        """The caller whose token a request brings.

        Raises: Unauthenticated; KeysUnavailable.
        """
        token = bearer_credential(fields)
        if token is None:
            raise missing("Send an access token as Authorization: Bearer.")
        token_hash = hashlib.sha256(token).digest()
        verified = self._verified.pop(token_hash, None)
        if verified is None or not await self._still_holds(verified):
            verified = await self._verify(token)
        self._verified[token_hash] = verified
        if len(self._verified) > KEPT_TOKENS:
            self._verified.popitem(last=False)
        return verified.caller

    async def _still_holds(self, verified: _Verified) -> bool:
        key = await self._keys.key(verified.key_id, verified.key.algorithm_name)
        # Keys that are fetched anew are other objects: what they signed is looked at anew.
        return key is verified.key and verified.expires_at > time.time() - LEEWAY_SECONDS

    async def _verify(self, token: bytes) -> _Verified:
        try:
            key_id, key = await self._key_of(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
            return _Verified(self._caller(claims), key_id, key, float(claims["exp"]))
        except KeysUnavailable:
            raise
        except jwt.ExpiredSignatureError:
            raise wrong("This access token has expired.") from None
        except jwt.ImmatureSignatureError:
            raise wrong("This access token is not valid yet.") from None
        except Exception:  # noqa: BLE001  # What is forged may trip the parser anywhere; nothing but a caller gets past.
            raise wrong("This access token is not one that this gateway takes.") from None

    async def _key_of(self, token: bytes) -> tuple[str | None, jwt.PyJWK]:
        """The id that a token gives of its key, and the issuer's own key of that id.

        Where else a token says its key is (jwk, jku, x5c, x5u) is never looked at: it would vouch for itself.
        Raises: InvalidTokenError; KeysUnavailable.
        """
        if len(token) > MAX_TOKEN_BYTES:
            raise jwt.InvalidTokenError
        header = jwt.get_unverified_header(token)
        key_id, algorithm = header.get("kid"), header.get("alg")
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidTokenError
        key = await self._keys.key(key_id, algorithm)
        if key is None:
            raise jwt.InvalidTokenError
        return key_id, key

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        # Programs have no subject at some issuers; their own id goes by two names (RFC 9068; OpenID Connect).
        named = next((claim for claim in ("sub", "client_id", "azp") if isinstance(claims.get(claim), str)), "sub")
        subject = hashlib.sha256(f"{self._issuer}\n{named}\n{claims.get(named)}".encode()).hexdigest()
        return Caller(f"jwt:{subject[:32]}", _scopes(claims) & (ALL_SCOPES | {READ_DEBUG}))


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a token: a text with spaces between them, or, as some issuers have it, a list."""
    scopes = claims.get("scope", claims.get("scp"))
    if isinstance(scopes, str):
        return frozenset(scopes.split(" "))
    return frozenset(scope for scope in scopes if isinstance(scope, str)) if isinstance(scopes, list) else frozenset()
