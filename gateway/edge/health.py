"""Whether the process is alive: for a container's health check."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse


async def healthz(_request: Request) -> PlainTextResponse:
    """200 for as long as the event loop turns. It asks nothing upstream: AWS's trouble is no reason for a restart."""
    return PlainTextResponse("ok\n")
