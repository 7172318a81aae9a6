"""The engine's two steps: `prepare` raises or prices, `run` executes."""

import asyncio
import gc
import subprocess
import sys
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError

from gateway.context import RequestContext
from gateway.execution.document_cache import FIELD_COMPARISON_BUDGET, InvalidDocument
from gateway.execution.engine import Engine, NotAQuery
from gateway.execution.error_formatter import MASKED, classify
from gateway.execution.projecting_executor import ProjectingExecutor
from gateway.loaders.data_source import DataSource
from gateway.paging.token_list import TokenList
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from tests.execution.comparison import SCHEMA, UNLIMITED
from tests.execution.in_memory_account import Account
from tests.support.aws import e164, number_record, order_record

LISTED = "query Listed { phoneNumbers(first: 3) { nodes { id } } }"
LINKED = "{ phoneNumberOrders { nodes { orderedPhoneNumbers { phoneNumber { status } } } } }"


@pytest.fixture
def record() -> RequestRecord:
    record = RequestRecord()
    REQUEST_RECORD.set(record)
    return record


@pytest.fixture
def engine() -> Engine:
    return Engine(SCHEMA, UNLIMITED, introspection=True)


async def test_prepare_prices_an_operation_without_running_it(engine: Engine, record: RequestRecord) -> None:
    account = Account(numbers=[number_record(0)])
    prepared = engine.prepare(LISTED, None, None)
    assert (prepared.cost, record.cost, record.operation) == (4, 4, "Listed")
    assert prepared.cost_extension["cost"]["points"] == 4
    assert account.calls == []
    result = await engine.run(prepared, account.context())
    assert isinstance(result, ExecutionResult)
    assert result.data is not None
    assert len(result.data["phoneNumbers"]["nodes"]) == 1
    assert account.calls == ["ListPhoneNumbers"]


async def test_fields_that_show_one_page_wait_for_it_in_no_task_of_their_own(
    engine: Engine,
) -> None:
    tasks: list[str] = []

    def create_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        tasks.append(coroutine.__qualname__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def tasks_of(fields: str) -> int:
        account = Account(numbers=[number_record(index) for index in range(3)])
        prepared = engine.prepare(f"{{ phoneNumbers(first: 3) {{ {fields} }} }}", None, None)
        tasks.clear()
        result = await engine.run(prepared, account.context())
        assert isinstance(result, ExecutionResult)
        assert result.errors is None
        assert account.calls == ["ListPhoneNumbers"]
        return len(tasks)

    asyncio.get_running_loop().set_task_factory(create_task)
    try:
        one, three = (
            await tasks_of("nodes { id }"),
            await tasks_of("nodes { id } edges { cursor } pageInfo { endCursor }"),
        )
        counted = await tasks_of("nodes { id } totalCount")
    finally:
        asyncio.get_running_loop().set_task_factory(None)
    assert one == three
    assert counted > three


def objects_of_requests() -> list[Any]:
    kinds = (ProjectingExecutor, RequestContext, DataSource, TokenList)
    # Another test may have left a proxy whose object is gone, and which raises an error if its class is read.
    return [each for each in gc.get_objects() if issubclass(type(each), kinds)]


@pytest.mark.parametrize("text", [LISTED, LINKED])
async def test_request_is_released_without_the_garbage_collector(engine: Engine, text: str) -> None:
    account = Account(numbers=[number_record(0)], orders=[order_record(0, [e164(0)])])
    gc.collect()
    # Another test's gateway may still be shutting down.
    before = objects_of_requests()
    gc.disable()
    try:
        context = account.context()
        await engine.run(engine.prepare(text, None, None), context)
        context.close()
        del context
        await asyncio.sleep(0)
        assert [each for each in objects_of_requests() if each not in before] == []
    finally:
        gc.enable()


@pytest.mark.parametrize("text", ["{", "{ nothing }", "{ phoneNumbers(first: " + "9" * 5_000 + ") { nodes { id } } }"])
def test_prepare_raises_for_an_invalid_document(engine: Engine, text: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        engine.prepare(text, None, None)
    assert len(raised.value.errors) == 1


@pytest.mark.parametrize("text", ["mutation { nothing }", "subscription { __typename }"])
def test_prepare_raises_for_an_operation_that_is_not_a_query(engine: Engine, text: str) -> None:
    with pytest.raises(NotAQuery):
        engine.prepare(text, None, None, only_queries=True)


async def test_cached_introspection_is_shared_and_never_written_to(engine: Engine, record: RequestRecord) -> None:
    context = Account().context()
    text = "query A { __schema { queryType { name } } } query B { __typename }"
    for name in ("A", "B"):
        prepared = engine.prepare(text, name, None)
        first, second = [await engine.run(prepared, context) for _ in range(2)]
        assert first is second
        assert isinstance(first, ExecutionResult)
        assert first.extensions is None
        assert record.cost == prepared.cost_extension["cost"]["points"]


@pytest.mark.parametrize("cause", [KeyError("secret"), RecursionError("secret"), OSError(2, "secret")])
def test_classify_masks_an_unknown_error_without_logging(
    cause: Exception, record: RequestRecord, caplog: pytest.LogCaptureFixture
) -> None:
    entry = classify(GraphQLError("secret", original_error=cause), cause, before_execution=False)
    assert entry == ("INTERNAL_SERVER_ERROR", MASKED, {}, repr(cause))
    assert (record.error_codes, caplog.records) == ([], [])


def test_importing_the_engine_does_not_change_graphql_core() -> None:
    code = (
        "import gateway.execution.engine\n"
        "from graphql.validation.rules import overlapping_fields_can_be_merged as rule\n"
        f"assert rule.MAX_COMPLEXITY_BUDGET > {FIELD_COMPARISON_BUDGET}"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
