"""Raw connections to a server, for requests that no HTTP client would send."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.leak_search import search_response

# How long a failing test waits. A passing test never does.
TIMEOUT_SECONDS = 30


class RawResponse(NamedTuple):
    """One response: its status, its header fields in their order, and its body."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return ", ".join(value for each, value in self.fields if each == name) or None

    def refused(self, code: str = "BAD_USER_INPUT") -> str:
        """Check an error response that closes the connection, and return its message."""
        assert self.header("content-type") == "application/json; charset=utf-8"
        assert self.header("connection") == "close"
        assert re.fullmatch("[0-9a-f]{32}", self.header("x-request-id") or "")
        [error] = json.loads(self.body)["errors"]
        assert error["extensions"] == {"code": code}
        message: str = error["message"]
        return message


class Wire:
    """A connection to a server, from a client that sends raw bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.sent_bytes = 0
        self._received = b""

    def sends(self, data: bytes) -> None:
        self.socket.sendall(data)
        self.sent_bytes += len(data)

    def read_response(self) -> RawResponse:
        """Return the next response. It must have a Content-Length, or no body."""
        head = self._until(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        status = int(line.split()[1])
        fields = [(name, value) for name, _, value in (each.partition(": ") for each in lines if each)]
        length = int(next((value for name, value in fields if name == "content-length"), "0"))
        while len(self._received) < length:
            assert self._receives(), "closed within a response"
        body, self._received = self._received[:length], self._received[length:]
        search_response(status, fields, body)
        return RawResponse(status, fields, body)

    def closed(self) -> bool:
        """Return whether the server closes the connection without sending more."""
        try:
            while self._receives():
                pass
        except ConnectionResetError:
            pass
        return self._received == b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            assert self._receives(), "closed before a response"
        head, _, self._received = self._received.partition(mark)
        return head

    def _receives(self) -> bool:
        data = self.socket.recv(1 << 20)
        self._received += data
        return bool(data)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """Connect to a server while the block runs."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_SECONDS) as connection:
        yield Wire(connection)


def post(*fields: bytes, body: bytes, line: bytes = b"POST /graphql HTTP/1.1", host: bytes = b"host: gateway") -> bytes:
    """Return the bytes of a POST with a JSON body. Pass its Content-Length among the fields."""
    return b"\r\n".join((line, host, b"content-type: application/json", *fields, b"", body))


def query(document: str, **variables: Any) -> bytes:
    """Return the body of a GraphQL request."""
    return json.dumps({"query": document, "variables": variables}).encode()
