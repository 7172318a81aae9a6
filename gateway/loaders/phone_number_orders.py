"""The data source of orders: their list, and single orders by number or id."""

from collections.abc import Callable, Iterable

from gateway.loaders.batch import GetAccess, RecordSource
from gateway.loaders.data_source import DataSource
from gateway.paging.read_ahead import ReadAhead
from gateway.settings import Settings
from gateway.upstream.client import Upstream
from gateway.upstream.page_map import KnownList
from gateway.upstream.records import PhoneNumberOrderPage, PhoneNumberOrderRecord
from gateway.upstream.requester import Requester


class PhoneNumberOrders(DataSource[PhoneNumberOrderRecord]):
    """Orders by PhoneNumberOrderId, from ListPhoneNumberOrders, which takes no filter, and GetPhoneNumberOrder.

    Args:
        upstream: The client of the upstream API.
        get_access: Whether AWS allows GetPhoneNumberOrder.
        settings: Limits of a batch.
        requester: The request, for its calls.
        on_order_seen: Called with every order that the request reads.
    """

    def __init__(
        self,
        upstream: Upstream,
        get_access: GetAccess,
        settings: Settings,
        requester: Requester,
        *,
        on_order_seen: Callable[[Iterable[PhoneNumberOrderRecord]], None],
    ) -> None:
        super().__init__(_order_id)
        self._upstream = upstream
        self._get_access = get_access
        self._settings = settings
        self._requester = requester
        self._on_order_seen = on_order_seen

    def read_ahead(self) -> ReadAhead[PhoneNumberOrderRecord]:
        """Return a reader of the whole list."""
        return ReadAhead(self.page, self._following, self._upstream.count_wasted)

    async def page(self, token: str | None, size: int) -> PhoneNumberOrderPage:
        """Return one page of the list. Its orders need no call of their own for the rest of the request."""
        page = await self._upstream.list_phone_number_orders(token, size, requester=self._requester)
        self.cache.prime(page.records)
        self._on_order_seen(page.records)
        return page

    def _known(self) -> KnownList:
        return self._upstream.known_phone_number_orders()

    def _following(self, token: str | None, count: int) -> list[str]:
        return self._upstream.tokens_after(self._known(), token, count)

    async def _get(self, order_id: str) -> PhoneNumberOrderRecord | None:
        order = await self._upstream.get_phone_number_order(order_id, requester=self._requester)
        if order is not None:
            self._on_order_seen([order])
        return order

    def _record_source(self) -> RecordSource[PhoneNumberOrderRecord]:
        upstream = self._upstream

        async def list_page(token: str | None, size: int, _product_type: str | None) -> PhoneNumberOrderPage:
            return await self.page(token, size)

        return RecordSource(
            list_page=list_page,
            list_operation="ListPhoneNumberOrders",
            get=self._get,
            get_access=self._get_access,
            page_size=upstream.service.max_results,
            max_pages=self._settings.max_upstream_pages,
            concurrency=self._settings.loader_concurrency,
            known=lambda _product_type: self._known(),
            is_rate_limited=upstream.is_rate_limited,
            following=self._following,
            on_wasted=upstream.count_wasted,
        )


def _order_id(order: PhoneNumberOrderRecord) -> str | None:
    return order.get("PhoneNumberOrderId")
