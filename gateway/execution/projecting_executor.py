"""graphql-core's executor, which completes whole records by generated functions if it can."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from graphql import GraphQLError, GraphQLObjectType, is_non_null_type
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from graphql.type.definition import GraphQLResolveInfoHelpers

from gateway.execution.projection import LinkedType, Links, PendingLink, Projection, compile_projection
from gateway.execution.projection_plan import is_rows_field
from gateway.loaders.record_cache import Lookup
from gateway.schema.connection import ListConnection

# The projections of one document, by type, nodes and Boolean variables. None if a selection has none.
Projections = dict[Any, Projection | None]
# For each link of a projection, the function that returns a lookup for each key, and the key of its outcome in that.
Lookups = dict[LinkedType, Callable[[Sequence[Any]], list[tuple[Lookup[Any], str]]]]
# Cached projections of one document. A selection has one for each combination of the Boolean variables. The oldest is
# removed first.
MAX_PROJECTIONS: Final = 64


def _reject_async_work(_awaitables: Sequence[Any]) -> NoReturn:
    raise AssertionError("No resolver and no `is_type_of` of the schema uses graphql-core's helpers.")


_NO_ASYNC_HELPERS: Final = GraphQLResolveInfoHelpers(gather=_reject_async_work, track=_reject_async_work)


class ProjectingExecutor(Executor[Any]):
    """An executor that completes records by generated functions, and all other values as graphql-core does.

    Strawberry's executor prepares each request for `@defer` and `@stream`, which few documents have: 1.5 % of a small
    request. It also changes `variable_values` and `operation_extensions` of the resolvers' info, which none reads.

    Args:
        projections: The document's projections, cached from one execution to the next.
    """

    def __init__(self, *args: Any, projections: Projections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # graphql-core's own helpers refer to the executor. All objects of the request would then be a cycle, for which
        # the garbage collector takes a twentieth of the request's time.
        self.async_helpers = _NO_ASYNC_HELPERS
        self._projections = projections
        # @skip and @include select fields by Boolean variables, so a projection is for certain values of these.
        variables = self.variable_values.coerced.items()
        self._switches = tuple([(name, value) for name, value in variables if isinstance(value, bool)])

    def collect_and_execute_subfields(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Complete one object: the fields that can be projected at once, and the other fields one by one."""
        execute_each_field = partial(
            super().collect_and_execute_subfields, return_type, field_details_list, path, result, position_context
        )
        projection = self._projection(return_type, field_details_list)
        if isinstance(result, ListConnection):
            whole = projection if projection is not None and not projection.resolver_fields else None
            needs_only_rows = whole is not None or self._needs_only_rows(return_type, field_details_list)
            return self._fetch_first(result, whole, execute_each_field) if needs_only_rows else execute_each_field()
        if projection is None:
            return execute_each_field()
        links: Links = {target: [] for target in projection.targets}
        try:
            lookups = self._lookups(projection)
            projected = projection.project(result, links)
        except Exception:  # noqa: BLE001  # Any error may come from an odd value. graphql-core finds it again, and its path.
            return execute_each_field()
        if not projection.resolver_fields:
            return self._resolve_links(projected, links, lookups, execute_each_field)
        selection = self.collect_subfields(return_type, field_details_list).grouped_field_set
        fields = {name: selection[name] for name in projection.resolver_fields}
        rest = self.execute_fields(return_type, result, path, fields, position_context)
        if isinstance(rest, dict):
            return projected | rest

        async def completed() -> dict[str, Any]:
            return projected | await rest

        return completed()

    def complete_iterable_value(
        self,
        item_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """Complete a list: by one function for all of its objects, if it covers all of their fields."""
        items = list(items)
        execute_each_field = partial(
            super().complete_iterable_value, item_type, field_details_list, info, path, items, position_context
        )
        # Most fields have no directive at all, and graphql-core's own check takes longer.
        if field_details_list[0].node.directives and self.get_stream_usage(field_details_list, path):
            return execute_each_field()
        return self._project_list(items, item_type, field_details_list, execute_each_field)

    def _needs_only_rows(self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList) -> bool:
        """Return whether a connection's requested fields need its rows, and no count of the whole list."""
        try:
            selection = self.collect_subfields(return_type, field_details_list).grouped_field_set
        except GraphQLError:  # Such as a null for the variable of @skip. graphql-core reports it with its path.
            return False
        names = {details[0].node.name.value for details in selection.values()}
        # @skip and @include may leave no field, which needs no rows.
        return bool(names) and all(is_rows_field(return_type, name) for name in names)

    async def _fetch_first(
        self,
        connection: ListConnection[Any],
        projection: Projection | None,
        execute_each_field: Callable[[], AwaitableOrValue[dict[str, Any]]],
    ) -> dict[str, Any]:
        """Complete a connection after its rows are fetched, so that its fields need no task of their own to wait.

        Args:
            connection: The connection.
            projection: The projection of its fields, if all of them can be projected.
            execute_each_field: Completes it otherwise, or if a row is odd.
        """
        completed: Any = None
        try:
            rows = await connection.fetch()
            if projection is not None:
                links: Links = {target: [] for target in projection.targets}
                lookups = self._lookups(projection)
                completed = projection.project(rows, links)
        except Exception:  # noqa: BLE001  # The rows were not fetched, or one of them is odd. Each field reports it.
            completed = None
        if completed is None:
            completed = execute_each_field()
        else:
            completed = self._resolve_links(completed, links, lookups, execute_each_field)
        result: dict[str, Any] = await completed if self.is_awaitable(completed) else completed
        return result

    def _project_list(
        self,
        items: Sequence[Any],
        item_type: Any,
        field_details_list: FieldDetailsList,
        execute_each_field: Callable[[], AwaitableOrValue[list[Any]]],
    ) -> AwaitableOrValue[list[Any]]:
        """Complete items by one function, or field by field if the function does not cover all of their fields."""
        object_type = item_type.of_type if is_non_null_type(item_type) else item_type
        if not items or not isinstance(object_type, GraphQLObjectType):
            return execute_each_field()
        projection = self._projection(object_type, field_details_list)
        if projection is None or projection.resolver_fields:
            return execute_each_field()
        links: Links = {target: [] for target in projection.targets}
        project = projection.project
        try:
            lookups = self._lookups(projection)
            projected = [project(item, links) for item in items]
        except Exception:  # noqa: BLE001  # One of the objects is odd, so each is completed by itself.
            return execute_each_field()
        return self._resolve_links(projected, links, lookups, execute_each_field)

    def _resolve_links(
        self,
        projected: Any,
        links: Links,
        lookups: Lookups,
        execute_each_field: Callable[[], AwaitableOrValue[Any]],
    ) -> AwaitableOrValue[Any]:
        """Return the projected value with its linked records. If one of them is odd, execute field by field instead.

        The data sources remember the records, so the second execution makes no upstream call again.
        """
        if not any(links.values()):
            return projected
        filling = _fill_in(links, lookups)
        try:
            pending = next(filling, None)
        except Exception:  # noqa: BLE001  # As above: graphql-core finds the error again, and its path.
            return execute_each_field()
        if pending is None:
            return projected

        async def fill_in_the_rest() -> Any:
            try:
                await asyncio.wait(pending)
                for further in filling:
                    await asyncio.wait(further)
            except Exception:  # noqa: BLE001  # As above.
                completed = execute_each_field()
                return await completed if self.is_awaitable(completed) else completed
            return projected

        return fill_in_the_rest()

    def _lookups(self, projection: Projection) -> Lookups:
        """Return the functions that look up the records of a projection's links.

        Raises:
            Forbidden: If the caller may not follow one of the links, even if no record has it.
        """
        return {target: target.data_source(self.context_value).lookups for target in projection.targets}

    def _projection(self, parent: GraphQLObjectType, field_details_list: FieldDetailsList) -> Projection | None:
        key = (parent.name, self._switches, *[id(details.node) for details in field_details_list])
        try:
            return self._projections[key]
        except KeyError:
            pass
        if any(details.fragment_variable_values is not None for details in field_details_list):
            return None
        try:
            collected = self.collect_subfields(parent, field_details_list)
        except GraphQLError:  # Such as a null for the variable of @skip. graphql-core reports it with its path.
            return None
        projection = None
        if not collected.new_defer_usages:
            projection = compile_projection(parent, collected.grouped_field_set, self.collect_subfields)
        if len(self._projections) >= MAX_PROJECTIONS:
            del self._projections[next(iter(self._projections))]
        self._projections[key] = projection
        return projection


def _fill_in(links: Links, lookups: Lookups) -> Iterator[set[Lookup[Any]]]:
    """Put linked records into the response. Yield lookups that must be done before the next step.

    Raises:
        Exception: The error with which a record's lookup failed, or an error of `LinkedType.fill_in`.
    """
    waiting: dict[tuple[LinkedType, Lookup[Any]], list[PendingLink]] = {}
    while True:
        # Linked records hold links too. Those of loaded records start before any wait, so that all share a batch.
        for target, pending in links.items():
            links[target] = []
            found = lookups[target]([key for _, key in pending]) if pending else []
            for (parent, _), (lookup, key) in zip(pending, found, strict=True):
                waiting.setdefault((target, lookup), []).append((parent, key))
        for target, lookup in [each for each in waiting if each[1].done()]:
            target.fill_in(waiting.pop((target, lookup)), lookup.result(), links)
        if any(links.values()):
            continue
        if not waiting:
            return
        yield {lookup for _, lookup in waiting}
