"""An inventory behind AWS's calls, on a clock that a test moves. Each call takes one second, so seconds count waits."""

import asyncio
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, TypeVar, cast
from unittest.mock import Mock

from gateway.auth.caller import ANONYMOUS
from gateway.context import RequestContext, request_contexts
from gateway.errors import CursorExpired, UpstreamForbidden
from gateway.loaders.batch import GetAccess
from gateway.loaders.phone_numbers import PhoneNumbers
from gateway.settings import Settings
from gateway.upstream.aws_operations import LIST_PHONE_NUMBER_ORDERS, LIST_PHONE_NUMBERS, OPERATION_NAMES
from gateway.upstream.call import Call, UpstreamResponse
from gateway.upstream.client import Upstream
from gateway.upstream.records import (
    PhoneNumberOrderPage,
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
)
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.adaptive_rate import AdaptiveRateLimiter
from gateway.upstream.resilience.circuit_breaking_transport import operation_breaker
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.resilience.queueing_transport import QueueingTransport
from gateway.upstream.resilience.rate_quota import LocalRateLimiter
from gateway.upstream.services import CHIME
from tests.support.aws import e164, order_record
from tests.support.loop_clock import JumpingLoop

T = TypeVar("T")

PAGE_SIZE = CHIME.max_results
# Calls a second: too many for any call to wait.
HIGH_QUOTA = 1e9


