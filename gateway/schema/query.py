"""The root type's fields for clients: two lists, two single records, and Relay's `node` and `nodes`."""

from typing import Annotated, Any

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.errors import BadUserInput
from gateway.schema.connection import After, Before, First, Last, ListConnection
from gateway.schema.field_cost import CONNECTION, LOOKUP, list_of
from gateway.schema.filter_conditions import phone_number_list_filter, phone_number_order_list_filter
from gateway.schema.filters import PhoneNumberFilterArgument, PhoneNumberOrderFilterArgument
from gateway.schema.node import Node, error_as_value, load_node
from gateway.schema.phone_number import PhoneNumber, PhoneNumberConnection
from gateway.schema.phone_number_order import PhoneNumberOrder, PhoneNumberOrderConnection
from gateway.schema.resolvers import resolver_field
from gateway.schema.scalars import E164PhoneNumber
from gateway.schema.semantic_nullability import NULL_ONLY_IF_ERROR
from gateway.schema.sort import PhoneNumberOrderSortArgument, PhoneNumberSortArgument, sort_order_of
from gateway.schema.sources import phone_number_list, phone_number_order_list

GatewayInfo = Info[RequestContext, None]


def _phone_numbers(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
    filter: PhoneNumberFilterArgument = strawberry.UNSET,  # noqa: A002  # The argument's name in the schema.
    sort: PhoneNumberSortArgument = strawberry.UNSET,
) -> Any:
    """Return one page of the account's numbers, in AWS's own order, which AWS does not document, or in another one.

    Args:
        _root: The root value, which is None.
        info: The field's execution info.
        first: Number of rows from the start, 0 to max_page_size. Above 99 (chime) or 100, each further 99 or 100 cost
            one upstream call.
        after: A cursor from this list with this filter and sort. Unless the list is sorted, it expires with
            the NextToken inside it.
        last: Number of rows from the end, 0 to max_page_size.
        before: As `after`.
        filter: Which numbers to list.
        sort: The order of the numbers, or None for AWS's own order.

    Raises:
        BadCursor: If a cursor was not issued for this list, filter, sort and caller.
        PageOutOfRange: If a number of rows is out of range.
        BadUserInput: If the arguments contradict each other, or if the API lacks the filter.

    Cost: See gateway.paging.paginator. The first page is fetched when edges, nodes, pageInfo or totalCount is resolved.
    Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03, ListPhoneNumbers.
    """
    list_filter = phone_number_list_filter(filter, info.context.upstream.service)
    source = phone_number_list(info.context, list_filter, sort_order_of(sort))
    return ListConnection(info.context, source, first=first, after=after, last=last, before=before)


def _phone_number_orders(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
    filter: PhoneNumberOrderFilterArgument = strawberry.UNSET,  # noqa: A002  # The argument's name in the schema.
    sort: PhoneNumberOrderSortArgument = strawberry.UNSET,
) -> Any:
    """Return one page of the account's orders, in AWS's own order, which AWS does not document, or in another one.

    Arguments, errors and cost are those of `_phone_numbers`.

    Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03, ListPhoneNumberOrders.
    """
    source = phone_number_order_list(info.context, phone_number_order_list_filter(filter), sort_order_of(sort))
    return ListConnection(info.context, source, first=first, after=after, last=last, before=before)


def _phone_number(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    e164_phone_number: Annotated[E164PhoneNumber, strawberry.argument(description="The number in E.164 format.")],
) -> Any:
    """Return one number, or None if the inventory does not hold it.

    Cost: One upstream call, in one batch with the other lookups of the operation.
    Source: Both services, GetPhoneNumber.
    """
    return info.context.phone_numbers.load(e164_phone_number)


def _phone_number_order(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    phone_number_order_id: Annotated[strawberry.ID, strawberry.argument(description="AWS's id of the order.")],
) -> Any:
    """Return one order, or None if it does not exist.

    Cost: One upstream call, in one batch with the other lookups of the operation.
    Source: Both services, GetPhoneNumberOrder.
    """
    if not phone_number_order_id:
        raise BadUserInput("phoneNumberOrderId is empty. Send the order's id.")
    return info.context.phone_number_orders.load(phone_number_order_id)


def _node(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    id: Annotated[strawberry.ID, strawberry.argument(description="An `id` from this schema.")],  # noqa: A002  # The argument's name in the schema.
) -> Any:
    return load_node(info.context, id)


def _nodes(
    _root: strawberry.Parent[Any],
    info: GatewayInfo,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="Values of `id` from this schema.")],
) -> Any:
    return [error_as_value(load_node, info.context, node_id) for node_id in ids]


@strawberry.type
class Query:
    """The root type without Relay's fields."""

    phone_numbers: PhoneNumberConnection | None = resolver_field(
        _phone_numbers,
        description="The account's phone numbers, page by page, in AWS's own order unless `sort` is set. Null only if "
        "there is an error.",
        directives=[*CONNECTION, NULL_ONLY_IF_ERROR],
    )
    phone_number_orders: PhoneNumberOrderConnection | None = resolver_field(
        _phone_number_orders,
        description="The account's orders of phone numbers, page by page, in AWS's own order unless `sort` is set. "
        "Null only if there is an error.",
        directives=[*CONNECTION, NULL_ONLY_IF_ERROR],
    )
    phone_number: PhoneNumber | None = resolver_field(
        _phone_number,
        description="One phone number. Null if the inventory does not hold it. At most one upstream call.",
        directives=[LOOKUP],
    )
    phone_number_order: PhoneNumberOrder | None = resolver_field(
        _phone_number_order,
        description="One order. Null if it does not exist. At most one upstream call.",
        directives=[LOOKUP],
    )


@strawberry.type
class QueryWithNodes(Query):
    """The root type with Relay's `node` and `nodes`. Only one subgraph of a supergraph may have them."""

    node: Node | None = resolver_field(
        _node,
        description="An object by its id. Null if it no longer exists. At most one upstream call.",
        directives=[LOOKUP],
    )
    nodes: list[Node | None] = resolver_field(
        _nodes,
        description="Objects by their ids, in the same order, with null for each that no longer exists. k ids cost at "
        "most k + 2 upstream calls. They cost up to k / 10 calls more if list pages held ten of them each and hold "
        "none of them now.",
        # Clients that refetch a list send about ten ids. The gateway's own cost counts the ids.
        directives=[LOOKUP, list_of(10)],
    )
