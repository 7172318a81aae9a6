"""The two upstream lists as connections page through them, read through the request's data sources."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from gateway.context import RequestContext
from gateway.paging.pages import TokenList
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberRecord, e164_of

R = TypeVar("R")


def phone_number_list(context: RequestContext, filters: Mapping[str, str]) -> TokenList[PhoneNumberRecord]:
    """Return ListPhoneNumbers, with Status, ProductType, FilterName and FilterValue as AWS spells them."""
    fetch = partial(context.phone_numbers.page, filters=filters)
    return _token_list(context, "ListPhoneNumbers", filters, fetch, e164_of)


def phone_number_order_list(context: RequestContext) -> TokenList[PhoneNumberOrderRecord]:
    """Return ListPhoneNumberOrders. It takes no filter."""
    fetch = context.phone_number_orders.page
    return _token_list(context, "ListPhoneNumberOrders", {}, fetch, lambda order: order["PhoneNumberOrderId"] or "")


def _token_list(
    context: RequestContext,
    operation: str,
    filters: Mapping[str, str],
    fetch: Callable[[str | None, int], Awaitable[tuple[Sequence[R], str | None]]],
    key: Callable[[R], str],
) -> TokenList[R]:
    service = context.upstream.service
    token_list = TokenList(
        fetch=fetch,
        key=key,
        binding=context.cursor_key_ring.bind(
            api=service.name, operation=operation, filters=filters, principal=context.principal
        ),
        operation=operation,
        page_size=service.max_results,
    )
    context.lists.append(token_list)
    return token_list
