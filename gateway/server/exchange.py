"""One request of a connection and its response, between the HTTP/1.1 protocol and the ASGI application.

uvicorn's own class for it searches each header of each response twice for wrong characters, and adds it in four pieces.
That took a fifth of the time of a stored response.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from http.client import responses
from typing import Final

from starlette.types import ASGIApp, Message, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl

from gateway.errors import Headers

logger = logging.getLogger("gateway")

_STATUS_LINES: Final = {each: f"HTTP/1.1 {each} {responses.get(each, '')}".encode() for each in range(100, 600)}
# RFC 9112, 6.3: a response with one of these has no body, so it needs no length.
_WITHOUT_BODY: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
# With them, one header could be read as two. Tabs are allowed.
_CONTROL_CHARACTERS: Final = bytes(each for each in (*range(0x20), 0x7F) if each != ord("\t"))
# Comparing with a copy in which they are spaces takes a sixth of a regular expression's time.
_CONTROLS_TO_SPACES: Final = bytes.maketrans(_CONTROL_CHARACTERS, b" " * len(_CONTROL_CHARACTERS))
_FAILED: Final = b"Internal Server Error"
# A head is sent together with the body's first part, because a second system call takes a tenth of the time of a stored
# response. If the part has more bytes than this, copying it would take as long.
_MAX_JOINED_BYTES: Final = 64 * 1024


class Exchange:
    """A request whose head was read, and its response. The application gets `scope`, `receive` and `send`.

    Args:
        scope: ASGI's description of the request.
        transport: The connection.
        flow: Pauses reading and writing.
        default_headers: The headers that the server adds to each response.
        keep_alive: Whether the connection stays open after the response, unless the response closes it.
        expects_continue: Whether the client waits for an interim response before it sends the body.
        on_complete: A function to call when the response is complete.

    Attributes:
        keep_alive: As the argument. It may change until the response starts.
        disconnected: Whether the client has disconnected. The application's messages are then dropped.
        is_started: Whether the head of the response was sent.
        is_complete: Whether the whole response was sent.
    """

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: FlowControl,
        default_headers: list[tuple[bytes, bytes]],
        on_complete: Callable[[], None],
        *,
        keep_alive: bool,
        expects_continue: bool,
    ) -> None:
        self._scope = scope
        self.keep_alive = keep_alive
        self.disconnected = self.is_started = self.is_complete = False
        self._transport = transport
        self._flow = flow
        self._default_headers = default_headers
        self._on_complete = on_complete
        self._expects_continue = expects_continue
        # The parts of the request's body that `receive` has not returned yet.
        self._body = bytearray()
        self._has_more_body = True
        # Set when `receive` has something to return.
        self._news = asyncio.Event()
        # The head of the response, while it waits for the first part of the body.
        self._head = b""
        # The bytes of the response's body that are still to be sent, or None if it is sent in chunks.
        self._unsent: int | None = None

    async def run(self, app: ASGIApp) -> None:
        """Have the application respond. If it fails, respond with 500, or close the connection within its response."""
        try:
            await app(self._scope, self.receive, self.send)
        except BaseException:  # A request that is cancelled by the shutdown gets a response, too.
            logger.exception("The application failed.")
        else:
            if self.is_complete or self.disconnected:
                return
            logger.error("The application ended before its response was complete.")
        if self.is_started:
            self._transport.close()
        else:
            headers = ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_FAILED)))
            self._head = b""
            self.keep_alive = False
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body", "body": _FAILED})

    @property
    def is_half_sent(self) -> bool:
        """Whether a part of the response was sent, and the rest was not."""
        return self.is_started and not self.is_complete

    # The request

    def add_body(self, part: bytes) -> None:
        """Add a part of the request's body. If too many bytes wait for the application, read no more."""
        self._body += part
        if len(self._body) > HIGH_WATER_LIMIT:
            self._flow.pause_reading()
        self._news.set()

    def end_body(self) -> None:
        """End the request's body."""
        self._has_more_body = False
        self._news.set()

    def disconnect(self) -> None:
        """End the exchange, unless it is complete, because the client has disconnected or is treated so."""
        self.disconnected = not self.is_complete
        self._news.set()

    async def receive(self) -> Message:
        """Return the body as far as it has arrived, or the disconnect. It is the `receive` of ASGI."""
        if not self.disconnected and not self.is_complete:
            if self._expects_continue and not self._transport.is_closing():
                self._expects_continue = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._flow.resume_reading()
            if not self._news.is_set():
                await self._news.wait()
            self._news.clear()
        if self.disconnected or self.is_complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, bytearray()
        return {"type": "http.request", "body": bytes(body), "more_body": self._has_more_body}

    # The response

    async def send(self, message: Message) -> None:
        """Send the head with the first part of the body, or another part. It is the `send` of ASGI."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        is_begun = self.is_started or bool(self._head)
        if kind == "http.response.start" and not is_begun:
            self._prepare_head(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and is_begun and not self.is_complete:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"The application sent {kind} in the wrong place.")

    def _prepare_head(self, status: int, headers: Headers) -> None:
        lines = [_STATUS_LINES[status], *map(b": ".join, (*self._default_headers, *headers))]
        values = dict(headers)
        if values.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close")
        length = values.get(b"content-length")
        if self._scope["method"] == "HEAD" or status in _WITHOUT_BODY:
            self._unsent = 0
        elif length is not None:
            self._unsent = int(length)
        else:
            lines.append(b"transfer-encoding: chunked")
        text = b"".join(lines)
        if text.translate(_CONTROLS_TO_SPACES) != text:
            raise RuntimeError("A header of the response has a control character.")
        lines += (b"", b"")
        self._head = b"\r\n".join(lines)

    def _send_body(self, part: bytes, *, more: bool) -> None:
        if self._scope["method"] == "HEAD":
            part = b""
        if self._unsent is None:
            part = b"%x\r\n%b\r\n" % (len(part), part) if part else part
            self._write(part if more else part + b"0\r\n\r\n")
        else:
            self._unsent -= len(part)
            if self._unsent < 0 or (self._unsent > 0 and not more):
                raise RuntimeError("The response has another length than its Content-Length.")
            self._write(part)
        if not more:
            self.is_complete = True
            self._news.set()
            if not self.keep_alive:
                self._transport.close()
            self._on_complete()

    def _write(self, part: bytes) -> None:
        """Write a part of the body, and the head before the first one."""
        head, self._head = self._head, b""
        self.is_started = True
        self._expects_continue = False
        if head and len(part) <= _MAX_JOINED_BYTES:
            part = head + part
        elif head:
            self._transport.write(head)
        self._transport.write(part)
