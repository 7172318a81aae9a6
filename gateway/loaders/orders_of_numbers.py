"""The order that each phone number came with.

The chime-sdk-voice API names it in the number's record. The chime API does not, so there the list of orders is read,
once for all numbers of the request.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from gateway.errors import PageLimitExceeded, UpstreamBadResponse
from gateway.listing.instants import read_instant
from gateway.loaders.data_source import LinkSource
from gateway.loaders.phone_number_orders import PhoneNumberOrders
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of, with_plus

_OrderFuture = asyncio.Future[PhoneNumberOrderRecord | None]

_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


class OrdersOfNumbers(LinkSource[PhoneNumberRecord, PhoneNumberOrderRecord]):
    """The orders of phone numbers, for one request.

    If several orders contain a number, it came with the one that acquired it, and with the newest one of those.

    Args:
        orders: The data source of orders.
        are_named: Whether the API names the order in a number's record. If it does, a number without one has none.
        page_size: The most orders of one list page.
        max_pages: The most list pages that are read.
    """

    def __init__(self, orders: PhoneNumberOrders, *, are_named: bool, page_size: int, max_pages: int) -> None:
        self._orders = orders
        self._page_size = page_size
        self._max_pages = max_pages
        self._are_named = are_named
        self.future = self._future
        self._futures: dict[str, _OrderFuture] = {}
        self._reading: asyncio.Task[None] | None = None
        self._order_of: dict[str, PhoneNumberOrderRecord] = {}
        # The outcome for numbers that no order contains, once the list was read.
        self._outcome_of_others: Exception | None = None

    def __repr__(self) -> str:
        return f"<OrdersOfNumbers: {len(self._futures)} numbers, {len(self._order_of)} numbers in orders>"

    def close(self) -> None:
        """Stop reading, and release all orders."""
        if self._reading is not None:
            self._reading.cancel()
        for future in self._futures.values():
            # asyncio logs exceptions that are never retrieved. A field that is nulled meanwhile retrieves none.
            if future.done() and not future.cancelled():
                future.exception()
        self._futures.clear()
        self._order_of.clear()

    def _future(self, record: PhoneNumberRecord) -> _OrderFuture:
        if order_id := record.get("OrderId"):
            return self._orders.future(order_id)
        number = e164_of(record)
        future = self._futures.get(number)
        if future is None:
            future = self._futures[number] = asyncio.get_running_loop().create_future()
            if self._are_named:
                future.set_result(None)
            elif self._reading is None:
                self._reading = asyncio.create_task(self._read())
            elif self._reading.done():
                self._resolve(number, future)
        return future

    async def _read(self) -> None:
        """Read the list of orders, and resolve the numbers that were loaded meanwhile.

        Cost: One ListPhoneNumberOrders call for each 99 orders (chime) or 100, at most max_pages calls.
        """
        try:
            await self._read_pages()
        except Exception as error:  # noqa: BLE001  # The waiting fields need the error, or they would wait for ever.
            self._outcome_of_others = error
        for number, future in self._futures.items():
            self._resolve(number, future)

    async def _read_pages(self) -> None:
        token: str | None = None
        seen_tokens: set[str | None] = {None}
        for _ in range(self._max_pages):
            page = await self._orders.page(token, self._page_size)
            self._add(page.records)
            token = page.next_token
            if token is None:
                return
            if token in seen_tokens:
                raise UpstreamBadResponse("ListPhoneNumberOrders", detail="a page token repeats")
            seen_tokens.add(token)
        raise PageLimitExceeded(
            f"The gateway read {self._max_pages} upstream pages of orders, and the order of this number is not among "
            "them. Page through phoneNumberOrders with first and after, and with e164PhoneNumber in the filter "
            "(GATEWAY_MAX_UPSTREAM_PAGES)."
        )

    def _add(self, orders: Iterable[PhoneNumberOrderRecord]) -> None:
        for order in orders:
            for ordered in order.get("OrderedPhoneNumbers") or ():
                number = with_plus(ordered["E164PhoneNumber"] or "")
                known = self._order_of.get(number)
                if known is None or _rank(order, number) > _rank(known, number):
                    self._order_of[number] = order

    def _resolve(self, number: str, future: _OrderFuture) -> None:
        order = self._order_of.get(number)
        if order is None and self._outcome_of_others is not None:
            future.set_exception(self._outcome_of_others)
        else:
            future.set_result(order)


def _rank(order: PhoneNumberOrderRecord, number: str) -> tuple[bool, datetime]:
    """Return the rank of an order among those that contain a number. The highest one is where the number came from."""
    is_acquired = any(
        ordered.get("Status") == "Acquired" and with_plus(ordered["E164PhoneNumber"] or "") == number
        for ordered in order.get("OrderedPhoneNumbers") or ()
    )
    return is_acquired, read_instant(order.get("CreatedTimestamp")) or _NO_TIME
