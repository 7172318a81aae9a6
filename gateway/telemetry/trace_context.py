"""The trace context that a request brings with it. Source: W3C Trace Context, 3.2 and 3.3."""

import re
from collections.abc import Mapping
from typing import Final

# Version, trace id, parent id, flags; what a later version may add behind them is passed on, too. No id is all zeros.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{1,64})?"
)
# Vendors should pass on at least 512 characters; more are not asked for.
_TRACESTATE: Final = re.compile(rb"[ -~]{1,512}")


def trace_context(fields: Mapping[bytes, bytes]) -> Mapping[str, str]:
    """The headers to pass on, of a request's header fields; none where its traceparent is missing or none at all."""
    traceparent = fields.get(b"traceparent")
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return {}
    headers = {"traceparent": traceparent.decode()}
    tracestate = fields.get(b"tracestate", b"")
    if _TRACESTATE.fullmatch(tracestate):
        headers["tracestate"] = tracestate.decode()
    return headers
