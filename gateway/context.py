"""The context of one GraphQL request: its caller, its settings and its data sources."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from gateway.auth.caller import READ_PHONE_NUMBER_ORDERS, READ_PHONE_NUMBERS, Caller
from gateway.loaders.batch import GetAccess
from gateway.loaders.orders_of_numbers import OrdersOfNumbers
from gateway.loaders.phone_number_orders import PhoneNumberOrders
from gateway.loaders.phone_numbers import PhoneNumbers
from gateway.paging.cursor_keys import MAX_LENGTH, CursorKeyRing, random_key
from gateway.paging.token_list import TokenList
from gateway.settings import Settings
from gateway.telemetry.metrics import observe_connection_pages
from gateway.upstream.client import Upstream
from gateway.upstream.records import PhoneNumberOrderRecord
from gateway.upstream.requester import DEFAULT_DIRECTIVES, CacheDirectives, Requester
from gateway.upstream.used_responses import UsedResponses


class RequestContext:
    """One GraphQL request. All of its upstream calls share one deadline.

    A data source is created when it is first read. Most queries need one of them, and some need none. Records can only
    be read through a data source, so the data sources check the caller's scopes.

    Attributes:
        principal: Caller.id, to which cursors are bound.
        lists: The lists that the request's connections page through.
        cancelled_work: Pending work for fields that an error nulled. It is cancelled when the request ends.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        cursor_key_ring: CursorKeyRing,
        number_access: GetAccess,
        order_access: GetAccess,
        caller: Caller,
        requester: Requester,
    ) -> None:
        self.settings = settings
        self.upstream = upstream
        self.cursor_key_ring = cursor_key_ring
        self.principal = caller.id
        self.lists: list[TokenList[Any]] = []
        self.cancelled_work: Iterable[asyncio.Future[Any]] = ()
        self._caller = caller
        self._number_access = number_access
        self._order_access = order_access
        self._requester = requester

    @property
    def used(self) -> UsedResponses:
        """Return the upstream responses that the request used so far."""
        return self._requester.used

    @cached_property
    def phone_numbers(self) -> PhoneNumbers:
        """Return the data source of phone numbers.

        Raises:
            Forbidden: If the caller lacks the scope.
        """
        self._caller.require_scope(READ_PHONE_NUMBERS)
        return PhoneNumbers(self.upstream, self._number_access, self.settings, self._requester)

    @cached_property
    def phone_number_orders(self) -> PhoneNumberOrders:
        """Return the data source of orders. It notes each order at `phone_numbers`, if the caller may read those.

        Raises:
            Forbidden: If the caller lacks the scope.
        """
        self._caller.require_scope(READ_PHONE_NUMBER_ORDERS)
        return PhoneNumberOrders(
            self.upstream,
            self._order_access,
            self.settings,
            self._requester,
            on_order_seen=self.phone_numbers.note_orders if READ_PHONE_NUMBERS in self._caller.scopes else _ignore,
        )

    @cached_property
    def orders_of_numbers(self) -> OrdersOfNumbers:
        """Return the data source of the orders that phone numbers came with.

        Raises:
            Forbidden: If the caller lacks the scope for orders.
        """
        service = self.upstream.service
        return OrdersOfNumbers(
            self.phone_number_orders,
            are_named=service.names_orders,
            page_size=service.max_results,
            max_pages=self.settings.max_upstream_pages,
        )

    def close(self) -> None:
        """End the request's calls and release its pages, when the response is sent or the client has disconnected.

        The request's objects refer to each other. Without this its pages stay until the garbage collector finds them.
        """
        for future in self.cancelled_work:
            # In the next tick, because Python warns of a coroutine that is cancelled before its first step.
            asyncio.get_running_loop().call_soon(future.cancel)
        created = vars(self)
        for data_source in ("phone_numbers", "phone_number_orders", "orders_of_numbers"):
            if data_source in created:
                created[data_source].close()
        for token_list in self.lists:
            token_list.close()
            observe_connection_pages(token_list.operation, token_list.pages_fetched)


def _ignore(_orders: Iterable[PhoneNumberOrderRecord]) -> None:
    """Ignore orders, because the caller may not read the phone numbers in them."""


def request_contexts(settings: Settings, upstream: Upstream) -> Callable[..., RequestContext]:
    """Return a function that creates the context of one request.

    The objects that outlive a request are created here, once.
    """
    number_access, order_access = GetAccess(), GetAccess()
    keys = [key.get_secret_value() for key in settings.cursor_keys or ()] or [random_key()]
    # A cursor has to fit into a request body beside its document.
    cursor_key_ring = CursorKeyRing(keys, min(MAX_LENGTH, settings.max_body_bytes // 2))

    def new_context(
        caller: Caller,
        cache: CacheDirectives = DEFAULT_DIRECTIVES,
        trace_headers: Mapping[str, str] | None = None,
    ) -> RequestContext:
        deadline = asyncio.get_running_loop().time() + settings.request_timeout_seconds
        requester = Requester(deadline, cache, trace_headers or {})
        return RequestContext(settings, upstream, cursor_key_ring, number_access, order_access, caller, requester)

    return new_context
