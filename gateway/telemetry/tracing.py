"""Spans of a request's trace, where traces are recorded; else nothing, at the cost of a call.

OpenTelemetry itself is imported only where it records (gateway/telemetry/opentelemetry.py).
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Literal, Protocol, Self

Kind = Literal["server", "internal", "client"]
Attributes = Mapping[str, str | int]


class Span:
    """A part of a request's way, from the block's begin to its end; this one, that nobody records."""

    # The traceparent and tracestate that a call out of this span carries; None: those that the request came with.
    headers: Mapping[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def note(self, attributes: Attributes) -> None:
        """Say more of it: counts, names and ids; never what was asked or answered."""

    def fail(self, error_type: str) -> None:
        """Say that it failed, by a code."""


class Recorder(Protocol):
    """What makes spans that are recorded."""

    def span(self, name: str, kind: Kind, attributes: Attributes, parent: Mapping[str, str] | None) -> Span:
        """A span, yet to be entered.

        parent: headers of a trace that began elsewhere; None: the span that is entered is its parent.
        """


NO_SPAN: Final = Span()
_recorder: Recorder | None = None


def record_with(recorder: Recorder | None) -> None:
    """Have all spans of this process be recorded, or none."""
    global _recorder  # noqa: PLW0603  # One for the process, as OpenTelemetry has it.
    _recorder = recorder


def are_recorded() -> bool:
    """Whether spans are: what costs more than a span's name and counts need not be found out else."""
    return _recorder is not None


def span(
    name: str, attributes: Attributes, *, kind: Kind = "internal", parent: Mapping[str, str] | None = None
) -> Span:
    """A span, to be entered: `with span(...)`. Without a parent it is within the one that is entered."""
    return NO_SPAN if _recorder is None else _recorder.span(name, kind, attributes, parent)
