"""What is taken for one HTTP/1.1 request, and how much of it; what is not is refused before an application hears of it.

httptools (llhttp) refuses most that proxies could read in another way; the rest is refused here.
Source: RFC 9112, "Message Parsing" and "Request Smuggling"; RFC 9110.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from gateway.edge.refusal import error_response, new_request_id, response_headers
from gateway.errors import HttpError

# RFC 9110, 4.1, asks for 8,000 at least; Apache takes 8,190.
MAX_URL_BYTES: Final = 8_192
# Node and h11 take as much; Apache, 100 fields.
MAX_HEAD_BYTES: Final = 16_384
MAX_HEAD_FIELDS: Final = 100

_HOST: Final = re.compile(rb"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_NO_HOST: Final = "One Host is needed, with a name or an address."


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set of a connection (gateway/settings.py), and what the machine does.

    connections: the most that are open at once; a silent one takes 10 kB.
    """

    body_bytes: int = 1_000_000
    receive_seconds: float = 10.0
    idle_seconds: float = 15.0
    connections: int = 10_000


class Refused(HttpError):
    """A request that is not taken, with its answer: raised within the parser's callbacks, out of which it ends all."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, code: str = "BAD_USER_INPUT") -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, ((b"connection", b"close"),)
        self.request_id = new_request_id()
        self.status_line = f"HTTP/1.1 {status} {status.phrase}".encode()
        _, self.fields, self.content = error_response(self, response_headers(self.request_id))


def head_too_large() -> Refused:
    """The refusal of a head with too many fields, or bytes."""
    words = f"The head has more than {MAX_HEAD_FIELDS} fields or {MAX_HEAD_BYTES:,} bytes."
    return Refused(words, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


def body_too_large(most: int) -> Refused:
    """The refusal of a body of more bytes than this."""
    return Refused(f"The body has more than {most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def check_url(url: bytes) -> None:
    """Pass a URL, or its beginning, that is short enough.

    Raises: Refused.
    """
    if len(url) > MAX_URL_BYTES:
        raise Refused(f"The URL has more than {MAX_URL_BYTES:,} bytes.", HTTPStatus.REQUEST_URI_TOO_LONG)


def check_host(value: bytes, before: bytes | None) -> None:
    """Pass a Host that is one, and the first.

    Raises: Refused.
    """
    if before is not None or not _is_host(value):
        raise Refused(_NO_HOST)


def check_transfer_coding(value: bytes) -> None:
    """Pass the one coding that is taken.

    Raises: Refused.
    """
    if value.lower() != b"chunked":
        raise Refused("The only transfer coding that is taken is chunked.")


def check_target(url: bytes, host: bytes | None, version: str) -> None:
    """Pass a request that names its host, as HTTP/1.1 must, and has the same in its URL, where it is there as well.

    Raises: Refused.
    """
    if host is None and version == "1.1":
        raise Refused(_NO_HOST)
    scheme, mark, rest = url.partition(b"://")
    if mark and b"/" not in scheme and re.split(rb"[/?#]", rest)[0].lower() != (host or b"").lower():
        raise Refused("The URL names another host than Host does.")


def check_version(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Pass HTTP/1.1, and what is HTTP/1.0 throughout.

    Raises: Refused.
    """
    if version == "1.1":
        return
    if version != "1.0":
        raise Refused("Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if any(name == b"transfer-encoding" for name, _ in headers):
        raise Refused("HTTP/1.0 has no Transfer-Encoding.")


@lru_cache(64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
