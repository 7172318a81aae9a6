"""A TCP proxy in front of an upstream that counts the requests that pass."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class CountingProxy(socketserver.ThreadingTCPServer):
    """A proxy that forwards all bytes in both directions. `requests` is the number of requests so far."""

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
    server: CountingProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as upstream, suppress(ConnectionError):
            back = threading.Thread(target=self._forward_responses, args=(upstream,), daemon=True)
            back.start()
            last = b""
            while sent := self.request.recv(65_536):
                # A request without a body ends with its head. The end of a head may be split over two reads.
                self.server.count((last + sent).count(b"\r\n\r\n"))
                last = sent[-3:]
                upstream.sendall(sent)
            upstream.shutdown(socket.SHUT_WR)
            back.join()

    def _forward_responses(self, upstream: socket.socket) -> None:
        with suppress(OSError):
            while response := upstream.recv(65_536):
                self.request.sendall(response)
            self.request.shutdown(socket.SHUT_WR)


@contextmanager
def counting_proxy(upstream: str) -> Iterator[CountingProxy]:
    """Run a proxy in front of an upstream while the block runs."""
    with CountingProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
