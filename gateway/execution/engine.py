"""A schema as it is executed: documents kept ready, operations run by graphql-core itself.

Strawberry's own way to execute runs its extensions, of which this gateway has none, around the same calls.
"""

import inspect
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    get_operation_ast,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import NoSchemaIntrospectionCustomRule
from graphql.validation.rules import overlapping_fields_can_be_merged
from strawberry.schema.base import BaseSchema

from gateway.context import RequestContext
from gateway.execution.executor import ProjectingExecutor, Projections
from gateway.execution.incremental import IncrementalExecutor, UndividedExecutor
from gateway.execution.limits import Limits
from gateway.execution.measure import Measure
from gateway.request_record import REQUEST_RECORD, SHOWN_NAME_LENGTH, RequestRecord
from gateway.telemetry.tracing import NO_SPAN, Span, are_recorded, span

# Characters of the documents that are kept ready, with their projections: at about 160 bytes a character 8 MB, some 30
# where Boolean variables make many projections of each; and eighty documents of a front end, those asked last.
KEPT_CHARACTERS: Final = 49_152
# A longer one would put out too many others.
LONGEST_KEPT: Final = KEPT_CHARACTERS // 4
# Answers to introspection that are kept: a tool has one document for it, and there are few tools. One is about 2 MB
# where it asks for the schema once; tools ask for __schema, __type and __typename at most.
KEPT_INTROSPECTIONS: Final = 8
MOST_FIELDS_KEPT: Final = 3
# Comparisons of fields that may have to be merged, after which a document is refused: 0.1 s of them, where graphql-core
# would go on for a second. This attribute is its way to be told so.
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = 50_000


# Whole, or in parts.
Result = ExecutionResult | ExperimentalIncrementalExecutionResults


