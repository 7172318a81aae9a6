"""Authentication by access tokens: JWTs that one issuer signs for this gateway. Source: RFC 7519, 8725 and 9068."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jwt
from cachetools import LRUCache

from gateway.auth.bearer import bearer_credential, invalid_credential, missing_credential
from gateway.auth.caller import ALL_SCOPES, READ_DEBUG, Caller
from gateway.auth.jwks import ALGORITHMS, Jwks, KeysUnavailable

# How much the clocks of two machines may differ. Clocks that a time server sets differ by well under a second.
LEEWAY_SECONDS: Final = 10
# A cached token is not verified again. Verification takes a tenth of a millisecond, and a full cache about 300 kB.
MAX_CACHED_TOKENS: Final = 1024
# Access tokens have one to two kilobytes. A longer one is rejected before it is decoded.
MAX_TOKEN_BYTES: Final = 8192


class _Verified(NamedTuple):
    """A token that was verified.

    Attributes:
        expires_at: Seconds since 1970. The leeway is added to it.
    """

    caller: Caller
    key_id: str | None
    key: jwt.PyJWK
    expires_at: float


class JwtAuthenticator:
    """An authenticator by tokens of one issuer for one audience, signed by RS256, ES256 or EdDSA, that expire (exp).

    The caller's id is derived from the token's subject (sub). If the token has no subject, it is derived from the
    client that the token was issued to. All tokens without either share one id.
    """

    def __init__(self, keys: Jwks, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        # The keys are hashes, so that memory holds no tokens.
        self._verified: LRUCache[bytes, _Verified] = LRUCache(MAX_CACHED_TOKENS)

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return the caller whose token the request has.

        Raises:
            Unauthenticated: If the token is missing or invalid.
            KeysUnavailable: If the issuer's keys could not be fetched yet.
        """
        token = bearer_credential(headers)
        if token is None:
            raise missing_credential("The request has no access token. Send one as Authorization: Bearer.")
        token_hash = hashlib.sha256(token).digest()
        verified = self._verified.get(token_hash)
        if verified is None or not await self._is_still_valid(verified):
            self._verified.pop(token_hash, None)
            verified = self._verified[token_hash] = await self._verify(token)
        return verified.caller

    async def _is_still_valid(self, verified: _Verified) -> bool:
        key = await self._keys.key(verified.key_id, verified.key.algorithm_name)
        # A refresh creates new key objects, so that every token is verified again after it.
        return key is verified.key and verified.expires_at > time.time() - LEEWAY_SECONDS

    async def _verify(self, token: bytes) -> _Verified:
        try:
            key_id, key = await self._signing_key(token)
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
            raise invalid_credential("The access token has expired. Request a new one.") from None
        except jwt.ImmatureSignatureError:
            raise invalid_credential("The access token is not valid yet. Retry later, or check the clocks.") from None
        except Exception:  # noqa: BLE001  # A forged token can fail anywhere in the parser. Each failure rejects it.
            raise invalid_credential(
                "The access token is not valid. "
                "Request one from this gateway's issuer, for its audience (GATEWAY_JWT_ISSUER, GATEWAY_JWT_AUDIENCE)."
            ) from None

    async def _signing_key(self, token: bytes) -> tuple[str | None, jwt.PyJWK]:
        """Return the key id in a token's header, and the issuer's key with that id.

        The header's other references to a key (jwk, jku, x5c, x5u) are ignored. With them a token could vouch for
        itself.

        Raises:
            InvalidTokenError: If the token is malformed or names no key of the issuer.
            KeysUnavailable: If the issuer's keys could not be fetched yet.
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
        # Some issuers give programs no subject. A client's id has two names (RFC 9068 and OpenID Connect).
        claim_name = next((claim for claim in ("sub", "client_id", "azp") if isinstance(claims.get(claim), str)), "sub")
        subject = hashlib.sha256(f"{self._issuer}\n{claim_name}\n{claims.get(claim_name)}".encode()).hexdigest()
        return Caller(f"jwt:{subject[:32]}", _scopes(claims) & (ALL_SCOPES | {READ_DEBUG}))


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token. They are a string separated by spaces or, from some issuers, a list."""
    scopes = claims.get("scope", claims.get("scp"))
    if isinstance(scopes, str):
        return frozenset(scopes.split(" "))
    return frozenset(scope for scope in scopes if isinstance(scope, str)) if isinstance(scopes, list) else frozenset()
