"""What is noted down of one request where it comes to be known, for whoever needs it further up or down.

The log, metrics and traces tell an operator of it, the answer its caller; upstream calls are made by what it brought.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

# Characters that an operator is shown of an operation's name. Those that people give are shorter.
SHOWN_NAME_LENGTH: Final = 64


class CacheUse:
    """One request's part in the cache of upstream answers.

    anew: it takes nothing that is kept; keeps: what is fetched for it may be kept for others.
    age: seconds since the oldest answer that it got out of the cache came from upstream; None where it got none.
    stale: whether one of them was past its time, and stood in for an upstream that failed.
    """

    __slots__ = ("age", "anew", "keeps", "stale")

    def __init__(self, *, anew: bool = False, keeps: bool = True) -> None:
        self.anew = anew
        self.keeps = keeps
        self.age: float | None = None
        self.stale = False

    def note(self, age: float) -> None:
        """An answer so many seconds old was taken."""
        if self.age is None or age > self.age:
            self.age = age


class RequestRecord:
    """One request, as far as it has come.

    id: the `x-request-id` of its answer; None for health checks and files of GraphiQL's page, which have none.
    operation: the name of its operation, cut to SHOWN_NAME_LENGTH; None where it has none or its document cannot be
        read. By GraphQL's grammar it is of letters, digits and underscores: nothing that could begin another line of a
        log.
    is_valid: whether its document is; a name in one that is not may be anything.
    cost: what its document was estimated at, before it ran; None where it was not.
    error_codes: of the errors that it is answered with, in their order.
    upstream_calls: those made for it, retries included. A call that several share counts for the one that began it.
    upstream_seconds: time in which at least one of these calls was under way.
    shows_upstream: whether its answer says what it cost upstream.
    trace_context: the headers traceparent and tracestate that it came with; they go along with each of these calls.
    cache_use: its part in the cache.
    """

    __slots__ = (
        "_under_way",
        "_under_way_since",
        "cache_use",
        "cost",
        "error_codes",
        "id",
        "is_valid",
        "operation",
        "shows_upstream",
        "trace_context",
        "upstream_calls",
        "upstream_seconds",
    )

    def __init__(self) -> None:
        self.id: str | None = None
        self.operation: str | None = None
        self.is_valid = False
        self.cost: int | None = None
        self.error_codes: list[str] = []
        self.upstream_calls = 0
        self.upstream_seconds = 0.0
        self.shows_upstream = False
        self.trace_context: Mapping[str, str] = _NO_TRACE
        self.cache_use = CacheUse()
        self._under_way = 0
        self._under_way_since = 0.0

    def call_began(self, now: float) -> None:
        """An upstream call is made for it."""
        self.upstream_calls += 1
        if self._under_way == 0:
            self._under_way_since = now
        self._under_way += 1

    def call_ended(self, now: float) -> None:
        """The call has its answer, or was given up."""
        self._under_way -= 1
        if self._under_way == 0:
            self.upstream_seconds += now - self._under_way_since

    def line(self, seconds: float, status: int | None) -> dict[str, Any]:
        """What the log says of it.

        status: the answer's; None where its client left before there was one.
        """
        return {
            "id": self.id,
            "operation": self.operation,
            "cost": self.cost,
            "status": status,
            "upstream_calls": self.upstream_calls,
            "ms": round(seconds * 1e3, 1),
        }


_NO_TRACE: Final[Mapping[str, str]] = MappingProxyType({})

# The record of the request whose task, or whose task's child, runs; one that nobody reads outside of requests.
REQUEST_RECORD: Final[ContextVar[RequestRecord]] = ContextVar("request_record", default=RequestRecord())  # noqa: B039  # It is meant to be shared.
