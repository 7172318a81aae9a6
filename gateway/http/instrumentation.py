"""Each request as an operator sees it: counted, timed, a line in the log, and the first span of its trace here."""

import time
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from gateway.http.error_response import METHODS
from gateway.telemetry.metrics import REQUESTS_IN_FLIGHT, count_request
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from gateway.telemetry.trace_context import trace_context
from gateway.telemetry.tracing import NO_SPAN, Span, are_recorded, span


class InstrumentationMiddleware:
    """An application whose requests are observed. Takes some 10 microseconds each, and some 35 more for the log.

    A request without an id is neither counted nor logged: a health check, or one for a file of GraphiQL's page.
    log: takes a line a request, and one more, a warning, for each that took slow_seconds or longer; None where none is
        set up.
    """

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger | None, slow_seconds: float) -> None:
        self._app = app
        self._log = log
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. It has no status where its client left before it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        record = RequestRecord(trace_context(scope["headers"]))
        REQUEST_RECORD.set(record)
        head: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal head
            head = head or message
            await send(message)

        try:
            if scope["path"] == "/graphql":
                with _server_span(scope, record.trace_context) as server_span:
                    REQUESTS_IN_FLIGHT.inc()
                    try:
                        await self._app(scope, receive, sending)
                    finally:
                        REQUESTS_IN_FLIGHT.dec()
                        _note(server_span, record, head)
            else:
                await self._app(scope, receive, sending)
        finally:
            self._ended(scope["path"], record, head, time.perf_counter() - started)

    def _ended(self, path: str, record: RequestRecord, head: Message | None, seconds: float) -> None:
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
    """The request's own span, in the trace that it came with. Source: OpenTelemetry, HTTP semantic conventions."""
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
        # With a status below 500 the request is not a failed one: it may be the caller's mistake, or one row's.
        server_span.note({"error.type": record.error_codes[0]})
    if head is not None:
        server_span.note({"http.response.status_code": head["status"]})
        if head["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            server_span.fail(record.error_codes[0] if record.error_codes else str(head["status"]))
