"""What those who run the gateway ask it: whether it is alive, whether it should be asked, and its numbers."""

import asyncio
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.headers import SECURITY_HEADERS
from gateway.telemetry.metrics import EXPOSITION_TYPE, exposition

# The server puts it into the state of a request that arrives while the server shuts down.
DRAINING: Final = "draining"


async def healthz(_request: Request) -> Response:
    """200 for as long as the event loop turns. It asks nothing upstream: AWS's trouble is no reason for a restart."""
    return _secured(PlainTextResponse("ok\n"))


async def readyz(request: Request) -> Response:
    """200 where requests should come here; 503, with the reason in JSON, where they should go elsewhere.

    Cost: see Upstream.unready.
    """
    state: dict[str, Any] = request.scope["state"]
    reason = "this process is stopping" if state.get(DRAINING) else await state["unready"]()
    answer = {"ready": True} if reason is None else {"ready": False, "reason": reason}
    return _secured(Response(orjson.dumps(answer), 200 if reason is None else 503, media_type="application/json"))


async def metrics(_request: Request) -> Response:
    """The process's numbers, or those of all workers, for Prometheus."""
    return _secured(Response(await asyncio.to_thread(exposition), headers={"content-type": EXPOSITION_TYPE}))


def _secured(response: Response) -> Response:
    response.raw_headers.extend(SECURITY_HEADERS)
    return response


class AdminPortMiddleware:
    """Two applications on two ports of one server, told apart by the port that a connection came in by."""

    def __init__(self, port: int, operations: ASGIApp, others: ASGIApp) -> None:
        self._port = port
        self._operations = operations
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the port's application; start and stop are the other one's."""
        on_the_port = scope["type"] == "http" and scope["server"][1] == self._port
        await (self._operations if on_the_port else self._others)(scope, receive, send)
