"""Query cost: it equals a naive count of the expanded document, and each selection set is visited once."""

import sys
from collections.abc import Callable, Mapping
from random import Random
from types import FrameType
from typing import Any, Final

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.execution.query_cost import (
    MAX_REMEMBERED_COSTS,
    SATURATED,
    CostedSchema,
    CostModel,
    OperationCost,
    measure,
)
from gateway.schema.federation import build_schema
from gateway.schema.field_cost import read_field_costs
from tests.execution.random_documents import WHOLE_INTROSPECTION, random_document, random_variables

SCHEMA: Final = build_schema()
CORE: Final[GraphQLSchema] = SCHEMA._schema  # noqa: SLF001  # It has no public name.
COSTED: Final = CostedSchema(CORE, read_field_costs(CORE))
MODEL: Final = CostModel(page_rows=99, max_page_size=1000, max_upstream_pages=20)


def cost_of(text: str, name: str | None = None) -> OperationCost:
    return measure(parse(text), COSTED, MODEL)[name]


def cost(text: str, **variables: Any) -> int:
    return cost_of(text).cost(variables)


class Expanded:
    """The counts of one operation, with every spread of a fragment expanded."""

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
def test_counts_equal_those_of_the_expanded_document(seed: int) -> None:
    document = parse(random_document(Random(seed), CORE, fields=30).text)
    measures = measure(document, COSTED, MODEL)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            naive = Expanded(document, operation)
            counted = measures[operation.name.value if operation.name else None]
            for name in ("depth", "aliases", "root_fields", "directives", "fields"):
                assert getattr(counted, name) == getattr(naive, name), name


@given(st.integers(0, 2**32))
def test_cost_is_the_same_with_fragments_written_out(seed: int) -> None:
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
    spread, written = measure(document, COSTED, MODEL), measure(flat, COSTED, MODEL)
    assert {name: each.cost(variables) for name, each in spread.items()} == {
        name: each.cost(variables) for name, each in written.items()
    }


def visits(text: str) -> int:
    """Return the number of selection sets visited to parse a document and compute its cost once."""
    document = parse(text)

    def measure_once() -> None:
        for each in measure(document, COSTED, MODEL).values():
            each.cost({"a": 5})

    count = visits_during(measure_once)
    assert count > 0
    return count


