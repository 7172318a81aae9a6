"""The record of the current request, which logs, metrics, traces and the response are written from."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

# Characters of an operation's name that an operator sees. Names that people write are shorter.
SHOWN_NAME_LENGTH: Final = 64


class RequestRecord:
    """The facts about one request, set as they become known. They do not affect the request.

    Attributes:
        id: The `x-request-id` of the response. Health checks and GraphiQL's files have no id.
        method: The HTTP method, unless the request was rejected before it was known.
        caller_kind: How the caller authenticated. It says nothing about who the caller is. It is None if the request
            was rejected before, or by, authentication.
        operation: The operation's name, cut to SHOWN_NAME_LENGTH, if it has a name and the document can be parsed. By
            GraphQL's grammar it consists of letters, digits and underscores, so it cannot begin another log line.
        is_valid: Whether the document is valid. The name in an invalid document may be anything.
        cost: The query cost, when it has been estimated.
        error_codes: The codes of the response's errors, in their order.
        upstream_calls: Calls made for the request, retries included. A shared call counts for the request that
            started it.
        upstream_seconds: Time during which at least one of these calls was in flight.
        rows: Records that the request's pages and lookups hold.
        shows_upstream: Whether the response reports its upstream calls.
        trace_context: The headers traceparent and tracestate that the request arrived with.
        started: The time at which the request arrived, in seconds of `time.perf_counter`.
        cache_hits: Cached responses that the request used, stale ones included.
        oldest_at: The time when the oldest response that the request used came from AWS, in seconds since 1970. It is
            None until the request uses one.
        fresh_until: The time until which all responses that the request used are fresh, in seconds since 1970. It is
            None until the request uses one.
        stale: Whether a cached response past its TTL was used because the upstream failed.
    """

    __slots__ = (
        "_in_flight",
        "_in_flight_since",
        "cache_hits",
        "caller_kind",
        "cost",
        "error_codes",
        "fresh_until",
        "id",
        "is_valid",
        "method",
        "oldest_at",
        "operation",
        "rows",
        "shows_upstream",
        "stale",
        "started",
        "trace_context",
        "upstream_calls",
        "upstream_seconds",
    )

    def __init__(self, trace_context: Mapping[str, str] | None = None, method: str | None = None) -> None:
        self.started = time.perf_counter()
        self.id: str | None = None
        self.method = method
        self.caller_kind: str | None = None
        self.operation: str | None = None
        self.is_valid = False
        self.cost: int | None = None
        self.error_codes: list[str] = []
        self.upstream_calls = 0
        self.upstream_seconds = 0.0
        self.rows = 0
        self.shows_upstream = False
        self.trace_context = trace_context or {}
        self.cache_hits = 0
        self.oldest_at: float | None = None
        self.fresh_until: float | None = None
        self.stale = False
        self._in_flight = 0
        self._in_flight_since = 0.0

    def call_started(self, now: float) -> None:
        """Record that an upstream call starts.

        Args:
            now: Seconds of any clock, which `call_ended` must use too.
        """
        self.upstream_calls += 1
        if self._in_flight == 0:
            self._in_flight_since = now
        self._in_flight += 1

    def call_ended(self, now: float) -> None:
        """Record that an upstream call ended or was cancelled."""
        self._in_flight -= 1
        if self._in_flight == 0:
            self.upstream_seconds += now - self._in_flight_since

    def cached_response_used(self, stored_at: float, *, stale: bool = False) -> None:
        """Record that a cached response was used.

        Args:
            stored_at: The time when the response came from the upstream, in seconds since 1970.
            stale: Whether it replaced the error of a failing upstream.
        """
        self.cache_hits += 1
        self._came_at(stored_at)
        self.stale = self.stale or stale

    def fresh_response_used(self, stored_at: float, fresh_until: float) -> None:
        """Record that a fresh response was used, from a cache or not.

        Args:
            stored_at: The time when the response came from the upstream, in seconds since 1970.
            fresh_until: The time until which it is fresh.
        """
        self._came_at(stored_at)
        self.fresh_until = fresh_until if self.fresh_until is None else min(fresh_until, self.fresh_until)

    def _came_at(self, stored_at: float) -> None:
        self.oldest_at = stored_at if self.oldest_at is None else min(stored_at, self.oldest_at)

    def line(self, seconds: float, status: int | None) -> dict[str, Any]:
        """Return the fields of the request's log line.

        Args:
            seconds: Duration of the request.
            status: The response's status, unless the client disconnected before the response.
        """
        return {
            "id": self.id,
            "method": self.method,
            "caller": self.caller_kind,
            "operation": self.operation,
            "cost": self.cost,
            "status": status,
            # A response may have an error for each row, and all of them with the same code.
            "codes": list(dict.fromkeys(self.error_codes)),
            "upstream_calls": self.upstream_calls,
            "ms": round(seconds * 1e3, 1),
        }


# The record of the request that the current task, or its parent task, belongs to.
REQUEST_RECORD: Final[ContextVar[RequestRecord]] = ContextVar("request_record")


def current_record() -> RequestRecord:
    """Return the current request's record. Outside of a request, return a new one, which is discarded."""
    return REQUEST_RECORD.get(None) or RequestRecord()
