"""The CPU time of a filter's conditions over the longest list that is read.

    python -m benchmarks.filters

Each filter has three conditions that the gateway checks. Each record meets all of them but the last one, so that every
check runs. The list has 1,980 numbers: 20 pages of 99. The goal is at most 2 ms for each filter.
"""

import argparse
import statistics
import time
from typing import Any

from gateway.listing.conditions import Predicate
from gateway.schema.enums import CallingNameStatus, PhoneNumberStatus, PhoneNumberType
from gateway.schema.filter_conditions import phone_number_list_filter
from gateway.schema.filters import DateTimeRange, PhoneNumberCapabilitiesFilter, PhoneNumberFilter
from gateway.schema.scalars import DateTime
from gateway.upstream.services import CHIME_SDK_VOICE

ROWS = 1_980
GOAL_MS = 2.0
YEAR = DateTimeRange(from_=DateTime("2019-01-01T00:00:00Z"), before=DateTime("2020-01-01T00:00:00Z"))
NEXT_YEAR = DateTimeRange(from_=DateTime("2020-01-01T00:00:00Z"))
FILTERS = {
    "type, country, status in two": PhoneNumberFilter(
        type=PhoneNumberType.LOCAL,
        country="us",
        status_in=[PhoneNumberStatus.RELEASE_FAILED, PhoneNumberStatus.DELETE_FAILED],
    ),
    "search, created, updated": PhoneNumberFilter(search="line", created=YEAR, updated=NEXT_YEAR),
    "prefix, calling name, capabilities": PhoneNumberFilter(
        e164_starts_with="+1206",
        calling_name_status=CallingNameStatus.UPDATE_SUCCEEDED,
        capabilities=PhoneNumberCapabilitiesFilter(inbound_call=True, outbound_sms=True, outbound_mms=True),
    ),
}


def number(index: int) -> dict[str, Any]:
    """Return a record in the form of AWS's lists. No two have a timestamp in common."""
    time_of_day = f"{index // 3600:02}:{index // 60 % 60:02}:{index % 60:02}.521Z"
    return {
        "Associations": [],
        "CallingName": "Anycompany",
        "CallingNameStatus": "UpdateSucceeded",
        "Capabilities": {"InboundCall": True, "OutboundCall": True, "InboundSMS": True, "OutboundSMS": True},
        "Country": "US",
        "CreatedTimestamp": f"2019-08-12T{time_of_day}",
        "E164PhoneNumber": f"+1206555{index:04}",
        "Name": f"Line {index}",
        "ProductType": "VoiceConnector",
        "Status": "Unassigned",
        "Type": "Local",
        "UpdatedTimestamp": f"2019-10-28T{time_of_day}",
    }


def measure(holds: Predicate, records: list[dict[str, Any]], rounds: int) -> list[float]:
    """Return, per round, the milliseconds of CPU time to check all records."""
    taken: list[float] = []
    for _ in range(rounds):
        started = time.process_time()
        matches = [record for record in records if holds(record)]
        taken.append((time.process_time() - started) * 1e3)
        assert not matches
    return taken


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    records = [number(index) for index in range(ROWS)]
    print(f"{'filter':>36}{'1,980 rows, ms':>16}{'95th percentile':>17}{'goal, ms':>10}")  # noqa: T201  # Its output.
    for name, given in FILTERS.items():
        holds = phone_number_list_filter(given, CHIME_SDK_VOICE).predicate()
        assert holds is not None
        taken = measure(holds, records, rounds)
        percentile = statistics.quantiles(taken, n=20)[-1]
        print(f"{name:>36}{statistics.median(taken):>16.3f}{percentile:>17.3f}{GOAL_MS:>10.1f}")  # noqa: T201  # Its output.


if __name__ == "__main__":
    main()
