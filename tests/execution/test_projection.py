"""Random valid queries over random records: the projected answer equals the standard executor's, order included.

One body serves two tests: a few hundred documents by default, and with `-m slow` more than 5,000. Each is asked four
times on the same schema, of other records with other variables, so that what is kept of it is used again.
"""

import asyncio
from collections import Counter
from random import Random

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tests.execution.comparison import SCHEMA, same_response
from tests.execution.random_accounts import random_account
from tests.execution.random_documents import random_document, random_variables

GRAPHQL_SCHEMA = SCHEMA._schema  # noqa: SLF001  # Strawberry has no public door to graphql-core's schema.


async def check_document(random: Random, fields: int, made: Counter[str]) -> None:
    """Ask a document of two accounts with two sets of variables, in turns."""
    document = random_document(random, GRAPHQL_SCHEMA, fields)
    note(document.text)
    # Refused documents would be answered alike and prove nothing.
    assert not validate(GRAPHQL_SCHEMA, parse(document.text))
    accounts = [random_account(random), random_account(random)]
    values = [random_variables(random), random_variables(random)]
    made["documents"] += 1
    for turn in range(4):
        operation = document.operations[turn % len(document.operations)]
        answer = await same_response(accounts[turn % 2], document.text, operation, values[turn // 2])
        made["cases"] += 1
        made["with data"] += answer.data != "null"
        made["with errors"] += bool(answer.errors)
        made["with numbers"] += "+1206555" in answer.data
        # Odd records: a value that its type does not allow for, or that cannot be read.
        made["with odd values"] += any(
            " cannot represent " in told[0] or "could not be read" in told[0] for told in answer.errors
        )


def checked(max_examples: int) -> Counter[str]:
    """What was asked, and what was in the answers."""
    made: Counter[str] = Counter()

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    # The dice are seeded by hypothesis, not drawn from it: its own draws stay close to each other for long.
    @given(st.randoms(use_true_random=True), st.integers(5, 60))
    def check(random: Random, fields: int) -> None:
        asyncio.run(check_document(random, fields, made))

    check()
    return made


def test_random_queries_equal_the_standard_executor() -> None:
    made = checked(120)
    assert made["cases"] >= 300


@pytest.mark.slow
def test_20_000_cases_equal_the_standard_executor() -> None:
    made = checked(5_100)
    assert made["documents"] >= 5_000
    assert made["cases"] >= 20_000
    # They say something: most give data, many give records, and many go wrong on the way.
    assert made["with data"] >= made["cases"] // 2
    assert made["with errors"] >= made["cases"] // 10
    assert made["with numbers"] >= made["cases"] // 20
    assert made["with odd values"] >= made["cases"] // 50
