"""The GraphQL engine: `prepare` an operation, then `run` it by graphql-core.

Strawberry's own `execute` makes the same calls, and runs extensions around them. The gateway has no extensions.
"""

import inspect
from dataclasses import dataclass
from typing import Any, Final

from cachetools import LRUCache
from graphql import (
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    default_field_resolver,
    default_type_resolver,
    get_operation_ast,
)
from strawberry.schema.base import BaseSchema

from gateway.context import RequestContext
from gateway.execution.document_cache import Document, DocumentCache, InvalidDocument
from gateway.execution.document_limits import DocumentLimits
from gateway.execution.executor_template import ExecutorTemplate
from gateway.execution.incremental_executor import IncrementalExecutor, NonIncrementalExecutor
from gateway.execution.projecting_executor import ProjectingExecutor
from gateway.execution.query_cost import OperationCost
from gateway.telemetry.request_record import SHOWN_NAME_LENGTH, current_record
from gateway.telemetry.tracing import NO_SPAN, Span, are_recorded, span

# Cached results of introspection. A tool has one document for it, and there are few tools. A result takes about 2 MB if
# it holds the schema once.
MAX_CACHED_INTROSPECTIONS: Final = 8

# In one piece, or in parts by @defer and @stream.
Result = ExecutionResult | ExperimentalIncrementalExecutionResults


class NotAQuery(Exception):
    """A mutation or a subscription in a request that allows only a query."""


@dataclass(slots=True)
class Prepared:
    """A valid operation that can be run, and its cost.

    Attributes:
        operation: None if the document has no such operation. `run` then returns the error.
        cost: Estimated points, 0 without an operation.
        cost_extension: The entry of a response's `extensions` that reports the cost, empty without an operation.
    """

    text: str
    document: Document
    operation: OperationDefinitionNode | None
    operation_name: str | None
    variables: dict[str, Any] | None
    cost: int
    cost_extension: dict[str, Any]


class Engine:
    """Prepares and runs the operations on one schema.

    Args:
        introspection: Whether clients may query the schema. If not, error messages hold no suggestions either.
    """

    def __init__(self, schema: BaseSchema, limits: DocumentLimits, *, introspection: bool) -> None:
        self._schema: GraphQLSchema = schema._schema  # type: ignore[attr-defined]  # noqa: SLF001  # It has no public name.
        self._limits = limits
        self._hide_suggestions = not introspection
        self.documents = DocumentCache(self._schema, limits, introspection=introspection)
        self._introspections: LRUCache[tuple[str, str | None], Result] = LRUCache(MAX_CACHED_INTROSPECTIONS)

    def prepare(
        self,
        text: str,
        operation_name: str | None,
        variables: dict[str, Any] | None,
        *,
        only_queries: bool = False,
    ) -> Prepared:
        """Parse and validate a document, and price one of its operations.

        Note the operation's name and cost in the request record. Do not run it.

        Raises:
            InvalidDocument: If the document is not valid, or exceeds a limit.
            NotAQuery: If `only_queries` is set and the operation has another type.
        """
        document = self.documents.get(text)
        operation = get_operation_ast(document.node, operation_name)
        record = current_record()
        if operation is not None and operation.name is not None:
            record.operation = operation.name.value[:SHOWN_NAME_LENGTH]
        # The type is checked first. The schema has only queries, so an operation of another type is never valid.
        if only_queries and operation is not None and operation.operation is not OperationType.QUERY:
            raise NotAQuery
        if document.errors:
            raise InvalidDocument(document.errors)
        record.is_valid = True
        cost, extension = self._price(document.costs.get(operation_name), variables)
        return Prepared(text, document, operation, operation_name, variables, cost, extension)

    async def run(self, prepared: Prepared, context: RequestContext, *, incremental: bool = False) -> Result:
        """Run an operation. If the result has errors and all of them lack a path, no field was executed.

        A result of introspection may be shared with other requests, so do not change it.

        Args:
            prepared: What `prepare` returned.
            context: The request's context.
            incremental: Whether deferred and streamed parts may follow later. Otherwise the result is in one piece.
        """
        if not prepared.document.introspects or prepared.variables:
            return await self._execute(prepared, context, incremental=incremental)
        key = (prepared.text, prepared.operation_name)
        result = self._introspections.get(key)
        if result is None:
            result = self._introspections[key] = await self._execute(prepared, context, incremental=incremental)
        return result

    def _price(self, operation: OperationCost | None, variables: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """Return an operation's cost and the extension that reports it.

        Raises:
            InvalidDocument: If the operation costs too much.
        """
        if operation is None:
            return 0, {}
        cost = operation.cost(variables)
        current_record().cost = cost
        try:
            self._limits.check_cost(cost)
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        return cost, {
            "cost": {
                "points": cost,
                "limit": self._limits.cost,
                "left": self._limits.cost - cost,
                "fields": operation.fields,
            }
        }

    async def _execute(self, prepared: Prepared, context: RequestContext, *, incremental: bool) -> Result:
        document = prepared.document
        executor_class = ProjectingExecutor
        if document.incremental:
            executor_class = IncrementalExecutor if incremental else NonIncrementalExecutor
        with _operation_span(prepared.operation):
            try:
                executor = self._executor(executor_class, prepared, context)
                if isinstance(executor, list):
                    return ExecutionResult(None, executor)
                # Work on fields that an error has removed from the response. graphql-core would let it go on to collect
                # errors that no response shows.
                context.cancelled_work = executor.background_futures
                result: Any = executor.execute_operation()
                completed: Result = await result if inspect.isawaitable(result) else result
            except Exception as error:  # noqa: BLE001  # No known input raises here. If one does, the error is masked.
                return ExecutionResult(None, [GraphQLError("", original_error=error)])
            return completed

    def _executor(
        self, executor_class: type[ProjectingExecutor], prepared: Prepared, context: RequestContext
    ) -> ProjectingExecutor | list[GraphQLError]:
        """Return the executor of an operation, or errors if it cannot be executed with these variables."""
        document = prepared.document
        template = document.templates.get(prepared.operation_name)
        variable_values = None if template is None else template.coerce_variables(prepared.variables or {})
        if template is not None and variable_values is not None:
            return executor_class(
                self._schema,
                template.fragment_definitions,
                template.fragments,
                None,
                context,
                template.operation,
                variable_values,
                default_field_resolver,
                default_type_resolver,
                default_field_resolver,
                hide_suggestions=self._hide_suggestions,
                projections=document.projections,
            )
        executor: ProjectingExecutor | list[GraphQLError] = executor_class.build(  # type: ignore[assignment]  # It builds its own class.
            self._schema,
            document.node,
            context_value=context,
            raw_variable_values=prepared.variables,
            operation_name=prepared.operation_name,
            hide_suggestions=self._hide_suggestions,
            projections=document.projections,
        )
        if template is None and not isinstance(executor, list):
            document.templates[prepared.operation_name] = ExecutorTemplate(executor)
        return executor


def _operation_span(operation: OperationDefinitionNode | None) -> Span:
    """Return the span of an operation's execution. Source: OpenTelemetry, semantic conventions for GraphQL servers."""
    if operation is None or not are_recorded():
        return NO_SPAN
    kind, name = operation.operation.value, current_record().operation
    return span(kind, {"graphql.operation.type": kind} | ({} if name is None else {"graphql.operation.name": name}))
