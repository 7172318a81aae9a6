"""A collector of traces, which receives OTLP over HTTP and keeps every span."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.server.run import serving_in_thread
from tests.support.scripted import lifespan

# A span's name and its child spans, in the order of their start.
Tree = tuple[str, list["Tree"]]


class Collector:
    """The spans that have arrived.

    Attributes:
        services: The `service.name` of each batch of spans.
        bodies: The bodies of the requests.
    """

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.services: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        assert scope["path"] == "/v1/traces"
        body = await Request(scope, receive).body()
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services += [
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            ]
            self.spans += [span for scoped in resource.scope_spans for span in scoped.spans]
        await Response()(scope, receive, send)

    def tree(self, parent: bytes = b"") -> list[Tree]:
        """Return the tree of spans below a parent, in the order of their start."""
        children = sorted((s for s in self.spans if s.parent_span_id == parent), key=lambda s: s.start_time_unix_nano)
        return [(span.name, self.tree(span.span_id)) for span in children]

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name, in the order of their start."""
        return sorted((s for s in self.spans if s.name == name), key=lambda s: s.start_time_unix_nano)


def attributes_of(span: Span) -> dict[str, Any]:
    """Return a span's attributes by name."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Serve a collector while the block runs."""
    collector = Collector()
    with serving_in_thread(collector) as url:
        collector.url = url
        yield collector
