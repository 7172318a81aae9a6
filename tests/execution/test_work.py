"""The work of three queries: calls of Python functions, fields executed one by one, and upstream calls.

The counts do not depend on a clock. The bounds are a quarter above the measured counts. The test also measures the
standard executor, which exceeds the bounds, so it shows that the check can fail.
"""

from typing import NamedTuple

import pytest

from tests.execution.comparison import PROJECTING, STANDARD, Executor, response_of
from tests.execution.function_calls import count_calls, fields_executed, projections_compiled
from tests.execution.in_memory_account import Account
from tests.support.aws import e164, number_record, order_record

EVERY_FIELD = """
{
  phoneNumbers(first: 99) {
    edges {
      cursor
      node {
        id phoneNumberId e164PhoneNumber country type productType status callingName callingNameStatus name
        capabilities { inboundCall outboundCall inboundSMS outboundSMS inboundMMS outboundMMS }
        associations { name value associatedTimestamp }
        createdTimestamp updatedTimestamp deletionTimestamp
      }
    }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
FIVE_FIELDS = "{ phoneNumbers(first: 10) { nodes { id e164PhoneNumber status productType createdTimestamp } } }"
LINKED = """
{
  phoneNumberOrders(first: 20) {
    nodes {
      phoneNumberOrderId status
      orderedPhoneNumbers { e164PhoneNumber status phoneNumber { id e164PhoneNumber status type } }
    }
  }
}
"""


def inventory() -> Account:
    """250 numbers, each with an association, and 20 orders of 5 of them."""
    association = {"Name": "VoiceConnectorId", "Value": "vc-1", "AssociatedTimestamp": "2019-10-28T18:42:07.964Z"}
    return Account(
        numbers=[number_record(index, Associations=[association]) for index in range(250)],
        orders=[order_record(index, [e164(index * 12 + each) for each in range(5)]) for index in range(20)],
        rows_each=99,
    )


class Work(NamedTuple):
    """Calls of Python functions, fields executed one by one, and upstream calls."""

    calls: int
    fields: int
    upstream: int


async def work_of(executor: Executor, text: str) -> Work:
    """Return the work of a document that was run before."""
    account = inventory()
    await response_of(executor, account, text, None, None)
    response, calls = await count_calls(response_of(executor, account, text, None, None))
    assert response.data != "null"
    assert not response.errors
    assert projections_compiled(calls) == 0
    return Work(calls.total(), fields_executed(calls), len(response.calls))


# Measured on CPython 3.11 with graphql-core 3.3.2 and Strawberry 0.341.2, calls in all, standard and projected:
# q1 70,785 and 3,301; q2 4,274 and 382; q3 34,060 and 1,814.
@pytest.mark.parametrize(
    ("text", "most", "times_fewer", "times_fewer_fields"),
    [
        pytest.param(EVERY_FIELD, Work(calls=4_100, fields=1, upstream=1), 17, 2_000, id="q1"),
        pytest.param(FIVE_FIELDS, Work(calls=475, fields=1, upstream=1), 9, 40, id="q2"),
        pytest.param(LINKED, Work(calls=2_250, fields=1, upstream=4), 15, 600, id="q3"),
    ],
)
async def test_work_of_a_query_is_within_its_bounds(
    text: str, most: Work, times_fewer: float, times_fewer_fields: float
) -> None:
    projected = await work_of(PROJECTING, text)
    assert projected.calls <= most.calls
    assert projected.fields <= most.fields
    assert projected.upstream <= most.upstream
    # The standard executor exceeds the bounds, so the check can fail.
    standard = await work_of(STANDARD, text)
    assert standard.calls >= times_fewer * projected.calls
    assert standard.calls > most.calls
    assert standard.fields >= times_fewer_fields * projected.fields
    assert standard.upstream == projected.upstream
