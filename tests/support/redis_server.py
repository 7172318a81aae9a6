"""Redis for tests: a real server on a free port, and fake servers with scripted replies."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import redis

from tests.support.processes import free_port, needed


class RedisServer:
    """A running redis-server. A test may stop, continue or kill its `process`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, password: str | None) -> None:
        self.process = process
        self.port = port
        login = f":{quote(password, safe='')}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{port}/0"

    def client(self) -> redis.Redis:
        """Return a client for the test's own commands."""
        return redis.Redis.from_url(self.url)

    def answers(self) -> list[bytes]:
        """Return the keys of all cached upstream responses."""
        with self.client() as client:
            return sorted(client.scan_iter("chime-gateway:answer:*"))

    def runs(self) -> bool:
        """Return whether the server responds."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_server(port: int | None = None, password: str | None = None) -> Iterator[RedisServer]:
    """Run an empty Redis while the block runs, on a free port unless the port of an earlier server is passed."""
    program = needed("redis-server", "a test of what replicas share")
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    if password is not None:
        options += ["--requirepass", password]
    port = port or free_port()
    process = subprocess.Popen([program, "--port", str(port), *options], stdout=subprocess.DEVNULL)
    server = RedisServer(process, port, password)
    try:
        while not server.runs():
            assert process.poll() is None, "redis-server did not start"
            time.sleep(0.01)
        yield server
    finally:
        process.kill()
        process.wait()


Answers = Callable[[bytes], bytes]


def well_until_asked(otherwise: Answers) -> Answers:
    """Return a reply function that handles GET and SET like Redis, and passes every other command to `otherwise`."""
    kept: dict[bytes, bytes] = {}

    def answer(asked: bytes) -> bytes:
        words = asked.split(b"\r\n")[2::2]
        if words[0] == b"SET":
            kept[words[1]] = words[2]
            return b"+OK\r\n"
        return b"$%d\r\n%b\r\n" % (len(kept[words[1]]), kept[words[1]]) if words[0] == b"GET" else otherwise(asked)

    return answer


@contextmanager
def pretending(answer: Answers) -> Iterator[str]:
    """Listen as a fake Redis while the block runs, and yield its URL.

    Args:
        answer: Returns the reply to the bytes of one read. If it returns b"", the server sends no reply.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while asked := connection.recv(65_536):
                    connection.sendall(answer(asked))
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            connection.close()
