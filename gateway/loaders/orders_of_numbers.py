"""The order that each phone number came with.

The chime-sdk-voice API names it in the number's record. The chime API does not, so there the list of orders is read,
once for all numbers of the request.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.errors import PageLimitExceeded, UpstreamBadResponse
from gateway.listing.instants import read_instant
from gateway.loaders.data_source import LinkSource
from gateway.loaders.phone_number_orders import PhoneNumberOrders
from gateway.loaders.record_cache import Lookup
from gateway.paging.read_ahead import ReadAhead
from gateway.upstream.e164 import with_plus
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of

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
        self._reading: asyncio.Task[None] | None = None
        self._order_of = _OrderOfNumber()
        self._lookup: Lookup[PhoneNumberOrderRecord] = asyncio.get_running_loop().create_future()
        if are_named:
            self._lookup.set_result(self._order_of)

    def __repr__(self) -> str:
        return f"<OrdersOfNumbers: {len(self._order_of)} numbers in orders>"

    def close(self) -> None:
        """Stop reading, and release all orders."""
        if self._reading is not None:
            self._reading.cancel()
        self._order_of.clear()

    def lookups(self, keys: Sequence[PhoneNumberRecord]) -> list[tuple[Lookup[PhoneNumberOrderRecord], str]]:
        """Return for each number's record a lookup, and the key of the number's order in it."""
        order_ids = [record.get("OrderId") for record in keys]
        named = iter(self._orders.lookups([order_id for order_id in order_ids if order_id]))
        return [
            next(named) if order_id else (self._lookup_in_list(), e164_of(record))
            for record, order_id in zip(keys, order_ids, strict=True)
        ]

    def _lookup_in_list(self) -> Lookup[PhoneNumberOrderRecord]:
        """Return the lookup of all numbers whose record does not name an order. Start to read the list if needed."""
        if self._reading is None and not self._lookup.done():
            self._reading = asyncio.create_task(self._read())
        return self._lookup

    async def _read(self) -> None:
        """Read the list of orders, and resolve the lookup.

        Cost: One ListPhoneNumberOrders call for each 99 orders (chime) or 100, at most max_pages calls.
        """
        read_ahead = self._orders.read_ahead()
        try:
            await self._read_pages(read_ahead)
        except Exception as error:  # noqa: BLE001  # The waiting fields need the error, or they would wait for ever.
            self._order_of.outcome_of_others = error
        finally:
            read_ahead.close()
        self._lookup.set_result(self._order_of)

    async def _read_pages(self, read_ahead: ReadAhead[PhoneNumberOrderRecord]) -> None:
        token: str | None = None
        seen_tokens: set[str | None] = {None}
        for pages_left in range(self._max_pages, 0, -1):
            page = await read_ahead.page(token, [self._page_size] * pages_left)
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


class _OrderOfNumber(dict[str, PhoneNumberOrderRecord]):
    """The order of each number that is known to have one.

    Attributes:
        outcome_of_others: The error of the search for all others, or None if they have no order.
    """

    outcome_of_others: Exception | None = None

    def __missing__(self, _number: str) -> Exception | None:
        return self.outcome_of_others


def _rank(order: PhoneNumberOrderRecord, number: str) -> tuple[bool, datetime]:
    """Return the rank of an order among those that contain a number. The highest one is where the number came from."""
    is_acquired = any(
        ordered.get("Status") == "Acquired" and with_plus(ordered["E164PhoneNumber"] or "") == number
        for ordered in order.get("OrderedPhoneNumbers") or ()
    )
    return is_acquired, read_instant(order.get("CreatedTimestamp")) or _NO_TIME
