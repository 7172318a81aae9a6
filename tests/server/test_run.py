"""The HTTP server: its event loop, parser and response headers."""

import asyncio
from typing import Any

import httpx
import orjson
from starlette.types import Receive, Scope, Send

from gateway.server.run import serving_in_thread
from tests.support.scripted import lifespan


async def reports_its_server(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the classes of the event loop and of the server's callables."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    # receive and send are the server's own methods if no middleware wraps the application.
    servers: list[Any] = [asyncio.get_running_loop(), *(getattr(given, "__self__", given) for given in (receive, send))]
    classes = [f"{type(server).__module__}.{type(server).__name__}" for server in servers]
    content = orjson.dumps({"classes": classes, "client": scope["client"][0]})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


def test_requests_are_served_by_uvloop_without_middleware() -> None:
    with serving_in_thread(reports_its_server) as url:
        response = httpx.get(url, headers={"x-forwarded-for": "192.0.2.1"})
    exchange = "gateway.server.exchange.Exchange"
    # The server does not read the headers of forwarding proxies.
    assert response.json() == {"classes": ["uvloop.Loop", exchange, exchange], "client": "127.0.0.1"}
    # The server adds the date, and not its name.
    assert set(response.headers) == {"date", "content-length"}
