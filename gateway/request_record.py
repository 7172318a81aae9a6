"""What the log's line of one request says, noted down where it comes to be known."""

from contextvars import ContextVar
from typing import Final


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


# The record of the request whose task, or whose task's child, runs; one that nobody reads where nothing is logged.
REQUEST_RECORD: Final[ContextVar[RequestRecord]] = ContextVar("request_record", default=RequestRecord())  # noqa: B039  # It is meant to be shared.
