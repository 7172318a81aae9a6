"""The gateway's Prometheus metrics, and the functions that record in them.

Every label has few values: AWS operations, error codes, and the names of the first MAX_OPERATION_NAMES GraphQL
operations. With several workers, each one counts in files of its own. The worker that gets a scrape adds them up.
"""

from collections.abc import Sequence
from math import inf
from typing import Any, Final, Literal

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

# GraphQL operation names that have their own label value. A front end has dozens of operations. Each name takes some
# 40 lines of /metrics, and any caller can make names up, so all later names share one value.
MAX_OPERATION_NAMES: Final = 100
OTHER_OPERATIONS: Final = "other"
EXPOSITION_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_GRAPHQL_OPERATION: Final = "graphql_operation"
_AWS_OPERATION: Final = "aws_operation"

# Bucket bounds in seconds, from the time of a list call to the emulator up to the default request timeout.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Bucket bounds in pages, up to the default of GATEWAY_MAX_UPSTREAM_PAGES (20) and beyond, for higher settings.
_PAGES: Final = (0, 1, 2, 3, 5, 10, 20, 50, 100)

# Requests to /graphql

REQUESTS: Final = Counter(
    "chime_gateway_requests_total",
    "Requests to /graphql, by GraphQL operation name and by code. The name is '' if the document has none or is "
    "invalid. The code is OK without errors, CLIENT_CLOSED_REQUEST if the client disconnected before the response, and "
    "otherwise the first error's code.",
    (_GRAPHQL_OPERATION, "code"),
)
ERRORS: Final = Counter(
    "chime_gateway_request_errors_total",
    "Errors in responses, by GraphQL operation name and error code. A response may hold several.",
    (_GRAPHQL_OPERATION, "code"),
)
REQUEST_SECONDS: Final = Histogram(
    "chime_gateway_request_duration_seconds",
    "Seconds from a request's head to the end of its response, by GraphQL operation name.",
    (_GRAPHQL_OPERATION,),
    buckets=_SECONDS,
)
RESPONSES_REUSED: Final = Counter(
    "chime_gateway_responses_reused_total",
    "Responses to /graphql that another request had executed, by level: stored (a finished response whose upstream "
    "responses are all fresh), in_flight (the response of an identical request in flight), or page (the rows of one "
    "cached page, which another request had read by the same document).",
    ("level",),
)
REQUESTS_IN_FLIGHT: Final = Gauge(
    "chime_gateway_requests_in_flight", "Requests to /graphql in flight.", multiprocess_mode="livesum"
)

# Calls to AWS operations

UPSTREAM_CALLS: Final = Counter(
    "chime_gateway_upstream_calls_total",
    "HTTP calls to AWS, retries included, by AWS operation and outcome: ok, an error code, or cancelled. A call is "
    "cancelled if its request times out or its client disconnects.",
    (_AWS_OPERATION, "outcome"),
)
UPSTREAM_CALL_SECONDS: Final = Histogram(
    "chime_gateway_upstream_call_duration_seconds",
    "Seconds that an HTTP call to AWS took, by AWS operation.",
    (_AWS_OPERATION,),
    buckets=_SECONDS,
)
UPSTREAM_CALLS_IN_FLIGHT: Final = Gauge(
    "chime_gateway_upstream_calls_in_flight", "HTTP calls to AWS in flight.", multiprocess_mode="livesum"
)
RETRIES: Final = Counter(
    "chime_gateway_upstream_retries_total", "Attempts after a call's first, by AWS operation.", (_AWS_OPERATION,)
)
RETRY_BUDGET_EXHAUSTED: Final = Counter(
    "chime_gateway_upstream_retry_budget_exhausted_total",
    "Calls that were not retried because the process's retry budget was used up, by AWS operation.",
    (_AWS_OPERATION,),
)
CIRCUIT_BREAKER_STATE: Final = Gauge(
    "chime_gateway_upstream_circuit_breaker_state",
    "State of an AWS operation's circuit breaker: 0 closed, 1 half-open, 2 open. With several workers, the worst.",
    (_AWS_OPERATION,),
    multiprocess_mode="livemax",
)
RATE_LIMIT: Final = Gauge(
    "chime_gateway_upstream_rate_limit",
    "Calls per second that the adaptive rate limiter allows, +Inf until AWS throttles.",
    multiprocess_mode="livesum",
)
QUEUE_WAIT_SECONDS: Final = Histogram(
    "chime_gateway_upstream_queue_wait_seconds",
    "Seconds that a call waited in the fair queue, for a free call or for the rate limiter. "
    "Calls that do not wait are not counted.",
    buckets=_SECONDS,
)
QUEUE_REJECTED: Final = Counter(
    "chime_gateway_upstream_queue_rejected_total",
    "Calls that were rejected because the rate limiter would have admitted them too late, by AWS operation.",
    (_AWS_OPERATION,),
)
RECORDS_LEFT_OUT: Final = Counter(
    "chime_gateway_upstream_records_left_out_total",
    "Records of AWS's responses that were left out because their key is missing or unusable, by AWS operation. "
    "Ordered numbers and associations within a record count, too.",
    (_AWS_OPERATION,),
)
CACHE_LOOKUPS: Final = Counter(
    "chime_gateway_cache_lookups_total",
    "Lookups in the response cache, by AWS operation and result: hit, miss, negative_hit (the record is known not to "
    "exist), or stale (an expired response, returned because AWS failed).",
    (_AWS_OPERATION, "result"),
)

