"""Bytes and CPU time of compressed responses.

    python -m benchmarks.compression

Each row is one response of the gateway: all fields of some numbers of the sample data, with and without a cursor for
each. The CPU time is the least of five rounds, for the compression alone.
"""

import time
from collections.abc import Callable

import httpx

from gateway.http.compression import COMPRESSORS
from gateway.settings import read_settings
from tests.support.aws import emulated_aws
from tests.support.serving import served_gateway

ROUNDS, REPEATS = 5, 20
FIELDS = """id phoneNumberId e164PhoneNumber country type productType status createdTimestamp updatedTimestamp
    deletionTimestamp callingName callingNameStatus associations { name value associatedTimestamp }
    capabilities { inboundCall outboundCall inboundSMS outboundSMS inboundMMS outboundMMS }"""
NODES = f"query ($first: Int) {{ phoneNumbers(first: $first) {{ nodes {{ {FIELDS} }} }} }}"
EDGES = f"query ($first: Int) {{ phoneNumbers(first: $first) {{ edges {{ cursor node {{ {FIELDS} }} }} }} }}"


def cpu_milliseconds(work: Callable[[], object]) -> float:
    """Return the least CPU time of one call."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(REPEATS):
            work()
        least = min(least, time.process_time() - began)
    return least / REPEATS * 1e3


def main() -> None:
    """Print a table of bytes and CPU times."""
    print("| response | bytes | coding | compressed | CPU |\n|---|---|---|---|---|")  # noqa: T201  # The result.
    with (
        emulated_aws("chime-sdk-voice", numbers=1000) as aws,
        served_gateway(read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)) as url,
        httpx.Client(base_url=url, headers={"accept-encoding": "identity"}, timeout=30) as http,
    ):
        for name, document in (("numbers", NODES), ("numbers with cursors", EDGES)):
            for first in (99, 1000):
                body = http.post("/graphql", json={"query": document, "variables": {"first": first}}).content
                for coding, compressor in COMPRESSORS.items():
                    size = len(compressor().end(body))
                    cpu = cpu_milliseconds(lambda: compressor().end(body))  # noqa: B023  # It is called at once.
                    row = f"| {first} {name} | {len(body):,} | {coding} | {size:,} | {cpu:.2f} ms |"
                    print(row)  # noqa: T201  # The result.


if __name__ == "__main__":
    main()
