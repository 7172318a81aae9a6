"""Latency, the rate limit, and faults."""

import time

import pytest

from gateway.emulator.aws_errors import FAULTS, AwsError
from gateway.emulator.fault_injection import Fault, RequestRateLimiter
from tests.emulator.conftest import Emulate

TARGETS = {
    "ListPhoneNumbers": "/phone-numbers",
    "ListPhoneNumberOrders": "/phone-number-orders",
    "GetPhoneNumber": "/phone-numbers/%2B12065550100",
    "GetPhoneNumberOrder": "/phone-number-orders/abc12345-de67-89f0-123g-h45i678j9012",
}


@pytest.mark.parametrize("operation", TARGETS)
def test_a_fault_meets_its_operation_and_no_other(emulate: Emulate, operation: str) -> None:
    emulated = emulate(faults=(Fault(operation, "ServiceUnavailable"),))
    for name, target in TARGETS.items():
        answer = emulated.caller.get(target)
        if name == operation:
            assert answer.error == (503, "ServiceUnavailableException", "ServiceUnavailable")
            assert answer.json["Message"] == "The service is currently unavailable."
        else:
            assert answer.status == 200


def test_any_error_can_be_a_fault_in_either_spelling_and_be_changed_while_it_runs(emulate: Emulate) -> None:
    emulated = emulate()
    for shape in FAULTS:
        for spelling in (shape.name, shape.code):
            emulated.fault_injection.faults[:] = [Fault("*", spelling)]
            for target in TARGETS.values():
                assert emulated.caller.get(target).error == (shape.status, shape.name, shape.code)
    emulated.fault_injection.faults.clear()
    assert emulated.caller.get("/phone-numbers").status == 200


def test_a_fault_may_leave_its_name_to_the_body(emulate: Emulate) -> None:
    answer = emulate(faults=(Fault("*", "Throttled", send_error_type=False),)).caller.get("/phone-numbers")
    assert (answer.status, answer.json["Code"]) == (429, "Throttled")
    assert "x-amzn-ErrorType" not in answer.headers


def test_the_signature_is_looked_at_before_faults_and_faults_before_parameters(emulate: Emulate) -> None:
    emulated = emulate(faults=(Fault("*", "Forbidden"),))
    assert emulated.caller.send("/phone-numbers", {}).status == 401
    assert emulated.caller.get("/phone-numbers?max-results=1000").status == 403


def test_faults_are_read_from_text() -> None:
    assert Fault.parse("ListPhoneNumbers=Throttled") == Fault("ListPhoneNumbers", "Throttled")
    assert Fault.parse("*=ServiceFailureException") == Fault("*", "ServiceFailureException")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Throttled", "OPERATION=ERROR"),
        ("", "OPERATION=ERROR"),
        ("ListNumbers=Throttled", "no such operation: ListNumbers"),
        ("ListPhoneNumbers=Tired", "no such error: Tired"),
        ("ListPhoneNumbers=", "no such error"),
    ],
)
def test_text_that_is_no_fault_is_refused_in_words(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Fault.parse(text)


def test_past_the_rate_requests_are_throttled_until_a_second_has_passed(emulate: Emulate) -> None:
    caller = emulate(rate=3).caller
    answers = [caller.get(target) for target in TARGETS.values()]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].error == (429, "ThrottledClientException", "Throttled")
    time.sleep(1)
    assert caller.get("/phone-numbers").status == 200


def test_no_second_lets_more_through_than_the_rate() -> None:
    """Whenever it begins; and those refused cost nothing."""
    now = 0.0
    limit = RequestRateLimiter(5, clock=lambda: now)
    passed: list[float] = []
    for step in range(1_000):
        now = step / 100
        try:
            limit.check()
        except AwsError:
            continue
        passed.append(now)
    assert len(passed) == 50
    assert all(later - earlier >= 1 for earlier, later in zip(passed, passed[5:], strict=False))


def test_unsigned_requests_do_not_count_against_the_rate(emulate: Emulate) -> None:
    caller = emulate(rate=1).caller
    for _ in range(3):
        assert caller.send("/phone-numbers", {}).status == 401
    assert caller.get("/phone-numbers").status == 200


def test_latency_delays_each_answer_and_can_be_changed_while_it_runs(emulate: Emulate) -> None:
    emulated = emulate(latency_ms=150)

    def seconds(target: str) -> float:
        started = time.monotonic()
        emulated.caller.get(target)
        return time.monotonic() - started

    delayed = [seconds(target) for target in ("/phone-numbers", "/phone-numbers?max-results=0", "/nothing")]
    assert min(delayed) >= 0.15
    emulated.fault_injection.latency_ms = 0
    # One of many is quick, however busy the machine is.
    assert any(seconds("/phone-numbers") < 0.15 for _ in range(100))


def test_an_unexpected_failure_is_a_service_failure_that_tells_nothing(emulate: Emulate) -> None:
    emulated = emulate()
    emulated.store.close()
    answer = emulated.caller.get("/phone-numbers")
    assert answer.error == (500, "ServiceFailureException", "ServiceFailure")
    assert answer.json["Message"] == "The service encountered an unexpected error."
