"""The two upstream lists as gateway.paging sees them; what they give is known to the request's loaders at once."""

from collections.abc import Mapping

from gateway.context import RequestContext
from gateway.paging.cursor import scope_of
from gateway.paging.page import TokenList
from gateway.upstream.records import (
    PhoneNumberOrderPage,
    PhoneNumberOrderRecord,
    PhoneNumberPage,
    PhoneNumberRecord,
    e164_of,
)


def phone_number_list(context: RequestContext, filters: Mapping[str, str]) -> TokenList[PhoneNumberRecord]:
    """ListPhoneNumbers with Status, ProductType, FilterName and FilterValue as AWS spells them."""

    async def fetch(token: str | None, size: int) -> PhoneNumberPage:
        page = await context.upstream.list_phone_numbers(token, size, deadline=context.deadline, filters=filters)
        context.phone_numbers.listed(page.records)
        return page

    operation = "ListPhoneNumbers"
    generation = context.upstream.generation
    return TokenList(
        fetch=fetch,
        key=e164_of,
        scope=scope_of(api=generation.api, operation=operation, filters=filters),
        operation=operation,
        page_size=generation.max_results,
    )


def phone_number_order_list(context: RequestContext) -> TokenList[PhoneNumberOrderRecord]:
    """ListPhoneNumberOrders; it takes no filter."""

    async def fetch(token: str | None, size: int) -> PhoneNumberOrderPage:
        page = await context.upstream.list_phone_number_orders(token, size, deadline=context.deadline)
        context.phone_number_orders.listed(page.records)
        context.phone_numbers.ordered(page.records)
        return page

    operation = "ListPhoneNumberOrders"
    generation = context.upstream.generation
    return TokenList(
        fetch=fetch,
        key=lambda order: order["PhoneNumberOrderId"] or "",
        scope=scope_of(api=generation.api, operation=operation, filters={}),
        operation=operation,
        page_size=generation.max_results,
    )
