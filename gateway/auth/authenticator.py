"""The interface of authenticators, and those that do not identify a caller by its own credentials."""

import hmac
from collections.abc import Mapping
from typing import Protocol

from gateway.auth.bearer import Unauthenticated
from gateway.auth.caller import ANONYMOUS, Caller


class Authenticator(Protocol):
    """A way to identify the caller of a request."""

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Return the caller of a request with these headers.

        This is the first check of a request. Until it passes, the rest of the request is not read.

        Raises:
            HttpError: If the request is rejected, usually because its credentials are missing or invalid.
        """


class AnonymousAuthenticator:
    """An authenticator that accepts every request."""

    async def authenticate(self, _headers: Mapping[bytes, bytes]) -> Caller:
        """Return the anonymous caller."""
        return ANONYMOUS


class RouterSecretAuthenticator:
    """An authenticator that first requires the secret of a router.

    Args:
        authenticator: Identifies the caller whose request the router forwards.
    """

    def __init__(self, secret: str, authenticator: Authenticator) -> None:
        self._secret = secret.encode()
        self._authenticator = authenticator

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Check the router's secret, then return the caller whose request the router forwards."""
        if not hmac.compare_digest(headers.get(b"x-router-secret", b""), self._secret):
            raise Unauthenticated(
                "This gateway accepts requests only from its router. "
                "Send the router's secret in x-router-secret (GATEWAY_ROUTER_SECRET).",
                challenge=b"Router-Secret",
            )
        return await self._authenticator.authenticate(headers)
