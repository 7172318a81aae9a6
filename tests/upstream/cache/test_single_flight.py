"""Identical concurrent calls: over real HTTP from many requests, and SingleFlight by plain calls."""

import asyncio
import gc
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.errors import Throttled, UpstreamTimeout
from gateway.settings import Settings
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.cache.single_flight import SingleFlight
from gateway.upstream.client import Upstream
from gateway.upstream.open import open_upstream
from gateway.upstream.requester import Requester
from tests.conftest import Gateway
from tests.support.aws import Aws, e164

PHONE_NUMBERS = "query ($first: Int) { phoneNumbers(first: $first) { nodes { e164PhoneNumber } } }"
PHONE_NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { e164PhoneNumber } }"


# Over HTTP


async def test_identical_concurrent_queries_share_one_list_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.takes_ms(200)
    responses = await asyncio.gather(*(gateway.query(PHONE_NUMBERS, first=10) for _ in range(30)))
    assert responses == [{"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(index)} for index in range(10)]}}] * 30
    assert aws.calls == ["ListPhoneNumbers"]


async def test_identical_concurrent_lookups_share_one_get(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.takes_ms(200)
    responses = await asyncio.gather(*(gateway.query(PHONE_NUMBER, number=e164(3)) for _ in range(30)))
    assert responses == [{"phoneNumber": {"e164PhoneNumber": e164(3)}}] * 30
    assert aws.calls == ["GetPhoneNumber"]


async def test_identical_fields_of_one_query_share_one_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.takes_ms(100)
    data = await gateway.query(
        "{ a: phoneNumbers(first: 5) { nodes { id } } b: phoneNumbers(first: 5) { nodes { id } } }"
    )
    assert data["a"] == data["b"]
    assert aws.calls == ["ListPhoneNumbers"]


async def test_queries_with_different_values_make_separate_calls(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=10)
    aws.takes_ms(200)
    numbers = [e164(index) for index in range(5)]
    responses = await asyncio.gather(
        *(gateway.query(PHONE_NUMBERS, first=first) for first in (2, 3)),
        *(gateway.query(PHONE_NUMBER, number=number) for number in numbers),
    )
    assert [len(response["phoneNumbers"]["nodes"]) for response in responses[:2]] == [2, 3]
    assert responses[2:] == [{"phoneNumber": {"e164PhoneNumber": number}} for number in numbers]
    assert Counter(aws.calls) == {"ListPhoneNumbers": 2, "GetPhoneNumber": 5}


async def test_response_is_not_kept_for_later_queries(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    assert await gateway.query(PHONE_NUMBER, number=e164(0)) == {"phoneNumber": {"e164PhoneNumber": e164(0)}}
    aws.loses_number(e164(0))
    assert await gateway.query(PHONE_NUMBER, number=e164(0)) == {"phoneNumber": None}
    assert aws.calls == ["GetPhoneNumber"] * 2


async def test_error_reaches_every_query_waiting_for_the_call(gateway: Gateway, aws: Aws) -> None:
    aws.takes_ms(200)
    aws.fails("GetPhoneNumber", "Unauthorized")
    responses = await asyncio.gather(*(gateway.execute(PHONE_NUMBER, number=e164(3)) for _ in range(10)))
    codes = [[error["extensions"]["code"] for error in response["errors"]] for response in responses]
    assert codes == [["UPSTREAM_UNAUTHORIZED"]] * 10
    assert aws.calls == ["GetPhoneNumber"]


@pytest.fixture
async def upstream(settings: Settings) -> AsyncIterator[Upstream]:
    """Return the upstream itself. Its callers set their own deadlines."""
    async with open_upstream(settings, AwsKeyPair("local", "local")) as opened:
        yield opened


async def test_deadline_of_one_caller_does_not_cancel_the_call_for_others(upstream: Upstream, aws: Aws) -> None:
    aws.holds(inventory=3)
    aws.takes_ms(400)
    now = asyncio.get_running_loop().time()
    hurried, patient = await asyncio.gather(
        upstream.list_phone_numbers(None, 3, requester=Requester(now + 0.1)),
        upstream.list_phone_numbers(None, 3, requester=Requester(now + 10)),
        return_exceptions=True,
    )
    assert isinstance(hurried, UpstreamTimeout)
    assert not isinstance(patient, BaseException)
    assert len(patient.records) == 3
    assert aws.calls == ["ListPhoneNumbers"]


async def test_call_left_by_all_callers_is_made_again_for_the_next(upstream: Upstream, aws: Aws) -> None:
    aws.holds(inventory=3)
    # Enough time for the call to arrive on a busy machine.
    aws.takes_ms(3_000)
    now = asyncio.get_running_loop().time()
    with pytest.raises(UpstreamTimeout):
        await upstream.get_phone_number(e164(1), requester=Requester(now + 1))
    aws.takes_ms(0)
    record = await upstream.get_phone_number(e164(1), requester=Requester(now + 10))
    assert record is not None
    assert aws.calls == ["GetPhoneNumber"] * 2


# By plain calls


@dataclass
class Until:
    """The argument of a caller: its deadline, which is far away unless a test sets it."""

    deadline: float = math.inf


class Call:
    """A call that ends when a test says so.

    begun, cancelled: The number of times each happened.
    """

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.response: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self, _call: Until) -> str:
        self.begun += 1
        try:
            return await asyncio.shield(self.response)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def turns() -> None:
    """Run all tasks that are ready."""
    for _ in range(10):
        await asyncio.sleep(0)


def callers(flights: SingleFlight[Until, str], call: Call, count: int) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(flights.do("key", call, Until())) for _ in range(count)]


@pytest.fixture
async def complaints() -> AsyncIterator[list[dict[str, Any]]]:
    """Contexts passed to the event loop's exception handler, such as exceptions never retrieved."""
    loop, told = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: told.append(context))
    yield told
    loop.set_exception_handler(None)


async def test_callers_with_the_same_key_share_one_call() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 5)
    await turns()
    call.response.set_result("answer")
    assert await asyncio.gather(*waiting) == ["answer"] * 5
    assert call.begun == 1


