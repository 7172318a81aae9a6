"""One line in the log for each request: what it cost and how it ended, and nothing that it said."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from gateway.request_record import REQUEST_RECORD, RequestRecord


class RequestLog:
    """An application whose requests are logged. About 10 microseconds each, after the answer is out.

    An answer without an id has no line: health checks would fill the log, and GraphiQL's page is made of files.
    """

    def __init__(self, app: ASGIApp, log: FilteringBoundLogger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, then log it. Its status is null where its client left before it was answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
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
            seconds = time.perf_counter() - started
            if head is None:
                self._log.info("request", **record.line(seconds))
            else:
                for name, value in head["headers"]:
                    if name == b"x-request-id":
                        self._log.info("request", **record.line(seconds, value.decode("latin-1"), head["status"]))
