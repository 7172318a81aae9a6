"""graphql-core's executor, which answers for whole records at once where it can."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

from graphql import GraphQLError, GraphQLObjectType, is_non_null_type
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.execution.projection import Projection, compile_projection

# Operations whose projections are kept: as many as documents (schema/federation.py), since they live side by side.
KEPT_OPERATIONS: Final = 512
# Projections of one operation: its selections, once for each combination of its Boolean variables.
KEPT_SELECTIONS: Final = 64

_Plans = dict[Any, Projection | None]
_kept: OrderedDict[tuple[int, int], tuple[object, object, _Plans]] = OrderedDict()


def _plans_of(schema: object, operation: object) -> _Plans:
    """The projections of an operation, which is known by its identity: documents are kept parsed."""
    key = (id(schema), id(operation))
    kept = _kept.get(key)
    if kept is None:
        # Schema and operation are kept with their plans, so that no others are given their identities.
        kept = _kept[key] = (schema, operation, {})
        if len(_kept) > KEPT_OPERATIONS:
            _kept.popitem(last=False)
    return kept[2]


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """An executor that completes records by generated functions, and all else as graphql-core does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = _plans_of(self.schema, self.operation)
        # @skip and @include choose fields by Boolean variables, so these are part of what a selection is.
        variables = self.variable_values.coerced.items()
        self._switches = tuple((name, value) for name, value in variables if isinstance(value, bool))
        self._found: dict[int, tuple[GroupedFieldSet, Projection | None]] = {}

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> Any:
        """Answer for one object: what can be projected at once, the fields that are left one by one."""
        projection = self._projection(parent_type, grouped_field_set)
        if projection is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        try:
            results = projection.project(source_value)
        except Exception:  # noqa: BLE001  # An odd value may trip it anywhere; the standard way finds and places the error.
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        if not projection.left:
            return results
        fields = {name: grouped_field_set[name] for name in projection.left}
        rest = super().execute_fields(parent_type, source_value, path, fields, position_context)
        if isinstance(rest, dict):
            return results | rest

        async def completed() -> dict[str, Any]:
            return results | await rest

        return completed()

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> Any:
        """Answer for a list: by one function for all of its objects, if they can be projected whole."""
        items = list(items)
        project = self._project_items(item_type, field_details_list, path) if items else None
        if project is not None:
            try:
                return [project(item) for item in items]
            except Exception:  # noqa: BLE001, S110  # One odd object among them: each is completed by itself, below.
                pass
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)

    def _project_items(
        self, item_type: Any, field_details_list: FieldDetailsList, path: Path
    ) -> Callable[[Any], dict[str, Any]] | None:
        """The function for a list's objects; None where they cannot be projected whole."""
        object_type = item_type.of_type if is_non_null_type(item_type) else item_type
        if not isinstance(object_type, GraphQLObjectType) or self.get_stream_usage(field_details_list, path):
            return None
        try:
            collected = self.collect_subfields(object_type, field_details_list)
        except GraphQLError:  # Such as a null for @skip's variable: an error of each object, not of the list.
            return None
        projection = None if collected.new_defer_usages else self._projection(object_type, collected.grouped_field_set)
        return None if projection is None or projection.left else projection.project

    def _projection(self, parent: GraphQLObjectType, selection: GroupedFieldSet) -> Projection | None:
        # Within one execution a selection is one object; across executions it is known by its nodes.
        found = self._found.get(id(selection))
        if found is None:
            key = (
                parent.name,
                self._switches,
                tuple((name, *(id(details.node) for details in group)) for name, group in selection.items()),
            )
            try:
                projection = self._plans[key]
            except KeyError:
                projection = compile_projection(parent, selection, self.collect_subfields)
                if len(self._plans) < KEPT_SELECTIONS:
                    self._plans[key] = projection
            # The selection is kept with it, so that no other one is given its identity.
            found = self._found[id(selection)] = (selection, projection)
        return found[1]
