"""The size and the cost of an operation, computed from its document before it is validated or executed.

The cost is an estimate, and mostly an upper bound. It is one point for each record that the response may hold. Each
upstream call that may be made adds one. The cost is computed from the costs declared at the fields
(gateway.schema.field_cost) and the request's variables. Page sizes multiply down the tree. `@skip` and `@include` are
assumed to leave nothing out.

Each selection set is visited once, a fragment's too. The time is linear in the document, because a fragment that is
spread a billion times is counted without being visited again. If a number exceeds SATURATED, it stays there. If a
variable decides a page size, the selection sets around it are visited again for each new value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

from gateway.schema.field_cost import FieldCost, FieldCosts

SATURATED: Final = 10**9
# Costs of one operation that are remembered. Clients use few page sizes.
MAX_REMEMBERED_COSTS: Final = 16
# Types whose values are remembered with a cost. Two values of them are equal only if they cost the same.
_REMEMBERED_TYPES: Final = frozenset({int, str, type(None)})

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostModel:
    """The sizes by which upstream calls are counted.

    Attributes:
        page_rows: Rows that one upstream call returns.
        max_page_size: Rows of the longest page that a client can request.
        max_upstream_pages: The most calls that a field makes to read a whole list.
        shared_walk_pages: The most calls of the walk that fields of an operation may share. 0 if the API needs none.
    """

    page_rows: int
    max_page_size: int
    max_upstream_pages: int
    shared_walk_pages: int = 0


@dataclass(frozen=True, slots=True)
class CostedSchema:
    """A schema with the declared costs of its fields."""

    schema: GraphQLSchema
    field_costs: FieldCosts


class _Totals(NamedTuple):
    """The totals of one selection set, or of one selection.

    Attributes:
        top_fields: Fields of the selection set itself. The other numbers include the fields below.
        cost: Points for one object of the selection set's type.
        row_cost: Points for each row, if the selection set is on a connection.
        deciding: The variables that decide the cost.
        shares_walk: Whether a field may share the walk of a list.
    """

    depth: int = 0
    top_fields: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    cost: int = 0
    row_cost: int = 0
    deciding: frozenset[str] = frozenset()
    shares_walk: bool = False


_NOTHING: Final = _Totals()
_FREE: Final = FieldCost()
# The type that a selection applies to, and its totals.
_Selection = tuple[GraphQLNamedType | None, _Totals]
# Totals by the identity of a selection set's node. The document keeps its nodes, and so their identities, alive.
_Known = dict[int, _Totals]


@dataclass(frozen=True, slots=True)
class OperationCost:
    """The size of one operation, and its cost for given variables. Fragments count as often as they are spread.

    Attributes:
        depth: Fields within fields. `ofType` is not counted, because it unwraps a type and the usual introspection
            document has nine of them.
        root_fields: Selections of the root type, repeated ones included.
    """

    depth: int
    aliases: int
    root_fields: int
    directives: int
    fields: int
    _estimator: "_Estimator"
    _operation: OperationDefinitionNode
    # The variables that decide the cost, with their default values.
    _deciding: Variables
    _remembered: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def cost(self, variables: Variables | None) -> int:
        """Return the cost in points with these variables, in the form in which the client sent them.

        Cost: A microsecond if the operation had the same page sizes before. Otherwise some microseconds for each
        selection set that holds a page size given by a variable.
        """
        values = {**self._deciding, **variables} if variables else self._deciding
        key = tuple([values[name] for name in self._deciding])
        if not _REMEMBERED_TYPES.issuperset(map(type, key)):
            return self._estimator.cost(self._operation, values)
        cost = self._remembered.get(key)
        if cost is None:
            cost = self._estimator.cost(self._operation, values)
            if len(self._remembered) < MAX_REMEMBERED_COSTS:
                self._remembered[key] = cost
        return cost


def measure(document: DocumentNode, schema: CostedSchema, model: CostModel) -> dict[str | None, OperationCost]:
    """Return the cost of each operation by its name, and that of a document's only operation by None as well.

    The document need not be valid. Fields that the schema lacks are counted, and cost no points.

    Raises:
        RecursionError: If fragments are nested many hundred deep.
    """
    estimator = _Estimator(document, schema, model)
    costs: dict[str | None, OperationCost] = {}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            costs[node.name.value if node.name else None] = _operation_cost(node, estimator)
    if len(costs) == 1:
        costs[None] = next(iter(costs.values()))
    return costs


def _operation_cost(node: OperationDefinitionNode, estimator: "_Estimator") -> OperationCost:
    totals = estimator.totals(node)
    definitions = node.variable_definitions or ()
    own_directives = sum(_directive_count(each) for each in (node, *definitions))
    defaults = {each.variable.name.value: _literal(each.default_value) for each in definitions if each.default_value}
    return OperationCost(
        depth=totals.depth,
        aliases=min(totals.aliases, SATURATED),
        root_fields=totals.top_fields,
        directives=min(totals.directives + own_directives, SATURATED),
        fields=min(totals.fields, SATURATED),
        _estimator=estimator,
        _operation=node,
        _deciding={name: defaults.get(name) for name in totals.deciding},
    )


class _Estimator:
    """The costs of one document: visited when it is parsed, and again for values of the variables that matter."""

    def __init__(self, document: DocumentNode, schema: CostedSchema, model: CostModel) -> None:
        self.schema = schema.schema
        self.field_costs = schema.field_costs
        self.model = model
        self.fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        # The totals of selection sets whose cost is the same for all variables.
        self._constant: _Known = {}

    def totals(self, operation: OperationDefinitionNode) -> _Totals:
        """Return the totals of an operation without variables. Remember those that no variable changes."""
        visit = _Visit(self, {}, dict(self._constant))
        totals = visit.selections(operation.selection_set, self.schema.get_root_type(operation.operation))
        self._constant.update((node, each) for node, each in visit.known.items() if not each.deciding)
        return totals

    def cost(self, operation: OperationDefinitionNode, variables: Variables) -> int:
        """Return the cost of an operation with these variables."""
        visit = _Visit(self, variables, dict(self._constant))
        totals = visit.selections(operation.selection_set, self.schema.get_root_type(operation.operation))
        return min(totals.cost + totals.shares_walk * self.model.shared_walk_pages, SATURATED)


class _Visit:
    """One visit of an operation's selection sets, with the variables of one request."""

    def __init__(self, estimator: _Estimator, variables: Variables, known: _Known) -> None:
        self.known = known
        self._estimator = estimator
        self._variables = variables

    def selections(self, node: SelectionSetNode | None, parent: GraphQLNamedType | None) -> _Totals:
        """Return the totals of a selection set on a type."""
        if node is None:
            return _NOTHING
        known = self.known.get(id(node))
        if known is not None:
            return known
        self.known[id(node)] = _NOTHING  # A fragment inside itself adds nothing.
        selections: list[_Selection] = []
        # A comprehension would take a second frame of the stack for each level of the document.
        for selection in node.selections:
            selections.append(self._selection(selection, parent))  # noqa: PERF401  # See above.
        totals = self.known[id(node)] = _sum(selections, parent)
        return totals

    def _selection(self, node: SelectionNode, parent: GraphQLNamedType | None) -> _Selection:
        """Return the type that a selection applies to, and its totals."""
        kind = parent
        directives = _directive_count(node)
        if isinstance(node, FieldNode):
            totals = self._field(node, parent)
        elif isinstance(node, InlineFragmentNode):
            if node.type_condition:
                kind = self._estimator.schema.get_type(node.type_condition.name.value)
            totals = self.selections(node.selection_set, kind)
        else:
            fragment = self._estimator.fragments.get(cast("FragmentSpreadNode", node).name.value)
            if fragment is None:
                return None, _Totals(directives=directives)
            kind = self._estimator.schema.get_type(fragment.type_condition.name.value)
            directives += _directive_count(fragment)
            totals = self.selections(fragment.selection_set, kind)
        return kind, totals._replace(directives=totals.directives + directives) if directives else totals

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> _Totals:
        name = node.name.value
        field = self._estimator.schema.get_field(parent, name) if is_composite_type(parent) else None
        inner = self.selections(node.selection_set, get_named_type(field.type) if field else None)
        coordinate = (parent.name if parent else "", name)
        declared = self._estimator.field_costs.get(coordinate, _FREE)
        arguments = {each.name.value: each.value for each in node.arguments or ()}
        return _Totals(
            depth=inner.depth + (0 if coordinate == ("__Type", "ofType") else 1),
            top_fields=1,
            aliases=inner.aliases + (1 if node.alias else 0),
            directives=inner.directives,
            fields=inner.fields + 1,
            cost=0 if declared.is_row_list else min(self._cost(declared, arguments, inner), SATURATED),
            row_cost=inner.cost if declared.is_row_list else 0,
            deciding=inner.deciding.union(_deciding_variables(declared, arguments)),
            shares_walk=inner.shares_walk or declared.may_share_walk,
        )

    def _cost(self, declared: FieldCost, arguments: Mapping[str, ValueNode], inner: _Totals) -> int:
        """Return the points of a field for each object that has it, its subselections included."""
        if declared.slicing_arguments:
            return self._page_cost(declared, arguments, inner)
        weight = self._estimator.model.max_upstream_pages if declared.reads_whole_list else declared.weight
        size = declared.size
        if declared.key_argument is not None:
            size = _length(self._value(arguments.get(declared.key_argument)))
        return size * (weight + inner.cost)

    def _page_cost(self, declared: FieldCost, arguments: Mapping[str, ValueNode], inner: _Totals) -> int:
        model = self._estimator.model
        sizes = {name: _as_number(self._value(arguments.get(name))) for name in declared.slicing_arguments}
        requested = next((size for size in sizes.values() if size is not None), declared.size)
        # The field rejects a size out of bounds without a call.
        rows = max(0, min(requested, model.max_page_size))
        calls = -(-rows // model.page_rows)
        if rows and self._reads_whole_list(declared, arguments):
            calls = max(calls, model.max_upstream_pages)
        return calls * declared.weight + rows * (declared.row_weight + inner.row_cost) + inner.cost

    def _reads_whole_list(self, declared: FieldCost, arguments: Mapping[str, ValueNode]) -> bool:
        """Return whether a connection may read all upstream pages of its list, for the arguments that are set."""
        if any(self._value(arguments.get(name)) is not None for name in declared.whole_list_arguments):
            return True
        return any(
            _value_count(value.get(name)) >= fewest
            for argument, conditions in declared.whole_list_conditions.items()
            if isinstance(value := self._value(arguments.get(argument)), Mapping)
            for name, fewest in conditions.items()
        )

    def _value(self, node: ValueNode | None) -> Any:
        """Return a value as JSON has it."""
        if isinstance(node, VariableNode):
            return self._variables.get(node.name.value)
        if isinstance(node, ObjectValueNode):
            return {field.name.value: self._value(field.value) for field in node.fields}
        if isinstance(node, ListValueNode):
            return [self._value(value) for value in node.values]
        return _literal(node)


def _sum(selections: list[_Selection], parent: GraphQLNamedType | None) -> _Totals:
    """Return the totals of a selection set on a type."""
    totals = [each for _, each in selections]
    if len(totals) == 1:
        return totals[0]
    return _Totals(
        depth=max((each.depth for each in totals), default=0),
        top_fields=_saturated(each.top_fields for each in totals),
        aliases=_saturated(each.aliases for each in totals),
        directives=_saturated(each.directives for each in totals),
        fields=_saturated(each.fields for each in totals),
        cost=_cost_of_one_object(selections, parent),
        row_cost=_saturated(each.row_cost for each in totals),
        deciding=frozenset().union(*(each.deciding for each in totals)),
        shares_walk=any(each.shares_walk for each in totals),
    )


def _cost_of_one_object(selections: list[_Selection], parent: GraphQLNamedType | None) -> int:
    """Return the most that one object can cost. It has one type, so only one type's fragments can apply to it."""
    shared = 0
    by_type: dict[str, int] = {}
    for kind, totals in selections:
        if isinstance(kind, GraphQLObjectType) and is_abstract_type(parent):
            by_type[kind.name] = by_type.get(kind.name, 0) + totals.cost
        else:
            shared += totals.cost
    return min(shared + max(by_type.values(), default=0), SATURATED)


def _deciding_variables(declared: FieldCost, arguments: Mapping[str, ValueNode]) -> Iterator[str]:
    deciding = {*declared.slicing_arguments, *declared.whole_list_arguments, *declared.whole_list_conditions}
    for name, value in arguments.items():
        if name in deciding or name == declared.key_argument:
            yield from _variables_in(value)


def _variables_in(node: ValueNode) -> Iterator[str]:
    if isinstance(node, VariableNode):
        yield node.name.value
    elif isinstance(node, ObjectValueNode):
        for each in node.fields:
            yield from _variables_in(each.value)
    elif isinstance(node, ListValueNode):
        for value in node.values:
            yield from _variables_in(value)


def _saturated(numbers: Iterable[int]) -> int:
    return min(sum(numbers), SATURATED)


def _directive_count(node: Any) -> int:
    return len(node.directives or ())


def _length(value: object) -> int:
    """Return the number of values of a list argument. A single value stands for a list of one (GraphQL, List Input)."""
    return len(value) if isinstance(value, list) else 1


def _value_count(value: object) -> int:
    """Return the number of different values of a condition: 0 if it is not set, or if its fields are not set."""
    if isinstance(value, list):
        return len({str(each) for each in value})
    if isinstance(value, Mapping):
        return any(each is not None for each in value.values())
    return value is not None


def _literal(node: ValueNode | None) -> Any:
    """Return a literal as JSON has it, except that text and numbers with a fraction stay text."""
    if isinstance(node, IntValueNode):
        # Python refuses to read some thousand digits, and no size has ten.
        return int(node.value) if len(node.value) < 10 else SATURATED  # noqa: PLR2004  # See above.
    if isinstance(node, ListValueNode):
        return [_literal(value) for value in node.values]
    if isinstance(node, ObjectValueNode):
        return {field.name.value: _literal(field.value) for field in node.fields}
    return getattr(node, "value", None)


def _as_number(value: object) -> int | None:
    # GraphQL accepts 5.0 as an Int. Any other type is rejected when the field's arguments are read.
    if isinstance(value, float):
        return int(min(max(0, value), SATURATED))  # In this order, NaN gives 0.
    return value if isinstance(value, int) else None
