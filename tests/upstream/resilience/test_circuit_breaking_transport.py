"""What an operator sees of the circuit breakers of AWS operations, tested by direct calls."""

import pytest

from gateway.telemetry.metrics import CIRCUIT_BREAKER_STATE
from gateway.upstream.resilience.circuit_breaking_transport import FAILURES_TO_OPEN, operation_breaker
from tests.support.clock import Clock


def measured() -> float:
    [metric] = CIRCUIT_BREAKER_STATE.labels("ListPhoneNumbers").collect()
    return metric.samples[0].value


def test_log_and_metrics_report_when_it_opens_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    breaker = operation_breaker("ListPhoneNumbers", clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.on_failure(breaker.on_start())
    assert measured() == 2
    clock.moves(60)
    generation = breaker.on_start()
    assert measured() == 1
    breaker.on_success(generation)
    assert measured() == 0
    assert [record.getMessage() for record in caplog.records] == [
        "ListPhoneNumbers: 10 calls in a row failed. No call is sent for 2 s.",
        "ListPhoneNumbers responds again.",
    ]
