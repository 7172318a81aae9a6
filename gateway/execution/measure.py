"""How much an operation asks for, told from its document before anything is validated or executed.

A selection is looked at once, a fragment's too, however often it is spread: so the walk is linear in the document, and
what is spread a billion times is counted, not visited. Numbers end at SATURATED.

The cost is an estimate, and mostly from above: one point for each record that may be answered and one for each upstream
call that may be made for it. Page sizes multiply down the tree. `@skip` and `@include` are taken to leave nothing out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

from gateway.paging.window import DEFAULT_SIZE

SATURATED: Final = 10**9

# A record that is found by its key: itself, and one call. k of them take at most k + 2 calls (loaders.plan).
RECORD: Final = 2
BY_KEY: Final = frozenset(
    {
        ("Query", "phoneNumber"),
        ("Query", "phoneNumberOrder"),
        ("Query", "node"),
        ("OrderedPhoneNumber", "phoneNumber"),
        ("PhoneNumber", "order"),
    }
)
# Lists of such records, and the argument that says how many.
BY_KEYS: Final = {("Query", "nodes"): "ids", ("Query", "_entities"): "representations"}
# Lists within a record, which cost nothing themselves: how many are usual. AWS takes 50 numbers in one order, and most
# orders have few; a number belongs to a Voice Connector and at times to its group as well.
WITHIN: Final = {("PhoneNumberOrder", "orderedPhoneNumbers"): 5, ("PhoneNumber", "associations"): 2}
# Introspection asks nothing upstream, but the usual document for it answers as much as 2,000 records.
INTROSPECTION: Final = {"__schema": 1000, "__type": 100}

Variables = Mapping[str, Any]
_Size = Callable[[Variables], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What upstream calls are counted by.

    page_rows: rows that one call lists; max_page_size: those of the longest page that may be asked for;
    walk_pages: calls of `last`, `before` and `totalCount` at most.
    """

    page_rows: int
    max_page_size: int
    walk_pages: int


class _Later(NamedTuple):
    """A cost that hangs on variables: the place of its step."""

    step: int


_Cost = int | _Later
_Step = Callable[[list[int], Variables], int]


class _Weight(NamedTuple):
    """Of a selection.

    top: fields of the type that it selects from, where the others count those below as well.
    each: what every row costs of the connection that it selects from.
    """

    depth: int = 0
    top: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    cost: _Cost = 0
    each: _Cost = 0


_NOTHING: Final = _Weight()


@dataclass(frozen=True, slots=True)
class Measure:
    """Of one operation, its fragments included as often as they are spread.

    depth: fields within fields. `ofType` takes a wrapper off a type and leads nowhere, so that it is not counted:
        introspection's usual document has nine of them.
    root_fields: selections of the root type, repeated ones too.
    """

    depth: int
    aliases: int
    root_fields: int
    directives: int
    fields: int
    _cost: _Cost
    _steps: list[_Step]
    _defaults: Variables

    def cost(self, variables: Variables | None) -> int:
        """The cost with these variables, as they were sent. Cost: a microsecond for each field that takes one."""
        if isinstance(self._cost, int):
            return self._cost
        given = {**self._defaults, **(variables or {})}
        values: list[int] = []
        for step in self._steps:
            values.append(min(step(values, given), SATURATED))
        return values[self._cost.step]


def measure(document: DocumentNode, schema: GraphQLSchema, prices: Prices) -> dict[str | None, Measure]:
    """The measures of a document's operations by their names, of the only one by None as well.

    The document need not be valid: what the schema does not have is counted, and costs nothing.
    Raises: RecursionError where fragments are nested many hundred deep.
    """
    walk = _Walk(document, schema, prices)
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    measures: dict[str | None, Measure] = {
        each.name.value if each.name else None: walk.operation(each) for each in operations
    }
    if len(measures) == 1:
        measures[None] = next(iter(measures.values()))
    return measures


