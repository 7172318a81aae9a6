"""The HTTP/1.1 protocol of client connections, with limits on time. `request_reader.py` reads the requests.

uvicorn has no timeouts for slow clients. Rejected requests never reach the application.
"""

import asyncio
import socket
import struct
from collections import deque
from enum import Enum, auto
from http import HTTPStatus
from math import inf
from typing import Any, Final, NamedTuple

import structlog
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from gateway.server.exchange import Exchange
from gateway.server.http1_checks import ConnectionLimits, RequestRejected
from gateway.server.request_reader import RequestReader, StopReading
from gateway.telemetry.request_record import RequestRecord

# Requests that may wait on one connection behind the request in progress. Browsers do not pipeline, and each waiting
# request takes 3 kB of memory for as little as 30 bytes sent.
MAX_PIPELINED: Final = 16
# Seconds for which a rejected client may go on sending. If the gateway closed at once, the client's system would reset
# the connection and drop the response. nginx (lingering_timeout) waits 5 s for each piece.
LINGER_SECONDS: Final = 2.0
# The slowest rate at which a client may read a response, in bytes per second, once the system's buffers are full. The
# slowest mobile lines still reach it. Kestrel's minimum is 240, which would allow hours for 2 MB.
MIN_READ_BYTES_PER_SECOND: Final = 8_000

# SO_LINGER with 0 seconds: close drops the unsent bytes and resets the connection.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class ConnectionState(Enum):
    """What a connection waits for. LimitedHttpProtocol has the table of transitions."""

    IDLE = auto()
    READING_HEAD = auto()
    READING_BODY = auto()
    RESPONDING = auto()
    CLOSING = auto()


_READING: Final = (ConnectionState.READING_HEAD, ConnectionState.READING_BODY)


class _UnsentSample(NamedTuple):
    """The size of the write buffer at one moment of the loop's time, during one response."""

    size: int
    response: Exchange | None
    time: float


