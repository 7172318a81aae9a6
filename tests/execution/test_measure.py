"""The walk: it counts what a naive expansion counts, and looks at each selection once."""

import sys
from collections.abc import Mapping
from random import Random
from types import FrameType
from typing import Any, Final

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st
from strawberry import Schema

from gateway.execution.measure import BY_KEY, BY_KEYS, SATURATED, WITHIN, Measure, Prices, measure
from gateway.schema.federation import build_schema
from gateway.schema.link_field import LinkField
from tests.execution.queries import WHOLE_INTROSPECTION, random_document, random_variables

SCHEMA: Final = build_schema()
CORE: Final[GraphQLSchema] = SCHEMA._schema  # noqa: SLF001  # It has no public name.
PRICES: Final = Prices(page_rows=99, max_page_size=1000, walk_pages=20)


def measured(text: str, name: str | None = None) -> Measure:
    return measure(parse(text), CORE, PRICES)[name]


def cost(text: str, **variables: Any) -> int:
    return measured(text).cost(variables)


class Expanded:
    """One operation counted field by field, every spread followed each time that it is met."""

    def __init__(self, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.aliases = self.fields = 0
        self.directives = len(operation.directives or ())
        self.directives += sum(len(v.directives or ()) for v in operation.variable_definitions or ())
        assert CORE.query_type is not None
        self.root_fields = self.tops(operation.selection_set)
        self.depth = self.count(operation.selection_set, CORE.query_type)

    def tops(self, node: SelectionSetNode) -> int:
        total = 0
        for each in node.selections:
            if isinstance(each, FieldNode):
                total += 1
            elif isinstance(each, InlineFragmentNode):
                total += self.tops(each.selection_set)
            elif isinstance(each, FragmentSpreadNode):
                total += self.tops(self.fragments[each.name.value].selection_set)
        return total

    def count(self, node: SelectionSetNode, parent: Any) -> int:
        deepest = 0
        for each in node.selections:
            self.directives += len(each.directives or ())
            if isinstance(each, FieldNode):
                self.fields += 1
                self.aliases += each.alias is not None
                level = 0 if (parent.name, each.name.value) == ("__Type", "ofType") else 1
                if each.selection_set:
                    field = CORE.get_field(parent, each.name.value)
                    assert field is not None
                    level += self.count(each.selection_set, get_named_type(field.type))
            elif isinstance(each, InlineFragmentNode):
                condition = CORE.get_type(each.type_condition.name.value) if each.type_condition else parent
                level = self.count(each.selection_set, condition)
            else:
                assert isinstance(each, FragmentSpreadNode)
                fragment = self.fragments[each.name.value]
                self.directives += len(fragment.directives or ())
                level = self.count(fragment.selection_set, CORE.get_type(fragment.type_condition.name.value))
            deepest = max(deepest, level)
        return deepest


@given(st.integers(0, 2**32))
def test_the_walk_counts_what_a_naive_expansion_counts(seed: int) -> None:
    document = parse(random_document(Random(seed), CORE, fields=30).text)
    measures = measure(document, CORE, PRICES)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            naive = Expanded(document, operation)
            counted = measures[operation.name.value if operation.name else None]
            for name in ("depth", "aliases", "root_fields", "directives", "fields"):
                assert getattr(counted, name) == getattr(naive, name), name


@given(st.integers(0, 2**32))
def test_the_cost_is_the_same_whether_fragments_are_spread_or_written_out(seed: int) -> None:
    random = Random(seed)
    document = parse(random_document(random, CORE, fields=25).text)
    variables = random_variables(random)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def written_out(node: Any) -> Any:
        selections = []
        for each in node.selections:
            if isinstance(each, FragmentSpreadNode):
                fragment = fragments[each.name.value]
                inside = written_out(fragment.selection_set)
                selections.append(InlineFragmentNode(type_condition=fragment.type_condition, selection_set=inside))
            elif each.selection_set:
                values = {key: getattr(each, key) for key in each.keys if key != "selection_set"}
                selections.append(type(each)(**values, selection_set=written_out(each.selection_set)))
            else:
                selections.append(each)
        return SelectionSetNode(selections=tuple(selections))

    flat = DocumentNode(
        definitions=tuple(
            OperationDefinitionNode(
                operation=d.operation,
                name=d.name,
                variable_definitions=d.variable_definitions,
                selection_set=written_out(d.selection_set),
            )
            for d in document.definitions
            if isinstance(d, OperationDefinitionNode)
        )
    )
    spread, written = measure(document, CORE, PRICES), measure(flat, CORE, PRICES)
    assert {name: each.cost(variables) for name, each in spread.items()} == {
        name: each.cost(variables) for name, each in written.items()
    }


def selections_looked_at(text: str) -> int:
    """How often the walk looked at a set of selections."""
    document, looks = parse(text), 0

    def note(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal looks
        looks += event == "call" and frame.f_code.co_qualname == "_Walk._selections"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for each in measure(document, CORE, PRICES).values():
            each.cost({"a": 5})
    finally:
        sys.setprofile(before)
    assert looks > 0
    return looks


def bomb(levels: int) -> str:
    """Two to the power of `levels` numbers, linked from one another, each page's size a variable."""
    body = (
        "associations {{ target {{ ... on VoiceConnector {{ phoneNumbers(first: $a) "
        "{{ nodes {{ ...F{0} ...F{0} }} }} }} }} }}"
    )
    inner = "".join(f"fragment F{i} on PhoneNumber {{ {body.format(i + 1)} }} " for i in range(levels))
    return (
        f"query ($a: Int) {{ phoneNumbers {{ nodes {{ ...F0 }} }} }} {inner} fragment F{levels} on PhoneNumber {{ id }}"
    )


def test_a_fragment_is_looked_at_once_however_often_it_is_spread() -> None:
    assert selections_looked_at(bomb(20)) - selections_looked_at(bomb(10)) == 10 * 6
    assert selections_looked_at(bomb(10)) - selections_looked_at(bomb(9)) == 6


def test_what_is_spread_without_end_saturates() -> None:
    counted = measured(bomb(40))
    assert (counted.fields, counted.cost({"a": 1000})) == (SATURATED, SATURATED)
    assert counted.depth == 2 + 40 * 4 + 1


@pytest.mark.parametrize(
    "text",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A __typename }",
        "{ ...A ...B ...C } "
        + " ".join(f"fragment {name} on Query {{ ...A ...B ...C {{ }} }}".replace(" { }", "") for name in "ABC"),
        "{ ...Nowhere nothing(first: $undeclared) { nodes { id } } ... on Nobody { id } }",
        "fragment A on Query { __typename }",
        "type T { id: ID }",
        "mutation { a: b { c } } subscription S { d }",
    ],
)
def test_a_document_that_is_not_valid_is_walked_all_the_same(text: str) -> None:
    """Validation says better what is wrong with it."""
    for each in measure(parse(text), CORE, PRICES).values():
        assert each.cost(None) == 0


