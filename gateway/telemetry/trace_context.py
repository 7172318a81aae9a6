"""The trace context of an incoming request. Source: W3C Trace Context, 3.2 and 3.3."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

# Version, trace id, parent id and flags. A later version may add fields, which are passed on too. No id is all zeros.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{1,64})?"
)
# Vendors should pass on at least 512 characters. The specification requires no more.
_TRACESTATE: Final = re.compile(rb"[ -~]{1,512}")


def trace_context(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return the traceparent and tracestate to pass on. Return none of them if the traceparent is missing or invalid.

    Args:
        headers: The request's headers, with their names in lower case.
    """
    traceparents = [value for name, value in headers if name == b"traceparent"]
    if len(traceparents) != 1 or not _TRACEPARENT.fullmatch(traceparents[0]):
        return {}
    passed_on = {"traceparent": traceparents[0].decode()}
    # A tracestate may arrive in several lines, which form one list. RFC 9110, 5.3.
    tracestate = b", ".join(value for name, value in headers if name == b"tracestate")
    if _TRACESTATE.fullmatch(tracestate):
        passed_on["tracestate"] = tracestate.decode()
    return passed_on
