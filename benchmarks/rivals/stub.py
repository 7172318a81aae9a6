"""A stub upstream that is never the bottleneck: Amazon Chime's four GET operations, served from prepared bytes.

    python -m benchmarks.rivals.stub --numbers 250

It checks no signature. A token is the offset at which its page begins. Every page size is allowed. Beside AWS's paths
it has `/-/calls`, which returns the number of calls so far, `/-/holds/N`, which sets the inventory to N numbers, and
`/-/takes/N`, which delays each response by N milliseconds.
"""

import argparse
import asyncio
import json
import socket
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import uvloop

from benchmarks.rivals.account import INVENTORY, ORDERS, e164, number_record, order_record

# Number of cached responses, by request target. 2,000 pages of 99 take some 110 MB.
KEPT: Final = 2_000
END: Final = b"\r\n\r\n"
CONTROL: Final = "/-/"


class Account:
    """All records as JSON, and a cache of responses."""

    def __init__(self, numbers: int) -> None:
        self.calls = 0
        self.latency = 0.0
        self.holds(numbers)

    def holds(self, numbers: int) -> None:
        """Set the size of the inventory."""
        self._numbers = [orjson.dumps(number_record(index)) for index in range(numbers)]
        self._orders = [orjson.dumps(order_record(index, numbers)) for index in range(ORDERS)]
        self._rows = {e164(index): index for index in range(numbers)}
        self._answers: dict[bytes, bytes] = {}

    def answer(self, target: bytes) -> bytes:
        """Return the whole HTTP response to a GET request."""
        answer = self._answers.get(target)
        if answer is None:
            url = urlsplit(target.decode("ascii"))
            if url.path.startswith(CONTROL):
                return _response(self._control(url.path.removeprefix(CONTROL)))
            answer = self._made(url.path, {key: values[0] for key, values in parse_qs(url.query).items()})
            if len(self._answers) < KEPT:
                self._answers[target] = answer
        self.calls += 1
        return answer

    def _control(self, path: str) -> bytes:
        verb, _, value = path.partition("/")
        if verb == "holds":
            self.holds(int(value))
        elif verb == "takes":
            self.latency = int(value) / 1000
        return json.dumps({"calls": self.calls}).encode()

    def _made(self, path: str, query: dict[str, str]) -> bytes:
        kind, _, key = path.strip("/").partition("/")
        if kind == "phone-numbers":
            if not key:
                return _page(b"PhoneNumbers", self._numbers, query)
            row = self._rows.get(unquote(key))
            if row is not None:
                return _response(b'{"PhoneNumber":' + self._numbers[row] + b"}")
        elif kind == "phone-number-orders":
            if not key:
                return _page(b"PhoneNumberOrders", self._orders, query)
            row = int(key[:8])
            if row < len(self._orders):
                return _response(b'{"PhoneNumberOrder":' + self._orders[row] + b"}")
        return _response(b'{"Code":"NotFound","Message":"Not found."}', b"404 Not Found")


def _page(name: bytes, rows: list[bytes], query: dict[str, str]) -> bytes:
    start = int(query.get("next-token") or 0)
    end = start + int(query.get("max-results") or 99)
    token = b'"%d"' % end if end < len(rows) else b"null"
    return _response(b'{"NextToken":' + token + b',"' + name + b'":[' + b",".join(rows[start:end]) + b"]}")


def _response(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nx-amzn-RequestId: stub\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


class Connection(asyncio.Protocol):
    """One keep-alive connection. Its requests have no body."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._waiting = b""

    def connection_made(self, transport: Any) -> None:
        # uvloop's transport is not a subclass of asyncio.Transport.
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        data = self._waiting + data if self._waiting else data
        while (end := data.find(END)) >= 0:
            answer = self._account.answer(data[4 : data.index(b" ", 4)])
            if self._account.latency:
                asyncio.get_running_loop().call_later(self._account.latency, self._write, answer)
            else:
                self._write(answer)
            data = data[end + 4 :]
        self._waiting = data


async def serve(numbers: int) -> None:
    """Listen on a free loopback port, print its URL, and serve until the process ends."""
    account = Account(numbers)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(account), sock=listener)
    host, port = listener.getsockname()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201  # The parent process reads the URL.
    await server.serve_forever()


def main() -> None:
    """Run the stub with the options of the command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--numbers", type=int, default=INVENTORY)
    uvloop.run(serve(options.parse_args().numbers))


if __name__ == "__main__":
    main()
