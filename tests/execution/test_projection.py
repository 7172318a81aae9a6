"""Random valid queries over random records. The projected response equals the standard executor's, order included.

One body serves two tests: 60 documents by default, and 5,100 with `-m slow`. Each document is run four times on the
same schema, with different records and variables, so that its cached projections are used again.
"""

import asyncio
import logging
from collections import Counter
from random import Random

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from strawberry.extensions import ParserCache, ValidationCache

from tests.execution.comparison import SCHEMA, STANDARD_SCHEMA, same_response
from tests.execution.random_accounts import random_account
from tests.execution.random_documents import random_document, random_variables
from tests.support.loop_clock import JumpingLoop

# If a field fails, graphql-core cancels its neighbours. If one of them has not begun yet, the coroutines within it are
# never awaited. That happens in both executors.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <coroutine object :pytest.PytestUnraisableExceptionWarning"
)

GRAPHQL_SCHEMA = SCHEMA._schema  # noqa: SLF001  # Strawberry has no public name for graphql-core's schema.


@pytest.fixture(autouse=True)
def _no_log_of_errors(caplog: pytest.LogCaptureFixture) -> None:
    """Turn off Strawberry's log of errors.

    Pytest keeps all entries until the test ends, and with them everything that their tracebacks hold. That would be
    0.2 MB for each document, 1 GB in all.
    """
    caplog.set_level(logging.CRITICAL, "strawberry.execution")


@pytest.fixture(autouse=True)
def _standard_executor_validates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Strawberry parse and validate a document once for its four turns. Otherwise that takes half of the time."""
    caches = (lambda: ParserCache(maxsize=1), lambda: ValidationCache(maxsize=1))
    monkeypatch.setattr(STANDARD_SCHEMA, "extensions", caches)


async def check_document(random: Random, fields: int, made: Counter[str]) -> None:
    """Run a document on two accounts with two sets of variables, alternately."""
    document = random_document(random, GRAPHQL_SCHEMA, fields)
    note(document.text)
    # Both executors reject an invalid document, which would prove nothing.
    assert not validate(GRAPHQL_SCHEMA, parse(document.text))
    accounts = [random_account(random), random_account(random)]
    values = [random_variables(random), random_variables(random)]
    made["documents"] += 1
    for turn in range(4):
        operation = document.operations[turn % len(document.operations)]
        response = await same_response(accounts[turn % 2], document.text, operation, values[turn // 2])
        made["cases"] += 1
        made["with data"] += response.data != "null"
        made["with errors"] += bool(response.errors)
        made["with numbers"] += "+1206555" in response.data
        # Odd records hold a value of another type, or one that cannot be read.
        made["with odd values"] += any(
            " cannot represent " in told[0] or "could not be read" in told[0] for told in response.errors
        )


def checked(max_examples: int) -> Counter[str]:
    """Run random documents, and return how many had data, errors and records."""
    made: Counter[str] = Counter()

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    # Hypothesis seeds the random generator. Its own draws would stay close to each other for long.
    @given(st.randoms(use_true_random=True), st.integers(5, 60))
    def check(random: Random, fields: int) -> None:
        # Calls take time on its clock, so all that can happen before a response arrives happens before.
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(check_document(random, fields, made))

    check()
    return made


def test_random_queries_equal_the_standard_executor() -> None:
    made = checked(60)
    assert made["cases"] >= 150


@pytest.mark.slow
def test_20_000_cases_equal_the_standard_executor() -> None:
    made = checked(5_100)
    assert made["documents"] >= 5_000
    assert made["cases"] >= 20_000
    # The cases are meaningful: most have data, many have records, and many have errors.
    assert made["with data"] >= made["cases"] // 2
    assert made["with errors"] >= made["cases"] // 10
    assert made["with numbers"] >= made["cases"] // 20
    assert made["with odd values"] >= made["cases"] // 50
