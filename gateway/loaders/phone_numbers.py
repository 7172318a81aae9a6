"""The data source of phone numbers: their lists, and single numbers by ordered number, id or association."""

from collections.abc import Iterable, Mapping
from functools import partial

from gateway.loaders.batch import GetAccess, RecordSource
from gateway.loaders.data_source import DataSource
from gateway.settings import Settings
from gateway.upstream.client import Upstream
from gateway.upstream.page_map import KnownList
from gateway.upstream.records import (
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
    e164_of,
    ordered_numbers,
)
from gateway.upstream.requester import Requester


class PhoneNumbers(DataSource[PhoneNumberRecord]):
    """Phone numbers by E.164 number with its `+`, from ListPhoneNumbers and GetPhoneNumber.

    Args:
        upstream: The client of the upstream API.
        get_access: Whether AWS allows GetPhoneNumber.
        settings: Limits of a batch.
        requester: The request, for its calls.
    """

    def __init__(self, upstream: Upstream, get_access: GetAccess, settings: Settings, requester: Requester) -> None:
        super().__init__(e164_of)
        self._upstream = upstream
        self._get_access = get_access
        self._settings = settings
        self._requester = requester
        self._orders: list[PhoneNumberOrderRecord] = []

    async def page(self, token: str | None, size: int, filters: Mapping[str, str]) -> PhoneNumberPage:
        """Return one page of a list. Its numbers need no call of their own for the rest of the request."""
        page = await self._upstream.list_phone_numbers(token, size, requester=self._requester, filters=filters)
        self.cache.prime(page.records)
        return page

    def note_orders(self, orders: Iterable[PhoneNumberOrderRecord]) -> None:
        """Note orders that the request has read. Their numbers most likely have the same product type."""
        self._orders.extend(orders)

    def close(self) -> None:
        """Cancel batches that no field waits for, and release all records and orders."""
        super().close()
        self._orders.clear()

    def _record_source(self) -> RecordSource[PhoneNumberRecord]:
        upstream = self._upstream

        async def list_page(token: str | None, size: int, product_type: str | None) -> PhoneNumberPage:
            return await self.page(token, size, {"ProductType": product_type} if product_type else {})

        def known(product_type: str | None) -> KnownList:
            filters = {"ProductType": product_type} if product_type else {}
            return upstream.known_phone_numbers(filters)

        return RecordSource(
            list_page=list_page,
            list_operation="ListPhoneNumbers",
            get=partial(upstream.get_phone_number, requester=self._requester),
            get_access=self._get_access,
            page_size=upstream.service.max_results,
            max_pages=self._settings.max_upstream_pages,
            concurrency=self._settings.loader_concurrency,
            known=known,
            is_rate_limited=upstream.is_rate_limited,
            following=lambda token, count: upstream.tokens_after(known(None), token, count),
            on_wasted=upstream.count_wasted,
        )

    def _product_type_of(self, keys: list[str]) -> str | None:
        wanted = set(keys)
        orders: dict[str | None, list[PhoneNumberOrderRecord]] = {}
        for order in self._orders:
            product_type = order.get("ProductType")
            # The API reference's sample writes "Voice Connector". As a filter the value has no space.
            known = product_type.replace(" ", "") if isinstance(product_type, str) else None
            orders.setdefault(known, []).append(order)
        # One order of a type that has a wanted number is enough, and most often it is the first one.
        product_types = [
            product_type
            for product_type, of_type in orders.items()
            if any(not wanted.isdisjoint(ordered_numbers(order)) for order in of_type)
        ]
        agreed = product_types[0] if len(product_types) == 1 else None
        return agreed if agreed in self._upstream.service.product_types else None
