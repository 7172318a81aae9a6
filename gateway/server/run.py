"""Listening sockets, and the HTTP server on them from its start to its graceful shutdown."""

import ipaddress
import multiprocessing
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import multiprocess

from gateway.errors import ConfigurationError
from gateway.server.draining import DrainingServer
from gateway.server.http1_checks import ConnectionLimits
from gateway.server.protocol import LimitedHttpProtocol
from gateway.server.worker_metrics import mark_worker_dead, multiprocess_metrics

# Seconds in which requests in flight may finish after SIGTERM, unless a setting says otherwise.
SHUTDOWN_TIMEOUT_SECONDS: Final = 20
# Seconds in which a worker must start. It imports botocore and opens a client, which takes 1 or 2 s on a busy core.
WORKER_START_SECONDS: Final = 30
# Open files that clients may not use: 64 upstream connections by default, and those that every process has open.
OTHER_FILES: Final = 160

DEFAULT_LIMITS: Final = ConnectionLimits()


def listen(host: str, port: int, chosen_with: str = "--host, --port") -> socket.socket:
    """Return a listening socket.

    Args:
        host: The name or address to listen on.
        port: The port to listen on. 0 selects a free one.
        chosen_with: The options or the variable that set the address, for the error message.

    Raises:
        ConfigurationError: If the address is not available.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # asyncio turns Nagle's algorithm off only if the socket's protocol is TCP. With it, each response waits 40 ms.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = error.strerror if isinstance(error, OSError) else "ports are 0 to 65535"
        raise ConfigurationError(
            f"Cannot listen on {host}, port {port}: {reason}. Choose another with {chosen_with}."
        ) from None
    return listener


def reaches_beyond_this_machine(listener: socket.socket) -> bool:
    """Return whether other machines can connect, because the address is not a loopback address."""
    return not ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _AnnouncedServer(uvicorn.Server):
    """A server that calls `announce` when it accepts connections."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()


class _GatewayServer(_AnnouncedServer, DrainingServer):
    """The server of a gateway in one process."""


class _WorkerProcess(multiprocess.Process):
    """A worker process whose server shuts down gracefully."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        _return_after_stop()
        # Process makes its server of this class.
        multiprocess.Server = DrainingServer  # type: ignore[attr-defined]  # The module imports the name.
        super().target(sockets)


class _AnnouncedWorkers(multiprocess.Multiprocess):
    """Worker processes that call `announce` when each of them accepts connections."""

    def __init__(
        self, config: uvicorn.Config, listeners: list[socket.socket], announce: Callable[[], None], metrics: Path
    ) -> None:
        super().__init__(config, listeners)
        self._listeners = listeners
        self._announce = announce
        self._metrics = metrics
        # Multiprocess makes its workers of this class, at start and whenever one has died.
        multiprocess.Process = _WorkerProcess  # type: ignore[misc]  # The name is not final.

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(WORKER_START_SECONDS) for process in self.processes):
            self._announce()
        else:
            self.should_exit.set()

    def terminate_all(self) -> None:
        super().terminate_all()
        # If this process kept them open, new clients would connect, and wait without a response until the workers end.
        for listener in self._listeners:
            listener.close()

    def keep_subprocess_alive(self) -> None:
        pids = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in pids.difference(process.pid for process in self.processes):
            mark_worker_dead(pid, self._metrics)


def serve(
    app: ASGIApp | partial[ASGIApp],
    listeners: list[socket.socket],
    announce: Callable[[], None],
    *,
    workers: int = 1,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    shutdown_timeout_seconds: int = SHUTDOWN_TIMEOUT_SECONDS,
) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight and return.

    Args:
        app: The application, or a function that makes it. Several workers need a function, which is pickled.
        listeners: The sockets to accept connections on.
        announce: A function to call when connections are accepted.
        workers: The number of processes.
        limits: The limits of connections and requests.
        shutdown_timeout_seconds: The time in which requests in flight may finish.

    Raises:
        ConfigurationError: If several workers have no writable directory for their metrics.
    """
    config = _config(app if workers == 1 else partial(_app_of_worker, app), limits)
    config.timeout_graceful_shutdown = shutdown_timeout_seconds
    _return_after_stop()
    if workers == 1:
        _GatewayServer(config, announce).run(sockets=listeners)
    else:
        config.workers = workers
        with multiprocess_metrics() as metrics:
            _AnnouncedWorkers(config, listeners, announce, metrics).run()


@contextmanager
def serving_in_thread(app: ASGIApp, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[str]:
    """Serve on a free loopback port while the block runs, in a thread with its own event loop, and yield the URL."""
    listener = listen("127.0.0.1", 0)
    ready = threading.Event()
    server = _AnnouncedServer(_config(app, limits), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise ConfigurationError("The local server did not start. The log has the reason.")
        yield url_of(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _return_after_stop() -> None:
    """Let the process end by itself after a requested stop, with exit code 0 and all lines of its log.

    uvicorn raises a caught signal again after its shutdown, which would kill the process.
    """
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)


def _app_of_worker(make_app: Any) -> Any:
    """Return a worker's application, and stop the worker if its parent is killed and so cannot stop it."""
    threading.Thread(target=_stop_without_parent, daemon=True).start()
    return make_app()


def _stop_without_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _config(app: Any, limits: ConnectionLimits) -> uvicorn.Config:
    # Above it, the process could accept no connection and open none to the upstream. The usual limit is 1,024 files.
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY:
        limits = replace(limits, connections=max(min(limits.connections, files - OTHER_FILES), 1))
    return uvicorn.Config(
        app,
        factory=isinstance(app, partial),
        http=partial(LimitedHttpProtocol, limits=limits),  # type: ignore[arg-type]  # uvicorn only calls it.
        # Its log records go to the process's log (gateway/telemetry/logs.py).
        log_config=None,
        log_level="warning",
        # uvicorn's access log has query strings, which may hold a caller's query.
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
    )
