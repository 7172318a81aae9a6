"""The gateway's client of AWS: four typed calls, and the page map that they fill."""

from collections.abc import Awaitable, Mapping
from typing import Any, Final

from gateway.errors import CursorExpired
from gateway.shared_state.circuit_breaker import CircuitBreaker
from gateway.upstream.aws.transport import Endpoint
from gateway.upstream.aws_operations import (
    GET_PHONE_NUMBER,
    GET_PHONE_NUMBER_ORDER,
    LIST_PHONE_NUMBER_ORDERS,
    LIST_PHONE_NUMBERS,
)
from gateway.upstream.cache.response_cache import ResponseCache
from gateway.upstream.call import NO_PARAMETERS, Call, Operation, Parameters, Transport
from gateway.upstream.page_map import KnownList, PageMap
from gateway.upstream.readiness import Readiness
from gateway.upstream.record_reader import is_order_id
from gateway.upstream.records import PhoneNumberOrderPage, PhoneNumberOrderRecord, PhoneNumberPage, PhoneNumberRecord
from gateway.upstream.requester import Requester
from gateway.upstream.resilience.fair_queue import FairQueue
from gateway.upstream.services import Service

# Pages are requested ahead until more than this share of all calls was of no use. One change of a list may waste seven.
MAX_WASTED_SHARE: Final = 0.01


class Upstream:
    """One AWS account's phone numbers and orders. The process has one.

    A list or get method joins an identical call in flight, and makes no call if the response is cached. Otherwise its
    call has up to MAX_ATTEMPTS attempts until the requester's deadline (resilience/retry.py). It may raise
    UpstreamError. Results are shared with other requests, so do not change them. The other methods make no call.

    Args:
        transport: The way to AWS.
        service: The API that is called.
        endpoint: The endpoint that is called, as the AWS client resolved it.
        readiness: The check of `/readyz`.
        breakers: The circuit breaker of each operation. Read their state only.
        queue: The calls in flight and in the queue. Read its state only.
        cache: The cache of recent responses.
    """

    def __init__(
        self,
        transport: Transport,
        service: Service,
        endpoint: Endpoint,
        readiness: Readiness,
        breakers: Mapping[str, CircuitBreaker],
        queue: FairQueue,
        cache: ResponseCache,
    ) -> None:
        self.service = service
        self.endpoint = endpoint
        self.readiness = readiness
        self.breakers = breakers
        self.queue = queue
        self.cache = cache
        self._page_map = PageMap()
        self._wasted_calls = 0
        # The largest MaxResults that AWS has accepted for each list operation.
        self._accepted_sizes: dict[str, int] = {}
        self._transport = transport

    def list_phone_numbers(
        self, token: str | None, size: int, *, requester: Requester, filters: Parameters = NO_PARAMETERS
    ) -> Awaitable[PhoneNumberPage]:
        """Return one page of the inventory (ListPhoneNumbers).

        Args:
            token: The previous page's NextToken. The first page has no token.
            size: Rows to request, 1 to `max_results`. A page with fewer rows or no rows need not be the last.
            requester: The request that makes the call.
            filters: Status, ProductType, FilterName and FilterValue, in AWS's spelling.

        Raises:
            CursorExpired: If AWS rejects the token.
            UpstreamNotFound: If a filter names an unknown resource.

        Cost: One call. If AWS rejects a token with a larger size than it has accepted so far, one more call without the
        token.
        """
        return self._list(LIST_PHONE_NUMBERS, token, size, filters, requester)

    def list_phone_number_orders(
        self, token: str | None, size: int, *, requester: Requester
    ) -> Awaitable[PhoneNumberOrderPage]:
        """Return one page of the orders (ListPhoneNumberOrders). See list_phone_numbers for arguments and errors."""
        return self._list(LIST_PHONE_NUMBER_ORDERS, token, size, NO_PARAMETERS, requester)

    async def get_phone_number(self, e164: str, *, requester: Requester) -> PhoneNumberRecord | None:
        """Return one number's record (GetPhoneNumber), or None if the inventory has no such number.

        Args:
            e164: The number with its `+`. The form `%2B` of AWS's responses would be encoded twice on the way.
            requester: The request that makes the call.
        """
        record: PhoneNumberRecord | None = await self._get(GET_PHONE_NUMBER, {"PhoneNumberId": e164}, requester)
        return record

    async def get_phone_number_order(self, order_id: str, *, requester: Requester) -> PhoneNumberOrderRecord | None:
        """Return one order's record (GetPhoneNumberOrder) if there is such an order."""
        if not is_order_id(order_id):
            return None
        parameters = {"PhoneNumberOrderId": order_id}
        record: PhoneNumberOrderRecord | None = await self._get(GET_PHONE_NUMBER_ORDER, parameters, requester)
        return record

    def known_phone_numbers(self, filters: Parameters = NO_PARAMETERS) -> KnownList:
        """Return what the process knows of the inventory's pages of `max_results` rows."""
        return self._page_map.known(_list_id(LIST_PHONE_NUMBERS, filters))

    def known_phone_number_orders(self) -> KnownList:
        """Return what the process knows of the orders' pages of `max_results` rows."""
        return self._page_map.known(_list_id(LIST_PHONE_NUMBER_ORDERS, NO_PARAMETERS))

    def tokens_after(self, known: KnownList, token: str | None, count: int) -> list[str]:
        """Return at most so many tokens of pages that can be requested ahead, because they most likely follow a page.

        There are none while calls wait in the queue, so reading ahead delays no other call. There are none either while
        too many calls were of no use.
        """
        if self.queue.waiting or self._wasted_calls > MAX_WASTED_SHARE * self.queue.started:
            return []
        return known.following(token, count)

    def count_wasted(self, pages: int) -> None:
        """Count pages that were requested ahead and not used."""
        self._wasted_calls += pages

    def is_rate_limited(self) -> bool:
        """Return whether calls are scarce, because the operator set a quota or because AWS has throttled recently."""
        return self.queue.rate is not None

    async def _list(
        self, operation: Operation, token: str | None, size: int, filters: Parameters, requester: Requester
    ) -> Any:
        parameters = {**filters, "MaxResults": size}
        if token is not None:
            parameters["NextToken"] = token
        try:
            response = await self._transport.call(Call(operation, parameters, requester))
        except CursorExpired:
            if size == self.service.max_results:
                self._page_map.refuse(_list_id(operation, filters), token)
            if size > self._accepted_sizes.get(operation.name, 0):
                # The size may be the reason, since the previous page may have been smaller. If AWS rejects the same
                # call without a token, raise that error, because a client that starts again would always be rejected.
                await self._list(operation, None, size, filters, requester)
            raise
        if size == self.service.max_results:
            # Lookups and reading ahead request pages of this size, so the keys and tokens of others are of no use.
            self._page_map.learn(_list_id(operation, filters), token, response.result)
        self._accepted_sizes[operation.name] = max(size, self._accepted_sizes.get(operation.name, 0))
        return response.result

    async def _get(self, operation: Operation, parameters: Parameters, requester: Requester) -> Any:
        response = await self._transport.call(Call(operation, parameters, requester))
        return response.result


def _list_id(operation: Operation, filters: Parameters) -> object:
    """Return the identity of a list for the page map: its operation and filters.

    The service, region and account are the process's own.
    """
    return (operation.name, tuple(sorted(filters.items())))
