"""The door to the wire: bytes sent to a server as a test has them, well-formed or not, and what comes back."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.markers import look_at_answer

# Waits that only a failing test comes to the end of.
PATIENCE_SECONDS = 30


class Answer(NamedTuple):
    """One answer: its status, its header fields as they came, and its body."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return ", ".join(value for each, value in self.fields if each == name) or None

    def refused(self, code: str = "BAD_USER_INPUT") -> str:
        """The words of a refusal, which is JSON, has an id, and closes the connection."""
        assert self.header("content-type") == "application/json; charset=utf-8"
        assert self.header("connection") == "close"
        assert re.fullmatch("[0-9a-f]{32}", self.header("x-request-id") or "")
        [error] = json.loads(self.body)["errors"]
        assert error["extensions"] == {"code": code}
        message: str = error["message"]
        return message


class Wire:
    """A connection to a server."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._received = b""

    def sends(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """The next answer, which says its length."""
        head = self._until(b"\r\n\r\n")
        line, *lines = head.decode().split("\r\n")
        status = int(line.split()[1])
        fields = [(name, value) for name, _, value in (each.partition(": ") for each in lines if each)]
        length = int(next((value for name, value in fields if name == "content-length"), "0"))
        while len(self._received) < length:
            assert self._receives(), "closed within an answer"
        body, self._received = self._received[:length], self._received[length:]
        look_at_answer(status, fields, body)
        return Answer(status, fields, body)

    def closed(self) -> bool:
        """Whether the server closes, with nothing more to say."""
        try:
            while self._receives():
                pass
        except ConnectionResetError:
            pass
        return self._received == b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            assert self._receives(), "closed before an answer"
        head, _, self._received = self._received.partition(mark)
        return head

    def _receives(self) -> bool:
        data = self.socket.recv(1 << 20)
        self._received += data
        return bool(data)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """A connection to a server, closed after the block."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        yield Wire(connection)


def post(*fields: bytes, body: bytes, line: bytes = b"POST /graphql HTTP/1.1", host: bytes = b"host: gateway") -> bytes:
    """A POST of JSON as it goes over the wire; its length is among the fields."""
    return b"\r\n".join((line, host, b"content-type: application/json", *fields, b"", body))


def query(document: str, **variables: Any) -> bytes:
    """The body of a GraphQL request."""
    return json.dumps({"query": document, "variables": variables}).encode()
