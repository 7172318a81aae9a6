"""One line in the log for each request: what it cost and how it ended, and nothing that it said."""

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from gateway.request_record import REQUEST_RECORD, RequestRecord

# GraphQL sets names no limit. Those that people give are shorter, and a log is no place for more.
MAX_NAME_LENGTH: Final = 64


class RequestLog:
    """An application whose requests are logged. About 10 microseconds each, after the answer is out."""

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, then log it. Its status is null where its client left before it was answered."""
        started = time.perf_counter()
        record = RequestRecord()
        REQUEST_RECORD.set(record)
        head: Message | None = None

        async def sending(message: Message) -> None:
            nonlocal head
            head = head or message
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            ids = () if head is None else (value for name, value in head["headers"] if name == b"x-request-id")
            operation = record.operation
            self._log.info(
                "request",
                id=next((value.decode("latin-1") for value in ids), None),
                # By grammar it is of letters, digits and underscores: nothing that could begin another line.
                operation=operation if operation is None else operation[:MAX_NAME_LENGTH],
                cost=record.cost,
                status=None if head is None else head["status"],
                upstream_calls=record.upstream_calls,
                ms=round((time.perf_counter() - started) * 1e3, 1),
            )
