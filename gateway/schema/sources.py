"""The two upstream lists as gateway.paging sees them, fetched through the request's loaders, which remember them."""

from collections.abc import Mapping
from functools import partial

from gateway.context import RequestContext
from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.pages import TokenList
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of


def phone_number_list(context: RequestContext, filters: Mapping[str, str]) -> TokenList[PhoneNumberRecord]:
    """ListPhoneNumbers with Status, ProductType, FilterName and FilterValue as AWS spells them."""

    operation = "ListPhoneNumbers"
    generation = context.upstream.generation
    return TokenList(
        fetch=context.counting_pages(operation, partial(context.phone_numbers.page, filters=filters)),
        key=e164_of,
        scope=_scope(context, operation, filters),
        operation=operation,
        page_size=generation.max_results,
    )


def phone_number_order_list(context: RequestContext) -> TokenList[PhoneNumberOrderRecord]:
    """ListPhoneNumberOrders; it takes no filter."""

    operation = "ListPhoneNumberOrders"
    generation = context.upstream.generation
    return TokenList(
        fetch=context.counting_pages(operation, context.phone_number_orders.page),
        key=lambda order: order["PhoneNumberOrderId"] or "",
        scope=_scope(context, operation, {}),
        operation=operation,
        page_size=generation.max_results,
    )


def _scope(context: RequestContext, operation: str, filters: Mapping[str, str]) -> CursorBinding:
    api = context.upstream.generation.api
    return context.cursor_key_ring.scope(api=api, operation=operation, filters=filters, principal=context.principal)
