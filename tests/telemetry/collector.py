"""A collector of traces as the gateway sees it: OTLP over real HTTP, with every span that it is sent noted down."""

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

# A span's name, and those within it by when they began.
Tree = tuple[str, list["Tree"]]


class Collector:
    """What has arrived.

    services: `service.name` of each batch of spans; bodies: the batches as they came.
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
        """The spans within one, by when they began."""
        children = sorted((s for s in self.spans if s.parent_span_id == parent), key=lambda s: s.start_time_unix_nano)
        return [(span.name, self.tree(span.span_id)) for span in children]

    def named(self, name: str) -> list[Span]:
        """The spans of a name, by when they began."""
        return sorted((s for s in self.spans if s.name == name), key=lambda s: s.start_time_unix_nano)


def attributes_of(span: Span) -> dict[str, Any]:
    """A span's attributes by their names."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, while the block runs."""
    collector = Collector()
    with serving_in_thread(collector) as url:
        collector.url = url
        yield collector
