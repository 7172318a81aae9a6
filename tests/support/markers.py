"""What must never come out: looked for in every answer and every line of a log that a test comes by, in all of them.

The doors hand over what they see: tests/conftest.py, tests/support/processes.py, tests/support/raw_http.py. In
tests/test_leaks.py an upstream says all of it.
"""

import json
import logging
import re
from collections.abc import Iterable

import httpx

from gateway.telemetry.logs import redact

# ARNs, key ids, the emulator's and the scripts' own addresses, and what Python calls its things.
_IN_NO_ERROR = re.compile(
    r"arn:aws|(?:AKIA|ASIA)[A-Z0-9]{12}|https?://127\.0\.0\.1|next.?token|Credential=|NoneType|object at 0x|\.py\b|"
    r"\b(?:gateway|graphql|strawberry|botocore|aiohttp|pydantic)\.\w|<class|"
    r"\b(?:Type|Value|Key|Attribute|Index|Recursion|Assertion|Unicode\w+|Decode|Client)Error",
    re.IGNORECASE,
)
_IN_NO_DATA = (b"Traceback (most", b"AWS4-HMAC")
# Tests' numbers, sealed cursors, and what callers are known by.
_IN_NO_LINE = re.compile(
    r"arn:aws|(?:AKIA|ASIA)[A-Z0-9]{12}|://|next-token=|Credential=|1206555\d{4}|[\w-]{40,}\.[0-9a-f]{48}|"
    r"Bearer [\w.-]{8}|\beyJ[\w-]{8}|x-api-key|chime_gateway_\w|Traceback \(most|[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]"
)

# What was found since the last test, with where.
FOUND: list[str] = []


def look_at_answer(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Look through one answer of a gateway's: its head and errors for all of it, its data for what nothing may hold."""
    said = "\n".join(f"{name}: {value}" for name, value in headers)
    if b'"errors"' in body:
        answer = json.loads(body)
        said += json.dumps(answer.get("errors")) if isinstance(answer, dict) else body.decode()
    if found := _IN_NO_ERROR.search(said):
        FOUND.append(f"{found[0]!r} in an answer of status {status}: {said}")
    FOUND.extend(f"{marker!r} in the data of an answer" for marker in _IN_NO_DATA if marker in body)


def look_at_response(response: httpx.Response) -> None:
    """Look through what a client got, where it is a gateway's: AWS, played by others, may say anything."""
    is_gateways = "x-request-id" in response.headers or response.url.path.startswith("/graphql")
    if is_gateways and response.is_stream_consumed and "json" in response.headers.get("content-type", ""):
        look_at_answer(response.status_code, response.headers.multi_items(), response.content)


def look_at_line(line: str) -> None:
    """Look through one line of a gateway's log."""
    if found := _IN_NO_LINE.search(line.rstrip("\n")):
        FOUND.append(f"{found[0]!r} in the log: {line}")


class LogLines(logging.Handler):
    """Looks through what a gateway in this process logs, in the form in which a log has it."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "gateway":
            look_at_line(redact(record.getMessage()))
