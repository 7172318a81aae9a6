"""The join from a number or an id to an order's record."""

from collections.abc import Callable, Iterable

from gateway.loaders.batch import GetAccess, RecordSource
from gateway.loaders.record_loader import RecordLoader
from gateway.settings import Settings
from gateway.upstream.client import Upstream
from gateway.upstream.records import PhoneNumberOrderPage, PhoneNumberOrderRecord
from gateway.upstream.requester import Requester


class PhoneNumberOrders(RecordLoader[PhoneNumberOrderRecord]):
    """Orders by PhoneNumberOrderId: ListPhoneNumberOrders, which takes no filter, and GetPhoneNumberOrder.

    on_order_seen: told of every order that the request comes by.
    """

    def __init__(
        self,
        upstream: Upstream,
        permission: GetAccess,
        settings: Settings,
        requester: Requester,
        *,
        on_order_seen: Callable[[Iterable[PhoneNumberOrderRecord]], None],
    ) -> None:
        async def list_page(token: str | None, size: int, _product_type: str | None) -> PhoneNumberOrderPage:
            return await self.page(token, size)

        async def get(order_id: str) -> PhoneNumberOrderRecord | None:
            order = await upstream.get_phone_number_order(order_id, requester=requester)
            if order is not None:
                on_order_seen([order])
            return order

        super().__init__(
            RecordSource(
                list_page=list_page,
                list_operation="ListPhoneNumberOrders",
                get=get,
                key=lambda order: order.get("PhoneNumberOrderId"),
                permission=permission,
                page_size=upstream.generation.max_results,
                max_pages=settings.max_upstream_pages,
                concurrency=settings.loader_concurrency,
            )
        )
        self._upstream = upstream
        self._requester = requester
        self._come_by = on_order_seen

    async def page(self, token: str | None, size: int) -> PhoneNumberOrderPage:
        """Upstream.list_phone_number_orders, whose records need no call of their own for the rest of the request."""
        page = await self._upstream.list_phone_number_orders(token, size, requester=self._requester)
        self._listed(page.records)
        self._come_by(page.records)
        return page
