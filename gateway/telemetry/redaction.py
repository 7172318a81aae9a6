"""Redaction of text that AWS or a library wrote, before it is logged."""

import re
from typing import Final

# Characters of text from elsewhere in a log line. Longer messages of AWS have no more information.
MAX_LOGGED_TEXT: Final = 500

# They apply in this order, because the text that one pattern matches may contain a match of a later one.
_REDACTIONS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"\barn:[\w:/+=,.@*-]+"), "[arn]"),
    (re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://[^\s'\"<>]+", re.IGNORECASE), "[url]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"), "[key id]"),
    # Secrets, tokens, cursors and signatures. Request ids have 32 or 36 characters.
    (re.compile(r"[\w+/=-]{40,}"), "[token]"),
    (re.compile(r"(?:\+|%2B)[1-9]\d{6,14}(?!\d)", re.IGNORECASE), "[number]"),
    # Account ids have 12 digits. Phone numbers without their `+` have 10 to 15.
    (re.compile(r"(?<![\w-])\d{10,15}(?![\w-])"), "[number]"),
    # Characters that could begin another line, or move a terminal's cursor.
    (re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"), " "),
)


def redact(text: str) -> str:
    """Return text from elsewhere in one line, without phone numbers, account ids, keys, tokens, ARNs and URLs."""
    # Search only the beginning, because a message may quote a whole response.
    text = text[: 4 * MAX_LOGGED_TEXT]
    for pattern, placeholder in _REDACTIONS:
        text = pattern.sub(placeholder, text)
    return text[:MAX_LOGGED_TEXT]
