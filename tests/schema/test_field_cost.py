"""Declared field costs: how they are read, and that each field that returns objects has one."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
import strawberry
from graphql import GraphQLSchema, get_named_type, is_object_type
from strawberry.federation.schema_directives import Cost, ListSize

from gateway.schema.federation import build_schema
from gateway.schema.field_cost import FieldCost, UndeclaredCostError, list_of, read_field_costs

FREE: Final = Cost(weight=0)


def core_schema(schema: strawberry.Schema) -> GraphQLSchema:
    core: GraphQLSchema = schema._schema  # noqa: SLF001  # It has no public name.
    return core


def connection(**values: Any) -> ListSize:
    return ListSize(
        **{
            "assumed_size": 50,
            "slicing_arguments": ["first"],
            "sized_fields": ["nodes"],
            "require_one_slicing_argument": False,
            **values,
        }
    )


def schema_with(declared: Mapping[str, list[object]]) -> GraphQLSchema:
    """Return a schema with a connection `page`, its `nodes`, and a list and an object in each row."""

    @strawberry.type
    class Part:
        name: str

    @strawberry.type
    class Row:
        inner: list[Part] = strawberry.field(directives=declared["inner"])
        part: Part = strawberry.field(directives=declared["part"])

    @strawberry.type
    class Rows:
        nodes: list[Row] = strawberry.field(directives=declared["nodes"])

    def resolve_page(first: int | None = None) -> Rows:
        raise NotImplementedError  # The schema is only built, never executed.

    @strawberry.type
    class Query:
        page: Rows = strawberry.field(resolver=resolve_page, directives=declared["page"])

    return core_schema(strawberry.federation.Schema(query=Query, federation_version="2.9"))


DECLARED: Final[dict[str, list[object]]] = {
    "page": [Cost(weight=1), connection()],
    "nodes": [Cost(weight=1)],
    "inner": [FREE, list_of(3)],
    "part": [FREE],
}


def test_declared_costs_are_read() -> None:
    costs = read_field_costs(schema_with(DECLARED))
    assert costs["Query", "page"] == FieldCost(weight=1, size=50, slicing_arguments=("first",), row_weight=1)
    assert costs["Rows", "nodes"].is_row_list
    assert costs["Row", "inner"] == FieldCost(size=3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"page": [connection()]}, "Query.page returns objects"),
        ({"page": [Cost(weight=1)], "nodes": [FREE]}, "Rows.nodes is a list"),
        ({"nodes": []}, "Rows.nodes returns objects"),
        ({"inner": []}, "Row.inner returns objects"),
        ({"inner": [FREE]}, "Row.inner is a list"),
        ({"part": []}, "Row.part returns objects"),
        ({"page": [FREE, connection(sized_fields=["rows"])]}, "names Rows.rows, which is no field"),
        ({"page": [FREE, connection(slicing_arguments=["limit"])]}, "names limit, which is no argument"),
        ({"page": [FREE, connection(slicing_arguments=[])]}, "Query.page is a connection"),
    ],
)
def test_an_undeclared_cost_is_rejected(changed: dict[str, list[object]], words: str) -> None:
    schema = schema_with({**DECLARED, **changed})
    with pytest.raises(UndeclaredCostError, match=words):
        read_field_costs(schema)


@pytest.mark.parametrize("relay_node_fields", [True, False])
def test_every_connection_and_link_of_the_gateway_costs_points(
    relay_node_fields: bool,
) -> None:  # A parameter of the test.
    schema = core_schema(build_schema(relay_node_fields=relay_node_fields))
    costs = read_field_costs(schema)
    records = {"PhoneNumber", "PhoneNumberOrder", "Node", "_Entity"}
    for kind in schema.type_map.values():
        if not is_object_type(kind) or kind.name.startswith("__") or kind.name.endswith("Edge"):
            continue
        for name, field in kind.fields.items():
            target = get_named_type(field.type).name
            cost = costs[kind.name, name]
            if target in records:
                assert cost.weight > 0, f"{kind.name}.{name}"
            if target.endswith("Connection"):
                assert (cost.slicing_arguments, cost.row_weight) == (("first", "last"), 1), f"{kind.name}.{name}"
