"""Latency, throttling and faults."""

import pytest

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.aws_errors import FAULTS, AwsError
from gateway.emulator.fault_injection import Fault, RequestRateLimiter
from tests.emulator.aws_clients import Caller
from tests.emulator.conftest import Emulate
from tests.support.serving import served

TARGETS = {
    "ListPhoneNumbers": "/phone-numbers",
    "ListPhoneNumberOrders": "/phone-number-orders",
    "GetPhoneNumber": "/phone-numbers/%2B12065550100",
    "GetPhoneNumberOrder": "/phone-number-orders/abc12345-de67-89f0-123g-h45i678j9012",
}
SECOND = 1_000_000_000


class Clock:
    """Nanoseconds that a test sets."""

    def __init__(self) -> None:
        # A large odd number, as rounding errors grow with the uptime of a machine.
        self.now = 12_345_678_987_654_321

    def __call__(self) -> int:
        return self.now


@pytest.mark.parametrize("operation", TARGETS)
def test_fault_fails_its_operation_and_no_other(emulate: Emulate, operation: str) -> None:
    emulated = emulate(faults=(Fault(operation, "ServiceUnavailable"),))
    for name, target in TARGETS.items():
        response = emulated.caller.get(target)
        if name == operation:
            assert response.error == (503, "ServiceUnavailableException", "ServiceUnavailable")
            assert response.json["Message"] == "The service is currently unavailable."
        else:
            assert response.status == 200


def test_fault_accepts_both_spellings_of_every_error_while_the_emulator_runs(emulate: Emulate) -> None:
    emulated = emulate()
    for shape in FAULTS:
        for spelling in (shape.name, shape.code):
            emulated.fault_injection.faults[:] = [Fault("*", spelling)]
            for target in TARGETS.values():
                assert emulated.caller.get(target).error == (shape.status, shape.name, shape.code)
    emulated.fault_injection.faults.clear()
    assert emulated.caller.get("/phone-numbers").status == 200


def test_fault_can_omit_the_error_type_header(emulate: Emulate) -> None:
    response = emulate(faults=(Fault("*", "Throttled", send_error_type=False),)).caller.get("/phone-numbers")
    assert (response.status, response.json["Code"]) == (429, "Throttled")
    assert "x-amzn-ErrorType" not in response.headers


def test_signature_is_checked_before_faults_and_faults_before_parameters(emulate: Emulate) -> None:
    emulated = emulate(faults=(Fault("*", "Forbidden"),))
    assert emulated.caller.send("/phone-numbers", {}).status == 401
    assert emulated.caller.get("/phone-numbers?max-results=1000").status == 403


def test_fault_is_parsed_from_text() -> None:
    assert Fault.parse("ListPhoneNumbers=Throttled") == Fault("ListPhoneNumbers", "Throttled")
    assert Fault.parse("*=ServiceFailureException") == Fault("*", "ServiceFailureException")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Throttled", "'Throttled' is not a fault. Write OPERATION=ERROR"),
        ("", "OPERATION=ERROR"),
        ("ListNumbers=Throttled", "There is no operation 'ListNumbers'. Use ListPhoneNumbers, "),
        ("ListPhoneNumbers=Tired", "There is no error 'Tired'. Use one of BadRequest, "),
        ("ListPhoneNumbers=", "There is no error ''"),
    ],
)
def test_invalid_fault_is_rejected_with_the_valid_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault.parse(text)


def test_requests_above_the_rate_are_throttled_until_the_bucket_refills(emulate: Emulate) -> None:
    clock = Clock()
    emulated = emulate()
    emulated.fault_injection.rate_limiter = RequestRateLimiter(3, clock)
    responses = [emulated.caller.get(target) for target in TARGETS.values()]
    assert [response.status for response in responses] == [200, 200, 200, 429]
    assert responses[-1].error == (429, "ThrottledClientException", "Throttled")
    clock.now += SECOND // 3
    assert [emulated.caller.get(target).status for target in TARGETS.values()] == [200, 429, 429, 429]


def test_rate_option_throttles(emulate: Emulate) -> None:
    caller = emulate(rate=1).caller
    # Ten requests in less than nine seconds, however busy the machine is.
    assert 429 in {caller.get("/phone-numbers").status for _ in range(10)}


def passed_at(limiter: RequestRateLimiter, clock: Clock, moments: range) -> list[int]:
    """Return the moments, in nanoseconds from now, at which the limiter lets a request pass."""
    start = clock.now
    passed = []
    for moment in moments:
        clock.now = start + moment
        try:
            limiter.check()
        except AwsError:
            continue
        passed.append(moment)
    return passed


@pytest.mark.parametrize("rate", [1, 3, 5, 7, 60])
def test_rate_limiter_passes_a_burst_and_then_the_rate(rate: int) -> None:
    """The client sends 100 requests a second for ten seconds. If throttled requests counted, later ones would fail."""
    clock = Clock()
    passed = passed_at(RequestRateLimiter(rate, clock), clock, range(0, 10 * SECOND, SECOND // 100))
    assert len(passed) in {11 * rate - 1, 11 * rate}
    for first, moment in enumerate(passed):
        for count, later in enumerate(passed[first:], start=1):
            # One request more, as the interval between two requests is rounded down to a nanosecond.
            assert count <= rate + rate * (later - moment) / SECOND + 1


@pytest.mark.parametrize("rate", [1, 3, 7, 1_000])
def test_rate_limiter_never_throttles_requests_at_the_rate(rate: int) -> None:
    clock = Clock()
    limiter = RequestRateLimiter(rate, clock)
    assert len(passed_at(limiter, clock, range(0, 1_000 * (SECOND // rate), SECOND // rate))) == 1_000


def test_rate_limiter_saves_no_more_than_one_burst_while_idle() -> None:
    clock = Clock()
    limiter = RequestRateLimiter(5, clock)
    clock.now += 3_600 * SECOND
    assert len(passed_at(limiter, clock, range(20))) == 5


def test_unsigned_requests_do_not_count_against_the_rate(emulate: Emulate) -> None:
    caller = emulate(rate=1).caller
    for _ in range(3):
        assert caller.send("/phone-numbers", {}).status == 401
    assert caller.get("/phone-numbers").status == 200


def test_latency_delays_each_response_and_can_change_while_the_emulator_runs() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    emulator = create_emulator(EmulatorOptions(latency_ms=150), sleep=sleep)
    with served(emulator) as url:
        caller = Caller(url)
        for target in ("/phone-numbers", "/phone-numbers?max-results=0", "/nothing"):
            caller.get(target)
        emulator.state.fault_injection.latency_ms = 0
        caller.get("/phone-numbers")
    assert slept == [0.15, 0.15, 0.15, 0]


def test_unexpected_exception_is_a_service_failure_without_details(emulate: Emulate) -> None:
    emulated = emulate()
    emulated.store.close()
    response = emulated.caller.get("/phone-numbers")
    assert response.error == (500, "ServiceFailureException", "ServiceFailure")
    assert response.json["Message"] == "The service encountered an unexpected error."
