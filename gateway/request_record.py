"""What an operator is told of one request, noted down where it comes to be known: for the log, metrics and traces."""

from contextvars import ContextVar
from typing import Any, Final

# GraphQL sets names no limit. Those that people give are shorter, and a log is no place for more.
MAX_NAME_LENGTH: Final = 64


class RequestRecord:
    """One request, as far as it has come.

    operation: the name of its operation, cut to MAX_NAME_LENGTH; None where it has none or its document cannot be read.
        By GraphQL's grammar it is of letters, digits and underscores: nothing that could begin another line of a log.
    is_valid: whether its document is; a name in one that is not may be anything.
    cost: what its document was estimated at, before it ran; None where it was not.
    error_codes: of the errors that it is answered with, in their order.
    upstream_calls: those made for it, retries included. A call that several share counts for the one that began it.
    upstream_seconds: time in which at least one of these calls was under way.
    """

    __slots__ = (
        "_under_way",
        "_under_way_since",
        "cost",
        "error_codes",
        "is_valid",
        "operation",
        "upstream_calls",
        "upstream_seconds",
    )

    def __init__(self) -> None:
        self.operation: str | None = None
        self.is_valid = False
        self.cost: int | None = None
        self.error_codes: list[str] = []
        self.upstream_calls = 0
        self.upstream_seconds = 0.0
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

    def line(self, seconds: float, request_id: str | None = None, status: int | None = None) -> dict[str, Any]:
        """What the log says of it.

        request_id, status: the answer's; None where its client left before there was one.
        """
        return {
            "id": request_id,
            "operation": self.operation,
            "cost": self.cost,
            "status": status,
            "upstream_calls": self.upstream_calls,
            "ms": round(seconds * 1e3, 1),
        }


# The record of the request whose task, or whose task's child, runs; one that nobody reads outside of requests.
REQUEST_RECORD: Final[ContextVar[RequestRecord]] = ContextVar("request_record", default=RequestRecord())  # noqa: B039  # It is meant to be shared.
