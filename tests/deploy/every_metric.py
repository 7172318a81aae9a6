"""A program that prints /metrics after each event has been counted once: python -m tests.deploy.every_metric.

It runs in a process of its own, because counters cannot be reset.
"""

import sys
from typing import Final

from gateway.telemetry import metrics

LISTS: Final = ("ListPhoneNumbers", "ListPhoneNumberOrders")
GETS: Final = ("GetPhoneNumber", "GetPhoneNumberOrder")


def main() -> None:
    """Count each event, with each value that its labels can have if these are few."""
    metrics.configure_metrics()
    for codes, responded in (([], True), (["THROTTLED"], True), ([], False)):
        metrics.count_request("Numbers", codes, 0.1, responded=responded)
    metrics.count_reused_response("stored")
    metrics.count_reused_response("in_flight")
    for operation in (*LISTS, *GETS):
        for outcome in ("ok", "THROTTLED", "cancelled"):
            metrics.count_upstream_call(operation, outcome, 0.1)
        metrics.count_retry(operation)
        metrics.count_retry_budget_exhausted(operation)
        metrics.set_circuit_breaker_state(operation, "open")
        metrics.count_queue_rejection(operation)
        metrics.count_records_left_out(operation, 1)
        metrics.count_cache_lookup(operation, "hit")
        metrics.count_cache_lookup(operation, "miss")
        metrics.count_cache_lookup(operation, "stale")
        metrics.count_cache_lookup(operation, "negative_hit")
    for credentials in ("ok", "failed", "timed_out"):
        metrics.count_credential_renewal("web_identity", credentials)
    metrics.set_rate_limit(5.0)
    metrics.observe_queue_wait(0.1)
    for operation in LISTS:
        for pages in (0, 1):
            for gets in (0, 1):
                metrics.count_batch(operation, keys=3, pages=pages, gets=gets)
        metrics.observe_connection_pages(operation, 1)
    sys.stdout.buffer.write(metrics.exposition())


if __name__ == "__main__":
    main()
