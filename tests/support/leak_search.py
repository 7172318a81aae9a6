"""A search for secrets and internals in every response and every log line of the whole suite.

tests/conftest.py, tests/support/processes.py and tests/support/raw_http.py pass on every response and line they read.
In tests/test_leaks.py the upstream sends everything that is searched for.
"""

import json
import logging
import re
from collections.abc import Iterable

import httpx

from gateway.telemetry.redaction import redact

# ARNs, access key ids, the addresses of the emulator and of scripted upstreams, and names of Python objects.
_FORBIDDEN_IN_ERRORS = re.compile(
    r"arn:aws|(?:AKIA|ASIA)[A-Z0-9]{12}|https?://127\.0\.0\.1|next.?token|Credential=|NoneType|object at 0x|\.py\b|"
    r"\b(?:gateway|graphql|strawberry|botocore|aiohttp|pydantic)\.\w|<class|"
    r"\b(?:Type|Value|Key|Attribute|Index|Recursion|Assertion|Unicode\w+|Decode|Client)Error",
    re.IGNORECASE,
)
_FORBIDDEN_IN_DATA = (b"Traceback (most", b"AWS4-HMAC")
# The phone numbers of tests, encrypted cursors (66 characters or more), and callers' credentials.
_FORBIDDEN_IN_LOGS = re.compile(
    r"arn:aws|(?:AKIA|ASIA)[A-Z0-9]{12}|://|next-token=|Credential=|1206555\d{4}|[\w-]{66,}|"
    r"Bearer [\w.-]{8}|\beyJ[\w-]{8}|x-api-key|chime_gateway_\w|Traceback \(most|[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]"
)

# Leaks found since the last test, each with the response or line that holds it.
FOUND: list[str] = []


def search_response(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Search a gateway's response: headers and errors for all patterns, data for two of them."""
    text = "\n".join(f"{name}: {value}" for name, value in headers)
    if b'"errors"' in body:
        content = json.loads(body)
        text += json.dumps(content.get("errors")) if isinstance(content, dict) else body.decode()
    if found := _FORBIDDEN_IN_ERRORS.search(text):
        FOUND.append(f"{found[0]!r} in a response of status {status}: {text}")
    FOUND.extend(f"{secret!r} in the data of a response" for secret in _FORBIDDEN_IN_DATA if secret in body)


def search_httpx_response(response: httpx.Response) -> None:
    """Search a response if a gateway sent it. A server that plays AWS may send anything."""
    from_gateway = "x-request-id" in response.headers or response.url.path.startswith("/graphql")
    if from_gateway and response.is_stream_consumed and "json" in response.headers.get("content-type", ""):
        search_response(response.status_code, response.headers.multi_items(), response.content)


def search_log_line(line: str) -> None:
    """Search one line of a gateway's log."""
    if found := _FORBIDDEN_IN_LOGS.search(line.rstrip("\n")):
        FOUND.append(f"{found[0]!r} in the log: {line}")


class LogSearch(logging.Handler):
    """A handler that searches each message of a gateway in this process, after its redaction."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "gateway":
            search_log_line(redact(record.getMessage()))