class DocumentRefused(Exception):
    """A document that cannot be parsed or is not valid: nothing of it was executed."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("the document cannot be executed")
        self.errors = errors


class NotAQuery(Exception):
    """The operation is another one than the query that it has to be."""


@dataclass(frozen=True, slots=True)
class _Document:
    """measures: of its operations, by name; errors: what validation found; divided: it has @defer or @stream."""

    node: DocumentNode
    measures: dict[str | None, Measure]
    errors: list[GraphQLError]
    introspects: bool
    divided: bool
    projections: Projections = field(default_factory=dict)


class ExecutableSchema:
    """Executes documents of one schema; each text is parsed and validated once, for as long as it is kept.

    introspection: whether the schema can be asked for, and mistakes are answered with what was perhaps meant.
    """

    def __init__(self, schema: BaseSchema, limits: Limits, *, introspection: bool) -> None:
        self._limits = limits
        self._hide_suggestions = not introspection
        self._rules = specified_rules if introspection else (*specified_rules, NoSchemaIntrospectionCustomRule)
        self._schema: GraphQLSchema = schema._schema  # type: ignore[attr-defined]  # noqa: SLF001  # It has no public name.
        self._documents: OrderedDict[str, _Document] = OrderedDict()
        self._kept_characters = 0
        self._introspections: OrderedDict[tuple[str, str | None], Result] = OrderedDict()

    async def execute(
        self,
        text: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: RequestContext,
        *,
        only_queries: bool = False,
        in_parts: bool = False,
    ) -> Result:
        """Run one operation of a document. Errors without a path mean that none was run.

        The result's extensions, or those of its first part, tell its cost, and what is left of what one may.
        The context's `spend` takes that cost before anything is run; what it raises passes through.
        in_parts: whether what the document defers or streams may come later.
        Raises: DocumentRefused; NotAQuery, where only queries are run.
        """
        document = self._document(text)
        operation = get_operation_ast(document.node, operation_name)
        record = REQUEST_RECORD.get()
        if operation is not None and operation.name is not None:
            record.operation = operation.name.value[:SHOWN_NAME_LENGTH]
        if only_queries and operation is not None and operation.operation is not OperationType.QUERY:
            raise NotAQuery
        if document.errors:
            raise DocumentRefused(document.errors)
        record.is_valid = True
        extensions = self._charge(document.measures.get(operation_name), variables, context)
        if context.spend is not None:
            await context.spend(max(context.cost, 1))
        key = (text, operation_name)
        kept = document.introspects and not variables
        result = self._introspections.pop(key, None) if kept else None
        if result is None:
            with _operation_span(operation, record):
                result = await self._run(document, variables, operation_name, context, in_parts=in_parts)
        if kept:
            self._introspections[key] = result
            if len(self._introspections) > KEPT_INTROSPECTIONS:
                self._introspections.popitem(last=False)
        first = result.initial_result if isinstance(result, ExperimentalIncrementalExecutionResults) else result
        first.extensions = extensions
        return result

    def refusal(self, text: str) -> str | None:
        """Why a document cannot be run, whatever its variables are; None where it can. Nothing is kept."""
        try:
            errors = self._read(text).errors
        except DocumentRefused as refused:
            errors = refused.errors
        return (errors[0].message or "it cannot be read") if errors else None

    def _charge(
        self, measure: Measure | None, variables: dict[str, Any] | None, context: RequestContext
    ) -> dict[str, Any] | None:
        """What an answer may tell of its operation's cost; None where there is no such operation.

        Raises: DocumentRefused.
        """
        if measure is None:
            return None
        context.cost = measure.cost(variables)
        REQUEST_RECORD.get().cost = context.cost
        try:
            self._limits.refuse_cost(context.cost)
        except GraphQLError as error:
            raise DocumentRefused([error]) from None
        left = self._limits.cost - context.cost
        return {"cost": {"points": context.cost, "left": left, "fields": measure.fields}}

    async def _run(
        self,
        document: _Document,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: RequestContext,
        *,
        in_parts: bool,
    ) -> Result:
        executor_class = ProjectingExecutor
        if document.divided:
            executor_class = IncrementalExecutor if in_parts else UndividedExecutor
        try:
            executor = executor_class.build(
                self._schema,
                document.node,
                context_value=context,
                raw_variable_values=variables,
                operation_name=operation_name,
                hide_suggestions=self._hide_suggestions,
                projections=document.projections,
            )
            if isinstance(executor, list):
                return ExecutionResult(None, executor)
            # graphql-core lets it run on, to hear of errors that nobody reads.
            context.unanswered = executor.background_futures
            result: Any = executor.execute_operation()
            answered: Result
            answered = await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001  # Nothing is known to raise; what does is ours, and is masked.
            return ExecutionResult(None, [GraphQLError("", original_error=error)])
        return answered

    def _document(self, text: str) -> _Document:
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
            return document
        document = self._read(text)
        if not document.errors and len(text) <= LONGEST_KEPT:
            self._documents[text] = document
            self._kept_characters += len(text)
            while self._kept_characters > KEPT_CHARACTERS:
                self._kept_characters -= len(self._documents.popitem(last=False)[0])
        return document

    def _read(self, text: str) -> _Document:
        try:
            node = self._limits.parse(text)
            measures = self._limits.measure(node, self._schema)
            errors = validate(self._schema, node, self._rules, hide_suggestions=self._hide_suggestions)
            if self._hide_suggestions:
                for error in errors:
                    # One rule, on objects without a selection, takes no notice.
                    error.message = error.message.partition(" Did you mean ")[0]
            divided = any(measure.directives for measure in measures.values()) and _is_divided(node)
            return _Document(node, measures, errors, _introspects(node) and not divided, divided)
        except GraphQLError as error:
            raise DocumentRefused([error]) from None
        except Exception as error:  # A number of thousands of digits, or selections nested too deep for the stack.
            raise DocumentRefused([GraphQLError("", original_error=error)]) from error


def _operation_span(operation: OperationDefinitionNode | None, record: RequestRecord) -> Span:
    """The span of an operation's execution. Source: OpenTelemetry, semantic conventions for GraphQL servers."""
    if operation is None or not are_recorded():
        return NO_SPAN
    kind = operation.operation.value
    named = {} if record.operation is None else {"graphql.operation.name": record.operation}
    return span(kind, {"graphql.operation.type": kind, **named})


class _Dividing(Visitor):
    """Looks for the directives that divide an answer."""

    found = False

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Note them."""
        self.found = self.found or node.name.value in {"defer", "stream"}


def _is_divided(document: DocumentNode) -> bool:
    dividing = _Dividing()
    visit(document, dividing)
    return dividing.found


def _introspects(document: DocumentNode) -> bool:
    """Whether all that a document asks is about the schema, which stays as it is, and is not asked many times over."""
    asked = [
        selection
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
        for selection in definition.selection_set.selections
    ]
    return len(asked) <= MOST_FIELDS_KEPT and all(
        isinstance(selection, FieldNode) and selection.name.value.startswith("__") for selection in asked
    )