async def test_call_sees_the_latest_deadline_of_its_callers() -> None:
    flights, known = SingleFlight[Until, str](), list[float]()
    requested_by_all = asyncio.Event()
    now = asyncio.get_running_loop().time()

    async def call(until: Until) -> str:
        known.append(until.deadline)
        await requested_by_all.wait()
        known.append(until.deadline)
        return "answer"

    waiting = [asyncio.create_task(flights.do("key", call, Until(now + seconds))) for seconds in (200, 300, 100)]
    await turns()
    requested_by_all.set()
    assert await asyncio.gather(*waiting) == ["answer"] * 3
    assert known[-1] == now + 300


async def test_different_keys_make_separate_calls() -> None:
    flights, one, other = SingleFlight[Until, str](), Call(), Call()
    waiting_for_one, waiting_for_other = (asyncio.create_task(flights.do(call, call, Until())) for call in (one, other))
    await turns()
    one.response.set_result("of one")
    other.response.set_result("of the other")
    assert await waiting_for_one == "of one"
    assert await waiting_for_other == "of the other"


@pytest.mark.parametrize("leavers", [[0], [1], [0, 1], [0, 2], [1, 2]])
async def test_cancelled_callers_do_not_affect_the_others(leavers: list[int]) -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 3)
    await turns()
    for leaver in leavers:
        waiting[leaver].cancel()
    await turns()
    call.response.set_result("answer")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    for index, result in enumerate(results):
        assert isinstance(result, asyncio.CancelledError) if index in leavers else result == "answer"
    assert (call.begun, call.cancelled) == (1, 0)


@pytest.mark.parametrize("hurried", [0, 1])
async def test_caller_gives_up_at_its_own_deadline_and_others_get_the_result(hurried: int) -> None:
    """The first caller's deadline does not grow for itself if more patient callers join its call."""
    flights, call = SingleFlight[Until, str](), Call()
    deadlines = [math.inf] * 3
    deadlines[hurried] = asyncio.get_running_loop().time() + 0.01
    waiting = [asyncio.create_task(flights.do("key", call, Until(deadline))) for deadline in deadlines]
    with pytest.raises(TimeoutError):
        await waiting.pop(hurried)
    call.response.set_result("answer")
    assert await asyncio.gather(*waiting) == ["answer"] * 2
    assert (call.begun, call.cancelled) == (1, 0)


