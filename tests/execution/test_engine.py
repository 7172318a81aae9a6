"""The engine's two steps: `prepare` raises or prices, `run` executes."""

import asyncio
import gc
import subprocess
import sys
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError, build_schema, get_named_type, is_input_object_type

from gateway.context import RequestContext
from gateway.execution.document_cache import FIELD_COMPARISON_BUDGET, InvalidDocument
from gateway.execution.engine import Engine, NotAQuery
from gateway.execution.error_formatter import MASKED, classify
from gateway.execution.projecting_executor import ProjectingExecutor
from gateway.loaders.data_source import DataSource
from gateway.paging.token_list import TokenList
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from tests.execution.comparison import SCHEMA, STANDARD, UNLIMITED, projecting_executor, response_of
from tests.execution.function_calls import count_calls
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


REPEATED = """
query Numbers($first: Int!, $after: String, $status: Boolean = true, $count: Boolean!) {
  phoneNumbers(first: $first, after: $after) { nodes { ...Shown } totalCount @include(if: $count) }
}
query Orders($filter: PhoneNumberOrderFilter, $sort: PhoneNumberOrderSort) {
  phoneNumberOrders(filter: $filter, sort: $sort) { nodes { status } }
}
query Ids($ids: [ID!]!, $direction: SortDirection! = DESC) {
  nodes(ids: $ids) { id }
  phoneNumberOrders(sort: { field: STATUS, direction: $direction }) { nodes { status } }
}
fragment Shown on PhoneNumber { e164PhoneNumber status @include(if: $status) }
"""
REPEATED_VALUES: list[tuple[str | None, Any]] = [
    ("Numbers", {"first": 2, "after": None, "status": False, "count": True}),
    ("Numbers", {"first": 1.0, "after": None, "status": True, "count": False, "unknown": 1}),
    ("Numbers", {"first": 2, "after": "cursor", "status": True, "count": False}),
    ("Numbers", {"first": 2, "count": False}),
    ("Numbers", {"first": 2, "after": None, "status": None, "count": False}),
    ("Numbers", {"first": None, "after": None, "status": True, "count": False}),
    ("Numbers", {"first": "2", "after": 3, "status": True, "count": False}),
    ("Numbers", {"after": None}),
    ("Numbers", None),
    ("Orders", {}),
    ("Orders", {"filter": {"statusIn": "PARTIAL"}, "sort": {"field": "STATUS"}}),
    ("Orders", {"filter": {"unknown": 1}, "sort": None}),
    ("Ids", {"ids": [], "direction": "ASC"}),
    ("Ids", {"ids": "a", "direction": "DESC"}),
    ("Ids", {"ids": [], "direction": "UP"}),
    ("Ids", {"ids": [[["a"]]]}),
    ("Ids", {"ids": [None], "direction": None}),
]


@pytest.mark.parametrize(
    "first_values", [REPEATED_VALUES[0], REPEATED_VALUES[3], REPEATED_VALUES[9], REPEATED_VALUES[12]]
)
async def test_later_executions_of_an_operation_coerce_variables_as_the_first_one_does(
    first_values: tuple[str | None, Any],
) -> None:
    account = Account(
        numbers=[number_record(index) for index in range(3)], orders=[order_record(0, []), order_record(1, [])]
    )
    executor = projecting_executor(SCHEMA)
    await response_of(executor, account, REPEATED, *first_values)
    for name, values in REPEATED_VALUES:
        expected = await response_of(STANDARD, account, REPEATED, name, values)
        for _ in range(2):
            assert await response_of(executor, account, REPEATED, name, values) == expected
    for name, message in (
        ("Other", "Unknown operation named 'Other'."),
        (None, "Must provide operation name if query contains multiple operations."),
    ):
        errors = (await executor(REPEATED, {}, name, account.context())).errors
        assert [error.message for error in errors or ()] == [message]


async def test_later_executions_of_an_operation_do_not_look_up_the_types_of_variables(engine: Engine) -> None:
    text = "query($first: Int!, $after: String) { phoneNumbers(first: $first, after: $after) { nodes { id } } }"
    account = Account(numbers=[number_record(0)])

    async def lookups(variables: dict[str, Any]) -> int:
        prepared = engine.prepare(text, None, variables)
        _, calls = await count_calls(engine.run(prepared, account.context()))
        return calls["get_variable_signature"]

    assert await lookups({"first": 1, "after": None}) == 2
    assert await lookups({"first": 2, "after": None}) == 0
    assert await lookups({"first": 2}) == 2  # graphql-core decides about absent values.


def test_no_input_object_contains_itself() -> None:
    types = build_schema(SCHEMA.as_str(), assume_valid_sdl=True).type_map.values()
    within = {
        each.name: {get_named_type(field.type).name for field in each.fields.values()}
        for each in types
        if is_input_object_type(each)
    }
    # Remove types without another input object until each type that is left contains itself.
    while flat := [name for name, inner in within.items() if not inner & within.keys()]:
        for name in flat:
            del within[name]
    assert not within


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
