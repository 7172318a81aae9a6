"""The timestamps that are kept, because they need no conversion."""

from datetime import UTC, datetime, timedelta

from gateway.schema.scalars import WRITTEN_TIMESTAMPS, write_date_time

START = datetime(2030, 1, 1, tzinfo=UTC)


def test_only_timestamps_that_need_no_conversion_are_kept() -> None:
    even = "2030-01-01T00:00:00.123456789Z"
    for odd in (f"{even[:-1]}0Z", "2030-01-01T02:00:00+02:00", 1893456000, 1893456000.0):
        assert write_date_time(odd).startswith("2030-01-01T00:00:00.")
        assert odd not in WRITTEN_TIMESTAMPS
    assert write_date_time(even) == even
    assert even in WRITTEN_TIMESTAMPS


def test_the_number_of_kept_timestamps_is_bounded() -> None:
    most = 0
    for seconds in range(20_000):
        text = (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert write_date_time(text) == text
        most = max(most, len(WRITTEN_TIMESTAMPS))
    assert most == 16_384
    assert len(WRITTEN_TIMESTAMPS) < 16_384