NODES: Final = "nodes { id }"
ENTITIES: Final = """
query ($r: [_Any!]!) {
  _entities(representations: $r) {
    ... on VoiceConnector { phoneNumbers(first: 5) { nodes { id } } }
    ... on SipRule { phoneNumbers(first: 2) { nodes { id } } }
  }
}
"""


@pytest.mark.parametrize(
    ("text", "variables", "points"),
    [
        ("{ __typename _service { sdl } }", {}, 0),
        (f"{{ phoneNumbers {{ {NODES} }} }}", {}, 50 + 1),
        (f"{{ phoneNumbers(first: 0) {{ {NODES} }} }}", {}, 0),
        (f"{{ phoneNumbers(first: 99) {{ {NODES} edges {{ cursor }} pageInfo {{ hasNextPage }} }} }}", {}, 99 + 1),
        (f"{{ phoneNumbers(first: 100) {{ {NODES} }} }}", {}, 100 + 2),
        (f"{{ phoneNumbers(first: 1000) {{ {NODES} }} }}", {}, 1000 + 11),
        (f"{{ phoneNumbers(last: 5) {{ {NODES} }} }}", {}, 5 + 20),
        ("{ phoneNumbers(first: 5) { totalCount } }", {}, 5 + 1 + 20),
        # The field refuses these, at no call.
        (f"{{ phoneNumbers(first: -1) {{ {NODES} }} }}", {}, 0),
        (f"{{ phoneNumbers(first: {'9' * 5000}) {{ {NODES} }} }}", {}, 1000 + 11),
        (f"query($n: Int) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {"n": 7}, 7 + 1),
        (f"query($n: Int) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {"n": 7.0}, 7 + 1),
        (f"query($n: Int) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {"n": "7"}, 50 + 1),
        (f"query($n: Int) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {"n": None}, 50 + 1),
        (f"query($n: Int = 9) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {}, 9 + 1),
        (f"query($n: Int = 9) {{ phoneNumbers(first: $n) {{ {NODES} }} }}", {"n": 3}, 3 + 1),
        (f"query($n: Int, $m: Int) {{ phoneNumbers(first: $n, last: $m) {{ {NODES} }} }}", {"m": 3}, 3 + 20),
        ('{ phoneNumber(e164PhoneNumber: "+12065550100") { id } }', {}, 2),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', {}, 3 * 2),
        ('{ nodes(ids: "a") { id } }', {}, 2),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 40}, 40 * 2),
        (
            ENTITIES,
            {"r": [{}] * 10},
            # One object is of one type alone: the dearer counts.
            10 * (2 + 5 + 1),
        ),
        (
            "{ phoneNumberOrders(first: 20) { nodes { orderedPhoneNumbers { phoneNumber { status } } } } }",
            {},
            20 + 1 + 20 * 5 * 2,
        ),
        ("{ __schema { types { name } } }", {}, 1000),
        ('{ health: __schema { types { name } } __type(name: "Query") { name } }', {}, 1100),
    ],
)
def test_an_operation_costs_a_point_a_record_and_a_point_a_call(
    text: str, variables: Mapping[str, Any], points: int
) -> None:
    assert cost(text, **variables) == points


def test_pages_within_pages_multiply() -> None:
    text = (
        "query($n: Int) { phoneNumbers(first: $n) { nodes { associations { target { ... on VoiceConnector "
        "{ phoneNumbers(first: 30) { edges { node { order { id } } } } } } } } } }"
    )
    assert cost(text, n=10) == 10 + 1 + 10 * 2 * (30 + 1 + 30 * 2)


def test_each_operation_is_measured_by_itself_and_the_only_one_by_no_name_too() -> None:
    text = "query A { a: __typename b: __typename } query B { phoneNumbers(first: 5) { totalCount } }"
    measures = measure(parse(text), CORE, PRICES)
    assert set(measures) == {"A", "B"}
    assert [(each.aliases, each.cost(None)) for each in measures.values()] == [(2, 0), (0, 26)]
    assert measured("query A { __typename }", None) == measured("query A { __typename }", "A")


def test_the_usual_introspection_is_shallow() -> None:
    usual = measured(
        WHOLE_INTROSPECTION,
        "IntrospectionQuery",
    )
    assert (usual.depth, usual.aliases, usual.directives) == (6, 0, 0)


def test_every_field_that_asks_the_upstream_has_its_price() -> None:
    """By key, by keys, or as a page; any other list of objects is one within a record, a page or the schema."""
    schema: Schema = SCHEMA
    links, pages, lists = set(), set(), set()
    for kind in CORE.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            definition = field.extensions.get("strawberry-definition")
            if isinstance(definition, LinkField):
                links.add((kind.name, name))
            if get_named_type(field.type).name.endswith("Connection"):
                assert {"first", "last"} <= set(field.args)
                pages.add((kind.name, name))
            elif "[" in str(field.type) and not kind.name.endswith("Connection"):
                lists.add((kind.name, name))
    root = schema.get_type_by_name("Query")
    assert root is not None
    assert links | {("Query", name) for name in ("phoneNumber", "phoneNumberOrder", "node")} == BY_KEY
    assert lists == set(BY_KEYS) | set(WITHIN)
    assert len(pages) == 7
