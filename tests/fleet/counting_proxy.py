"""A wire to an upstream, on which requests are counted as they pass."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Wire(socketserver.ThreadingTCPServer):
    """Passes on whatever it is sent, both ways; `requests` are those that came so far."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname, parts.port)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests = 0
        self._counting = threading.Lock()

    def count(self, heads: int) -> None:
        with self._counting:
            self.requests += heads


class _Connection(socketserver.BaseRequestHandler):
    server: Wire

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream, suppress(ConnectionError):
            back = threading.Thread(target=self._pass_back, args=(upstream,), daemon=True)
            back.start()
            last = b""
            while sent := self.request.recv(65_536):
                # A request without a body ends as its head does, which may come in two pieces.
                self.server.count((last + sent).count(b"\r\n\r\n"))
                last = sent[-3:]
                upstream.sendall(sent)
            upstream.shutdown(socket.SHUT_WR)
            back.join()

    def _pass_back(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while answered := upstream.recv(65_536):
                self.request.sendall(answered)
            self.request.shutdown(socket.SHUT_WR)


@contextmanager
def wire_to(upstream: str) -> Iterator[Wire]:
    """A wire, while the block runs."""
    with Wire(upstream) as wire:
        serving = threading.Thread(target=wire.serve_forever, args=(0.05,), daemon=True)
        serving.start()
        try:
            yield wire
        finally:
            wire.shutdown()
