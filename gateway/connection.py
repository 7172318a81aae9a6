"""One connection of a client: how long what it sends may take, and how much of it is taken (request_checks.py).

uvicorn has no time-outs for slow clients and no limits on what they send. What is refused reaches no application.
"""

import asyncio
import socket
import struct
from http import HTTPStatus
from itertools import islice
from math import inf
from typing import Any, Final, Literal

import httptools
import structlog
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.edge.health import DRAINING
from gateway.request_checks import (
    MAX_HEAD_BYTES,
    MAX_HEAD_FIELDS,
    MAX_URL_BYTES,
    Limits,
    Refused,
    body_too_large,
    check_host,
    check_target,
    check_transfer_coding,
    check_url,
    check_version,
    head_too_large,
)
from gateway.request_record import RequestRecord

# Requests that one connection may have waiting behind the one that is answered. Browsers do not pipeline at all, and
# each one waiting takes 3 kB for 30 bytes sent.
MAX_PIPELINED: Final = 16
# Seconds in which a refused client may still send, unread: closed at once, its system would drop our words. nginx
# (lingering_timeout) waits 5 for each piece.
LINGER_SECONDS: Final = 2.0
# Bytes a second that a client takes of an answer at least, once its system's buffers are full: the slowest mobile lines
# still do. Kestrel asks for 240, by which 2 MB would take hours.
MIN_TAKEN_A_SECOND: Final = 8_000
# Connections of which one is chosen to make room for another: looking through all of them would cost too much.
LOOKED_THROUGH: Final = 64
# Seconds in which a client may still use a connection that it has kept, once the server stops: what it sent before it
# could know is answered. Whoever asks nothing in this time is cut off.
LAST_REQUEST_SECONDS: Final = 2.0

_NOT_HTTP: Final = "This cannot be read as an HTTP/1.1 request with a known method and a URL in ASCII."
_LOOKED_AT: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
# Linger, for no second: what was not sent is dropped, and the client told so by a reset.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


