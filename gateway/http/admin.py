"""The admin endpoints: health, readiness and metrics. They may have a port of their own."""

import asyncio
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.error_response import reject_path
from gateway.http.headers import SECURITY_HEADERS
from gateway.telemetry.metrics import EXPOSITION_TYPE, exposition

# A key of ASGI's `state`. The server sets it when its shutdown begins.
DRAINING: Final = "draining"


class AdminPortMiddleware:
    """Routes each connection by its port: to the admin endpoints, or to the other application."""

    def __init__(self, port: int, admin: ASGIApp, app: ASGIApp) -> None:
        self._port = port
        self._admin = admin
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the application of its port. Start-up and shutdown go to the other application."""
        is_admin = scope["type"] == "http" and scope["server"][1] == self._port
        await (self._admin if is_admin else self._app)(scope, receive, send)


async def healthz(_request: Request) -> Response:
    """Return 200 while the event loop runs. No upstream call is made, because a restart does not help if AWS fails."""
    return _secured(PlainTextResponse("ok\n"))


async def readyz(request: Request) -> Response:
    """Return 200 if the process should get requests, else 503. The body says so in JSON, with the reason.

    Cost: See Readiness.unready (gateway/upstream/readiness.py).
    """
    state: dict[str, Any] = request.scope["state"]
    reason = "this process is shutting down" if state.get(DRAINING) else await state["unready"]()
    content = {"ready": True} if reason is None else {"ready": False, "reason": reason}
    return _secured(Response(orjson.dumps(content), 200 if reason is None else 503, media_type="application/json"))


async def metrics(_request: Request) -> Response:
    """Return the metrics of the process, or of all workers, in Prometheus's text format."""
    return _secured(Response(await asyncio.to_thread(exposition), headers={"content-type": EXPOSITION_TYPE}))


async def reject_admin_path(request: Request, error: Exception) -> Response:
    """Build the response if a path of the admin port does not exist. It says which ones do, also to a person."""
    return await reject_path(request, error, "The admin port has /healthz, /readyz and /metrics.")


def _secured(response: Response) -> Response:
    response.raw_headers.extend(SECURITY_HEADERS)
    return response
