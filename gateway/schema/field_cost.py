"""The cost of each field in points, declared by the directives that routers read as well.

A point stands for one record in the response or for one upstream call. `@cost(weight:)` gives the points of each object
that a field returns, its subselections not included. `@listSize` says how many objects that is. `schema.graphql` shows
both. The query cost (gateway.execution.query_cost) multiplies the same values down an operation.

Source: IBM, GraphQL Cost Directives; Apollo Federation 2.9, `@cost` and `@listSize`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from typing import Any, Final, TypeVar

import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    is_required_argument,
)
from strawberry.federation.schema_directives import Cost, ListSize

from gateway.paging.arguments import DEFAULT_SIZE

T = TypeVar("T")

# An object inside its parent's record. AWS sent it with the parent.
PART_OF_RECORD: Final = Cost(weight=0)
# A record found by its key: the record, and one call. k of them take at most k + 2 calls (gateway.loaders.batch_plan).
LOOKUP: Final = Cost(weight=2)
# A record found by its key. If the API has no key, all fields of the operation share one walk of the record's list.
LOOKUP_OR_SHARED_WALK: Final = Cost(weight=2)
# All upstream pages of a list, at the default of GATEWAY_MAX_UPSTREAM_PAGES. The gateway's own cost uses the setting.
WHOLE_LIST: Final = Cost(weight=20)
# The same, for a condition that is a list of values. AWS applies one value. The gateway reads the list for several.
WHOLE_LIST_FOR_SEVERAL: Final = Cost(weight=20)
# A row of a connection. `edges` and `nodes` hold the same rows, so the gateway counts each row once.
ROW: Final = Cost(weight=1)
# A connection: one call for each upstream page, and its rows.
CONNECTION: Final = (
    Cost(weight=1),
    ListSize(
        assumed_size=DEFAULT_SIZE,
        slicing_arguments=["first", "last"],
        sized_fields=["edges", "nodes"],
        require_one_slicing_argument=False,
    ),
)
# The root type's fields from the federation specification. Routers know them, so their directives are not printed.
_FEDERATION: Final = {"_service": PART_OF_RECORD, "_entities": LOOKUP}
# The root type's fields from the GraphQL specification. They make no upstream call, but the response to the usual
# introspection document is as long as 2,000 records.
_INTROSPECTION: Final = {"__schema": 1000, "__type": 100}


def list_of(usual_size: int) -> ListSize:
    """Declare a list without paging arguments by its usual number of objects."""
    return ListSize(
        assumed_size=usual_size,
        slicing_arguments=strawberry.UNSET,
        sized_fields=strawberry.UNSET,
        require_one_slicing_argument=strawberry.UNSET,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCost:
    """The declared cost of one field.

    Attributes:
        weight: Points of each object, or of each upstream page if the field is a connection.
        size: Number of objects if no argument gives it.
        slicing_arguments: Arguments that give the number of rows, the first one given first. Empty unless the field is
            a connection.
        key_argument: The list argument that holds one key for each object.
        row_weight: Points of each row of a connection.
        is_row_list: Whether a connection's `@listSize` gives the number of objects in this field.
        reads_whole_list: Whether the field reads the whole list.
        may_share_walk: Whether all such fields of an operation may share one walk of a list.
        whole_list_arguments: Arguments with which the field reads the whole list.
        whole_list_conditions: The conditions with which the field may read the whole list, by the argument that holds
            them. Each has the number of values from which on the field does so.
    """

    weight: int = 0
    size: int = 1
    slicing_arguments: tuple[str, ...] = ()
    key_argument: str | None = None
    row_weight: int = 0
    is_row_list: bool = False
    reads_whole_list: bool = False
    may_share_walk: bool = False
    whole_list_arguments: frozenset[str] = frozenset()
    whole_list_conditions: Mapping[str, Mapping[str, int]] = attribute(default_factory=dict)


FieldCosts = Mapping[tuple[str, str], FieldCost]


class UndeclaredCostError(TypeError):
    """A field returns objects, but its directives do not say what they cost."""


def read_field_costs(schema: GraphQLSchema) -> FieldCosts:
    """Return the declared costs of a schema's fields by type name and field name.

    Raises:
        UndeclaredCostError: If a field returns objects without `@cost`, or a list of unknown size. Also if
            a `@listSize` names a field or argument that does not exist, so that a renamed field is never free.
    """
    costs = {(kind.name, name): _read_field(kind.name, name, field) for kind, name, field in _fields(schema)}
    for kind, name, field in _fields(schema):
        target = get_named_type(field.type)
        for sized in _sized_fields(field):
            if (target.name, sized) not in costs:
                raise UndeclaredCostError(
                    f"@listSize of {kind.name}.{name} names {target.name}.{sized}, which is no field."
                )
            row = costs[target.name, sized] = replace(costs[target.name, sized], is_row_list=True)
            connection = costs[kind.name, name]
            costs[kind.name, name] = replace(connection, row_weight=max(row.weight, connection.row_weight))
    for kind, name, field in _fields(schema):
        _require_size(costs, kind.name, name, field)
    for name, weight in _INTROSPECTION.items():
        costs["Query", name] = FieldCost(weight=weight)
    return costs


def _fields(schema: GraphQLSchema) -> Iterator[tuple[GraphQLObjectType | GraphQLInterfaceType, str, GraphQLField]]:
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                yield kind, name, field


def _read_field(type_name: str, name: str, field: GraphQLField) -> FieldCost:
    cost = _FEDERATION.get(name) or _directive(field, Cost)
    size = _directive(field, ListSize)
    returns_objects = is_composite_type(get_named_type(field.type))
    if cost is None and returns_objects:
        raise UndeclaredCostError(
            f"{type_name}.{name} returns objects. Declare their cost (gateway.schema.field_cost)."
        )
    slicing_arguments = tuple((size and size.slicing_arguments) or ())
    for argument in slicing_arguments:
        if argument not in field.args:
            raise UndeclaredCostError(f"@listSize of {type_name}.{name} names {argument}, which is no argument.")
    return FieldCost(
        weight=cost.weight if cost else 0,
        size=size.assumed_size if size and size.assumed_size else 1,
        slicing_arguments=slicing_arguments,
        key_argument=_key_argument(field) if returns_objects else None,
        reads_whole_list=cost is WHOLE_LIST,
        may_share_walk=cost is LOOKUP_OR_SHARED_WALK,
        whole_list_arguments=frozenset(
            argument for argument, definition in field.args.items() if _directive(definition, Cost) is WHOLE_LIST
        ),
        whole_list_conditions={
            argument: conditions
            for argument, definition in field.args.items()
            if (conditions := _whole_list_conditions(get_named_type(definition.type)))
        },
    )


def _whole_list_conditions(kind: GraphQLNamedType) -> dict[str, int]:
    """Return the fields of an input object with which a list is read as a whole, and the fewest values of each."""
    if not isinstance(kind, GraphQLInputObjectType):
        return {}
    costs = {name: _directive(each, Cost) for name, each in kind.fields.items()}
    return {name: 2 if cost is WHOLE_LIST_FOR_SEVERAL else 1 for name, cost in costs.items() if cost is not None}


def _require_size(costs: FieldCosts, type_name: str, name: str, field: GraphQLField) -> None:
    target = get_named_type(field.type)
    cost = costs[type_name, name]
    is_connection = any(costs[target.name, each].is_row_list for each in getattr(target, "fields", ()))
    is_sized = cost.is_row_list or cost.key_argument or _directive(field, ListSize) is not None
    if is_connection and not cost.slicing_arguments:
        raise UndeclaredCostError(f"{type_name}.{name} is a connection. Declare its size (CONNECTION in field_cost).")
    if _is_list(field.type) and is_composite_type(target) and not is_sized:
        raise UndeclaredCostError(f"{type_name}.{name} is a list of objects. Declare its size (list_of in field_cost).")


def _key_argument(field: GraphQLField) -> str | None:
    """Return the required list argument of a list: such a list holds one object for each key."""
    if not _is_list(field.type):
        return None
    return next((name for name, each in field.args.items() if is_required_argument(each) and _is_list(each.type)), None)


def _is_list(kind: Any) -> bool:
    return is_list_type(get_nullable_type(kind))


def _sized_fields(field: GraphQLField) -> Iterable[str]:
    size = _directive(field, ListSize)
    return (size and size.sized_fields) or ()


def _directive(element: Any, kind: type[T]) -> T | None:
    """Return an element's directive of one kind, from its Strawberry definition."""
    definition = element.extensions.get("strawberry-definition")
    return next((each for each in getattr(definition, "directives", ()) if isinstance(each, kind)), None)
