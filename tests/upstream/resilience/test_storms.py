"""Many queries over an AWS that fails or throttles: the responses, and the number of calls to AWS."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from gateway.settings import Settings
from gateway.upstream.aws.session import AwsKeyPair
from gateway.upstream.aws_operations import OPERATION_NAMES
from gateway.upstream.client import Upstream
from gateway.upstream.open import open_upstream
from gateway.upstream.requester import Requester
from gateway.upstream.resilience import fair_queue
from tests.conftest import Gateway, gateway_over
from tests.loaders.link_queries import LINKED
from tests.support.aws import Aws, e164
from tests.support.scripted import ScriptedResponse, ScriptedUpstream, scripted_upstream

PHONE_NUMBER = "query ($number: E164PhoneNumber!) { phoneNumber(e164PhoneNumber: $number) { id } }"
NUMBERS = "{ phoneNumbers(first: 2) { nodes { id } } }"
ORDERS = "{ phoneNumberOrders(first: 2) { nodes { id } } }"
EMPTY = ScriptedResponse({"PhoneNumbers": [], "PhoneNumberOrders": []})
DOWN = ScriptedResponse({"Code": "ServiceUnavailable"}, 503)
THROTTLED = ScriptedResponse({"Code": "Throttled"}, 429)
THROTTLED_BY_A_PROXY = ScriptedResponse("<html>slow down</html>", 429, {"content-type": "text/html"})


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(EMPTY) as running:
        yield running


@pytest.fixture
def settings(upstream: ScriptedUpstream) -> Settings:
    return over(upstream.url, request_timeout_seconds=3)


def over(url: str, **settings: float) -> Settings:
    return Settings(upstream_api="chime", upstream_endpoint_url=url, **settings)  # type: ignore[arg-type]  # Pydantic parses them.


async def storm(gateway: Gateway, queries: int) -> list[dict[str, Any]]:
    """Send this many different queries at once, and return the extensions of the one error of each."""
    responses = await asyncio.gather(*(gateway.execute(PHONE_NUMBER, number=e164(index)) for index in range(queries)))
    return [response["errors"][0]["extensions"] for response in responses]


async def codes_in_turn(gateway: Gateway, document: str, queries: int) -> list[str | None]:
    """Send a query several times in turn, and return each error's code, or None if there is no error."""
    responses = [await gateway.execute(document) for _ in range(queries)]
    return [response["errors"][0]["extensions"]["code"] if "errors" in response else None for response in responses]


