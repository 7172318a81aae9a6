"""Traces, recorded with OpenTelemetry's SDK, which sends them over OTLP/HTTP as its environment variables say.

The module is imported only if traces are on, because the SDK and its exporter take some 0.15 s and 15 MB.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry import context
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry.tracing import Attributes, Kind, Span, record_with

# Seconds in which the last spans are sent at shutdown. A collector that is down delays the shutdown by no more.
LAST_SPANS_SECONDS: Final = 2.0

_NAME: Final = "chime-gateway"
_KINDS: Final = {
    "server": otel.SpanKind.SERVER,
    "internal": otel.SpanKind.INTERNAL,
    "client": otel.SpanKind.CLIENT,
}
_W3C: Final = TraceContextTextMapPropagator()


@asynccontextmanager
async def recorded_traces() -> AsyncIterator[None]:
    """Record this process's spans while the block runs, and send the last ones at the end."""
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    exporter = OTLPSpanExporter()
    processor = BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    record_with(_Recorder(provider.get_tracer(_NAME, version(_NAME))))
    try:
        yield
    finally:
        record_with(None)
        # The SDK itself would try for 30 s.
        sending = Thread(target=processor.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, LAST_SPANS_SECONDS)
        if sending.is_alive():
            exporter.shutdown()  # type: ignore[no-untyped-call]  # It has no arguments and returns None.


def _resource() -> Resource:
    # It has the values of OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, which take precedence.
    found = Resource.create()
    own: dict[str, Any] = {SERVICE_VERSION: version(_NAME)}
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        own[SERVICE_NAME] = _NAME
    return found.merge(Resource(own))


class _Recorder:
    def __init__(self, tracer: otel.Tracer) -> None:
        self._tracer = tracer

    def span(self, name: str, kind: Kind, attributes: Attributes, parent: Mapping[str, str] | None) -> Span:
        within = context.get_current() if parent is None else _W3C.extract(parent, context.Context())
        return _RecordedSpan(self._tracer.start_span(name, within, _KINDS[kind], dict(attributes)))


class _RecordedSpan(Span):
    def __init__(self, recorded: otel.Span) -> None:
        self._recorded = recorded
        self._has_failed = False
        headers: dict[str, str] = {}
        _W3C.inject(headers, otel.set_span_in_context(recorded))
        self.headers = headers

    def __enter__(self) -> Self:
        self._token = context.attach(otel.set_span_in_context(self._recorded))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Only the class is recorded, because an exception's message may quote any content.
        if kind is not None and not self._has_failed:
            self.fail(kind.__name__)
        context.detach(self._token)
        self._recorded.end()

    def note(self, attributes: Attributes) -> None:
        self._recorded.set_attributes(dict(attributes))

    def fail(self, error_type: str) -> None:
        self._has_failed = True
        self._recorded.set_attribute("error.type", error_type)
        self._recorded.set_status(otel.StatusCode.ERROR)
