"""HTTP/1.1 requests, parsed from the bytes of a connection by httptools (as in uvicorn) within limits on size.

uvicorn has no limits on request sizes.
"""

from typing import Final, Literal, Protocol
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from gateway.server.http1_checks import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_URL_BYTES,
    RequestRejected,
    body_too_large,
    check_host,
    check_target,
    check_transfer_coding,
    check_url,
    check_version,
    head_too_large,
)

_MALFORMED: Final = "The request is not HTTP/1.1 with a known method and a URL in ASCII."
_CHECKED_HEADERS: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
# The versions of ASGI and of its HTTP part.
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class StopReading(Exception):
    """The bytes that follow are ignored. Raised by `begin_request`, it ends the parsing of the chunk."""


class RequestConsumer(Protocol):
    """The connection of a reader. The reader calls these methods for each request, in this order."""

    def begin_request(self) -> None:
        """Note the first byte of a request, or raise StopReading."""

    def add_request(self, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        """Take a request whose head was read, or raise RequestRejected.

        Args:
            scope: ASGI's description of the request, without `client`, `server` and `state`.
            keep_alive: Whether the client lets the connection stay open after the response.
            expects_continue: Whether the client waits for an interim response before it sends the body.
        """

    def add_body(self, part: bytes) -> None:
        """Take a part of the body."""

    def end_request(self) -> None:
        """Note the last byte of a request."""


class RequestReader:
    """A parser of the requests of one connection. A request that breaks a limit raises RequestRejected."""

    def __init__(self, consumer: RequestConsumer, max_body_bytes: int) -> None:
        self._consumer = consumer
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        # After `Connection: close`, the client may already have sent another request. Its response is the last one.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        # The chunk being parsed: its size, and the number of requests that have a part in it.
        self._chunk_bytes = self._requests_in_chunk = 0
        # The request being read: its part that comes next, the bytes of its body, and the bytes of the earlier chunks.
        # The first of these chunks may have begun with other requests. Then its size counts as shared.
        self._part: Literal["head", "body"] | None = None
        self._body_bytes = self._received = self._shared = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._host: bytes | None = None
        self._expects_continue = False

    @property
    def method(self) -> str | None:
        """The method of the request being read, or None before its URL begins."""
        return self._parser.get_method().decode() if self._part is not None and self._url else None

    def feed(self, data: bytes) -> None:
        """Parse one chunk of bytes, usually one whole request.

        Raises:
            RequestRejected: If a request is malformed or breaks a limit. The reader can read no more.
        """
        self._chunk_bytes = len(data)
        self._requests_in_chunk = 0 if self._part is None else 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # The context is the exception of a callback. A variable for it would make a cycle with its traceback.
            if isinstance(error.__context__, StopReading):
                return
            if isinstance(error.__context__, RequestRejected):
                raise error.__context__ from None
            raise RequestRejected(_MALFORMED) from None
        if self._part is not None:
            self._check_partial_request()

    def close(self) -> None:
        """Drop the parser and the consumer, which refer back to the reader."""
        del self._parser, self._consumer

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._consumer.begin_request()
        self._part = "head"
        self._url, self._headers, self._host, self._expects_continue = b"", [], None, False
        self._requests_in_chunk += 1
        self._body_bytes = self._received = self._shared = 0

    def on_url(self, url: bytes) -> None:
        """Add a piece of the URL."""
        self._url += url
        check_url(self._url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or a trailer, once all of it was read."""
        name = name.lower()
        if name in _CHECKED_HEADERS:
            self._check_header(name, value)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass on the request, unless a check rejects it."""
        headers = self._headers
        if len(headers) > MAX_HEADERS or (
            # Most heads come in one small chunk, and need no sum.
            self._received + self._chunk_bytes > MAX_HEAD_BYTES
            and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD_BYTES
        ):
            raise head_too_large()
        version = self._parser.get_http_version()
        if self._host is None or self._url[0] != ord("/"):
            host = check_target(self._url, self._host, version)
            if self._host is None and host is not None:
                headers.append((b"host", host))
        check_version(version, headers)
        # The parser would skip the body, and all requests behind it.
        if self._parser.should_upgrade():
            raise RequestRejected("Connections cannot be upgraded, neither to WebSocket nor to HTTP/2.")
        self._consumer.add_request(
            self._scope(version, headers),
            keep_alive=version == "1.1" and self._parser.should_keep_alive(),
            # HTTP/1.0 has no interim responses (RFC 9110, 10.1.1).
            expects_continue=version == "1.1" and self._expects_continue,
        )
        self._part = "body"
        # Trailers are dropped. Otherwise the application would take them for headers.
        self._headers = []

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body, unless the body is too large."""
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            raise body_too_large(self._max_body_bytes)
        self._consumer.add_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._part = None
        self._consumer.end_request()

    def _check_header(self, name: bytes, value: bytes) -> None:
        """Check a header that frames or routes the request. llhttp has checked its syntax."""
        if name == b"host":
            check_host(value, self._host)
            self._host = value
        elif name == b"content-length":
            # llhttp has parsed it as a number of at most 64 bits.
            if int(value) > self._max_body_bytes:
                raise body_too_large(self._max_body_bytes)
        elif name == b"transfer-encoding":
            check_transfer_coding(value)
        elif value.lower() == b"100-continue":
            self._expects_continue = True

    def _scope(self, version: str, headers: list[tuple[bytes, bytes]]) -> Scope:
        """Return ASGI's description of the request whose head was read."""
        target = httptools.parse_url(self._url)
        path = target.path.decode("ascii")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode(),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": target.path,
            "query_string": target.query or b"",
            "root_path": "",
            "headers": headers,
        }

    def _check_partial_request(self) -> None:
        """Raise RequestRejected if the request being read is too large already.

        One header without an end, or the framing of chunks, can grow without any callback of the parser.
        """
        self._received += self._chunk_bytes
        if self._requests_in_chunk > 1:
            self._shared = self._chunk_bytes
        received = self._received - self._shared
        if self._part == "head":
            if received > MAX_URL_BYTES + MAX_HEAD_BYTES:
                raise head_too_large()
        # Twice the body allows for chunks as small as 6 bytes.
        elif received > MAX_URL_BYTES + MAX_HEAD_BYTES + 2 * self._max_body_bytes:
            raise body_too_large(self._max_body_bytes)
