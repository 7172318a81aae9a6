"""The header Server-Timing, which a browser's network panel shows. Source: W3C, Server Timing."""

import time

from gateway.errors import Headers
from gateway.telemetry.request_record import RequestRecord


def server_timing(record: RequestRecord) -> Headers:
    """Return the header if the caller may see it: the whole time, the time and number of calls, and the cache hits.

    The times are those until now, in milliseconds. For a response in parts, they end with its first part.
    """
    if not record.shows_upstream:
        return ()
    total, upstream = (time.perf_counter() - record.started) * 1e3, record.upstream_seconds * 1e3
    value = (
        f"total;dur={total:.1f}, "
        f'upstream;dur={upstream:.1f};desc="AWS calls: {record.upstream_calls}", '
        f'cache;desc="Cache hits: {record.cache_hits}"'
    )
    return ((b"server-timing", value.encode()),)
