"""The HTTP server: what it is made of, and what it leaves out."""

import asyncio
from typing import Any

import httpx
import orjson
from starlette.types import Receive, Scope, Send

from gateway.server.run import serving_in_thread
from tests.support.scripted import lifespan


async def tells_what_serves_it(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the classes that its request has come through."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    # receive and send are the server's own methods where no middleware stands before the application.
    servers: list[Any] = [asyncio.get_running_loop(), *(getattr(given, "__self__", given) for given in (receive, send))]
    classes = [f"{type(server).__module__}.{type(server).__name__}" for server in servers]
    content = orjson.dumps({"classes": classes, "client": scope["client"][0]})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


def test_requests_come_by_uvloop_and_httptools_with_no_middleware_between() -> None:
    with serving_in_thread(tells_what_serves_it) as url:
        answer = httpx.get(url, headers={"x-forwarded-for": "192.0.2.1"})
    cycle = "uvicorn.protocols.http.httptools_impl.RequestResponseCycle"
    # A forwarding proxy's headers are not looked at, and cost nothing.
    assert answer.json() == {"classes": ["uvloop.Loop", cycle, cycle], "client": "127.0.0.1"}
    # What the server adds of its own: when, and not who.
    assert set(answer.headers) == {"date", "content-length"}
