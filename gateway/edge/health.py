"""Whether the process is alive: for a container's health check."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from gateway.answer_headers import SECURITY_HEADERS


async def healthz(_request: Request) -> PlainTextResponse:
    """200 for as long as the event loop turns. It asks nothing upstream: AWS's trouble is no reason for a restart."""
    response = PlainTextResponse("ok\n")
    response.raw_headers.extend(SECURITY_HEADERS)
    return response
