"""What an answer's `Retry-After` asks for. Source: RFC 9110, 10.2.3."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(field: str | None, now: datetime) -> float | None:
    """Seconds to wait, 0 or more; None where nothing that can be read was said.

    field: seconds, or a date.
    """
    if field is None:
        return None
    if re.fullmatch("[0-9]{1,9}", field.strip()):
        return float(field)
    try:
        date = parsedate_to_datetime(field)
    except ValueError:
        return None
    # A date in "-0000" has no zone of its own; HTTP's are all UTC.
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
