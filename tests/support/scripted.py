"""An upstream over real HTTP that sends exactly the responses of a test, valid or not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.serving import served


@dataclass(frozen=True, slots=True)
class ScriptedResponse:
    """One response: a status, headers, a body that is sent as it is or as JSON, and a delay before it."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0

    def response(self) -> Response:
        body = self.body if isinstance(self.body, bytes | str) else orjson.dumps(self.body)
        headers = {"content-type": "application/json", "x-amzn-requestid": "11111111-2222-4333-8444-555555555555"}
        return Response(body, self.status, headers | self.headers)


class ScriptedUpstream:
    """A server that sends its responses in order and repeats the last one.

    Attributes:
        responses: The responses that are left.
        requests: Path and query of each request.
        paths: The decoded path of each request.
        headers: The headers of each request.
    """

    def __init__(self, *responses: ScriptedResponse) -> None:
        self.responses = list(responses)
        self.requests: list[str] = []
        self.paths: list[str] = []
        self.headers: list[Headers] = []
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        request = Request(scope, receive)
        self.requests.append(f"{request.url.path}?{request.url.query}")
        self.paths.append(scope["path"])
        self.headers.append(request.headers)
        response = self.responses[0] if len(self.responses) == 1 else self.responses.pop(0)
        if response.after_seconds and await _disconnects_within(response.after_seconds, receive):
            return
        await response.response()(scope, receive, send)


async def _disconnects_within(seconds: float, receive: Receive) -> bool:
    """Return whether the client disconnects within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def lifespan(receive: Receive, send: Send) -> None:
    """Acknowledge start-up and shutdown."""
    while True:
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return


@contextmanager
def scripted_upstream(*responses: ScriptedResponse) -> Iterator[ScriptedUpstream]:
    """Serve these responses while the block runs."""
    upstream = ScriptedUpstream(*responses)
    with served(upstream) as url:
        upstream.url = url
        yield upstream
