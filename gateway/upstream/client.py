"""The four calls this gateway makes: both generations of the API behind one typed interface."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from gateway.errors import CursorExpired, UpstreamBadResponse, UpstreamError, UpstreamNotFound
from gateway.upstream.aws.transport import NO_PARAMETERS, Endpoint, Parameters
from gateway.upstream.cache.response_cache import Read, ResponseCache
from gateway.upstream.cache.shared_cache import Answer
from gateway.upstream.readiness import Readiness
from gateway.upstream.record_reader import is_order_id, read_phone_number_orders, read_phone_numbers
from gateway.upstream.records import (
    PhoneNumberOrderPage,
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
    e164_of,
)
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.fair_queue import HasDeadline
from gateway.upstream.resilience.retry import RetryingTransport
from gateway.upstream.services import Service


class Upstream:
    """One AWS account's numbers and orders, read through one client for the whole process.

    Every method makes at most three attempts, joins an identical call that is under way, and makes none where its
    answer is kept. What is returned others are given, too: nobody may change it. `deadline` is a time
    of the event loop's clock, in seconds; at it the call is abandoned.
    attempts: how calls are made; its state tells how the upstream fares.
    endpoint: where calls go, as the AWS client resolved it.
    Raises, all methods: UpstreamError.
    """

    def __init__(
        self,
        attempts: RetryingTransport,
        generation: Service,
        endpoint: Endpoint,
        answers: ResponseCache,
        readiness: Readiness,
    ) -> None:
        self.generation = generation
        self.endpoint = endpoint
        self.attempts = attempts
        # The largest MaxResults that each list operation was answered with.
        self._accepted_sizes: dict[str, int] = {}
        self._answers = answers
        self._readiness = readiness

    async def list_phone_numbers(
        self, token: str | None, size: int, *, requester: Requester, filters: Parameters = NO_PARAMETERS
    ) -> PhoneNumberPage:
        """One page of the inventory: ListPhoneNumbers.

        token: NextToken of the page before; None for the first page.
        size: rows asked for, 1 to generation.max_results. The answer may hold fewer, or none, and still go on.
        filters: Status, ProductType, FilterName and FilterValue, as AWS spells their values.
        Cost: one call. If a token is refused with a larger size than AWS has accepted so far, one more, without it.
        Raises: CursorExpired if the token is refused. UpstreamNotFound if a filter names an unknown resource.
        """
        page: PhoneNumberPage = await self._list(
            "ListPhoneNumbers", token, size, filters, requester, _phone_number_page
        )
        return page

    async def list_phone_number_orders(
        self, token: str | None, size: int, *, requester: Requester
    ) -> PhoneNumberOrderPage:
        """One page of the orders: ListPhoneNumberOrders. Parameters and faults as for list_phone_numbers."""
        operation = "ListPhoneNumberOrders"
        page: PhoneNumberOrderPage = await self._list(
            operation, token, size, NO_PARAMETERS, requester, _phone_number_order_page
        )
        return page

    async def get_phone_number(self, e164: str, *, requester: Requester) -> PhoneNumberRecord | None:
        """One number's record, None where the inventory has none: GetPhoneNumber.

        e164: with its `+`; the form `%2B` that AWS's answers use would be encoded twice on the way.
        """
        read = partial(_phone_number, e164)
        record: PhoneNumberRecord | None = await self._get("GetPhoneNumber", "PhoneNumberId", e164, requester, read)
        return record

    async def get_phone_number_order(self, order_id: str, *, requester: Requester) -> PhoneNumberOrderRecord | None:
        """One order's record, None where there is none: GetPhoneNumberOrder."""
        if not is_order_id(order_id):
            return None
        read = partial(_phone_number_order, order_id)
        operation, key = "GetPhoneNumberOrder", "PhoneNumberOrderId"
        record: PhoneNumberOrderRecord | None = await self._get(operation, key, order_id, requester, read)
        return record

    async def unready(self) -> str | None:
        """Why requests should go elsewhere for now, in words; None where AWS can be asked. It raises nothing."""
        return await self._readiness.unready()

    async def _list(
        self,
        operation: str,
        token: str | None,
        size: int,
        filters: Parameters,
        requester: Requester,
        read: Read,
    ) -> Any:
        parameters: Parameters = {**filters, "MaxResults": size}
        with_token = parameters if token is None else {**parameters, "NextToken": token}
        try:
            page = await self._call(operation, with_token, requester, read, self.attempts.make)
        except CursorExpired:
            if size > self._accepted_sizes.get(operation, 0):
                # The token is not the only news, for the page before may have been smaller. If AWS refuses the same
                # call without a token, that is the error: a client that starts again would be refused for ever.
                await self._list(operation, None, size, filters, requester, read)
            raise
        self._accepted_sizes[operation] = max(size, self._accepted_sizes.get(operation, 0))
        return page

    async def _get(self, operation: str, key: str, value: str, requester: Requester, read: Read) -> Any:
        return await self._call(operation, {key: value}, requester, read, self._attempts_to_get)

    async def _call(
        self,
        operation: str,
        parameters: Parameters,
        requester: Requester,
        read: Read,
        fetch: Callable[[str, Parameters, Requester, HasDeadline], Coroutine[Any, Any, Answer]],
    ) -> Any:
        key = (operation, tuple(sorted(parameters.items())))
        fault: UpstreamError
        try:
            async with asyncio.timeout_at(requester.deadline):
                return await self._answers.get(key, partial(fetch, operation, parameters, requester), read, requester)
        except TimeoutError:
            fault = self.attempts.overdue(operation)
        except UpstreamError as raised:
            fault = raised
        stand_in = self._answers.stale_fallback(key, fault, requester.cache)
        if stand_in is None:
            raise fault from None
        return stand_in[0]

    async def _attempts_to_get(
        self, operation: str, parameters: Parameters, requester: Requester, wanted: HasDeadline
    ) -> Answer:
        """None where there is no such record."""
        try:
            return await self.attempts.make(operation, parameters, requester, wanted)
        except UpstreamNotFound:
            return None