def visits_during(work: Callable[[], object]) -> int:
    """Return the number of selection sets visited while a function runs."""
    count = 0

    def note(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_qualname == "_sum"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def bomb(levels: int) -> str:
    """Return a document with 2 ** levels pages of numbers. A variable gives the size of each page."""
    body = (
        "associations {{ target {{ ... on VoiceConnector {{ phoneNumbers(first: $a) "
        "{{ nodes {{ ...F{0} ...F{0} }} }} }} }} }}"
    )
    inner = "".join(f"fragment F{i} on PhoneNumber {{ {body.format(i + 1)} }} " for i in range(levels))
    return (
        f"query ($a: Int) {{ phoneNumbers {{ nodes {{ ...F0 }} }} }} {inner} fragment F{levels} on PhoneNumber {{ id }}"
    )


def test_a_fragment_is_visited_once_however_often_it_is_spread() -> None:
    # Six selection sets for each fragment: once when the document is read, once for the request's variables.
    assert visits(bomb(10)) - visits(bomb(9)) == 2 * 6
    assert visits(bomb(20)) - visits(bomb(10)) == 10 * 2 * 6


def test_a_request_visits_only_selection_sets_with_a_page_size_in_a_variable() -> None:
    constant = "nodes { associations { target { ... on VoiceConnector { phoneNumbers(first: 5) { nodes { id } } } } } }"
    with_literal = visits(f"{{ phoneNumbers(first: 5) {{ {constant} }} }}")
    assert visits(f"query ($a: Int) {{ phoneNumbers(first: $a) {{ {constant} }} }}") == with_literal + 1


def test_counts_and_costs_saturate() -> None:
    counted = cost_of(bomb(40))
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
def test_an_invalid_document_costs_nothing_before_validation_rejects_it(text: str) -> None:
    for each in measure(parse(text), COSTED, MODEL).values():
        assert each.cost(None) == 0


NODES: Final = "nodes { id }"
TARGET_NUMBERS: Final = "target { ... on VoiceConnector { phoneNumbers(first: 5) { nodes { id } } } }"
SORT: Final = {"field": "STATUS", "direction": "DESC"}
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
        ("{ phoneNumbers(first: 5) { facets { status { count } } } }", {}, 5 + 1 + 20),
        # A resource may lead to its numbers, and there may be 100.
        (f"{{ phoneNumbers(first: 0) {{ facets {{ resource {{ {TARGET_NUMBERS} }} }} }} }}", {}, 20 + 100 * (5 + 1)),
        (f"{{ phoneNumbers(first: 5, sort: {{ field: STATUS }}) {{ {NODES} }} }}", {}, 5 + 20),
        (f"{{ phoneNumberOrders(first: 5, sort: {{ field: STATUS }}) {{ {NODES} }} }}", {}, 5 + 20),
        (f"{{ phoneNumbers(first: 0, sort: {{ field: STATUS }}) {{ {NODES} }} }}", {}, 0),
        (f"{{ phoneNumbers(first: 5, sort: null) {{ {NODES} }} }}", {}, 5 + 1),
        (f"query($s: PhoneNumberSort) {{ phoneNumbers(first: 5, sort: $s) {{ {NODES} }} }}", {}, 5 + 1),
        (f"query($s: PhoneNumberSort) {{ phoneNumbers(first: 5, sort: $s) {{ {NODES} }} }}", {"s": SORT}, 5 + 20),
        (f"query($s: PhoneNumberSort = {{ field: STATUS }}) {{ phoneNumbers(sort: $s) {{ {NODES} }} }}", {}, 50 + 20),
        # The field rejects these without a call.
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
            # An object has one type, so the more expensive fragment counts.
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
def test_cost_is_one_point_per_record_and_per_call(text: str, variables: Mapping[str, Any], points: int) -> None:
    assert cost(text, **variables) == points


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("{ phoneNumbers(first: 5) { totalCount } }", 5 + 1 + 7),
        ("{ phoneNumbers(last: 5) { nodes { id } } }", 5 + 7),
        ("{ phoneNumbers(first: 5) { facets { status { count } } } }", 5 + 1 + 7),
        ("{ phoneNumbers(first: 5, sort: { field: STATUS }) { nodes { id } } }", 5 + 7),
        ("{ phoneNumberOrders(last: 1000) { nodes { id } } }", 1000 + 11),
    ],
)
def test_reading_a_whole_list_costs_the_set_number_of_pages(text: str, points: int) -> None:
    model = CostModel(page_rows=99, max_page_size=1000, max_upstream_pages=7)
    assert measure(parse(text), COSTED, model)[None].cost(None) == points


CONDITIONS: Final[list[tuple[str, str, Any, int]]] = [
    # The type of the variable, the filter as a literal, the filter as JSON, and the upstream pages it may read.
    ("PhoneNumberFilter", "null", None, 1),
    ("PhoneNumberFilter", "{}", {}, 1),
    ("PhoneNumberFilter", "{search: null, created: {}}", {"search": None, "created": {}}, 1),
    ("PhoneNumberFilter", "{created: {from: null}}", {"created": {"from": None}}, 1),
    ("PhoneNumberFilter", "{status: ASSIGNED}", {"status": "ASSIGNED"}, 1),
    ("PhoneNumberFilter", "{statusIn: []}", {"statusIn": []}, 1),
    ("PhoneNumberFilter", "{statusIn: ASSIGNED}", {"statusIn": "ASSIGNED"}, 1),
    ("PhoneNumberFilter", "{statusIn: [ASSIGNED, ASSIGNED]}", {"statusIn": ["ASSIGNED", "ASSIGNED"]}, 1),
    ("PhoneNumberFilter", "{statusIn: [ASSIGNED, UNASSIGNED]}", {"statusIn": ["ASSIGNED", "UNASSIGNED"]}, 20),
    (
        "PhoneNumberFilter",
        '{productType: VOICE_CONNECTOR, association: {sipRuleId: "r"}}',
        {"productType": "VOICE_CONNECTOR", "association": {"sipRuleId": "r"}},
        1,
    ),
    ("PhoneNumberFilter", "{type: LOCAL}", {"type": "LOCAL"}, 20),
    ("PhoneNumberFilter", "{associated: false}", {"associated": False}, 20),
    ("PhoneNumberFilter", "{capabilities: {inboundSMS: false}}", {"capabilities": {"inboundSMS": False}}, 20),
    ("PhoneNumberFilter", '{created: {before: "2"}}', {"created": {"before": "2"}}, 20),
    ("PhoneNumberFilter", '{search: "ab", country: "US"}', {"search": "ab", "country": "US"}, 20),
    ("PhoneNumberOrderFilter", "{}", {}, 1),
    ("PhoneNumberOrderFilter", "{statusIn: []}", {"statusIn": []}, 1),
    ("PhoneNumberOrderFilter", "{status: FAILED}", {"status": "FAILED"}, 20),
    ("PhoneNumberOrderFilter", "{statusIn: [FAILED]}", {"statusIn": ["FAILED"]}, 20),
    ("PhoneNumberOrderFilter", '{e164PhoneNumber: "+12"}', {"e164PhoneNumber": "+12"}, 20),
]


