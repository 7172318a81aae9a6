"""The join from an ordered number, an id or an association to the number's own record."""

from collections.abc import Iterable, Mapping
from functools import partial

from gateway.loaders.batch import GetAccess, RecordSource
from gateway.loaders.record_loader import RecordLoader
from gateway.settings import Settings
from gateway.upstream.client import Upstream
from gateway.upstream.records import (
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
    e164_of,
    ordered_numbers,
)
from gateway.upstream.requester import Requester


class PhoneNumbers(RecordLoader[PhoneNumberRecord]):
    """Numbers by E.164 number, with its `+`: ListPhoneNumbers and GetPhoneNumber."""

    def __init__(self, upstream: Upstream, permission: GetAccess, settings: Settings, requester: Requester) -> None:
        async def list_page(token: str | None, size: int, product_type: str | None) -> PhoneNumberPage:
            return await self.page(token, size, {"ProductType": product_type} if product_type else {})

        super().__init__(
            RecordSource(
                list_page=list_page,
                list_operation="ListPhoneNumbers",
                get=partial(upstream.get_phone_number, requester=requester),
                key=e164_of,
                permission=permission,
                page_size=upstream.generation.max_results,
                max_pages=settings.max_upstream_pages,
                concurrency=settings.loader_concurrency,
            )
        )
        self._upstream = upstream
        self._requester = requester
        self._orders: list[PhoneNumberOrderRecord] = []

    async def page(self, token: str | None, size: int, filters: Mapping[str, str]) -> PhoneNumberPage:
        """Upstream.list_phone_numbers, whose records need no call of their own for the rest of the request."""
        page = await self._upstream.list_phone_numbers(token, size, requester=self._requester, filters=filters)
        self._listed(page.records)
        return page

    def ordered(self, orders: Iterable[PhoneNumberOrderRecord]) -> None:
        """Orders that the same request has come by: their product type is most likely that of their numbers."""
        self._orders.extend(orders)

    def close(self) -> None:
        """RecordLoader.close; the orders go, too."""
        super().close()
        self._orders.clear()

    def _product_type_of(self, keys: list[str]) -> str | None:
        wanted = set(keys)
        product_types = {
            # The pages' sample writes "Voice Connector"; as a filter the value has no space.
            product_type.replace(" ", "") if isinstance(product_type := order.get("ProductType"), str) else None
            for order in self._orders
            if not wanted.isdisjoint(ordered_numbers(order))
        }
        agreed = product_types.pop() if len(product_types) == 1 else None
        return agreed if agreed in self._upstream.generation.product_types else None
