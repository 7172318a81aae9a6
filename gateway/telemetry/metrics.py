"""The process's numbers, by Prometheus' conventions: all names stand here, and the functions that count.

Every label has few values: AWS's operations, codes of faults, and the names of MAX_OPERATION_NAMES GraphQL operations.
With several workers each counts in files of its own, which whichever is asked adds up.
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

# Names of operations that are counted by themselves, the first that come. A front end has dozens; each is some 40 lines
# of /metrics, and whoever may ask can make names up.
MAX_OPERATION_NAMES: Final = 100
OTHER_OPERATIONS: Final = "other"
EXPOSITION_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# When each number began would be a line for each, and double them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # It takes and gives nothing.

# Seconds. From a list call of the emulator's to the default deadline.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Up to the default of GATEWAY_MAX_UPSTREAM_PAGES, and beyond it for whoever sets more.
_PAGES: Final = (0, 1, 2, 3, 5, 10, 20, 50, 100)

# Requests to /graphql

REQUESTS: Final = Counter(
    "chime_gateway_requests_total",
    "Requests to /graphql, by the GraphQL operation's name ('' without one, or where its document is not valid) and by "
    "the first error's code: OK without errors, CLIENT_CLOSED_REQUEST where nobody waited for the answer.",
    ("operation", "code"),
)
ERRORS: Final = Counter(
    "chime_gateway_request_errors_total",
    "Errors in answers, by the GraphQL operation's name and their code. An answer may hold several.",
    ("operation", "code"),
)
REQUEST_SECONDS: Final = Histogram(
    "chime_gateway_request_duration_seconds",
    "Seconds from a request's head to the end of its answer, by the GraphQL operation's name.",
    ("operation",),
    buckets=_SECONDS,
)
REQUESTS_IN_FLIGHT: Final = Gauge(
    "chime_gateway_requests_in_flight", "Requests to /graphql that are being answered.", multiprocess_mode="livesum"
)

# Calls of AWS's operations

UPSTREAM_CALLS: Final = Counter(
    "chime_gateway_upstream_calls_total",
    "Calls on the wire, retries included, by AWS's operation and how they ended: ok, a fault's code, or abandoned, as "
    "nobody waited any longer: at a deadline, or because the client had left.",
    ("operation", "outcome"),
)
UPSTREAM_CALL_SECONDS: Final = Histogram(
    "chime_gateway_upstream_call_duration_seconds",
    "Seconds that a call on the wire took, by AWS's operation.",
    ("operation",),
    buckets=_SECONDS,
)
UPSTREAM_CALLS_IN_FLIGHT: Final = Gauge(
    "chime_gateway_upstream_calls_in_flight", "Calls on the wire right now.", multiprocess_mode="livesum"
)
RETRIES: Final = Counter(
    "chime_gateway_upstream_retries_total", "Attempts after a call's first, by AWS's operation.", ("operation",)
)
RETRY_BUDGET_EXHAUSTED: Final = Counter(
    "chime_gateway_upstream_retry_budget_exhausted_total",
    "Retries that were not made because the process had none left, by AWS's operation.",
    ("operation",),
)
BREAKER_STATE: Final = Gauge(
    "chime_gateway_upstream_circuit_breaker_state",
    "The breaker of an AWS operation: 0 closed, 1 half-open, 2 open. Of several workers, the worst.",
    ("operation",),
    multiprocess_mode="livemax",
)
PACE: Final = Gauge(
    "chime_gateway_upstream_rate_limit",
    "Calls a second that the adaptive rate allows now; +Inf while AWS has throttled nothing.",
    multiprocess_mode="livesum",
)
PACE.set(inf)
PACE_WAIT_SECONDS: Final = Histogram(
    "chime_gateway_upstream_queue_wait_seconds",
    "Seconds that a call waited for its turn under the adaptive rate; calls that need not wait are not in it.",
    buckets=_SECONDS,
)
PACE_REFUSED: Final = Counter(
    "chime_gateway_upstream_queue_rejected_total",
    "Calls that were not made because their turn would have come after their deadline, by AWS's operation.",
    ("operation",),
)
RECORDS_LEFT_OUT: Final = Counter(
    "chime_gateway_upstream_records_left_out_total",
    "Records of AWS's responses that were left out because their key is missing or unusable, by AWS's operation. "
    "Ordered numbers and associations within a record count, too.",
    ("operation",),
)
CACHE_LOOKUPS: Final = Counter(
    "chime_gateway_cache_lookups_total",
    "Calls looked up in the cache, by AWS's operation and result: hit, miss, stale (answered with what had ended, as "
    "AWS failed), or negative (known not to be there).",
    ("operation", "result"),
)

# AWS credentials

CREDENTIAL_RENEWALS: Final = Counter(
    "chime_gateway_credential_renewals_total",
    "Times that AWS credentials were fetched after the start, by their source and outcome: ok, failed or timed_out.",
    ("source", "outcome"),
)

# How records are found

LOADER_BATCHES: Final = Counter(
    "chime_gateway_loader_batches_total",
    "Batches of linked records, by the list that they are in and the plan they ended with: list (pages alone), get "
    "(single records alone), list_and_get, or none where every key was settled without a call.",
    ("list", "plan"),
)
LOADER_CALLS: Final = Counter(
    "chime_gateway_loader_calls_total",
    "Calls that batches made, by list and kind: list or get. Those shared with another request are in it.",
    ("list", "kind"),
)
LOADER_CALLS_SAVED: Final = Counter(
    "chime_gateway_loader_calls_saved_total",
    "Calls fewer than one for each distinct record that a batch was asked for, by list.",
    ("list",),
)
WALK_PAGES: Final = Histogram(
    "chime_gateway_connection_upstream_pages",
    "Upstream pages that one connection fetched, by list.",
    ("list",),
    buckets=_PAGES,
)


class _Children(dict[tuple[str, ...], Any]):
    """A metric's children by their labels: a look into a dict, where `labels` takes a lock and a microsecond."""

    def __init__(self, metric: Counter | Gauge | Histogram) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child


