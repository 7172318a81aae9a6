"""Who may ask: anyone, or callers known by API keys or access tokens; and, before all, only a router where set so."""

import hmac
from collections.abc import Mapping
from typing import Protocol

from gateway.auth.bearer import Unauthenticated
from gateway.auth.caller import ANONYMOUS, Caller


class Authenticator(Protocol):
    """A way to tell who asks."""

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        """The caller of a request, by its header fields.

        Raises: HttpError, before anything else of the request is looked at.
        """


class AnonymousAuthenticator:
    """Takes everyone."""

    async def caller(self, _fields: Mapping[bytes, bytes]) -> Caller:
        """Return the anonymous caller."""
        return ANONYMOUS


class RouterSecretAuthenticator:
    """Takes what a router sends that knows a secret; it is then looked at whose request the router passes on."""

    def __init__(self, secret: str, authentication: Authenticator) -> None:
        self._secret = secret.encode()
        self._authentication = authentication

    async def caller(self, fields: Mapping[bytes, bytes]) -> Caller:
        """Check the router's secret, then return the caller whose request the router passes on."""
        if not hmac.compare_digest(fields.get(b"x-router-secret", b""), self._secret):
            raise Unauthenticated(
                "Only this gateway's router may ask it; a router sends its secret in x-router-secret.",
                challenge=b"Router-Secret",
            )
        return await self._authentication.caller(fields)