@pytest.mark.parametrize(("kind", "literal", "value", "pages"), CONDITIONS)
def test_filter_costs_the_pages_that_may_be_read_as_a_literal_and_as_a_variable(
    kind: str, literal: str, value: Any, pages: int
) -> None:
    field = "phoneNumbers" if kind == "PhoneNumberFilter" else "phoneNumberOrders"
    page = f"{field}(first: 10, filter: $f) {{ {NODES} }}"
    assert cost(f"{{ {page.replace('$f', literal)} }}") == 10 + pages
    assert cost(f"query($f: {kind}) {{ {page} }}", f=value) == 10 + pages
    assert cost(f"query($f: {kind} = {literal}) {{ {page} }}") == 10 + pages
    assert cost(f"query($f: {kind}) {{ {page} }}") == 10 + 1


@pytest.mark.parametrize(
    ("variables", "pages"),
    [({}, 1), ({"s": "ab"}, 20), ({"s": None}, 1), ({"a": "ASSIGNED"}, 20), ({"a": "UNASSIGNED"}, 1)],
)
def test_variables_within_a_filter_decide_its_cost(variables: dict[str, Any], pages: int) -> None:
    text = "query($s: String, $a: PhoneNumberStatus = UNASSIGNED) { phoneNumbers(first: 10, filter: "
    text += f"{{search: $s, statusIn: [UNASSIGNED, $a]}}) {{ {NODES} }} }}"
    assert cost(text, **variables) == 10 + pages


def test_filter_of_a_nested_list_multiplies() -> None:
    text = (
        "query($f: PhoneNumberFilter) { phoneNumbers(first: 5) { nodes { associations { target { ... on VoiceConnector "
        "{ phoneNumbers(first: 30, filter: $f) { nodes { id } } } } } } } }"
    )
    assert cost(text, f={"country": "US"}) == 5 + 1 + 5 * 2 * (30 + 20)


@pytest.mark.parametrize("value", ["x", 7, True, [], [{}], {"search": [[]]}, {"statusIn": [{}, []]}, {"statusIn": {}}])
def test_cost_is_computed_for_any_json_value_of_a_filter(value: object) -> None:
    text = f"query($f: PhoneNumberFilter) {{ phoneNumbers(first: 10, filter: $f) {{ {NODES} }} }}"
    assert cost(text, f=value) in {10 + 1, 10 + 20}


