"""graphql-core's executor, which answers for whole records at once where it can."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from graphql import GraphQLError, GraphQLObjectType, is_non_null_type
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gateway.execution.projection import LinkedType, PendingLink, Projection, compile_projection

# The projections of one document, by type, nodes and Boolean variables; None where there is none.
Projections = dict[Any, Projection | None]
# Of one document: its selections, once for each combination of its Boolean variables; the oldest goes first.
KEPT_PROJECTIONS: Final = 64


class ProjectingExecutor(StrawberryGraphQLCoreExecutionContext):
    """An executor that completes records by generated functions, and all else as graphql-core does.

    projections: of the document, kept from one execution to the next.
    """

    def __init__(self, *args: Any, projections: Projections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._projections = projections
        # @skip and @include choose fields by Boolean variables, so these are part of what a selection is.
        variables = self.variable_values.coerced.items()
        self._switches = tuple((name, value) for name, value in variables if isinstance(value, bool))

    def collect_and_execute_subfields(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Answer for one object: what can be projected at once, the fields that are left one by one."""

        def one_by_one() -> AwaitableOrValue[dict[str, Any]]:
            return super(ProjectingExecutor, self).collect_and_execute_subfields(
                return_type, field_details_list, path, result, position_context
            )

        projection = self._projection(return_type, field_details_list)
        if projection is None:
            return one_by_one()
        links: list[PendingLink] = []
        try:
            self._must_be_allowed(projection)
            answer = projection.project(result, links)
        except Exception:  # noqa: BLE001  # An odd value may trip it anywhere; the standard way finds and places the error.
            return one_by_one()
        if not projection.left:
            return self._linked(answer, links, one_by_one) if links else answer
        selection = self.collect_subfields(return_type, field_details_list).grouped_field_set
        fields = {name: selection[name] for name in projection.left}
        rest = self.execute_fields(return_type, result, path, fields, position_context)
        if isinstance(rest, dict):
            return answer | rest

        async def completed() -> dict[str, Any]:
            return answer | await rest

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
        """Answer for a list: by one function for all of its objects, if they can be projected whole."""
        items = list(items)

        def one_by_one() -> AwaitableOrValue[list[Any]]:
            return super(ProjectingExecutor, self).complete_iterable_value(
                item_type, field_details_list, info, path, items, position_context
            )

        # Most fields have no directive at all, and graphql-core's own look takes longer.
        if field_details_list[0].node.directives and self.get_stream_usage(field_details_list, path):
            return one_by_one()
        return self._at_once(items, item_type, field_details_list, one_by_one)

    def _at_once(
        self,
        items: Sequence[Any],
        item_type: Any,
        field_details_list: FieldDetailsList,
        one_by_one: Callable[[], AwaitableOrValue[list[Any]]],
    ) -> AwaitableOrValue[list[Any]]:
        """Answer for items by one function; where they cannot be projected whole, by `one_by_one`."""
        object_type = item_type.of_type if is_non_null_type(item_type) else item_type
        if not items or not isinstance(object_type, GraphQLObjectType):
            return one_by_one()
        projection = self._projection(object_type, field_details_list)
        if projection is None or projection.left:
            return one_by_one()
        links: list[PendingLink] = []
        project = projection.project
        try:
            self._must_be_allowed(projection)
            answer = [project(item, links) for item in items]
        except Exception:  # noqa: BLE001  # One odd object among them: each is completed by itself.
            return one_by_one()
        return self._linked(answer, links, one_by_one) if links else answer

    def _linked(
        self, answer: Any, links: list[PendingLink], one_by_one: Callable[[], AwaitableOrValue[Any]]
    ) -> AwaitableOrValue[Any]:
        """The answer with the records that it is linked to, or, where one of them is odd, what the standard way gives.

        The loaders have the records by then, so that the standard way asks for none again.
        """
        try:
            waiting = self._put_known(links)
        except Exception:  # noqa: BLE001  # As above: the standard way finds and places the error.
            return one_by_one()
        if not waiting:
            return answer

        async def completed() -> Any:
            still_waiting = waiting
            try:
                while still_waiting:
                    further: list[PendingLink] = []
                    for target, group in still_waiting.items():
                        records = await target.loader(self.context_value).load_all([link.key for link in group])
                        for link, record in zip(group, records, strict=True):
                            link.put(record, further)
                    still_waiting = self._put_known(further)
            except Exception:  # noqa: BLE001  # As above.
                standard = one_by_one()
                return await standard if self.is_awaitable(standard) else standard
            return answer

        return completed()

    def _must_be_allowed(self, projection: Projection) -> None:
        """Pass where the caller may follow all links, whether or not there is a record that has one.

        Raises: Forbidden.
        """
        for target in projection.targets:
            target.loader(self.context_value)

    def _put_known(self, links: list[PendingLink]) -> dict[LinkedType, list[PendingLink]]:
        """Put the records that are known into their places; gives the links to those that are not, once asked for."""
        waiting: dict[LinkedType, list[PendingLink]] = {}
        # Records hold links of their own, which are added at the end.
        for link in links:
            loader = link.target.loader(self.context_value)
            record = loader.known(link.key)
            if record is not None:
                link.put(record, links)
            else:
                loader.ask_for(link.key)
                waiting.setdefault(link.target, []).append(link)
        return waiting

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
        except GraphQLError:  # Such as a null for @skip's variable: for the standard way to place.
            return None
        projection = None
        if not collected.new_defer_usages:
            projection = compile_projection(parent, collected.grouped_field_set, self.collect_subfields)
        if len(self._projections) >= KEPT_PROJECTIONS:
            del self._projections[next(iter(self._projections))]
        self._projections[key] = projection
        return projection
