"""What the log's line of one request says, noted down where it comes to be known."""

from contextvars import ContextVar
from typing import Any, Final

# GraphQL sets names no limit. Those that people give are shorter, and a log is no place for more.
MAX_NAME_LENGTH: Final = 64


class RequestRecord:
    """One request, as far as it has come.

    operation: the name of its operation, by GraphQL's grammar; None where it has none or its document cannot be read.
    cost: what its document was estimated at, before it ran; None where it was not.
    upstream_calls: those made for it, retries included. A call that several share counts for the one that began it.
    """

    __slots__ = ("cost", "operation", "upstream_calls")

    def __init__(self) -> None:
        self.operation: str | None = None
        self.cost: int | None = None
        self.upstream_calls = 0

    def line(self, seconds: float, request_id: str | None = None, status: int | None = None) -> dict[str, Any]:
        """What the log says of it.

        request_id, status: the answer's; None where its client left before there was one.
        """
        operation = self.operation
        return {
            "id": request_id,
            # By grammar it is of letters, digits and underscores: nothing that could begin another line.
            "operation": operation if operation is None else operation[:MAX_NAME_LENGTH],
            "cost": self.cost,
            "status": status,
            "upstream_calls": self.upstream_calls,
            "ms": round(seconds * 1e3, 1),
        }


# The record of the request whose task, or whose task's child, runs; one that nobody reads where nothing is logged.
REQUEST_RECORD: Final[ContextVar[RequestRecord]] = ContextVar("request_record", default=RequestRecord())  # noqa: B039  # It is meant to be shared.