@pytest.mark.parametrize(
    ("text", "points", "walks"),
    [
        ("{ phoneNumbers(first: 9) { nodes { order { id } } } }", 9 + 1 + 9 * 2, 1),
        (
            """{ a: phoneNumber(e164PhoneNumber: "+12") { order { id } }
            b: phoneNumber(e164PhoneNumber: "+13") { ...O } }
            fragment O on PhoneNumber { order { id } }""",
            2 * (2 + 2),
            1,
        ),
        ("{ phoneNumbers(first: 9) { nodes { id } } }", 9 + 1, 0),
    ],
)
def test_walk_that_all_numbers_share_costs_its_pages_once(text: str, points: int, walks: int) -> None:
    assert cost(text) == points
    on_chime = CostModel(page_rows=99, max_page_size=1000, max_upstream_pages=20, shared_walk_pages=20)
    assert measure(parse(text), COSTED, on_chime)[None].cost(None) == points + 20 * walks


def test_nested_pages_multiply() -> None:
    text = (
        "query($n: Int) { phoneNumbers(first: $n) { nodes { associations { target { ... on VoiceConnector "
        "{ phoneNumbers(first: 30) { edges { node { order { id } } } } } } } } } }"
    )
    assert cost(text, n=10) == 10 + 1 + 10 * 2 * (30 + 1 + 30 * 2)


def test_operations_of_one_document_have_separate_costs() -> None:
    text = (
        "query A($n: Int = 3) { a: __typename ...P } query B($n: Int) { ...P ...T } "
        "fragment P on Query { phoneNumbers(first: $n) { nodes { id } } } "
        "fragment T on Query { b: phoneNumbers(first: 5) { totalCount } }"
    )
    costs = measure(parse(text), COSTED, MODEL)
    assert set(costs) == {"A", "B"}
    assert [(each.aliases, each.cost(None)) for each in costs.values()] == [(1, 3 + 1), (1, 50 + 1 + 26)]
    assert [each.cost({"n": 9}) for each in costs.values()] == [9 + 1, 9 + 1 + 26]


def test_the_only_operation_is_found_without_its_name() -> None:
    costs = measure(parse("query A { __typename }"), COSTED, MODEL)
    assert costs[None] is costs["A"]


@pytest.mark.parametrize("size", [float("nan"), float("inf"), float("-inf"), True, [], {}, 10**400, -(10**400)])
def test_cost_is_computed_for_any_json_value_of_a_page_size(size: object) -> None:
    text = "query($n: Int) { phoneNumbers(first: $n) { nodes { id } } }"
    assert 0 <= cost(text, n=size) <= 1000 + 11


def test_a_cost_does_not_depend_on_the_variables_of_earlier_requests() -> None:
    text = (
        "query($first: Int = 7, $last: Int, $ids: [ID!]!, $filter: PhoneNumberFilter) {"
        " phoneNumbers(first: $first, last: $last, filter: $filter) { nodes { id } } nodes(ids: $ids) { id } }"
    )
    sizes: list[Any] = [None, 0, 1, True, 1.0, 5, "5", [], ["a"], {}, {"status": "ASSIGNED"}]
    requests = [{"first": size, "ids": []} for size in sizes]
    requests += [{"last": size, "ids": []} for size in sizes]
    requests += [{"ids": size} for size in sizes]
    requests += [{"filter": size, "ids": []} for size in sizes]
    operation = cost_of(text)
    for _ in range(2):
        assert [operation.cost(each) for each in requests] == [cost_of(text).cost(each) for each in requests]


def test_a_page_size_that_an_operation_had_before_visits_nothing() -> None:
    text = "query($n: Int, $after: String) { phoneNumbers(first: $n, after: $after) { nodes { id } } }"
    operation = cost_of(text)
    operation.cost({"n": 10, "after": "a"})
    assert visits_during(lambda: operation.cost({"n": 10, "after": "b"})) == 0
    assert visits_during(lambda: operation.cost({"n": 11, "after": "b"})) > 0


def test_few_costs_of_an_operation_are_remembered() -> None:
    operation = cost_of("query($n: Int) { phoneNumbers(first: $n) { nodes { id } } }")
    for size in range(1000):
        operation.cost({"n": size})
    assert len(operation._remembered) == MAX_REMEMBERED_COSTS  # noqa: SLF001  # Memory has no other sign.


def test_the_usual_introspection_document_is_within_the_limits() -> None:
    usual = cost_of(WHOLE_INTROSPECTION, "IntrospectionQuery")
    assert (usual.depth, usual.aliases, usual.directives) == (6, 0, 0)
