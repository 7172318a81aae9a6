"""The standard way and the projecting way side by side, and all that can be told of an answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from graphql import ExecutionResult, GraphQLError
from strawberry import Schema

from gateway.context import RequestContext
from gateway.execution.document_cache import InvalidDocument
from gateway.execution.document_limits import DocumentLimits
from gateway.execution.engine import Engine
from gateway.execution.query_cost import CostModel
from gateway.schema.federation import build_schema
from tests.execution.in_memory_account import Account

# Random documents ask for more than anybody may.
UNLIMITED: Final = DocumentLimits(
    tokens=10**9,
    depth=10**9,
    aliases=10**9,
    root_fields=10**9,
    directives=10**9,
    cost=10**9,
    cost_model=CostModel(page_rows=99, max_page_size=1000, max_upstream_pages=20),
)

# Text, variables, name of the operation, context.
Executor = Callable[[str, Any, str | None, RequestContext], Awaitable[ExecutionResult]]


def standard_executor(schema: Schema) -> Executor:
    """As Strawberry and graphql-core execute it."""

    async def execute(text: str, variables: Any, operation: str | None, context: RequestContext) -> ExecutionResult:
        result = await schema.execute(text, variable_values=variables, operation_name=operation, context_value=context)
        return ExecutionResult(result.data, result.errors)

    return execute


def projecting_executor(schema: Schema) -> Executor:
    """As the gateway does."""
    engine = Engine(schema, UNLIMITED, introspection=True)

    async def execute(text: str, variables: Any, operation: str | None, context: RequestContext) -> ExecutionResult:
        try:
            prepared = engine.prepare(text, operation, variables)
        except InvalidDocument as invalid:
            return ExecutionResult(None, list(invalid.errors))
        result = await engine.run(prepared, context)
        assert isinstance(result, ExecutionResult)
        return result

    return execute


SCHEMA: Final = build_schema()
STANDARD: Final = standard_executor(SCHEMA)
PROJECTING: Final = projecting_executor(SCHEMA)


@dataclass(frozen=True)
class Answer:
    """An answer, order included.

    data: as JSON.
    errors: of each its message, path, places, the type and words of what was raised, and what is kept for the log.
    calls: those made upstream for it.
    """

    data: str
    errors: tuple[tuple[Any, ...], ...]
    calls: tuple[str, ...]


async def response_of(way: Executor, account: Account, text: str, operation: str | None, given: Any) -> Answer:
    """What is answered in a request of its own."""
    account.calls.clear()
    result = await way(text, given, operation, account.context())
    # Where a field that cannot be null failed, its neighbours may still be on their way.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    # The text before it is compared: two answers may hold NaN, which equals nothing.
    return Answer(
        json.dumps(result.data),
        tuple(map(_told, result.errors or ())),
        tuple(account.calls),
    )


def _told(error: GraphQLError) -> tuple[Any, ...]:
    places = tuple((location.line, location.column) for location in error.locations or ())
    path = None if error.path is None else tuple(error.path)
    original = error.original_error
    return (error.message, path, places, type(original), str(original), getattr(original, "detail", ""))


async def same_response(account: Account, text: str, operation: str | None = None, given: Any = None) -> Answer:
    """The answer, which both ways give alike, for the same calls upstream."""
    standard = await response_of(STANDARD, account, text, operation, given)
    projected = await response_of(PROJECTING, account, text, operation, given)
    # Batches that are under way at once may begin in another order, and fail in it.
    assert _unordered(projected) == _unordered(standard), f"projected: {projected}\nstandard: {standard}"
    return standard


def _unordered(answer: Answer) -> Answer:
    return replace(answer, calls=tuple(sorted(answer.calls)), errors=tuple(sorted(answer.errors, key=repr)))