class _Walk:
    """Through one document."""

    def __init__(self, document: DocumentNode, schema: GraphQLSchema, prices: Prices) -> None:
        self._schema = schema
        self._prices = prices
        self._fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self._weights: dict[str, _Weight] = {}
        self._steps: list[_Step] = []

    def operation(self, node: OperationDefinitionNode) -> Measure:
        """The measure of one operation."""
        root = self._schema.get_root_type(node.operation)
        weight = self._selections(node.selection_set, root)
        variables = node.variable_definitions or ()
        defaults = {each.variable.name.value: _plain(each.default_value) for each in variables if each.default_value}
        return Measure(
            depth=weight.depth,
            aliases=weight.aliases,
            root_fields=weight.top,
            directives=_sum(weight.directives, _count(node), *map(_count, variables)),
            fields=weight.fields,
            _cost=weight.cost,
            _steps=self._steps,
            _defaults=defaults,
        )

    def _selections(self, node: SelectionSetNode | None, parent: GraphQLNamedType | None) -> _Weight:
        if node is None:
            return _NOTHING
        weights: list[_Weight] = []
        shared: list[_Cost] = []
        # An object is of one type alone, so of the fragments on several types the dearest is what it can cost.
        by_type: dict[str, list[_Cost]] = {}
        for selection in node.selections:
            condition = parent
            if isinstance(selection, FieldNode):
                weight = self._field(selection, parent)
            elif isinstance(selection, InlineFragmentNode):
                if selection.type_condition:
                    condition = self._schema.get_type(selection.type_condition.name.value)
                weight = self._selections(selection.selection_set, condition)
            else:
                spread = cast("FragmentSpreadNode", selection)
                condition, weight = self._fragment(spread.name.value)
            weights.append(weight._replace(directives=weight.directives + _count(selection)))
            if is_abstract_type(parent) and isinstance(condition, GraphQLObjectType):
                by_type.setdefault(condition.name, []).append(weight.cost)
            else:
                shared.append(weight.cost)
        return _Weight(
            depth=max((weight.depth for weight in weights), default=0),
            top=_sum(*(weight.top for weight in weights)),
            aliases=_sum(*(weight.aliases for weight in weights)),
            directives=_sum(*(weight.directives for weight in weights)),
            fields=_sum(*(weight.fields for weight in weights)),
            cost=self._total([*shared, self._most([self._total(costs) for costs in by_type.values()])]),
            each=self._total([weight.each for weight in weights]),
        )

    def _fragment(self, name: str) -> tuple[GraphQLNamedType | None, _Weight]:
        definition = self._fragments.get(name)
        if definition is None:
            return None, _NOTHING
        condition = self._schema.get_type(definition.type_condition.name.value)
        if name not in self._weights:
            self._weights[name] = _NOTHING  # While it is under way: a fragment within itself adds nothing.
            weight = self._selections(definition.selection_set, condition)
            self._weights[name] = weight._replace(directives=weight.directives + _count(definition))
        return condition, self._weights[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Weight:
        name = node.name.value
        field = self._schema.get_field(parent, name) if is_composite_type(parent) else None
        inner = self._selections(node.selection_set, get_named_type(field.type) if field else None)
        place = (parent.name if parent else "", name)
        price: _Cost = inner.cost
        each: _Cost = 0
        if field is not None and place[0].endswith("Connection") and name != "totalCount":
            price, each = 0, inner.cost
        elif field is not None:
            price = self._price(place, field, node, inner)
        return _Weight(
            depth=inner.depth + (0 if place == ("__Type", "ofType") else 1),
            aliases=inner.aliases + (1 if node.alias else 0),
            top=1,
            directives=inner.directives,
            fields=inner.fields + 1,
            cost=price,
            each=each,
        )

    def _price(self, place: tuple[str, str], field: GraphQLField, node: FieldNode, inner: _Weight) -> _Cost:
        """What a field costs for each object that it is asked of, with all that is asked below it."""
        arguments = {argument.name.value: argument.value for argument in node.arguments or ()}
        if "first" in field.args:
            return self._page(arguments, inner.cost, inner.each)
        if place in BY_KEY:
            return self._total([RECORD, inner.cost])
        if place in BY_KEYS:
            return self._times(_length(arguments.get(BY_KEYS[place])), self._total([RECORD, inner.cost]))
        if place in WITHIN:
            return self._times(WITHIN[place], inner.cost)
        if place[1] == "totalCount":
            return self._prices.walk_pages
        return INTROSPECTION.get(place[1], inner.cost)

    def _page(self, arguments: Mapping[str, ValueNode], once: _Cost, each: _Cost) -> _Cost:
        first, last = _number(arguments.get("first")), _number(arguments.get("last"))
        page_rows, max_rows, walk_pages = self._prices.page_rows, self._prices.max_page_size, self._prices.walk_pages

        def page(values: list[int], given: Variables) -> int:
            forwards = first if first is None or isinstance(first, int) else first(given)
            backwards = last if last is None or isinstance(last, int) else last(given)
            asked = backwards if forwards is None else forwards
            # What is out of bounds is refused by the field, at no call.
            rows = max(0, min(DEFAULT_SIZE if asked is None else asked, max_rows))
            calls = -(-rows // page_rows)
            if rows and backwards is not None:
                calls = max(calls, walk_pages)
            return rows + calls + _value(once, values) + rows * _value(each, values)

        return self._step(page, once, each, constant=not callable(first) and not callable(last))

    def _times(self, size: "int | _Size", cost: _Cost) -> _Cost:
        if isinstance(size, int):
            return self._step(lambda values, _: size * _value(cost, values), cost)
        return self._step(lambda values, given: (size(given) or 0) * _value(cost, values), cost, constant=False)

    def _total(self, costs: list[_Cost]) -> _Cost:
        dear = [cost for cost in costs if cost]
        if len(dear) <= 1:
            return dear[0] if dear else 0
        return self._step(lambda values, _: sum(_value(cost, values) for cost in dear), *dear)

    def _most(self, costs: list[_Cost]) -> _Cost:
        if len(costs) <= 1:
            return costs[0] if costs else 0
        return self._step(lambda values, _: max(_value(cost, values) for cost in costs), *costs)

    def _step(self, step: _Step, *costs: _Cost, constant: bool = True) -> _Cost:
        """What a step gives: now where it hangs on no variable, otherwise when they are known."""
        if constant and all(isinstance(cost, int) for cost in costs):
            return min(step([], {}), SATURATED)
        self._steps.append(step)
        return _Later(len(self._steps) - 1)


def _value(cost: _Cost, values: list[int]) -> int:
    return cost if isinstance(cost, int) else values[cost.step]


def _sum(*numbers: int) -> int:
    return min(sum(numbers), SATURATED)


def _count(node: Any) -> int:
    return len(node.directives or ())


def _number(node: ValueNode | None) -> "int | _Size | None":
    """The number that an argument is, or is once the variables are known."""
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda given: _as_number(given.get(name))
    return _as_number(_plain(node))


def _length(node: ValueNode | None) -> "int | _Size":
    """How many values an argument holds. One alone stands for a list of it: GraphQL, Input Coercion of lists."""
    if isinstance(node, VariableNode):
        name = node.name.value
        return lambda given: len(value) if isinstance(value := given.get(name), list) else 1
    return len(node.values) if isinstance(node, ListValueNode) else 1


def _plain(node: ValueNode | None) -> Any:
    """A literal as JSON would have it, as far as sizes go: a list's values do not matter here, only how many."""
    if isinstance(node, IntValueNode):
        # Python reads no more than some thousand digits, and no size has ten.
        return int(node.value) if len(node.value) < 10 else SATURATED  # noqa: PLR2004  # Said above.
    return list(node.values) if isinstance(node, ListValueNode) else None


def _as_number(value: object) -> int | None:
    # GraphQL takes 5.0 for an Int, and nothing else that is not one: whatever that is, it is refused later.
    if isinstance(value, float):
        return int(min(max(value, 0), SATURATED))
    return value if isinstance(value, int) else None
