"""Comparison of the projecting executor with graphql-core's standard executor."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from graphql import ExecutionResult, GraphQLError
from strawberry import Schema

from gateway.context import RequestContext
from gateway.execution.document_cache import InvalidDocument
from gateway.execution.document_limits import DocumentLimits
from gateway.execution.engine import Engine
from gateway.execution.query_cost import CostModel
from gateway.schema.federation import build_schema
from tests.execution.in_memory_account import Account

# Random documents exceed the usual limits.
UNLIMITED: Final = DocumentLimits(
    tokens=10**9,
    depth=10**9,
    aliases=10**9,
    root_fields=10**9,
    directives=10**9,
    cost=10**9,
    cost_model=CostModel(page_rows=99, max_page_size=1000, max_upstream_pages=20),
)

# Runs a text with variables, an operation name and a context.
Executor = Callable[[str, Any, str | None, RequestContext], Awaitable[ExecutionResult]]


def standard_executor(schema: Schema) -> Executor:
    """Return an executor that runs operations as Strawberry and graphql-core do."""

    async def execute(text: str, variables: Any, operation: str | None, context: RequestContext) -> ExecutionResult:
        result = await schema.execute(text, variable_values=variables, operation_name=operation, context_value=context)
        return ExecutionResult(result.data, result.errors)

    return execute


def projecting_executor(schema: Schema) -> Executor:
    """Return an executor that runs operations as the gateway does."""
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
with patch("gateway.schema.federation.call_resolvers_directly"):
    # Strawberry calls the resolvers of this schema and converts their arguments.
    STANDARD_SCHEMA: Final = build_schema()
STANDARD: Final = standard_executor(STANDARD_SCHEMA)
PROJECTING: Final = projecting_executor(SCHEMA)


@dataclass(frozen=True)
class Response:
    """Everything that can be compared of a response, order included.

    Attributes:
        data: The data as JSON.
        errors: Of each error its message, path and locations, the type and message of its cause, and its log detail.
        calls: The upstream calls that the response took.
    """

    data: str
    errors: tuple[tuple[Any, ...], ...]
    calls: tuple[str, ...]


async def response_of(executor: Executor, account: Account, text: str, operation: str | None, given: Any) -> Response:
    """Run an operation in its own request, and return the response."""
    account.calls.clear()
    result = await executor(text, given, operation, account.context())
    # If a non-null field failed, its neighbours may still be in flight.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    # Compare text, because two responses may hold NaN, which does not equal itself.
    return Response(
        json.dumps(result.data),
        tuple(map(_error_facts, result.errors or ())),
        tuple(account.calls),
    )


def _error_facts(error: GraphQLError) -> tuple[Any, ...]:
    places = tuple((location.line, location.column) for location in error.locations or ())
    path = None if error.path is None else tuple(error.path)
    original = error.original_error
    return (error.message, path, places, type(original), str(original), getattr(original, "detail", ""))


async def same_response(account: Account, text: str, operation: str | None = None, given: Any = None) -> Response:
    """Run an operation by both executors. Check that responses and calls are equal, and return the response."""
    standard = await response_of(STANDARD, account, text, operation, given)
    projected = await response_of(PROJECTING, account, text, operation, given)
    # Concurrent batches may start and fail in another order.
    assert _unordered(projected) == _unordered(standard), f"projected: {projected}\nstandard: {standard}"
    return standard


def _unordered(response: Response) -> Response:
    return replace(response, calls=tuple(sorted(response.calls)), errors=tuple(sorted(response.errors, key=repr)))
