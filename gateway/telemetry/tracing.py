"""The spans of a request's trace. If traces are off, a span has no effect and costs a function call.

OpenTelemetry itself is imported only if traces are on (gateway/telemetry/opentelemetry.py).
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, Protocol, Self

Kind = Literal["server", "internal", "client"]
Attributes = Mapping[str, str | int]


class Span:
    """A span, from the beginning to the end of a `with` block. This class is the span that is not recorded."""

    # The traceparent and tracestate headers of calls within this span. If unset, those of the request are used.
    headers: Mapping[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, attributes: Attributes) -> None:
        """Add attributes: counts, names and ids, but never the content of a request or a response."""

    def fail(self, error_type: str) -> None:
        """Mark the span as failed, with an error code."""


class Recorder(Protocol):
    """A factory of spans that are recorded."""

    def span(self, name: str, kind: Kind, attributes: Attributes, parent: Mapping[str, str] | None) -> Span:
        """Return a span that has not begun.

        Args:
            name: The name of the span.
            kind: OpenTelemetry's kind of the span.
            attributes: The attributes of the span.
            parent: The headers of a trace that began elsewhere. If unset, the current span is the parent.
        """


NO_SPAN: Final = Span()
_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Record the spans of this process with a recorder, or stop recording if it is unset."""
    global _recorder  # noqa: PLW0603  # A process has one recorder, as in OpenTelemetry.
    _recorder = recorder


def are_recorded() -> bool:
    """Return whether spans are recorded. If not, do not compute attributes that take time."""
    return _recorder is not None


def span(
    name: str, attributes: Attributes, *, kind: Kind = "internal", parent: Mapping[str, str] | None = None
) -> Span:
    """Return a span for a `with` block. Without a parent, the current span is the parent."""
    return NO_SPAN if _recorder is None else _recorder.span(name, kind, attributes, parent)