async def test_call_is_cancelled_at_the_deadline_of_its_last_caller() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    now = asyncio.get_running_loop().time()
    waiting = [asyncio.create_task(flights.do("key", call, Until(now + seconds))) for seconds in (0.01, 0.02)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 2
    await turns()
    assert (call.begun, call.cancelled) == (1, 1)


async def test_caller_can_join_after_the_first_is_cancelled() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    first, second = callers(flights, call, 2)
    await turns()
    first.cancel()
    await turns()
    [third] = callers(flights, call, 1)
    await turns()
    second.cancel()
    await turns()
    call.response.set_result("answer")
    assert await third == "answer"
    assert (call.begun, call.cancelled) == (1, 0)


async def test_cancelling_the_last_caller_cancels_the_call() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 3)
    await turns()
    for index, caller in enumerate(waiting):
        assert call.cancelled == 0, index
        caller.cancel()
        await turns()
    assert (call.begun, call.cancelled) == (1, 1)


async def test_cancelling_all_callers_at_once_cancels_the_call() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 3)
    await turns()
    for caller in waiting:
        caller.cancel()
    await turns()
    assert (call.begun, call.cancelled) == (1, 1)


async def test_caller_after_a_cancelled_call_starts_a_new_one() -> None:
    """The new call starts even if the cancelled one is still cleaning up."""
    flights, call = SingleFlight[Until, str](), Call()
    dragging_on = asyncio.Event()

    async def slow_to_end(until: Until) -> str:
        try:
            return await call(until)
        finally:
            await dragging_on.wait()

    leaver = asyncio.create_task(flights.do("key", slow_to_end, Until()))
    await turns()
    leaver.cancel()
    await turns()
    again = Call()
    [comer] = callers(flights, again, 1)
    await turns()
    dragging_on.set()
    await turns()
    [joiner] = callers(flights, again, 1)
    await turns()
    again.response.set_result("new")
    assert [await comer, await joiner] == ["new", "new"]
    assert (call.cancelled, again.begun, again.cancelled) == (1, 1, 0)


async def test_error_reaches_all_waiting_callers() -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 3)
    await turns()
    fault = Throttled("ListPhoneNumbers")
    call.response.set_exception(fault)
    assert await asyncio.gather(*waiting, return_exceptions=True) == [fault] * 3


async def test_flight_is_removed_after_a_response_error_or_cancellation() -> None:
    flights = SingleFlight[Until, str]()
    for end in ("answer", "fault", "left"):
        call = Call()
        waiting = callers(flights, call, 2)
        await turns()
        if end == "answer":
            call.response.set_result("answer")
        elif end == "fault":
            call.response.set_exception(Throttled("ListPhoneNumbers"))
        else:
            for caller in waiting:
                caller.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await turns()
        assert call.begun == 1, end
        assert flights._flights == {}, end  # noqa: SLF001  # The flights are visible only here.


async def test_error_without_waiting_callers_is_not_reported_to_the_loop(
    complaints: list[dict[str, Any]],
) -> None:
    flights, call = SingleFlight[Until, str](), Call()
    waiting = callers(flights, call, 2)
    await turns()
    call.response.set_exception(Throttled("ListPhoneNumbers"))
    for caller in waiting:
        caller.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, BaseException) for result in results)
    del waiting, results, call
    await turns()
    gc.collect()
    assert complaints == []


async def test_caller_that_is_cancelled_as_the_call_ends_does_not_affect_the_others(
    complaints: list[dict[str, Any]],
) -> None:
    flights, ending = SingleFlight[Until, str](), asyncio.Event()

    async def call(_until: Until) -> str:
        await ending.wait()
        return "answer"

    leaver, other = (asyncio.create_task(flights.do("key", call, Until())) for _ in range(2))
    await turns()
    ending.set()
    # The call ends first, and then the caller is cancelled before it could run again.
    asyncio.get_running_loop().call_soon(leaver.cancel)
    assert await other == "answer"
    with pytest.raises(asyncio.CancelledError):
        await leaver
    assert complaints == []


async def test_error_during_cancellation_is_not_reported_to_the_loop(
    complaints: list[dict[str, Any]],
) -> None:
    """A connection that is closed may raise its own error."""
    flights = SingleFlight[Until, str]()

    async def torn_down(_call: Until) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise Throttled("ListPhoneNumbers") from None
        return "never"

    caller = asyncio.create_task(flights.do("key", torn_down, Until()))
    await turns()
    caller.cancel()
    await turns()
    del caller
    gc.collect()
    assert complaints == []