class LimitedHttpProtocol(asyncio.Protocol):
    """The HTTP/1.1 connection of one client, within limits.

    A request that breaks a limit gets 400, 408, 413, 414, 431 or 503 in JSON and a line in the log. The connection is
    then closed. An idle connection is closed without a response.

    The state follows the request that is being read. Pipelining lets a client send a request while earlier ones still
    have no response. So the responses that are still to be sent are counted beside the state:

    | state        | time limit                   | event                                         | next state   |
    |--------------|------------------------------|-----------------------------------------------|--------------|
    | IDLE         | `keep_alive_timeout_seconds` | first byte of a request                       | READING_HEAD |
    | READING_HEAD | `read_timeout_seconds`       | end of the head                               | READING_BODY |
    | READING_BODY | `read_timeout_seconds`       | end of the request, response still to be sent | RESPONDING   |
    | (same)       |                              | end of the request, response already sent     | IDLE         |
    | RESPONDING   | the application's            | first byte of a pipelined request             | READING_HEAD |
    | (same)       |                              | last response sent                            | IDLE         |
    | any          |                              | rejection, abort, timeout, end of connection  | CLOSING      |
    | CLOSING      | `LINGER_SECONDS` if rejected | end of the connection                         |              |

    A connection that must close after a response goes to CLOSING instead of IDLE. That is so after `Connection: close`
    and while the server shuts down. In every state, a client that reads its response too slowly is disconnected.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        if not config.loaded:
            config.load()
        self._app = config.loaded_app
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._limits = limits
        self._reader = RequestReader(self, limits.body_bytes)
        # The addresses of the client and of the gateway.
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int | None] | None = None
        # The state, and the loop's time at which it began. `_check_timeouts` reads the time only in the first three
        # states.
        self._state = ConnectionState.IDLE
        self._since = 0.0
        # The server shuts down: the request being read, or else the last one, is the connection's last.
        self._draining = False
        # The exchange that the application handles, or handled last. Pipelined ones wait behind it. `_latest` is the
        # most recent of them all.
        self._responding: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._latest: Exchange | None = None
        # The timer of the next check, and the write buffer at the last one.
        self._timer: asyncio.TimerHandle | None = None
        self._check_seconds = min(limits.read_timeout_seconds, limits.keep_alive_timeout_seconds)
        self._unsent = _UnsentSample(0, None, 0.0)

    def __repr__(self) -> str:
        """Return the state and the number of responses that are still to be sent."""
        details = [self._state.name, f"responses to send: {len(self.unfinished)}"]
        if self._draining:
            details.append("draining")
        return f"<LimitedHttpProtocol [{', '.join(details)}]>"

    @property
    def unfinished(self) -> list[Exchange]:
        """The requests whose responses are still to be sent: the one in progress, and those that wait behind it."""
        exchanges = (self._responding, *self._waiting)
        return [each for each in exchanges if each is not None and not each.is_complete]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As uvicorn narrows it.
        """Wait for the first request, or reject the client if too many connections are open."""
        self._transport = transport
        self._flow = FlowControl(transport)
        self.client, self.server = get_remote_addr(transport), get_local_addr(transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn only calls `shutdown`.
        self._enter(ConnectionState.IDLE)
        if len(self._server_state.connections) > self._limits.connections:
            # uvicorn's limit_concurrency accepts silent connections without a limit, and rejects the requests of
            # connections that were open before. Here the open connections go on, and only the new one is rejected.
            message = f"The gateway has {self._limits.connections} open connections, its limit. Retry later."
            self._reject(RequestRejected(message, HTTPStatus.SERVICE_UNAVAILABLE, "OVERLOADED"))
            return
        self._schedule_check(inf)

    def connection_lost(self, _error: Exception | None) -> None:
        """End the requests of the connection, and stop the timer."""
        self._state = ConnectionState.CLOSING
        if self._timer is not None:
            self._timer.cancel()
        self._server_state.connections.discard(self)
        self._cancel_responses()
        self._flow.resume_writing()
        # These refer back to the protocol. With such a cycle, its memory would wait for the garbage collector.
        self._reader.close()
        self._responding = self._latest = None
        self._unsent = _UnsentSample(0, None, 0.0)

    def pause_writing(self) -> None:
        """Let the application wait, because the client reads too slowly."""
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        """Let the application go on."""
        self._flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read one chunk of bytes, usually one whole request."""
        if self._state is ConnectionState.CLOSING:
            return
        try:
            self._reader.feed(data)
        except RequestRejected as rejected:
            self._reject(rejected)

    def _on_response_complete(self) -> None:
        """Start the next pipelined request, or wait for a new one."""
        self._server_state.total_requests += 1
        if self._transport.is_closing():
            self._state = ConnectionState.CLOSING
            return
        self._flow.resume_reading()
        if self._waiting:
            self._start(self._waiting.popleft())
        elif self._state is ConnectionState.RESPONDING:
            self._wait_for_request()

    def _start(self, exchange: Exchange) -> None:
        """Have the application respond."""
        self._responding = exchange
        tasks = self._server_state.tasks
        task = self._loop.create_task(exchange.run(self._app))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def shutdown(self) -> None:
        """Close the connection if it is idle, or after the response to the request in progress."""
        self._draining = True
        if self._state is ConnectionState.IDLE:
            self._close()
        # A request whose head is incomplete has no exchange yet. `add_request` makes it the last one.
        elif self._latest is not None and self._state is not ConnectionState.READING_HEAD:
            self._latest.keep_alive = False

    def drop_waiting(self) -> None:
        """Close the connection after the response in progress. The pipelined requests behind it get none."""
        self._waiting.clear()
        if self._responding is not None:
            self._responding.keep_alive = False

    def abort(self) -> None:
        """Reset the connection, so that the system drops the unsent bytes too."""
        self._state = ConnectionState.CLOSING
        self._cancel_responses()
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def _enter(self, state: ConnectionState) -> None:
        self._state = state
        self._since = self._loop.time()

    def _wait_for_request(self) -> None:
        if self._draining:
            self._close()
        else:
            self._enter(ConnectionState.IDLE)

    def _close(self) -> None:
        self._state = ConnectionState.CLOSING
        self._transport.close()

    # The reader's callbacks

    def begin_request(self) -> None:
        """Begin to read a request, unless the end of the one before it closed the connection.

        Raises:
            StopReading: If it did. No state follows CLOSING.
        """
        if self._state is ConnectionState.CLOSING:
            raise StopReading
        self._enter(ConnectionState.READING_HEAD)

    def add_request(self, scope: Scope, *, keep_alive: bool, expects_continue: bool) -> None:
        """Pass a request to the application, at once or after the responses before it.

        Raises:
            RequestRejected: If too many requests wait.
        """
        if len(self._waiting) >= MAX_PIPELINED:
            raise RequestRejected(f"More than {MAX_PIPELINED} pipelined requests wait on this connection.")
        scope["client"], scope["server"], scope["state"] = self.client, self.server, self._app_state.copy()
        is_first = self._latest is None or self._latest.is_complete
        exchange = self._latest = Exchange(
            scope,
            self._transport,
            self._flow,
            self._server_state.default_headers,
            self._on_response_complete,
            keep_alive=keep_alive and not self._draining,
            expects_continue=expects_continue,
        )
        self._enter(ConnectionState.READING_BODY)
        if is_first:
            self._start(exchange)
        else:
            self._flow.pause_reading()
            self._waiting.append(exchange)

    def add_body(self, part: bytes) -> None:
        """Add a part of the body, unless the application responded without it."""
        exchange = self._latest
        if exchange is not None and not exchange.is_complete:
            exchange.add_body(part)

    def end_request(self) -> None:
        """Wait for the response, unless the application sent it before it had the whole request."""
        exchange = self._latest
        if exchange is None or exchange.is_complete:
            self._wait_for_request()
        else:
            exchange.end_body()
            self._state = ConnectionState.RESPONDING

    # Timeouts

    def _check_timeouts(self) -> None:
        """Close the connection if the client is too slow in its present state.

        A connection has one timer that checks from time to time. A timer per request would cost every fast request.
        """
        now = self._loop.time()
        if self._reads_too_slowly(now):
            # `close` would wait until the client has read the rest.
            self.abort()
            return
        due = inf
        match self._state:
            case ConnectionState.IDLE:
                due = self._since + self._limits.keep_alive_timeout_seconds
                if now >= due:
                    self._close()
                    # The client may still have a response to read, so go on to check its rate.
                    due = inf
            case ConnectionState.READING_HEAD | ConnectionState.READING_BODY:
                due = self._since + self._limits.read_timeout_seconds
                if now >= due:
                    self._reject(self._timeout())
                    return
            case ConnectionState.RESPONDING | ConnectionState.CLOSING:
                # The application, or the client's rate of reading, sets the time.
                pass
        self._schedule_check(due)

    def _schedule_check(self, due: float) -> None:
        """Check at `due`, or earlier if a state that begins meanwhile could time out before."""
        self._timer = self._loop.call_at(min(due, self._loop.time() + self._check_seconds), self._check_timeouts)

    def _reads_too_slowly(self, now: float) -> bool:
        """Return whether the client read the response at less than the minimum rate since the last sample."""
        size, last = self._transport.get_write_buffer_size(), self._unsent
        if size and last.size and last.response is self._responding:
            seconds = now - last.time
            if seconds < self._check_seconds:
                return False
            if last.size - size < MIN_READ_BYTES_PER_SECOND * seconds:
                return True
        self._unsent = _UnsentSample(size, self._responding, now)
        return False

    def _timeout(self) -> RequestRejected:
        part = "head" if self._state is ConnectionState.READING_HEAD else "body"
        message = f"The {part} of the request took more than {self._limits.read_timeout_seconds:g} s to arrive."
        return RequestRejected(message, HTTPStatus.REQUEST_TIMEOUT)

    # Rejection

    def _reject(self, rejected: RequestRejected) -> None:
        """Send the error response, unless the request has one already or another is half sent. Close the connection."""
        state, now = self._state, self._loop.time()
        began = self._since if state in _READING else now
        self._state = ConnectionState.CLOSING
        is_half_sent = self._responding is not None and self._responding.is_half_sent
        self._cancel_responses()
        # The application rejects a request by its head if, for example, credentials are missing. The client would take
        # a second response for the one to its next request.
        has_response = state is ConnectionState.READING_BODY and self._latest is not None and self._latest.is_complete
        can_respond = not is_half_sent and not has_response and not self._transport.is_closing()
        if structlog.is_configured():
            record = RequestRecord(method=self._reader.method)
            record.id = rejected.request_id
            record.error_codes.append(rejected.code)
            status = int(rejected.status) if can_respond else None
            structlog.get_logger().info("request", **record.line(now - began, status))
        if can_respond:
            headers = (*self._server_state.default_headers, *rejected.response_headers)
            lines = (rejected.status_line, *(name + b": " + value for name, value in headers), b"", rejected.content)
            self._transport.write(b"\r\n".join(lines))
        if self._timer is not None:
            self._timer.cancel()
        if is_half_sent or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._flow.resume_reading()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def _cancel_responses(self) -> None:
        """End all requests of this connection as if the client had disconnected."""
        self._waiting.clear()
        for exchange in (self._responding, self._latest):
            if exchange is not None:
                exchange.disconnect()
