"""The root: two lists, two single records, Relay's node and nodes, and the schema's own text for routers."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.errors import BadUserInput, CallerError
from gateway.schema.associations import PhoneNumberConnection
from gateway.schema.connection import After, Before, Connection, First, Last, ListConnection
from gateway.schema.field_cost import CONNECTION, LOOKUP, list_of
from gateway.schema.filters import PhoneNumberFilter, filter_parameters
from gateway.schema.node import Node, load_node
from gateway.schema.phone_number import PhoneNumber
from gateway.schema.phone_number_order import PhoneNumberOrder
from gateway.schema.scalars import E164PhoneNumber
from gateway.schema.sources import phone_number_list, phone_number_order_list

GatewayInfo = Info[RequestContext, None]


def _phone_numbers(
    info: GatewayInfo,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
    filter: Annotated[  # noqa: A002  # The argument's name in the schema.
        PhoneNumberFilter | None, strawberry.argument(description="Which numbers to list; all of them where not given.")
    ] = strawberry.UNSET,
) -> Any:
    """The account's numbers, in the upstream's own order (it documents none).

    first, last: 0 to max_page_size; past 99 (chime) or 100 each further page of as many is one call.
    after, before: an edge cursor given out for this filter; it lives as long as the upstream token within it.
    Cost: see paging.walk. Nothing is fetched before edges, nodes, pageInfo or totalCount is asked for.
    Raises: BadCursor, PageOutOfRange, BadUserInput. UpstreamError passes through untouched.
    Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03, ListPhoneNumbers.
    """
    source = phone_number_list(info.context, filter_parameters(filter, info.context.upstream.generation))
    return ListConnection(info.context, source, first=first, after=after, last=last, before=before)


def _phone_number_orders(
    info: GatewayInfo,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
) -> Any:
    """The account's orders, in the upstream's own order (it documents none).

    Arguments, cost and faults as for phone_numbers.
    Source: Amazon Chime API 2018-05-01 and Amazon Chime SDK Voice 2022-08-03, ListPhoneNumberOrders.
    """
    source = phone_number_order_list(info.context)
    return ListConnection(info.context, source, first=first, after=after, last=last, before=before)


def _phone_number(
    info: GatewayInfo,
    e164_phone_number: Annotated[E164PhoneNumber, strawberry.argument(description="The number, in E.164 form.")],
) -> Any:
    """One number, None where the inventory has none. Cost: one call, shared with all that the query loads.

    Source: both generations, GetPhoneNumber.
    """
    return info.context.phone_numbers.load(e164_phone_number)


def _phone_number_order(
    info: GatewayInfo,
    phone_number_order_id: Annotated[strawberry.ID, strawberry.argument(description="The upstream's id of the order.")],
) -> Any:
    """One order, None where there is none. Cost: one call, shared with all that the query loads.

    Source: both generations, GetPhoneNumberOrder.
    """
    if not phone_number_order_id:
        raise BadUserInput("An order's id cannot be empty.")
    return info.context.phone_number_orders.load(phone_number_order_id)


def _node(
    info: GatewayInfo,
    id: Annotated[strawberry.ID, strawberry.argument(description="An id given out by this schema.")],  # noqa: A002  # The argument's name in the schema.
) -> Any:
    return load_node(info.context, id)


def _nodes(
    info: GatewayInfo,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="Ids given out by this schema.")],
) -> Any:
    return [error_as_value(load_node, info.context, node_id) for node_id in ids]


def error_as_value(load: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `load` gives, or the fault it raises as a value: in a list, a fault then nulls its own place alone."""
    try:
        return load(*args, **kwargs)
    except CallerError as fault:
        return fault


@strawberry.type(name="_Service")
class SubgraphService:
    """What routers and composers ask a subgraph for. Source: Apollo Federation subgraph specification."""

    sdl: str


def _service(info: GatewayInfo) -> SubgraphService:
    # Strawberry's own lacks the last newline, and would differ from schema.graphql.
    return SubgraphService(sdl=info.schema.as_str())


_WHAT_CAN_BE_ASKED: Final = "What can be asked: the account's phone numbers and its orders of phone numbers."


@strawberry.type(description=_WHAT_CAN_BE_ASKED)
class Query:
    """The root type."""

    service: SubgraphService = strawberry.field(name="_service", resolver=_service)
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers,
        description="The account's phone numbers, page by page, in the upstream's own order; null only with an error.",
        directives=CONNECTION,
    )
    phone_number_orders: Connection[PhoneNumberOrder] | None = strawberry.field(
        resolver=_phone_number_orders,
        description="The account's orders of phone numbers, page by page, in the upstream's own order; null only with "
        "an error.",
        directives=CONNECTION,
    )
    phone_number: PhoneNumber | None = strawberry.field(
        resolver=_phone_number,
        description="One phone number; null when the inventory has none.",
        directives=[LOOKUP],
    )
    phone_number_order: PhoneNumberOrder | None = strawberry.field(
        resolver=_phone_number_order, description="One order; null when there is none.", directives=[LOOKUP]
    )


@strawberry.type(name="Query", description=_WHAT_CAN_BE_ASKED)
class QueryWithNodes(Query):
    """The root type with Relay's node and nodes, which one subgraph alone of a supergraph may have."""

    node: Node | None = strawberry.field(
        resolver=_node, description="An object by its id; null when it is gone.", directives=[LOOKUP]
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        description="Objects by their ids, in the order of the ids; null for each that is gone.",
        # Clients that refetch a list ask for some ten. The gateway's own cost counts the ids.
        directives=[LOOKUP, list_of(10)],
    )
