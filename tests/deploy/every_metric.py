"""Prints what /metrics says of a process to which everything has happened once: python -m tests.deploy.every_metric.

A process of its own, as counters cannot be taken back.
"""

import sys
from typing import Final

from gateway.telemetry import metrics

LISTS: Final = ("ListPhoneNumbers", "ListPhoneNumberOrders")
GETS: Final = ("GetPhoneNumber", "GetPhoneNumberOrder")


def main() -> None:
    """Count each thing with each value that its labels can have, where those are few."""
    for codes, answered in (([], True), (["THROTTLED"], True), ([], False)):
        metrics.request_ended("Numbers", codes, 0.1, answered=answered)
    for operation in (*LISTS, *GETS):
        for outcome in ("ok", "THROTTLED", "abandoned"):
            metrics.upstream_call_ended(operation, outcome, 0.1)
        metrics.retried(operation)
        metrics.retry_budget_exhausted(operation)
        metrics.breaker_became(operation, "open")
        metrics.pace_refused(operation)
        metrics.records_left_out(operation, 1)
        metrics.looked_up(operation, "hit")
        metrics.looked_up(operation, "miss")
        metrics.looked_up(operation, "stale")
        metrics.looked_up(operation, "negative")
    for credentials in ("ok", "failed", "timed_out"):
        metrics.credentials_renewed("web_identity", credentials)
    metrics.pace_became(5.0)
    metrics.paced(0.1)
    for operation in LISTS:
        for pages in (0, 1):
            for gets in (0, 1):
                metrics.batch_ended(operation, keys=3, pages=pages, gets=gets)
        metrics.walk_ended(operation, 1)
    sys.stdout.buffer.write(metrics.exposition())


if __name__ == "__main__":
    main()
