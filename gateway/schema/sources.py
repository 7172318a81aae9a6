"""The two upstream lists as connections page through them, read through the request's data sources."""

from collections.abc import Awaitable, Callable, Set
from functools import cache, partial
from typing import Any, Final, TypeVar

from gateway.context import RequestContext
from gateway.listing.list_filter import ListFilter
from gateway.paging.read_ahead import ListPage
from gateway.paging.sort_order import SortOrder
from gateway.paging.token_list import TokenList
from gateway.telemetry.metrics import count_reused_response
from gateway.upstream.page_map import KnownList
from gateway.upstream.records import PhoneNumberOrderRecord, PhoneNumberPage, PhoneNumberRecord

R = TypeVar("R")

# The fields of a filter that AWS applies, by the parameters of ListPhoneNumbers.
_APPLIED_BY_AWS: Final = {"Status": "status", "ProductType": "productType", "FilterName": "association"}


def phone_number_list(
    context: RequestContext, list_filter: ListFilter, order: SortOrder[Any] | None
) -> TokenList[PhoneNumberRecord]:
    """Return ListPhoneNumbers with a filter and an order."""
    parameters = list_filter.parameters
    fetch = partial(context.phone_numbers.page, filters=parameters)
    known = partial(context.upstream.known_phone_numbers, parameters)
    token_list = _token_list(context, "ListPhoneNumbers", list_filter, fetch, order, known)
    token_list.narrowed_by = _unused_filters(frozenset(parameters))
    return token_list


@cache
def _unused_filters(parameters: Set[str]) -> str:
    """Return the filters that AWS could apply beside those of these parameters, as a phrase."""
    unused = [name for parameter, name in _APPLIED_BY_AWS.items() if parameter not in parameters]
    return " or ".join(filter(None, [", ".join(unused[:-1]), *unused[-1:]]))


def phone_number_order_list(
    context: RequestContext, list_filter: ListFilter, order: SortOrder[Any] | None
) -> TokenList[PhoneNumberOrderRecord]:
    """Return ListPhoneNumberOrders with a filter and an order. The gateway applies both."""
    fetch = context.phone_number_orders.page
    known = context.upstream.known_phone_number_orders
    return _token_list(context, "ListPhoneNumberOrders", list_filter, fetch, order, known)


def _token_list(
    context: RequestContext,
    operation: str,
    list_filter: ListFilter,
    fetch: Callable[[str | None, int], Awaitable[ListPage[R]]],
    order: SortOrder[Any] | None,
    known: Callable[[], KnownList],
) -> TokenList[R]:
    upstream = context.upstream
    service = upstream.service
    token_list = TokenList(
        fetch=_fetch_nothing if list_filter.matches_nothing else fetch,
        binding=context.cursor_key_ring.bind(
            api=service.name,
            operation=operation,
            filters=list_filter.description(),
            principal=context.principal,
            sort=order.name if order else "",
        ),
        operation=operation,
        page_size=service.max_results,
        order=order,
        matches=list_filter.predicate(),
        # The context refers to this list, so the list does not refer to the context.
        following=lambda token, count: upstream.tokens_after(known(), token, count),
        on_wasted=upstream.count_wasted,
        on_projection_reused=partial(count_reused_response, "page"),
    )
    if not list_filter.matches_nothing:
        context.lists.append(token_list)
    return token_list


async def _fetch_nothing(_token: str | None, _size: int) -> ListPage[Any]:
    """Return the only page of a list that has no rows, without a call."""
    return PhoneNumberPage([], (), None)
