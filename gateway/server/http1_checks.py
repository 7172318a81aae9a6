"""Checks on one HTTP/1.1 request. A request that fails one never reaches the application.

httptools (llhttp) already rejects most requests that a proxy could parse in another way. These checks reject the rest.
Source: RFC 9112, "Message Parsing" and "Request Smuggling"; RFC 9110.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from gateway.auth.origin import is_host_of, read_origin
from gateway.errors import HttpError
from gateway.http.error_response import error_response, new_request_id, response_headers

# RFC 9110, 4.1, recommends at least 8,000. Apache allows 8,190.
MAX_URL_BYTES: Final = 8_192
# Node and h11 allow as many bytes, and Apache 100 fields.
MAX_HEAD_BYTES: Final = 16_384
MAX_HEADERS: Final = 100

_HOST: Final = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_HOST_NEEDED: Final = "The request must have one Host header with a name or an address."


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on connections and their requests. An operator sets the first three (gateway/settings.py).

    Attributes:
        body_bytes: The largest body of a request.
        read_timeout_seconds: The time for a request's head to arrive, and again for its body.
        keep_alive_timeout_seconds: The time that a connection may be open without a request.
        connections: The most connections that are open at once. An idle one takes 10 kB of memory.
    """

    body_bytes: int = 1_000_000
    read_timeout_seconds: float = 10.0
    keep_alive_timeout_seconds: float = 15.0
    connections: int = 10_000


class RequestRejected(HttpError):
    """A rejected request, with its error response. Raised in the parser's callbacks, it ends the parsing."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, code: str = "BAD_USER_INPUT") -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, ((b"connection", b"close"),)
        self.request_id = new_request_id()
        self.status_line = f"HTTP/1.1 {status} {status.phrase}".encode()
        response = error_response(self, response_headers(self.request_id))
        self.response_headers, self.content = response.headers, response.body


def head_too_large() -> RequestRejected:
    """Return the rejection of a request with too many header fields, or too many bytes in them."""
    message = f"The request has more than {MAX_HEADERS} header fields or {MAX_HEAD_BYTES:,} bytes of them."
    return RequestRejected(message, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


def body_too_large(limit: int) -> RequestRejected:
    """Return the rejection of a body with more bytes than the limit."""
    message = f"The body has more than {limit:,} bytes. Send a smaller one."
    return RequestRejected(message, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def check_url(url: bytes) -> None:
    """Raise RequestRejected if a URL, or the beginning of one, is too long."""
    if len(url) > MAX_URL_BYTES:
        message = f"The URL has more than {MAX_URL_BYTES:,} bytes. Send the query by POST."
        raise RequestRejected(message, HTTPStatus.REQUEST_URI_TOO_LONG)


def check_host(value: bytes, previous: bytes | None) -> None:
    """Raise RequestRejected if a Host header is malformed or is the second one."""
    if previous is not None or not _is_host(value):
        raise RequestRejected(_HOST_NEEDED)


def check_transfer_coding(value: bytes) -> None:
    """Raise RequestRejected unless the transfer coding is chunked."""
    if value.lower() != b"chunked":
        raise RequestRejected("The transfer coding is not supported. Use chunked, or none.")


def check_target(url: bytes, host: bytes | None, version: str) -> bytes | None:
    """Return the host that a request is for: its Host or, in HTTP/1.0, which needs none, the one in its URL.

    Raises:
        RequestRejected: If HTTP/1.1 has no Host, or if the URL names a host other than Host does.
    """
    if host is None and version == "1.1":
        raise RequestRejected(_HOST_NEEDED)
    scheme, separator, rest = url.partition(b"://")
    if not separator or b"/" in scheme:
        return host
    named = re.split(rb"[/?#]", rest)[0]
    if host is None:
        check_host(named, None)
        return named
    origin = read_origin(f"{scheme.decode('latin-1')}://{named.decode('latin-1')}")
    if named.lower() != host.lower() and not is_host_of(host.decode("latin-1"), origin):
        raise RequestRejected("The URL and the Host header name different hosts.")
    return host


def check_version(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise RequestRejected unless the version is HTTP/1.1, or HTTP/1.0 without a transfer coding."""
    if version == "1.1":
        return
    if version != "1.0":
        raise RequestRejected("The HTTP version is not supported. Use HTTP/1.1 or HTTP/1.0.")
    if any(name == b"transfer-encoding" for name, _ in headers):
        raise RequestRejected("HTTP/1.0 has no Transfer-Encoding header. Use HTTP/1.1 or Content-Length.")


@lru_cache(64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