async def happens(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds, for at most 20 seconds."""
    async with asyncio.timeout(20):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


def state(upstream: Upstream) -> str:
    """Return the state of the circuit breaker of GetPhoneNumber."""
    return upstream.breakers["GetPhoneNumber"].state


@pytest.mark.parametrize(
    ("says", "codes"),
    [
        (THROTTLED, {"THROTTLED"}),
        (THROTTLED_BY_A_PROXY, {"THROTTLED"}),
        (DOWN, {"UPSTREAM_UNAVAILABLE"}),
        (ScriptedResponse({"Code": "ServiceFailure"}, 500), {"UPSTREAM_FAILURE", "UPSTREAM_UNAVAILABLE"}),
    ],
    ids=["throttled", "throttled by a proxy", "unavailable", "failing"],
)
async def test_retries_do_not_multiply_a_storm(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, says: ScriptedResponse, codes: set[str]
) -> None:
    upstream.responses[:] = [says]
    # On a busy machine, a call that starts just before its request's deadline times out. Here, it has 3 s left. The
    # throttled calls wait until then, so their deadline is nearer.
    monkeypatch.setattr(fair_queue, "MIN_CALL_SECONDS", 3)
    seconds = 6 if codes == {"THROTTLED"} else 30
    async with gateway_over(over(upstream.url, request_timeout_seconds=seconds)) as gateway:
        errors = await storm(gateway, 150)
    assert {error["code"] for error in errors} == codes
    assert len(upstream.requests) <= 1.2 * 150 + 20
    if codes == {"THROTTLED"}:
        assert all(error["retryAfter"] >= 1 for error in errors)


async def test_retries_do_not_multiply_calls_that_fail_often_but_not_always(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    """Successful calls keep the circuit breaker closed, and AWS does not throttle. The retry budget sets the limit."""
    upstream.responses[:] = [DOWN, DOWN, ScriptedResponse({"Code": "NotFound"}, 404)] * 100
    responses = await asyncio.gather(*(gateway.execute(PHONE_NUMBER, number=e164(index)) for index in range(60)))
    assert any("errors" not in response for response in responses)
    assert len(upstream.requests) <= 1.2 * 60 + 20


async def test_a_hundred_throttled_linked_numbers_are_not_each_fetched_three_times(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    numbers = [{"E164PhoneNumber": e164(index), "Status": "Acquired"} for index in range(100)]
    orders = {"PhoneNumberOrders": [{"PhoneNumberOrderId": "o", "OrderedPhoneNumbers": numbers}]}
    upstream.responses[:] = [ScriptedResponse(orders), THROTTLED]
    response = await gateway.execute(LINKED)
    assert len(response["data"]["phoneNumberOrders"]["nodes"][0]["orderedPhoneNumbers"]) == 100
    assert Counter(error["extensions"]["code"] for error in response["errors"]) == {"THROTTLED": 100}
    assert len(upstream.requests) <= 60


async def test_a_few_errors_in_a_row_are_each_reported_as_they_are(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    """Each query makes three calls. The circuit breaker counts nine, one fewer than opens it."""
    failing = ScriptedResponse({"Code": "ServiceFailure"}, 500)
    upstream.responses[:] = [*[failing] * 12, *[DOWN] * 12, *[failing] * 3]
    codes = await codes_in_turn(gateway, NUMBERS, 9)
    assert codes == ["UPSTREAM_FAILURE"] * 4 + ["UPSTREAM_UNAVAILABLE"] * 4 + ["UPSTREAM_FAILURE"]
    assert len(upstream.requests) == 27


async def test_a_single_query_survives_two_errors_however_many_came_before(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    """Thirty queries in turn make sixty retries, three times as many as the budget allows in a storm."""
    upstream.responses[:] = [DOWN, DOWN, EMPTY] * 30
    assert await codes_in_turn(gateway, NUMBERS, 30) == [None] * 30
    assert len(upstream.requests) == 90


@pytest.mark.parametrize("status", [302, 403, 404, 407, 414])
async def test_responses_of_another_server_do_not_open_the_circuit_breaker(
    gateway: Gateway, upstream: ScriptedUpstream, status: int
) -> None:
    """They arrive at once, so an open circuit breaker would save callers no time."""
    upstream.responses[:] = [ScriptedResponse("<html>no</html>", status, {"content-type": "text/html"})]
    assert await codes_in_turn(gateway, NUMBERS, 15) == ["UPSTREAM_BAD_RESPONSE"] * 15
    upstream.responses[:] = [EMPTY]
    assert await codes_in_turn(gateway, NUMBERS, 1) == [None]
    assert len(upstream.requests) == 16


async def test_an_operation_that_is_down_gets_few_calls_until_it_recovers(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.responses[:] = [DOWN]
    assert await codes_in_turn(gateway, NUMBERS, 10) == ["UPSTREAM_UNAVAILABLE"] * 10
    before = len(upstream.requests)
    responses = [await gateway.execute(NUMBERS) for _ in range(20)]
    assert len(upstream.requests) - before <= 5
    for response in responses:
        [error] = response["errors"]
        assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("UPSTREAM_UNAVAILABLE", True)
        assert error["extensions"]["retryAfter"] >= 1
    # Each operation has a circuit breaker of its own.
    upstream.responses[:] = [EMPTY]
    assert await codes_in_turn(gateway, ORDERS, 1) == [None]
    async with asyncio.timeout(35):
        healed = False
        while not healed:
            healed = await codes_in_turn(gateway, NUMBERS, 1) == [None]
            await asyncio.sleep(0.1)
    assert await codes_in_turn(gateway, NUMBERS, 20) == [None] * 20


@pytest.mark.parametrize("status", [400, 403, 404, 408])
async def test_rejected_calls_do_not_open_the_circuit_breaker(
    gateway: Gateway, upstream: ScriptedUpstream, status: int
) -> None:
    upstream.responses[:] = [ScriptedResponse({"Message": "no"}, status)]
    await codes_in_turn(gateway, NUMBERS, 40)
    upstream.responses[:] = [EMPTY]
    assert await codes_in_turn(gateway, NUMBERS, 1) == [None]
    assert len(upstream.requests) == 41


async def test_a_retry_waits_for_retry_after(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.responses[:] = [ScriptedResponse({"Code": "ServiceUnavailable"}, 503, {"retry-after": "1"}), EMPTY]
    began = asyncio.get_running_loop().time()
    assert await codes_in_turn(gateway, NUMBERS, 1) == [None]
    # Only the lower bound is checked. A busy machine may take longer.
    assert asyncio.get_running_loop().time() - began >= 1
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("said", "told"), [("60", [60]), ("Sun, 22 Nov 2026 01:00:00 GMT", [1]), ("soon", [1])], ids=["long", "past", "odd"]
)
async def test_retry_after_beyond_the_deadline_is_returned_at_once(
    gateway: Gateway, upstream: ScriptedUpstream, said: str, told: list[int]
) -> None:
    upstream.responses[:] = [ScriptedResponse({"Code": "Throttled"}, 429, {"retry-after": said})]
    response = await gateway.execute(NUMBERS)
    assert [error["extensions"]["code"] for error in response["errors"]] == ["THROTTLED"]
    assert [error["extensions"]["retryAfter"] for error in response["errors"]] == told
    assert len(upstream.requests) == (1 if said == "60" else 3)


async def test_replicas_divide_the_rate_limit_evenly(upstream: ScriptedUpstream) -> None:
    """At a fourth of eight calls a second, the third call starts a second after the first."""
    async with gateway_over(over(upstream.url, upstream_rate_limit=8, replicas=4)) as gateway:
        began = asyncio.get_running_loop().time()
        assert await codes_in_turn(gateway, NUMBERS, 3) == [None] * 3
        assert asyncio.get_running_loop().time() - began >= 0.9
    assert len(upstream.requests) == 3


async def test_calls_that_the_rate_limit_would_delay_beyond_the_deadline_are_throttled_at_once(
    upstream: ScriptedUpstream,
) -> None:
    async with gateway_over(over(upstream.url, upstream_rate_limit=2, request_timeout_seconds=1.5)) as gateway:
        errors = [
            response["errors"][0]["extensions"]
            for response in await asyncio.gather(*(gateway.execute(PHONE_NUMBER, number=e164(n)) for n in range(50)))
            if "errors" in response
        ]
    throttled = [error for error in errors if error["code"] == "THROTTLED"]
    assert len(throttled) >= 40
    assert all(error["retryAfter"] >= 1 for error in throttled)
    assert len(upstream.requests) <= 5


# The tests below call the upstream directly, with deadlines of their own.


@asynccontextmanager
async def opened(url: str, **settings: float) -> AsyncIterator[Upstream]:
    async with open_upstream(over(url, **settings), AwsKeyPair("local", "local")) as upstream:
        yield upstream


def in_seconds(seconds: float) -> Requester:
    return Requester(asyncio.get_running_loop().time() + seconds)


async def get(upstream: Upstream, index: int, requester: Requester) -> UpstreamError | None:
    """Get a number, and return the error if there is one."""
    try:
        await upstream.get_phone_number(e164(index), requester=requester)
    except UpstreamError as fault:
        return fault
    return None


async def test_hung_calls_open_the_circuit_breaker_and_calls_without_time_do_not(upstream: ScriptedUpstream) -> None:
    upstream.responses[:] = [ScriptedResponse({}, after_seconds=60)]
    async with opened(upstream.url, request_timeout_seconds=1) as calls:
        faults = await asyncio.gather(*(get(calls, index, in_seconds(0.1)) for index in range(30)))
        assert {type(fault) for fault in faults} == {UpstreamTimeout}
        assert state(calls) == "closed"
        await asyncio.gather(*(get(calls, index, in_seconds(1)) for index in range(30)))
        assert state(calls) == "open"
        assert isinstance(await get(calls, 0, in_seconds(1)), UpstreamUnavailable)
        assert {name for name in OPERATION_NAMES if calls.breakers[name].state == "open"} == {"GetPhoneNumber"}


async def test_a_cancelled_probe_lets_another_call_probe(upstream: ScriptedUpstream) -> None:
    upstream.responses[:] = [DOWN]
    async with opened(upstream.url) as calls:
        while state(calls) == "closed":
            await get(calls, 0, in_seconds(5))
        upstream.responses[:] = [ScriptedResponse({}, after_seconds=60)]
        await happens(lambda: state(calls) == "half_open")
        before = len(upstream.requests)
        probe = asyncio.create_task(get(calls, 0, in_seconds(60)))
        await happens(lambda: len(upstream.requests) > before)
        assert isinstance(await get(calls, 1, in_seconds(5)), UpstreamUnavailable)
        probe.cancel()
        await asyncio.wait([probe])
        upstream.responses[:] = [ScriptedResponse({"Code": "NotFound"}, 404)]
        assert await get(calls, 1, in_seconds(5)) is None
        assert state(calls) == "closed"
        assert calls.queue.in_flight == 0


async def test_a_call_cancelled_while_it_waits_for_a_retry_or_in_the_queue_releases_everything(
    upstream: ScriptedUpstream,
) -> None:
    upstream.responses[:] = [
        ScriptedResponse({"Code": "ServiceUnavailable"}, 503, {"retry-after": "5"}),
        ScriptedResponse({}, after_seconds=60),
    ]
    async with opened(upstream.url, upstream_concurrency=1) as calls:
        turns = calls.queue
        between_attempts = asyncio.create_task(get(calls, 0, in_seconds(60)))
        await happens(lambda: bool(upstream.requests) and not turns.in_flight)
        hung = asyncio.create_task(get(calls, 1, in_seconds(60)))
        await happens(lambda: turns.in_flight == 1)
        in_line = asyncio.create_task(get(calls, 2, in_seconds(60)))
        await happens(lambda: turns.waiting == 1)
        for task in (in_line, between_attempts, hung):
            task.cancel()
        await asyncio.wait((in_line, between_attempts, hung))
        await asyncio.sleep(0)
        assert (turns.in_flight, turns.waiting) == (0, 0)
        upstream.responses[:] = [ScriptedResponse({"Code": "NotFound"}, 404)]
        assert await get(calls, 3, in_seconds(5)) is None
    assert len(upstream.requests) == 3


async def test_a_request_with_one_call_does_not_wait_for_all_calls_of_another(aws: Aws) -> None:
    aws.holds(inventory=300)
    aws.takes_ms(5)
    async with opened(aws.url, upstream_concurrency=2) as calls:

        async def request(*indexes: int) -> None:
            requester = in_seconds(30)
            await asyncio.gather(*(get(calls, index, requester) for index in indexes))

        crowd = asyncio.create_task(request(*range(100)))
        await happens(lambda: len(aws.calls) > 0)
        await request(200)
        calls_before_it = len(aws.calls)
        await crowd
    assert calls_before_it < 50
    assert len(aws.calls) == 101


async def test_two_hundred_hung_requests_leave_capacity_to_another_operation(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.responses[:] = [ScriptedResponse({}, after_seconds=60)]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=gateway.http.base_url, timeout=60, limits=limits) as http:
        clients = Gateway(http)
        crowd = [asyncio.ensure_future(clients.execute(PHONE_NUMBER, number=e164(n))) for n in range(200)]
        await happens(lambda: len(upstream.requests) == 52)
        upstream.responses[:] = [EMPTY]
        assert "errors" not in await gateway.execute(ORDERS)
        assert [each.done() for each in crowd] == [False] * 200
        assert len(upstream.requests) == 52 + 1
        for each in crowd:
            each.cancel()
        await asyncio.wait(crowd)
