"""Redis as tests see it: a real server on a free port, and sockets that only pretend to be one."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import redis

from tests.support.processes import needed


class RedisServer:
    """A running redis-server; `process` may be stopped, gone on with, or killed."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, password: str | None) -> None:
        self.process = process
        self.port = port
        login = f":{quote(password, safe='')}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{port}/0"

    def client(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis.from_url(self.url)

    def answers(self) -> list[bytes]:
        """The names of the upstream answers that are kept now."""
        with self.client() as client:
            return sorted(client.scan_iter("chime-gateway:answer:*"))

    def runs(self) -> bool:
        """Whether it answers."""
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def redis_server(port: int | None = None, password: str | None = None) -> Iterator[RedisServer]:
    """A Redis that holds nothing, while the block runs; on a port that was free, or on one that had a Redis before."""
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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Answers = Callable[[bytes], bytes]


def well_until_asked(otherwise: Answers) -> Answers:
    """Keeps what it is given, as a Redis that is only looked at would be; all other commands are a test's to answer."""
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
    """A socket that answers whatever it is sent with what a test makes of it, as long as the block runs; gives its URL.

    answer: from the bytes of one read; b"" answers nothing.
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
