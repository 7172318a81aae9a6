"""Listening sockets and the HTTP server on them: started, announced, and stopped without a loss."""

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from gateway.errors import Misconfigured

# Seconds that requests under way get after SIGTERM; twice the default deadline, and under Kubernetes' 30.
DRAIN_SECONDS: Final = 20
# Seconds in which a worker must have started: it imports botocore and opens a client, a second or two on a busy core.
WORKER_START_SECONDS: Final = 30

_NOT_HTTP: Final = (
    b'{"errors":[{"message":"This cannot be read as an HTTP request with a known method and a URL in ASCII, of 64 KB '
    b'at most.","extensions":{"code":"BAD_USER_INPUT"}}]}'
)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises: Misconfigured where the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio turns Nagle off only for sockets that say they are TCP; with it each answer waits 40 ms.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "ports are 0 to 65535"
        raise Misconfigured(
            f"cannot listen on {host}, port {port}: {reason}; choose another with --host, --port"
        ) from None
    listener.set_inheritable(True)
    return listener


def reaches_beyond_this_machine(listener: socket.socket) -> bool:
    """Whether anything but this machine itself can connect: whether its address is not a loopback one."""
    return not ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    """The base URL that a listening socket answers at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _AnnouncedServer(uvicorn.Server):
    """A server that says so once it accepts connections."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()


class _AnnouncedWorkers(Multiprocess):
    """Worker processes that are announced once each of them accepts connections."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, announce: Callable[[], None]) -> None:
        super().__init__(config, sockets=[listener])
        self._announce = announce

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKER_START_SECONDS) for process in self.processes):
            self._announce()
        else:
            self.should_exit.set()


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, uvicorn's quicker parser."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # It is always the same one.
        """Refuse in JSON, as everything else is, what cannot be read as HTTP at all, and so reaches no application."""
        fields = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", b"%d" % len(_NOT_HTTP)),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in fields), b"", _NOT_HTTP]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()


def serve(app: ASGIApp | str, listener: socket.socket, announce: Callable[[], None], *, workers: int = 1) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests under way and return.

    app: the application, or, for several workers, where it is made, as `module:factory`.
    announce: called once connections are accepted.
    """
    config = _config(app)
    # uvicorn raises a caught signal again when it has drained; a stop that was asked for is no failure.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)
    if workers == 1:
        _AnnouncedServer(config, announce).run(sockets=[listener])
    else:
        config.workers = workers
        _AnnouncedWorkers(config, listener, announce).run()


@contextmanager
def serving_in_thread(app: ASGIApp) -> Iterator[str]:
    """Serve on a free loopback port, in a thread with its own event loop, while the block runs; gives the base URL."""
    listener = listen("127.0.0.1", 0)
    ready = threading.Event()
    server = _AnnouncedServer(_config(app), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise Misconfigured("a local server did not start")
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=isinstance(app, str),
        http=_Protocol,
        log_level="warning",
        # It prints query strings, which may hold a caller's query.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
