"""The check of the Host header, against DNS rebinding.

An attacker can let a name of theirs resolve to this machine's address. A browser then takes their page for one of the
gateway's own origin. Only the name in the Host header tells such a request from a legitimate one.
"""

from collections.abc import Awaitable, Iterable
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth.origin import read_authority
from gateway.http.error_response import MisdirectedRequest, reject

# The names by which a browser reaches its own machine. A page of another machine cannot have one of them.
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")

# Probes use addresses instead of names, and their responses hold no secrets.
PROBES: Final = ("/healthz", "/readyz")


class TrustedHostMiddleware:
    """Rejects requests for hosts other than the given ones. The port does not matter.

    Starlette's middleware of the same name cannot read IPv6 addresses, and its error response is not JSON.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._names = frozenset(map(_name, hosts)) - {None}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request to the application if its host is trusted or it is a probe."""
        if scope["type"] == "http" and scope["path"] not in PROBES and not self._is_trusted(scope):
            return reject(MisdirectedRequest("The host is not allowed. Add it to GATEWAY_ALLOWED_HOSTS.")).send(send)
        return self._app(scope, receive, send)

    def _is_trusted(self, scope: Scope) -> bool:
        # A request has one Host header at most (gateway/server/http1_checks.py).
        for name, value in scope["headers"]:
            if name == b"host":
                return _name(value.decode("latin-1")) in self._names
        return False


# Clients send few different hosts.
@lru_cache(64)
def _name(host: str) -> str | None:
    """Return the name within a host, if the text is a host. A fully qualified name loses its last dot."""
    authority = read_authority(host)
    return None if authority is None else authority.name.removesuffix(".")