def _phone_number_page(answer: Answer) -> PhoneNumberPage:
    operation = "ListPhoneNumbers"
    rows = _rows(answer or {}, "PhoneNumbers", operation)
    return PhoneNumberPage(read_phone_numbers(rows, operation), _next_token(answer or {}, operation))


def _phone_number_order_page(answer: Answer) -> PhoneNumberOrderPage:
    operation = "ListPhoneNumberOrders"
    rows = _rows(answer or {}, "PhoneNumberOrders", operation)
    return PhoneNumberOrderPage(read_phone_number_orders(rows, operation), _next_token(answer or {}, operation))


def _phone_number(e164: str, answer: Answer) -> PhoneNumberRecord | None:
    operation = "GetPhoneNumber"
    if answer is None:
        return None
    records = read_phone_numbers([_record(answer, "PhoneNumber", operation)], operation)
    if not records or e164_of(records[0]) != e164:
        raise UpstreamBadResponse(operation, detail="the record is not of the number that was asked for")
    return records[0]


def _phone_number_order(order_id: str, answer: Answer) -> PhoneNumberOrderRecord | None:
    operation = "GetPhoneNumberOrder"
    if answer is None:
        return None
    records = read_phone_number_orders([_record(answer, "PhoneNumberOrder", operation)], operation)
    if not records or str(records[0]["PhoneNumberOrderId"]).casefold() != order_id.casefold():
        raise UpstreamBadResponse(operation, detail="the record is not of the order that was asked for")
    return records[0]


def _record(answer: dict[str, Any], key: str, operation: str) -> dict[str, Any]:
    record = answer.get(key)
    if not isinstance(record, dict):
        raise UpstreamBadResponse(operation, detail=f"{key} is a {type(record).__name__}, not an object")
    return record


def _rows(answer: dict[str, Any], key: str, operation: str) -> list[Any]:
    rows = answer.get(key)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise UpstreamBadResponse(operation, detail=f"{key} is a {type(rows).__name__}, not a list")
    return rows


def _next_token(answer: dict[str, Any], operation: str) -> str | None:
    token = answer.get("NextToken")
    if token is not None and not isinstance(token, str):
        raise UpstreamBadResponse(operation, detail=f"NextToken is a {type(token).__name__}")
    # Null, missing and "" all end a list; a short page does not.
    return token or None
