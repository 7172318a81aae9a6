"""Who may ask: anyone, or callers known by API keys or access tokens; and, before all, only a router where set so."""

import hmac
from collections.abc import Mapping
from typing import Protocol

from gateway.auth.caller import ANYONE, Caller
from gateway.auth.jwt_authenticator import AccessTokens
from gateway.auth.api_key_authenticator import ApiKeys
from gateway.auth.bearer import Unauthenticated
from gateway.auth.jwks import KeySet
from gateway.settings import Settings


class Authentication(Protocol):
    """A way to tell who asks."""

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        """The caller of a request, by its header fields.

        Raises: HttpError, before anything else of the request is looked at.
        """


class _NoAuthentication:
    """Takes everyone."""

    async def caller(self, _fields: Mapping[bytes, bytes]) -> Caller:
        return ANYONE


class _RouterAlone:
    """Takes what a router sends that knows a secret; it is then looked at whose request the router passes on."""

    def __init__(self, secret: str, authentication: Authentication) -> None:
        self._secret = secret.encode()
        self._authentication = authentication

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        if not hmac.compare_digest(fields.get(b"x-router-secret", b""), self._secret):
            raise Unauthenticated(
                "Only this gateway's router may ask it; a router sends its secret in x-router-secret.",
                challenge=b"Router-Secret",
            )
        return await self._authentication.caller(fields)


def authentication(settings: Settings) -> Authentication:
    """The way that the settings choose."""
    way: Authentication = _NoAuthentication()
    if settings.api_keys is not None and settings.auth == "api-key":
        way = ApiKeys(settings.api_keys)
    elif settings.auth == "jwt":
        keys = KeySet(str(settings.jwt_jwks_url))
        way = AccessTokens(keys, issuer=str(settings.jwt_issuer), audience=str(settings.jwt_audience))
    if settings.router_secret is None:
        return way
    return _RouterAlone(settings.router_secret.get_secret_value(), way)
