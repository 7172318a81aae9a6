"""The engine's two steps: `prepare` raises or prices, `run` executes."""

import subprocess
import sys

import pytest
from graphql import ExecutionResult, GraphQLError

from gateway.execution.document_cache import FIELD_COMPARISON_BUDGET, InvalidDocument
from gateway.execution.engine import Engine, NotAQuery
from gateway.execution.error_formatter import MASKED, classify
from gateway.telemetry.request_record import REQUEST_RECORD, RequestRecord
from tests.execution.comparison import SCHEMA, UNLIMITED
from tests.execution.in_memory_account import Account
from tests.support.aws import number_record

LISTED = "query Listed { phoneNumbers(first: 3) { nodes { id } } }"


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