class Connection(HttpToolsProtocol):
    """HTTP/1.1 by httptools, uvicorn's quicker parser, within limits.

    Refuses, by 400, 408, 413, 414 or 431 in JSON, logs it, and closes. Where nothing was begun there is nobody to
    tell, and it closes without a word.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._shortest = min(limits.receive_seconds, limits.idle_seconds)
        self._refused = False
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        # The request that is being answered, or was last; others may wait behind it, of which `cycle` is the last.
        self._answering: RequestResponseCycle | None = None
        # What of a request is coming in, and the part that _since, in the loop's time, is the start of.
        self._receiving: Literal["head", "body"] | None = None
        self._timed: Literal["head", "body"] | None = None
        self._since = 0.0
        # What the client had not taken when it was last looked at: bytes, of which answer, and when.
        self._unsent = (0, 0.0, 0.0)
        # Of the bytes just fed: how many, and how many requests began in them.
        self._fed = self._begun = 0
        # Of the request that is coming in: all bytes before those just fed, and the body's.
        self._received = self._body_bytes = 0
        self._host: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn narrows it.
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look_after(inf)
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what a client sent; mostly it is one whole request."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._fed, self._begun = len(data), 0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            within = error.__context__
            self._refuse(within if isinstance(within, Refused) else Refused(_NOT_HTTP))
            return
        if self._receiving is not None:
            self._part_received()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        if self._receiving is None:
            self._since = self.loop.time()

    def shutdown(self) -> None:
        """The server stops: finish what is under way, or wait a moment for a last request, then close."""
        self._draining = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_REQUEST_SECONDS, self._close_unless_asked)
        else:
            super().shutdown()

    def _close_unless_asked(self) -> None:
        # A head that is coming in has the time that any has; its answer closes the connection.
        if self._receiving is None and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._receiving = "head"
        self._begun += 1
        self._received = self._body_bytes = 0
        self._host = None

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self.url += url
        check_url(self.url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole field, of the head or of the trailers."""
        name = name.lower()
        if name in _LOOKED_AT:
            self._look_at(name, value)
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head has come in: the request is for the application, unless it is refused here."""
        headers = self.headers
        if len(headers) > MAX_HEAD_FIELDS or (
            # As long as all that was received is less, the fields need not be added up.
            self._received + self._fed > MAX_HEAD_BYTES
            and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD_BYTES
        ):
            raise head_too_large()
        version = self.parser.get_http_version()
        if self._host is None or self.url[0] != ord("/"):
            check_target(self.url, self._host, version)
        check_version(version, headers)
        # The parser would pass over the body, and all requests behind it.
        if self.parser.should_upgrade():
            raise Refused("Nothing is upgraded here: neither to WebSocket nor to HTTP/2.")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refused(f"More than {MAX_PIPELINED} requests wait on this connection.")
        super().on_headers_complete()
        if self._draining:
            self.scope["state"][DRAINING] = True
            self.cycle.keep_alive = False
        self._receiving = "body"
        # Trailers are taken by nobody; left where they come in, they would pass for fields of the head.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            raise body_too_large(self._limits.body_bytes)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request has come in."""
        super().on_message_complete()
        self._receiving = self._timed = None

    def _look_at(self, name: bytes, value: bytes) -> None:
        """Check a field that says where a request ends, or whom it is for; llhttp has checked its form."""
        if name == b"host":
            check_host(value, self._host)
            self._host = value
        elif name == b"content-length":
            # llhttp has read it as a number that fits in 64 bits.
            if int(value) > self._limits.body_bytes:
                raise body_too_large(self._limits.body_bytes)
        elif name == b"transfer-encoding":
            check_transfer_coding(value)
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    # Time

    def _part_received(self) -> None:
        """Of the request at hand more is to come: see how much there is already, and since when."""
        if self._timed != self._receiving:
            self._timed = self._receiving
            self._since = self.loop.time()
        # What came before it in the same bytes belongs to others; then its count begins with the next ones.
        self._received = self._received + self._fed if self._begun <= 1 else 0
        # One field, or the framing of chunks, may grow without any callback. Twice the body leaves room for chunks
        # of 6 bytes.
        if self._receiving == "head":
            if self._received > MAX_URL_BYTES + MAX_HEAD_BYTES:
                self._refuse(head_too_large())
        elif self._received > MAX_URL_BYTES + MAX_HEAD_BYTES + 2 * self._limits.body_bytes:
            self._refuse(body_too_large(self._limits.body_bytes))

    def _look(self) -> None:
        """See whether the client keeps time.

        One timer a connection that looks now and then, rather than one a request, which the many that are quick
        would pay for.
        """
        size, now = self.transport.get_write_buffer_size(), self.loop.time()
        before, answer, looked_at = self._unsent
        if not size or not before or answer != self._since:
            self._unsent = (size, self._since, now)
        elif now - looked_at >= self._shortest:
            if before - size < MIN_TAKEN_A_SECOND * (now - looked_at):
                # It takes its answer too slowly, or not at all, and close would wait until it is taken.
                self.let_go()
                return
            self._unsent = (size, self._since, now)
        if self._receiving is not None:
            due = self._since + self._limits.receive_seconds
        elif self.cycle is not None and not self.cycle.response_complete:
            due = inf
        else:
            due = self._since + self._limits.idle_seconds
        if due > now:
            self._look_after(due)
        elif self._receiving is not None:
            seconds = self._limits.receive_seconds
            words = f"The {self._receiving} took more than {seconds:g} s."
            self._refuse(Refused(words, HTTPStatus.REQUEST_TIMEOUT))
        else:
            self.transport.close()
            self._look_after(inf)

    def _look_after(self, due: float) -> None:
        """Look again when the client's time is up; sooner where it would be up for what may begin meanwhile."""
        self._timer = self.loop.call_at(min(due, self.loop.time() + self._shortest), self._look)

    # Room

    def _make_room(self) -> None:
        """Let go of whoever has been silent longest, as nginx does with connections between two requests.

        Where all of them wait for answers, it is the newcomer that goes.
        """
        others = (each for each in islice(self.connections, LOOKED_THROUGH) if isinstance(each, Connection))
        longest = min(others, key=Connection.waited_for_since)
        if longest is not self and longest.waited_for_since() <= self._since:
            longest.let_go()
        else:
            words = f"All of {self._limits.connections} connections wait for answers. Try again later."
            self._refuse(Refused(words, HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED"))

    def waited_for_since(self) -> float:
        """Since when it has been the client's turn, in the loop's time; infinity where it is not."""
        answered = self.cycle is None or self.cycle.response_complete
        return self._since if (answered or self._receiving is not None) and not self._refused else inf

    def let_go(self) -> None:
        """Close, without a word, and have the system keep nothing for the client either."""
        self._refused = True
        self._end_answers()
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _end_answers(self) -> None:
        """Whatever is under way on this connection ends like that of a client that left."""
        self.pipeline.clear()
        for cycle in (self._answering, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    # Refusal

    def _refuse(self, refused: Refused) -> None:
        """Say why, unless an answer is half out, and end the connection."""
        self._refused = True
        within_an_answer = self._answering is not None and _is_half_out(self._answering)
        self._end_answers()
        told = not within_an_answer and not self.transport.is_closing()
        if structlog.is_configured():
            started = self.loop.time() if self._timed is None else self._since
            record = RequestRecord()
            record.id = refused.request_id
            status = int(refused.status) if told else None
            structlog.get_logger().info("request", **record.line(self.loop.time() - started, status))
        if told:
            fields = (*self.server_state.default_headers, *refused.fields)
            lines = (refused.status_line, *(name + b": " + value for name, value in fields), b"", refused.content)
            self.transport.write(b"\r\n".join(lines))
        if self._timer is not None:
            self._timer.cancel()
        if within_an_answer or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _is_half_out(cycle: RequestResponseCycle) -> bool:
    return cycle.response_started and not cycle.response_complete
