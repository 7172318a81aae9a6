"""What one request carries down the house: its caller, settings, loaders and the upstream, under one deadline."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from gateway.auth.caller import READ_PHONE_NUMBER_ORDERS, READ_PHONE_NUMBERS, Caller
from gateway.loaders.batch import GetAccess
from gateway.loaders.phone_number_orders import PhoneNumberOrders
from gateway.loaders.phone_numbers import PhoneNumbers
from gateway.paging.cursor_keys import MAX_LENGTH, CursorKeyRing, random_key
from gateway.settings import Settings
from gateway.telemetry.metrics import observe_connection_pages
from gateway.upstream.client import Upstream
from gateway.upstream.records import PhoneNumberOrderRecord
from gateway.upstream.requester import DEFAULT_DIRECTIVES, CacheDirectives, Requester

T = TypeVar("T")


class RequestContext:
    """One GraphQL request. Every upstream call that it makes spends from the same deadline.

    A loader is made when it is first asked for: most queries need one of them, and some none. There is no other way to
    records, so it is the loaders that need a scope.
    principal: Caller.id, to which what is given out to one caller alone can be bound.
    unanswered: what is under way for fields that an error has taken out of the answer.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        cursor_key_ring: CursorKeyRing,
        number_permission: GetAccess,
        order_permission: GetAccess,
        caller: Caller,
        requester: Requester,
    ) -> None:
        self.settings = settings
        self.upstream = upstream
        self.cursor_key_ring = cursor_key_ring
        self.principal = caller.id
        self.unanswered: Iterable[asyncio.Future[Any]] = ()
        self._caller = caller
        self._number_permission = number_permission
        self._order_permission = order_permission
        # Of each connection the list, and the upstream pages that it has fetched.
        self._walks: list[tuple[str, list[int]]] = []
        self._requester = requester

    @cached_property
    def phone_numbers(self) -> PhoneNumbers:
        """The request's phone numbers.

        Raises: Forbidden.
        """
        self._caller.require_scope(READ_PHONE_NUMBERS)
        return PhoneNumbers(self.upstream, self._number_permission, self.settings, self._requester)

    @cached_property
    def phone_number_orders(self) -> PhoneNumberOrders:
        """The request's orders; the phone numbers hear of each, where the caller may read them.

        Raises: Forbidden.
        """
        self._caller.require_scope(READ_PHONE_NUMBER_ORDERS)
        return PhoneNumberOrders(
            self.upstream,
            self._order_permission,
            self.settings,
            self._requester,
            on_order_seen=self.phone_numbers.ordered if READ_PHONE_NUMBERS in self._caller.scopes else _ignore,
        )

    def counting_pages(
        self, list_operation: str, fetch: Callable[[str | None, int], T]
    ) -> Callable[[str | None, int], T]:
        """A fetch of one connection's pages, which counts them for the metrics."""
        pages = [0]
        self._walks.append((list_operation, pages))

        def counted(token: str | None, size: int) -> T:
            pages[0] += 1
            return fetch(token, size)

        return counted

    def close(self) -> None:
        """The request is answered, or its caller has left: end its calls, and let go of its pages at once.

        A request's objects hold each other; without this its pages would stay until the garbage collector finds them.
        """
        for future in self.unanswered:
            # In the next tick: a coroutine that is cancelled before its first step would be warned of as forgotten.
            asyncio.get_running_loop().call_soon(future.cancel)
        for loader in ("phone_numbers", "phone_number_orders"):
            if loader in vars(self):
                getattr(self, loader).close()
        for list_operation, pages in self._walks:
            observe_connection_pages(list_operation, pages[0])


def _ignore(_orders: Iterable[PhoneNumberOrderRecord]) -> None:
    """Nobody needs to hear of them."""


def request_contexts(settings: Settings, upstream: Upstream) -> Callable[..., RequestContext]:
    """A maker of contexts, one for each request, of its caller.

    What outlives a request is made here, once.
    """
    number_permission, order_permission = GetAccess(), GetAccess()
    keys = [key.get_secret_value() for key in settings.cursor_keys or ()] or [random_key()]
    # A cursor has to fit into a body beside its document.
    cursor_key_ring = CursorKeyRing(keys, min(MAX_LENGTH, settings.max_body_bytes // 2))

    def new_context(
        caller: Caller,
        cache: CacheDirectives = DEFAULT_DIRECTIVES,
        trace_headers: Mapping[str, str] | None = None,
    ) -> RequestContext:
        deadline = asyncio.get_running_loop().time() + settings.request_timeout_seconds
        requester = Requester(deadline, cache, trace_headers or {})
        return RequestContext(
            settings, upstream, cursor_key_ring, number_permission, order_permission, caller, requester
        )

    return new_context
