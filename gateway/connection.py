"""One connection of a client: what is taken for HTTP/1.1, how much of it, and how long it may take to come in.

uvicorn has no time-outs for slow clients and no limits on what they send; httptools (llhttp) refuses most that
proxies could read in another way, and the rest is refused here. What is refused never reaches an application.
Source: RFC 9112, "Message Parsing" and "Request Smuggling"; RFC 9110.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from math import inf
from typing import Any, Final, Literal

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.answer_headers import SECURITY_HEADERS

# RFC 9110, 4.1, asks for 8,000 at least; Apache takes 8,190.
MAX_URL_BYTES: Final = 8_192
# Node and h11 take as much; Apache, 100 fields.
MAX_HEAD_BYTES: Final = 16_384
MAX_HEAD_FIELDS: Final = 100
# Requests that one connection may have waiting behind the one that is answered. Browsers do not pipeline at all, and
# each one waiting takes 3 kB for 30 bytes sent.
MAX_PIPELINED: Final = 16
# Seconds in which a refused client may still send, unread: closed at once, its system would drop our words. nginx
# (lingering_timeout) waits 5 for each piece.
LINGER_SECONDS: Final = 2.0

_LOOKED_AT: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
_HOST: Final = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set of this (gateway/settings.py)."""

    body_bytes: int = 1_000_000
    receive_seconds: float = 10.0
    idle_seconds: float = 15.0


class _Refused(Exception):
    """Raised within the parser's callbacks, out of which it ends the connection."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        content = json.dumps({"errors": [{"message": message, "extensions": {"code": "BAD_USER_INPUT"}}]}).encode()
        self.fields = (
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", b"%d" % len(content)),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
        )
        self.status_line = f"HTTP/1.1 {status} {status.phrase}".encode()
        self.content = content


_NOT_HTTP: Final = "This cannot be read as an HTTP/1.1 request with a known method and a URL in ASCII."


class Connection(HttpToolsProtocol):
    """HTTP/1.1 by httptools, uvicorn's quicker parser, within limits.

    Refuses, by 400, 408, 413, 414, 431 or 505 in JSON, and closes. Where nothing was begun there is nobody to tell,
    and it closes without a word.
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
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        # What of a request is coming in, and the part that _since, in the loop's time, is the start of.
        self._receiving: Literal["head", "body"] | None = None
        self._timed: Literal["head", "body"] | None = None
        self._since = 0.0
        # What the client had not taken when it was last looked at.
        self._unsent = (0, 0.0)
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
            self._refuse(within if isinstance(within, _Refused) else _Refused(HTTPStatus.BAD_REQUEST, _NOT_HTTP))
            return
        if self._receiving is not None:
            self._part_received()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        if self._receiving is None:
            self._since = self.loop.time()

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
        if len(self.url) > MAX_URL_BYTES:
            raise _Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"The URL has more than {MAX_URL_BYTES:,} bytes.")

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
            raise _head_too_large()
        version = self.parser.get_http_version()
        if self._host is None or self.url[0] != ord("/"):
            self._check_target(version)
        if version == "1.1":
            pass
        elif version != "1.0":
            raise _Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
        elif any(name == b"transfer-encoding" for name, _ in headers):
            raise _Refused(HTTPStatus.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding.")
        # The parser would pass over the body, and all requests behind it.
        if self.parser.should_upgrade():
            raise _Refused(HTTPStatus.BAD_REQUEST, "Nothing is upgraded here: neither to WebSocket nor to HTTP/2.")
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _Refused(HTTPStatus.BAD_REQUEST, f"More than {MAX_PIPELINED} requests wait on this connection.")
        super().on_headers_complete()
        self._receiving = "body"
        # Trailers are taken by nobody; left where they come in, they would pass for fields of the head.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            raise self._body_too_large()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request has come in."""
        super().on_message_complete()
        self._receiving = self._timed = None

    def _look_at(self, name: bytes, value: bytes) -> None:
        """Check a field that says where a request ends, or whom it is for; llhttp has checked its form."""
        if name == b"host":
            if self._host is not None or not _is_host(value):
                raise _Refused(HTTPStatus.BAD_REQUEST, "One Host is needed, with a name or an address.")
            self._host = value
        elif name == b"content-length":
            # llhttp has read it as a number that fits in 64 bits.
            if int(value) > self._limits.body_bytes:
                raise self._body_too_large()
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise _Refused(HTTPStatus.BAD_REQUEST, "The only transfer coding that is taken is chunked.")
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def _check_target(self, version: str) -> None:
        """A request in HTTP/1.1 names its host; one that also has it in the URL has the same there."""
        if self._host is None and version == "1.1":
            raise _Refused(HTTPStatus.BAD_REQUEST, "One Host is needed, with a name or an address.")
        scheme, mark, rest = self.url.partition(b"://")
        if mark and b"/" not in scheme and re.split(rb"[/?#]", rest)[0].lower() != (self._host or b"").lower():
            raise _Refused(HTTPStatus.BAD_REQUEST, "The URL names another host than Host does.")

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
                self._refuse(_head_too_large())
        elif self._received > MAX_URL_BYTES + MAX_HEAD_BYTES + 2 * self._limits.body_bytes:
            self._refuse(self._body_too_large())

    def _look(self) -> None:
        """See whether the client keeps time.

        One timer a connection that looks now and then, rather than one a request, which the many that are quick
        would pay for.
        """
        unsent = (self.transport.get_write_buffer_size(), self._since)
        if unsent[0] and unsent == self._unsent:
            # Since the last look it has taken nothing of its answer, and close would wait until it does.
            self.transport.abort()
            return
        self._unsent = unsent
        if self._receiving is not None:
            due = self._since + self._limits.receive_seconds
        elif self.cycle is not None and not self.cycle.response_complete:
            due = inf
        else:
            due = self._since + self._limits.idle_seconds
        if due > self.loop.time():
            self._look_after(due)
        elif self._receiving is not None:
            seconds = self._limits.receive_seconds
            self._refuse(_Refused(HTTPStatus.REQUEST_TIMEOUT, f"The {self._receiving} took more than {seconds:g} s."))
        else:
            self.transport.close()
            self._look_after(inf)

    def _look_after(self, due: float) -> None:
        """Look again when the client's time is up; sooner where it would be up for what may begin meanwhile."""
        shortest = min(self._limits.receive_seconds, self._limits.idle_seconds)
        self._timer = self.loop.call_at(min(due, self.loop.time() + shortest), self._look)

    # Refusal

    def _body_too_large(self) -> _Refused:
        most = self._limits.body_bytes
        return _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {most:,} bytes.")

    def _refuse(self, refused: _Refused) -> None:
        """Say why, unless an answer is half out, and end the connection."""
        self._refused = True
        # Whatever was under way on this connection ends like that of a client that left.
        cycle = self.cycle
        within_an_answer = cycle is not None and cycle.response_started and not cycle.response_complete
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if not within_an_answer and not self.transport.is_closing():
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


def _head_too_large() -> _Refused:
    return _Refused(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"The head has more than {MAX_HEAD_FIELDS} fields or {MAX_HEAD_BYTES:,} bytes.",
    )


@lru_cache(64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
