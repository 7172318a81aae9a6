"""Redis for tests: a real server on a free port, and fake servers with scripted replies."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import redis

from tests.support.processes import free_port, needed


class RedisServer:
    """A running redis-server. A test may stop, continue or kill its `process`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, password: str | None, tls: Path | None) -> None:
        self.process = process
        self.port = port
        login = f":{quote(password, safe='')}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{port}/0"
        if tls is not None:
            self.url = f"rediss://{login}localhost:{port}/0?ssl_ca_certs={quote(str(tls))}"

    def client(self) -> redis.Redis:
        """Return a client for the test's own commands."""
        return redis.Redis.from_url(self.url)

    def cached_responses(self) -> list[bytes]:
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
def redis_server(
    port: int | None = None, password: str | None = None, tls: Path | None = None
) -> Iterator[RedisServer]:
    """Run an empty Redis while the block runs.

    Args:
        port: The port of an earlier server. The default is a free port.
        password: The password that clients need, if any.
        tls: A file with a certificate of localhost and its key. If it is passed, the port takes TLS only.
    """
    program = needed("redis-server", "a test of what replicas share")
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    if password is not None:
        options += ["--requirepass", password]
    port = port or free_port()
    if tls is None:
        options += ["--port", str(port)]
    else:
        options += ["--port", "0", "--tls-port", str(port), "--tls-cert-file", str(tls), "--tls-key-file", str(tls)]
        options += ["--tls-ca-cert-file", str(tls), "--tls-auth-clients", "no"]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    server = RedisServer(process, port, password, tls)
    try:
        while not server.runs():
            assert process.poll() is None, "redis-server did not start"
            time.sleep(0.01)
        yield server
    finally:
        process.kill()
        process.wait()


# A reply, or its parts. An OSError between parts closes the connection.
Reply = bytes | Iterable[bytes]
Replies = Callable[[bytes], Reply]


def healthy_for_get_and_set(otherwise: Replies) -> Replies:
    """Return a reply function that handles PING, GET and SET like Redis. It passes other commands to `otherwise`."""
    kept: dict[bytes, bytes] = {}

    def reply(command: bytes) -> Reply:
        words = command.split(b"\r\n")[2::2]
        if words[0] == b"PING":
            return b"+PONG\r\n"
        if words[0] == b"SET":
            kept[words[1]] = words[2]
            return b"+OK\r\n"
        return b"$%d\r\n%b\r\n" % (len(kept[words[1]]), kept[words[1]]) if words[0] == b"GET" else otherwise(command)

    return reply


@contextmanager
def pretending(replies: Replies) -> Iterator[str]:
    """Listen as a fake Redis while the block runs, and yield its URL.

    Args:
        replies: Returns the reply to the bytes of one read, as a whole or in parts. b"" sends no reply.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while command := connection.recv(65_536):
                    reply = replies(command)
                    for part in (reply,) if isinstance(reply, bytes) else reply:
                        connection.sendall(part)
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
