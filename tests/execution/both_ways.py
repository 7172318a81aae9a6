"""The standard way and the projecting way side by side, and all that can be told of an answer."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLError
from strawberry.types.execution import PreExecutionError

from gateway.execution.executor import ProjectingExecutor
from gateway.schema.federation import GatewaySchema, build_schema
from tests.execution.in_memory import Account

STANDARD: Final = build_schema()
PROJECTING: Final = build_schema(ProjectingExecutor)


@dataclass(frozen=True)
class Answer:
    """An answer, order included.

    data: as JSON.
    errors: of each its message, path, places, the type and words of what was raised, and what is kept for the log.
    refused: the document itself was.
    calls: those made upstream for it.
    """

    data: str
    errors: tuple[tuple[Any, ...], ...]
    refused: bool
    calls: tuple[str, ...]


async def answer_of(schema: GatewaySchema, account: Account, text: str, operation: str | None, given: Any) -> Answer:
    """What a schema answers, in a request of its own."""
    account.calls.clear()
    result = await schema.execute(
        text, variable_values=given, operation_name=operation, context_value=account.context()
    )
    # Where a field that cannot be null failed, its neighbours may still be on their way.
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    # The text before it is compared: two answers may hold NaN, which equals nothing.
    return Answer(
        json.dumps(result.data),
        tuple(map(_told, result.errors or ())),
        isinstance(result, PreExecutionError),
        tuple(account.calls),
    )


def _told(error: GraphQLError) -> tuple[Any, ...]:
    places = tuple((location.line, location.column) for location in error.locations or ())
    path = None if error.path is None else tuple(error.path)
    original = error.original_error
    nodes = tuple(map(id, error.nodes or ()))
    return (error.message, path, places, type(original), str(original), getattr(original, "detail", ""), nodes)


async def same_answer(
    account: Account, text: str, operation: str | None = None, given: Any = None, projecting: GatewaySchema = PROJECTING
) -> Answer:
    """The answer, which both ways give alike, for the same calls upstream."""
    standard = await answer_of(STANDARD, account, text, operation, given)
    projected = await answer_of(projecting, account, text, operation, given)
    assert projected == standard, f"projected: {projected}\nstandard: {standard}"
    return standard
