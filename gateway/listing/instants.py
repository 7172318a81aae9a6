"""AWS's timestamps as points in time."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

# Timestamps that were read before, of some 5,000 records. Lists are filtered again and again, and a point in time takes
# five times as long to read as to find.
_CACHED_INSTANTS: Final = 16_384
# Characters of the longest timestamp that is cached: an offset with seconds, and nine digits of a second.
_LONGEST_CACHED: Final = 48


def read_instant(value: object) -> datetime | None:
    """Return a timestamp of AWS in UTC, or None if it cannot be read.

    Args:
        value: Text in ISO 8601, with any offset or none for UTC, or seconds since the epoch.
    """
    if isinstance(value, str):
        return _read_text(value) if len(value) <= _LONGEST_CACHED else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(_CACHED_INSTANTS)
def _read_text(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
