"""The two upstream lists as sources of pages for gateway.paging. The request's loaders fetch and remember them."""

from collections.abc import Mapping
from functools import partial

from gateway.context import RequestContext
from gateway.paging.cursor_keys import CursorBinding
from gateway.paging.pages import TokenList
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of


def phone_number_list(context: RequestContext, filters: Mapping[str, str]) -> TokenList[PhoneNumberRecord]:
    """Return the list of numbers. The filters are Status, ProductType, FilterName and FilterValue in AWS's words."""
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
    """Return the list of orders. AWS has no filter for it."""
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
