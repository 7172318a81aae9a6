"""Instrumentation of requests: metrics, a log line, and the server span of the trace."""

import time
from collections.abc import Awaitable, Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from gateway.http.error_response import METHODS
from gateway.telemetry.metrics import REQUESTS_IN_FLIGHT, count_request
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from gateway.telemetry.trace_context import trace_context
from gateway.telemetry.tracing import NO_SPAN, Span, are_recorded, span


class InstrumentationMiddleware:
    """An ASGI middleware that records each request. It takes about 10 microseconds, and the log about 35 more.

    A request without an id is neither counted nor logged. These are health checks and requests for GraphiQL's files.

    Args:
        log: Gets a line for each request, and a warning for each slow one. It is None if logging is not set up.
        slow_seconds: The time from which a request is slow.
    """

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger | None, slow_seconds: float) -> None:
        self._app = app
        self._log = log
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record one request. It has no status if the client disconnected before the response began."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(trace_context(scope["headers"]), scope["method"])
        REQUEST_RECORD.set(record)
        head: Message | None = None

        def recording_send(message: Message) -> Awaitable[None]:
            nonlocal head
            head = head or message
            return send(message)

        try:
            if scope["path"] == "/graphql":
                with _server_span(scope, record.trace_context) as server_span:
                    REQUESTS_IN_FLIGHT.inc()
                    try:
                        await self._app(scope, receive, recording_send)
                    finally:
                        REQUESTS_IN_FLIGHT.dec()
                        _note(server_span, record, head)
            else:
                await self._app(scope, receive, recording_send)
        finally:
            self._record(scope["path"], record, head, time.perf_counter() - record.started)

    def _record(self, path: str, record: RequestRecord, head: Message | None, seconds: float) -> None:
        if record.id is None:
            return
        if path == "/graphql":
            operation = (record.is_valid and record.operation) or ""
            count_request(operation, record.error_codes, seconds, responded=head is not None)
        if self._log is not None:
            line = record.line(seconds, None if head is None else head["status"])
            self._log.info("request", **line)
            if seconds >= self._slow_seconds:
                self._log.warning("slow request", **line, upstream_ms=round(record.upstream_seconds * 1e3, 1))


def _server_span(scope: Scope, trace_headers: Mapping[str, str]) -> Span:
    """Return the span of a request, as a child of the span that the client sent.

    Source: OpenTelemetry, HTTP semantic conventions.
    """
    if not are_recorded():
        return NO_SPAN
    known = scope["method"] in METHODS.split(", ")
    attributes = {
        "http.request.method": scope["method"] if known else "_OTHER",
        "http.route": "/graphql",
        "url.path": "/graphql",
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    name = f"{scope['method'] if known else 'HTTP'} /graphql"
    return span(name, attributes, kind="server", parent=trace_headers)


def _note(server_span: Span, record: RequestRecord, head: Message | None) -> None:
    if not are_recorded():
        return
    if record.error_codes:
        # A status below 500 does not fail the span. The error may be the caller's, or concern a single row.
        server_span.note({"error.type": record.error_codes[0]})
    if head is not None:
        server_span.note({"http.response.status_code": head["status"]})
        if head["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            server_span.fail(record.error_codes[0] if record.error_codes else str(head["status"]))
