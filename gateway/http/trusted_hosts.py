"""The names that the gateway goes by.

A page whose name is made to point at this machine (DNS rebinding) is, to the browser, of the gateway's own origin: the
name itself is all that tells it from one who may ask.
"""

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.origin import read_authority
from gateway.http.error_response import MisdirectedRequest, reject

# What a browser calls this machine; no other machine's page can have one of these names.
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")

PROBES: Final = ("/healthz", "/readyz")


class TrustedHostMiddleware:
    """An application that is asked by these names alone, on any port."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(map(_name, hosts)) - {None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the application, or refuse. Health checks ask by addresses, and learn nothing."""
        if scope["type"] == "http" and scope["path"] not in PROBES and not self._is_ours(Headers(scope=scope)):
            await reject(MisdirectedRequest("Host not allowed. Add it to GATEWAY_ALLOWED_HOSTS.")).send(send)
        else:
            await self._app(scope, receive, send)

    def _is_ours(self, headers: Headers) -> bool:
        return _name(headers.get("host", "")) in self._names


def _name(host: str) -> str | None:
    """Return the name within a host, or None if the text is no host. A last dot, of a full domain name, is left out."""
    authority = read_authority(host)
    return None if authority is None else authority.name.removesuffix(".")