class TimedAccount:
    """An account, and one process's upstream over it.

    Attributes:
        rows: The numbers of the inventory, in the list's order.
        version: A number in each record. A test that raises it can tell old records from new ones.
        unstable_tokens: Whether each response has another next-token, even if the page is the same.
        keyset_tokens: Whether a token names the last row of its page, in a list that is sorted. Otherwise it names the
            number of rows before the next page.
        orders: The numbers of each order, in the list's order.
        most_rows: The most rows of a page, whatever size is requested.
        denies_gets: Whether AWS allows lists only.
        calls: The operation of each call.
        most_in_flight: The most calls that were in flight at the same time.
        throttling: The rate limiter that AWS's 429 responses slow down.
        upstream: The gateway's client of this account.
    """

    def __init__(
        self,
        rows: Iterable[int],
        *,
        quota: bool = False,
        unstable_tokens: bool = False,
        keyset_tokens: bool = False,
        rate: float = HIGH_QUOTA,
        concurrency: int | None = None,
    ) -> None:
        self.rows = [e164(row) for row in rows]
        self.version = 0
        self.unstable_tokens = unstable_tokens
        self.keyset_tokens = keyset_tokens
        self.orders: list[list[str]] = []
        self.denies_gets = False
        self.most_rows = PAGE_SIZE
        self.calls: list[str] = []
        self.most_in_flight = 0
        self._get_access = GetAccess()
        self._serial = count(1)
        self._first_valid = 0
        self.throttling = AdaptiveRateLimiter(asyncio.get_running_loop().time)
        quotas = [LocalRateLimiter(rate, asyncio.get_running_loop().time)] if quota else []
        limit = concurrency or Settings().upstream_concurrency
        queue = FairQueue(OPERATION_NAMES, limit, [self.throttling, *quotas])
        breakers = {name: operation_breaker(name) for name in OPERATION_NAMES}
        transport = QueueingTransport(self, queue, self.throttling, breakers)
        self.upstream = Upstream(transport, CHIME, Mock(), Mock(), breakers, queue, Mock())
        self._new_context = request_contexts(Settings(upstream_api="chime", request_timeout_seconds=300), self.upstream)

    async def call(self, call: Call) -> UpstreamResponse:
        """Respond as AWS does, after one second."""
        self.calls.append(call.operation.name)
        self.most_in_flight = max(self.most_in_flight, self.upstream.queue.in_flight)
        parameters = call.parameters
        token, size = parameters.get("NextToken"), int(parameters.get("MaxResults", 0))
        result: Any
        if call.operation is LIST_PHONE_NUMBERS:
            result = self._page(token, size)
        elif call.operation is LIST_PHONE_NUMBER_ORDERS:
            result = self._order_page(token, size)
        else:
            result = self._record(str(parameters["PhoneNumberId"]))
        await asyncio.sleep(1)
        if self.denies_gets and size == 0:
            raise UpstreamForbidden(call.operation.name)
        return UpstreamResponse(body={}, size=0, result=result)

    def throttle(self) -> None:
        """Let the adaptive rate limiter know a 429 of this moment."""
        self.throttling.on_throttled(asyncio.get_running_loop().time())

    def expire_tokens(self) -> None:
        """Reject all tokens that were sent so far."""
        self._first_valid = next(self._serial)

    def data_source(self) -> PhoneNumbers:
        """Return the data source of a new request."""
        return PhoneNumbers(self.upstream, self._get_access, Settings(), Requester(math.inf))

    def context(self) -> RequestContext:
        """Return the context of a new GraphQL request."""
        return self._new_context(ANONYMOUS)

    async def read_whole_list(self) -> None:
        """Read the list as a request for its count does, so that the process knows all pages."""
        source = self.data_source()
        token = None
        while True:
            token = (await source.page(token, PAGE_SIZE, {})).next_token
            if token is None:
                return

    async def find(self, numbers: Iterable[str]) -> dict[str, int | None]:
        """Load numbers in one batch of a new request, and return the version of each record."""
        source = self.data_source()
        records: dict[str, Any] = {}
        for lookup, number in source.lookups(list(numbers)):
            records[number] = (await lookup)[number]
        source.close()
        return {number: record and int(record["CallingName"]) for number, record in records.items()}

    def expected(self, numbers: Iterable[str]) -> dict[str, int | None]:
        """Return the result that `find` must have."""
        held = set(self.rows)
        return {number: self.version if number in held else None for number in numbers}

    def _record(self, number: str) -> PhoneNumberRecord | None:
        return {"E164PhoneNumber": number, "CallingName": str(self.version)} if number in self.rows else None

    def _page(self, token: Any, size: int) -> PhoneNumberPage:
        begin = self._place(token)
        rows = self.rows[begin : begin + min(size, self.most_rows)]
        records: list[PhoneNumberRecord] = [{"E164PhoneNumber": row, "CallingName": str(self.version)} for row in rows]
        return PhoneNumberPage(records, tuple(rows), self._token(self.rows, begin + len(rows)))

    def _order_page(self, token: Any, size: int) -> PhoneNumberOrderPage:
        begin = self._place(token)
        end = min(begin + size, len(self.orders))
        records = [order_record(at, self.orders[at]) for at in range(begin, end)]
        ids = tuple([str(record["PhoneNumberOrderId"]) for record in records])
        return PhoneNumberOrderPage(cast("list[PhoneNumberOrderRecord]", records), ids, self._token(self.orders, end))

    def _place(self, token: Any) -> int:
        """Return the number of rows before the page of a token."""
        if token is None:
            return 0
        row, serial = token.split("|")
        if int(serial) < self._first_valid:
            raise CursorExpired("ListPhoneNumbers")
        return bisect_right(self.rows, row) if self.keyset_tokens else int(row)

    def _token(self, rows: Sequence[Any], end: int) -> str | None:
        """Return the token of the page behind so many rows, if there are more."""
        serial = next(self._serial) if self.unstable_tokens else self._first_valid
        return f"{rows[end - 1] if self.keyset_tokens else end}|{serial}" if end < len(rows) else None


class Measured:
    """The calls and waits of an awaited operation on a JumpingLoop, measured while the block runs."""

    def __init__(self, account: TimedAccount) -> None:
        self._account = account

    def __enter__(self) -> "Measured":
        self._before = len(self._account.calls), asyncio.get_running_loop().time()
        return self

    def __exit__(self, *_: object) -> None:
        calls, since = self._before
        self.calls = len(self._account.calls) - calls
        self.waits = round(asyncio.get_running_loop().time() - since)


def run_timed(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on a JumpingLoop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())