# AWS credentials

CREDENTIAL_RENEWALS: Final = Counter(
    "chime_gateway_credential_renewals_total",
    "Fetches of AWS credentials after the start, by source and outcome: ok, failed or timed_out.",
    ("source", "outcome"),
)

# Reading records

LOADER_BATCHES: Final = Counter(
    "chime_gateway_loader_batches_total",
    "DataLoader batches of linked records, by their list and by plan: list (list pages only), get (single records "
    "only), list_and_get, or none (no call was needed).",
    ("list", "plan"),
)
LOADER_CALLS: Final = Counter(
    "chime_gateway_loader_calls_total",
    "Calls that batches made, by list and kind: list or get. Calls shared with another request count, too.",
    ("list", "kind"),
)
LOADER_CALLS_SAVED: Final = Counter(
    "chime_gateway_loader_calls_saved_total",
    "Calls that batches saved, compared with one call per distinct record, by list.",
    ("list",),
)
CONNECTION_PAGES: Final = Histogram(
    "chime_gateway_connection_upstream_pages",
    "Upstream pages that one connection fetched, by list.",
    ("list",),
    buckets=_PAGES,
)


class _Children(dict[tuple[str, ...], Any]):
    """A metric's children by their label values.

    A dict lookup is faster than the metric's `labels`, which takes a lock and a microsecond.
    """

    def __init__(self, metric: Counter | Gauge | Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child


_REQUESTS: Final = _Children(REQUESTS)
_ERRORS: Final = _Children(ERRORS)
_REQUEST_SECONDS: Final = _Children(REQUEST_SECONDS)
_RESPONSES_REUSED: Final = _Children(RESPONSES_REUSED)
_UPSTREAM_CALLS: Final = _Children(UPSTREAM_CALLS)
_UPSTREAM_CALL_SECONDS: Final = _Children(UPSTREAM_CALL_SECONDS)
_CACHE_LOOKUPS: Final = _Children(CACHE_LOOKUPS)
_LOADER_BATCHES: Final = _Children(LOADER_BATCHES)
_LOADER_CALLS: Final = _Children(LOADER_CALLS)
_LOADER_CALLS_SAVED: Final = _Children(LOADER_CALLS_SAVED)
_CONNECTION_PAGES: Final = _Children(CONNECTION_PAGES)
_operation_names: Final = {""}


def configure_metrics() -> None:
    """Set what the Prometheus client leaves open: no creation times, and no rate limit before AWS throttles."""
    # A creation time for each metric would double the lines of /metrics.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # The function has no arguments and returns None.
    RATE_LIMIT.set(inf)


def count_request(graphql_operation: str, error_codes: Sequence[str], seconds: float, *, responded: bool) -> None:
    """Count one request to /graphql and its errors.

    Args:
        graphql_operation: The operation name in the document, or '' if it has none or is invalid.
        error_codes: The codes of the response's errors, in their order.
        seconds: The time that the request took.
        responded: Whether a response was sent. Otherwise the client disconnected before.
    """
    if graphql_operation not in _operation_names:
        if len(_operation_names) < MAX_OPERATION_NAMES:
            _operation_names.add(graphql_operation)
        else:
            graphql_operation = OTHER_OPERATIONS
    code = "CLIENT_CLOSED_REQUEST" if not responded else error_codes[0] if error_codes else "OK"
    _REQUESTS[graphql_operation, code].inc()
    _REQUEST_SECONDS[(graphql_operation,)].observe(seconds)
    for code in error_codes:
        _ERRORS[graphql_operation, code].inc()


def count_reused_response(level: Literal["stored", "in_flight", "page"]) -> None:
    """Count one response to /graphql, or the rows of one page in it, that another request had executed."""
    _RESPONSES_REUSED[(level,)].inc()


def count_upstream_call(aws_operation: str, outcome: str, seconds: float) -> None:
    """Count one HTTP call to AWS by its outcome: `ok`, an error code, or `cancelled`."""
    _UPSTREAM_CALLS[aws_operation, outcome].inc()
    _UPSTREAM_CALL_SECONDS[(aws_operation,)].observe(seconds)


def count_retry(aws_operation: str) -> None:
    """Count one more attempt of a call."""
    RETRIES.labels(aws_operation).inc()


def count_retry_budget_exhausted(aws_operation: str) -> None:
    """Count one call that is not retried because the retry budget is used up."""
    RETRY_BUDGET_EXHAUSTED.labels(aws_operation).inc()


def set_circuit_breaker_state(aws_operation: str, state: Literal["closed", "half_open", "open"]) -> None:
    """Set the state of an operation's circuit breaker."""
    CIRCUIT_BREAKER_STATE.labels(aws_operation).set(("closed", "half_open", "open").index(state))


def set_rate_limit(calls_per_second: float) -> None:
    """Set the rate that the adaptive rate limiter allows, infinity if it has no limit."""
    RATE_LIMIT.set(calls_per_second)


def observe_queue_wait(seconds: float) -> None:
    """Observe the time that one call waited in the fair queue, for a free call or for the rate limiter."""
    QUEUE_WAIT_SECONDS.observe(seconds)


def count_queue_rejection(aws_operation: str) -> None:
    """Count one call that is rejected because it would be admitted after its deadline."""
    QUEUE_REJECTED.labels(aws_operation).inc()


def count_credential_renewal(source: str, outcome: Literal["ok", "failed", "timed_out"]) -> None:
    """Count one fetch of AWS credentials from their source."""
    CREDENTIAL_RENEWALS.labels(source, outcome).inc()


def count_cache_lookup(aws_operation: str, result: Literal["hit", "miss", "stale", "negative_hit"]) -> None:
    """Count one lookup of a call in the response cache."""
    _CACHE_LOOKUPS[aws_operation, result].inc()


def count_records_left_out(aws_operation: str, records: int) -> None:
    """Count records of one response that were left out."""
    RECORDS_LEFT_OUT.labels(aws_operation).inc(records)


def count_batch(list_operation: str, *, keys: int, pages: int, gets: int) -> str:
    """Count one batch of linked records with its list pages and gets, and return its plan."""
    plan = ("none", "list", "get", "list_and_get")[(pages > 0) + 2 * (gets > 0)]
    _LOADER_BATCHES[list_operation, plan].inc()
    _LOADER_CALLS[list_operation, "list"].inc(pages)
    _LOADER_CALLS[list_operation, "get"].inc(gets)
    _LOADER_CALLS_SAVED[(list_operation,)].inc(max(0, keys - pages - gets))
    return plan


def observe_connection_pages(list_operation: str, pages: int) -> None:
    """Observe the number of upstream pages that one connection fetched."""
    _CONNECTION_PAGES[(list_operation,)].observe(pages)


def exposition() -> bytes:
    """Return all metrics in Prometheus's text format 0.0.4.

    It takes some 30 ms with 100 operation names, so call it in a thread.
    """
    registry = REGISTRY
    if not issubclass(values.ValueClass, values.MutexValue):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # Its argument is a registry.
    return generate_latest(registry)
