"""Each call on the wire as an operator sees it: counted, timed, and a span of its request's trace."""

import time
from typing import Any, Final

from gateway.errors import UpstreamBadResponse
from gateway.telemetry.metrics import UPSTREAM_CALLS_IN_FLIGHT, count_upstream_call
from gateway.telemetry.request_record import current_record
from gateway.telemetry.tracing import Span, are_recorded, span
from gateway.upstream.aws.error_mapping import is_out_of_place, map_error
from gateway.upstream.aws.sigv4 import Credentials
from gateway.upstream.aws.transport import AwsTransport, Parameters

ANSWERED: Final = "ok"
# Cancelled: at a deadline, or because its client left and nobody else waits for it.
CANCELLED: Final = "cancelled"


class InstrumentedTransport:
    """The operations of an open client. Costs some 7 microseconds a call where no trace is recorded.

    ended: for each outcome, `ok` or a fault's code, when a call last had it, by time.monotonic. An answer that the API
    has no reason to give is among UPSTREAM_BAD_RESPONSE: with a wrong path in the endpoint, lists arrive as gets.
    """

    def __init__(self, calls: AwsTransport) -> None:
        self._calls = calls
        self.ended: dict[str, float] = {}

    @property
    def host(self) -> str:
        """The host that is called, with its port if that is not the scheme's own."""
        return self._calls.host

    async def call(self, operation: str, parameters: Parameters, credentials: Credentials) -> dict[str, Any]:
        """What AwsTransport.call gives.

        Raises: UpstreamError.
        """
        record = current_record()
        outcome = tells = CANCELLED
        began = time.monotonic()
        record.call_started(began)
        UPSTREAM_CALLS_IN_FLIGHT.inc()
        try:
            with span(operation, {"rpc.system.name": "aws-api", "rpc.method": operation}, kind="client") as call_span:
                trace_context = record.trace_context if call_span.headers is None else call_span.headers
                try:
                    answer = await self._calls.call(operation, parameters, credentials, trace_context)
                except Exception as error:  # An HTTP session may raise anything.
                    fault = map_error(error, operation, parameters, self.host)
                    outcome = fault.code
                    tells = UpstreamBadResponse.code if is_out_of_place(fault, parameters) else outcome
                    call_span.fail(outcome)
                    _note(call_span, fault.status, fault.request_id)
                    raise fault from error
                outcome = tells = ANSWERED
                metadata = answer["ResponseMetadata"]
                _note(call_span, metadata["HTTPStatusCode"], metadata["RequestId"])
                return answer
        finally:
            now = time.monotonic()
            UPSTREAM_CALLS_IN_FLIGHT.dec()
            record.call_ended(now)
            count_upstream_call(operation, outcome, now - began)
            if tells != CANCELLED:
                self.ended[tells] = now


def _note(call_span: Span, status: int | None, request_id: str | None) -> None:
    if not are_recorded():
        return
    if request_id is not None:
        call_span.note({"aws.request_id": request_id})
    if status is not None:
        call_span.note({"http.response.status_code": status})