_REQUESTS: Final = _Children(REQUESTS)
_ERRORS: Final = _Children(ERRORS)
_REQUEST_SECONDS: Final = _Children(REQUEST_SECONDS)
_UPSTREAM_CALLS: Final = _Children(UPSTREAM_CALLS)
_UPSTREAM_CALL_SECONDS: Final = _Children(UPSTREAM_CALL_SECONDS)
_CACHE_LOOKUPS: Final = _Children(CACHE_LOOKUPS)
_LOADER_BATCHES: Final = _Children(LOADER_BATCHES)
_LOADER_CALLS: Final = _Children(LOADER_CALLS)
_LOADER_CALLS_SAVED: Final = _Children(LOADER_CALLS_SAVED)
_WALK_PAGES: Final = _Children(WALK_PAGES)
_operation_names: Final = {""}


def request_ended(operation: str, codes: Sequence[str], seconds: float, *, answered: bool) -> None:
    """A request to /graphql has its answer, or, not answered, its client has left.

    operation: the name in its document, '' where it has none or is not valid. codes: of its errors, in their order.
    """
    if operation not in _operation_names:
        if len(_operation_names) < MAX_OPERATION_NAMES:
            _operation_names.add(operation)
        else:
            operation = OTHER_OPERATIONS
    code = "CLIENT_CLOSED_REQUEST" if not answered else codes[0] if codes else "OK"
    _REQUESTS[operation, code].inc()
    _REQUEST_SECONDS[(operation,)].observe(seconds)
    for code in codes:
        _ERRORS[operation, code].inc()


def upstream_call_ended(operation: str, outcome: str, seconds: float) -> None:
    """A call on the wire is over: `ok`, a fault's code, or `abandoned`."""
    _UPSTREAM_CALLS[operation, outcome].inc()
    _UPSTREAM_CALL_SECONDS[(operation,)].observe(seconds)


def retried(operation: str) -> None:
    """Another attempt of a call begins."""
    RETRIES.labels(operation).inc()


def retry_budget_exhausted(operation: str) -> None:
    """A call fails that would have been tried again, had there been retries left for the process."""
    RETRY_BUDGET_EXHAUSTED.labels(operation).inc()


def breaker_became(operation: str, state: Literal["closed", "half-open", "open"]) -> None:
    """An operation's breaker is in another state than before."""
    BREAKER_STATE.labels(operation).set(("closed", "half-open", "open").index(state))


def pace_became(calls_per_second: float) -> None:
    """The adaptive rate is another than before."""
    PACE.set(calls_per_second)


def paced(seconds: float) -> None:
    """A call has waited for its turn."""
    PACE_WAIT_SECONDS.observe(seconds)


def pace_refused(operation: str) -> None:
    """A call fails at once, as its turn would come too late."""
    PACE_REFUSED.labels(operation).inc()


def credentials_renewed(source: str, outcome: Literal["ok", "failed", "timed_out"]) -> None:
    """Count one fetch of AWS credentials from their source."""
    CREDENTIAL_RENEWALS.labels(source, outcome).inc()


def looked_up(operation: str, result: Literal["hit", "miss", "stale", "negative"]) -> None:
    """A call was looked up in the cache."""
    _CACHE_LOOKUPS[operation, result].inc()


def records_left_out(operation: str, records: int) -> None:
    """Count records of one response that were left out."""
    RECORDS_LEFT_OUT.labels(operation).inc(records)


def batch_ended(list_operation: str, *, keys: int, pages: int, gets: int) -> str:
    """A batch of linked records is settled, by so many list pages and gets; gives the plan that these were."""
    plan = ("none", "list", "get", "list_and_get")[(pages > 0) + 2 * (gets > 0)]
    _LOADER_BATCHES[list_operation, plan].inc()
    _LOADER_CALLS[list_operation, "list"].inc(pages)
    _LOADER_CALLS[list_operation, "get"].inc(gets)
    _LOADER_CALLS_SAVED[(list_operation,)].inc(max(0, keys - pages - gets))
    return plan


def walk_ended(list_operation: str, pages: int) -> None:
    """A connection is answered, by so many pages of its list."""
    _WALK_PAGES[(list_operation,)].observe(pages)


def exposition() -> bytes:
    """All numbers, in Prometheus' text format 0.0.4. Cost: some 30 ms with 100 operation names; for a thread."""
    registry = REGISTRY
    if not issubclass(values.ValueClass, values.MutexValue):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # It takes a registry.
    return generate_latest(registry)
