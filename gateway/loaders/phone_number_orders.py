"""The join from a number or an id to an order's record."""

from functools import partial

from gateway.loaders.batch import GetPermission, RecordSource
from gateway.loaders.record_loader import RecordLoader
from gateway.settings import Settings
from gateway.upstream.client import Upstream
from gateway.upstream.records import PhoneNumberOrderPage, PhoneNumberOrderRecord


class PhoneNumberOrderLoader(RecordLoader[PhoneNumberOrderRecord]):
    """Orders by PhoneNumberOrderId: ListPhoneNumberOrders, which takes no filter, and GetPhoneNumberOrder."""

    def __init__(self, upstream: Upstream, permission: GetPermission, settings: Settings, *, deadline: float) -> None:
        async def list_page(token: str | None, size: int, _product_type: str | None) -> PhoneNumberOrderPage:
            return await upstream.list_phone_number_orders(token, size, deadline=deadline)

        super().__init__(
            RecordSource(
                list_page=list_page,
                list_operation="ListPhoneNumberOrders",
                get=partial(upstream.get_phone_number_order, deadline=deadline),
                key=lambda order: order.get("PhoneNumberOrderId"),
                permission=permission,
                page_size=upstream.generation.max_results,
                max_pages=settings.max_walk_pages,
                concurrency=settings.lookup_concurrency,
            )
        )
