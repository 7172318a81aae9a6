"""Parsing of the `Retry-After` header."""

from datetime import UTC, datetime

import pytest

from gateway.upstream.aws.response_parser import retry_after_seconds

NOW = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("Sun, 22 Nov 2026 02:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 02:00:30 -0000", 30),
        ("Sun, 22 Nov 2026 01:00:00 GMT", 0),
        ("Sunday, 22-Nov-26 02:00:30 GMT", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 5_000, None),
        ("Sun, 99 Nov 2026 99:00:30 GMT", None),
        ("\u0662", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_other_values_are_ignored(
    field: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(field, NOW) == seconds
