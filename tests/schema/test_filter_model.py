"""Random filters over random accounts, compared over HTTP with a plain model of the filter's meaning.

The model reads the filter as a client writes it, and AWS's records. It shares no code with the gateway.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.settings import Settings
from tests.conftest import Gateway
from tests.support.aws import Aws, number_record, order_record

MAX_PAGES = 2
NUMBERS = 250
ORDERS = 120
BOTH_APIS = pytest.mark.parametrize("aws", ["chime", "chime-sdk-voice"], indirect=True)

STATUSES = {"ASSIGNED": "Assigned", "UNASSIGNED": "Unassigned", "DELETE_IN_PROGRESS": "DeleteInProgress"}
PRODUCTS = {"VOICE_CONNECTOR": "VoiceConnector", "SIP_MEDIA_APPLICATION_DIAL_IN": "SipMediaApplicationDialIn"}
TYPES = {"LOCAL": "Local", "TOLL_FREE": "TollFree"}
NAME_STATUSES = {"UNASSIGNED": "Unassigned", "UPDATE_FAILED": "UpdateFailed"}
ORDER_STATUSES = {"PROCESSING": "Processing", "SUCCESSFUL": "Successful", "FAILED": "Failed", "PARTIAL": "Partial"}
ORDER_TYPES = {"NEW": "New", "PORTING": "Porting"}
ORDERED_STATUSES = {"PROCESSING": "Processing", "ACQUIRED": "Acquired", "FAILED": "Failed"}
CAPABILITIES = {
    f"{way}{kind}": f"{way.capitalize()}{kind}" for way in ("inbound", "outbound") for kind in ("Call", "SMS", "MMS")
}
TIMES = [f"20{year}-0{month}-15T12:00:00.000Z" for year in (24, 25, 26) for month in (1, 7)]
E164 = [f"+1{area}555{line:04}" for area in (206, 800, 415) for line in range(0, 2_000, 20)][:NUMBERS]


def random_number(random: Random, number: str) -> dict[str, Any]:
    return number_record(
        0,
        E164PhoneNumber=number,
        PhoneNumberId=f"%2B{number[1:]}",
        Status=random.choice([*STATUSES.values(), "Unassigned", "Levitating"]),
        ProductType=random.choice([*PRODUCTS.values(), "VoiceConnector"]),
        Type=random.choice([*TYPES.values(), "Local", None]),
        Country=random.choice(["US", "US", "CA", None]),
        CallingName=random.choice([None, "", "Anycompany", "Front Desk 20"]),
        CallingNameStatus=random.choice([*NAME_STATUSES.values(), None, "Levitating"]),
        Name=random.choice([None, "Lobby", "front office"]),
        Capabilities=random.choice([None, {key: random.choice([True, False, None]) for key in CAPABILITIES.values()}]),
        Associations=random.choice(
            [[], [], [{"Name": "VoiceConnectorId", "Value": random.choice("ab"), "AssociatedTimestamp": None}]]
        ),
        CreatedTimestamp=random.choice([*TIMES, None]),
        UpdatedTimestamp=random.choice(TIMES),
        DeletionTimestamp=random.choice([*TIMES, None, None]),
    )


def random_order(random: Random, index: int) -> dict[str, Any]:
    ordered = [
        {"E164PhoneNumber": number, "Status": random.choice([*ORDERED_STATUSES.values(), None])}
        for number in random.sample(E164[:20], random.randint(0, 3))
    ]
    return order_record(
        index,
        [],
        OrderedPhoneNumbers=ordered,
        Status=random.choice([*ORDER_STATUSES.values(), "Levitating"]),
        ProductType=random.choice([*PRODUCTS.values(), "Voice Connector"]),
        OrderType=random.choice([*ORDER_TYPES.values(), None]),
        CreatedTimestamp=random.choice(TIMES),
        UpdatedTimestamp=random.choice([*TIMES, None]),
    )


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([*values, None])


def some_of(values: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(st.sampled_from([*values]), max_size=3)


PERIODS = st.none() | st.builds(
    lambda times: {key: time for key, time in zip(("from", "before"), times, strict=True) if time},
    st.tuples(st.sampled_from(TIMES), st.sampled_from(TIMES)).map(sorted)
    | st.tuples(st.sampled_from(TIMES), st.none())
    | st.tuples(st.none(), st.sampled_from(TIMES)),
)


def some_conditions(values: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return filters of at most three conditions, because most filters of more match nothing."""
    names = st.lists(st.sampled_from([*values]), max_size=3, unique=True)
    return names.flatmap(lambda drawn: st.fixed_dictionaries({name: values[name] for name in drawn}))


NUMBER_FILTERS = some_conditions(
    {
        "status": one_of(*STATUSES),
        "statusIn": some_of(STATUSES),
        "productType": one_of(*PRODUCTS),
        "association": one_of({"voiceConnectorId": "a"}),
        "type": one_of(*TYPES),
        "country": one_of("US", "ca"),
        "e164StartsWith": one_of("+1", "1206", "+1800555"),
        "search": one_of("FRONT", "20", "(206) 555", "-00", "obb"),
        "hasCallingName": one_of(True, False),
        "callingNameStatus": one_of(*NAME_STATUSES),
        "capabilities": st.none() | st.dictionaries(st.sampled_from([*CAPABILITIES]), one_of(True, False), max_size=2),
        "associated": one_of(True, False),
        "created": PERIODS,
        "updated": PERIODS,
        "deletion": PERIODS,
    }
)
ORDER_FILTERS = some_conditions(
    {
        "status": one_of(*ORDER_STATUSES),
        "statusIn": some_of(ORDER_STATUSES),
        "productType": one_of(*PRODUCTS),
        "orderType": one_of(*ORDER_TYPES),
        "e164PhoneNumber": one_of(*E164[:4]),
        "orderedPhoneNumberStatus": one_of(*ORDERED_STATUSES),
        "created": PERIODS,
        "updated": PERIODS,
    }
)


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def is_in(period: dict[str, Any], text: str | None) -> bool:
    at, start, end = instant(text), instant(period.get("from")), instant(period.get("before"))
    if start is None and end is None:
        return True
    return at is not None and (start is None or at >= start) and (end is None or at < end)


def has_text(record: dict[str, Any], search: str) -> bool:
    digits = "".join(each for each in search if each not in "+-() ")
    if digits.isdigit() and digits in record["E164PhoneNumber"]:
        return True
    return any(search.lower() in text.lower() for text in (record["Name"], record["CallingName"]) if text)


def has_capabilities(record: dict[str, Any], wanted: dict[str, bool | None]) -> bool:
    has = record["Capabilities"] or {}
    return all((has.get(CAPABILITIES[name]) is True) is flag for name, flag in wanted.items() if flag is not None)


# Whether a record meets a condition, by the condition's name. The condition is not null.
Meaning = dict[str, Callable[[dict[str, Any], Any], bool]]
NUMBER_CONDITIONS: Meaning = {
    "status": lambda record, value: record["Status"] == STATUSES[value],
    "statusIn": lambda record, value: record["Status"] in [STATUSES[each] for each in value],
    "productType": lambda record, value: record["ProductType"] == PRODUCTS[value],
    "association": lambda record, value: value["voiceConnectorId"] in [a["Value"] for a in record["Associations"]],
    "type": lambda record, value: record["Type"] == TYPES[value],
    "country": lambda record, value: record["Country"] == value.upper(),
    "e164StartsWith": lambda record, value: record["E164PhoneNumber"].startswith("+" + value.lstrip("+")),
    "search": has_text,
    "hasCallingName": lambda record, value: bool(record["CallingName"]) is value,
    "callingNameStatus": lambda record, value: record["CallingNameStatus"] == NAME_STATUSES[value],
    "capabilities": has_capabilities,
    "associated": lambda record, value: bool(record["Associations"]) is value,
    "created": lambda record, value: is_in(value, record["CreatedTimestamp"]),
    "updated": lambda record, value: is_in(value, record["UpdatedTimestamp"]),
    "deletion": lambda record, value: is_in(value, record["DeletionTimestamp"]),
}
ORDER_CONDITIONS: Meaning = {
    "status": lambda order, value: order["Status"] == ORDER_STATUSES[value],
    "statusIn": lambda order, value: order["Status"] in [ORDER_STATUSES[each] for each in value],
    "productType": lambda order, value: order["ProductType"].replace(" ", "") == PRODUCTS[value],
    "orderType": lambda order, value: order["OrderType"] == ORDER_TYPES[value],
    "e164PhoneNumber": lambda order, value: value in [each["E164PhoneNumber"] for each in order["OrderedPhoneNumbers"]],
    "orderedPhoneNumberStatus": lambda order, value: (
        ORDERED_STATUSES[value] in [each["Status"] for each in order["OrderedPhoneNumbers"]]
    ),
    "created": lambda order, value: is_in(value, order["CreatedTimestamp"]),
    "updated": lambda order, value: is_in(value, order["UpdatedTimestamp"]),
}


def matching(records: list[dict[str, Any]], given_filter: dict[str, Any], meaning: Meaning) -> list[dict[str, Any]]:
    """Return the records that meet all conditions that are not null."""
    conditions = [(meaning[name], value) for name, value in given_filter.items() if value is not None]
    return [record for record in records if all(holds(record, value) for holds, value in conditions)]


class Asked(NamedTuple):
    """A list as a query names it: its field, the type of its filter, and its rows' key."""

    field: str
    kind: str
    key: str


async def check(
    gateway: Gateway, asked: Asked, given_filter: dict[str, Any], expected: list[str], *, sizes: list[int], pages: int
) -> None:
    """Check a walk that follows endCursor, the last rows, and the count.

    Args:
        gateway: The gateway.
        asked: The list.
        given_filter: Its filter.
        expected: The keys of the rows that match.
        sizes: The page sizes of the walk, which are repeated.
        pages: The number of pages that AWS lists for the filter.
    """
    field, kind, key = asked
    page_query = f"""
    query ($filter: {kind}, $first: Int, $after: String, $last: Int) {{
      {field}(filter: $filter, first: $first, after: $after, last: $last) {{
        nodes {{ {key} }} pageInfo {{ hasNextPage hasPreviousPage endCursor }}
      }}
    }}"""
    rows: list[str] = []
    after = None
    requests = 0
    while True:
        size = sizes[requests % len(sizes)]
        page = (await gateway.query(page_query, filter=given_filter, first=size, after=after))[field]
        assert page["pageInfo"]["hasPreviousPage"] == bool(rows)
        rows += [node[key] for node in page["nodes"]]
        requests += 1
        assert requests < 1_000
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert rows == expected
    counts = f"query ($filter: {kind}) {{ {field}(filter: $filter) {{ totalCount }} }}"
    count = await gateway.execute(counts, filter=given_filter)
    last = await gateway.execute(page_query, filter=given_filter, last=sizes[0])
    if pages > MAX_PAGES:
        for response in (count, last):
            [error] = response["errors"]
            assert error["extensions"]["code"] == "PAGE_LIMIT_EXCEEDED"
        return
    assert count["data"][field]["totalCount"] == len(expected)
    assert [node[key] for node in last["data"][field]["nodes"]] == expected[-sizes[0] :]


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return Settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, max_upstream_pages=MAX_PAGES)  # type: ignore[arg-type]  # Pydantic parses the URL.


MANY = hypothesis_settings(
    max_examples=25, report_multiple_bugs=False, suppress_health_check=list(HealthCheck), deadline=None
)
SIZES = st.lists(st.sampled_from([3, 20, 99, 250]), min_size=1, max_size=3)


def pages_of(aws: Aws, records: int) -> int:
    return ceil(records / {"chime": 99, "chime-sdk-voice": 100}[aws.api])


@BOTH_APIS
@MANY
@given(seed=st.integers(0, 2**32), given_filter=NUMBER_FILTERS, sizes=SIZES)
async def test_filtered_numbers_are_those_of_the_model(
    aws: Aws, gateway: Gateway, seed: int, given_filter: dict[str, Any], sizes: list[int]
) -> None:
    random = Random(seed)
    records = [random_number(random, number) for number in E164]
    aws.adds_numbers(records)
    statuses = given_filter.get("statusIn")
    if given_filter.get("status") is not None:
        statuses = [each for each in statuses or STATUSES if each == given_filter["status"]]
    sent_to_aws = {name: given_filter.get(name) for name in ("productType", "association")}
    if statuses is not None and len(set(statuses)) < 2:
        sent_to_aws["statusIn"] = statuses
    listed = matching(records, sent_to_aws, NUMBER_CONDITIONS)
    await check(
        gateway,
        Asked("phoneNumbers", "PhoneNumberFilter", "e164PhoneNumber"),
        given_filter,
        [record["E164PhoneNumber"] for record in matching(records, given_filter, NUMBER_CONDITIONS)],
        sizes=sizes,
        pages=pages_of(aws, len(listed)),
    )


@BOTH_APIS
@MANY
@given(seed=st.integers(0, 2**32), given_filter=ORDER_FILTERS, sizes=SIZES)
async def test_filtered_orders_are_those_of_the_model(
    aws: Aws, gateway: Gateway, seed: int, given_filter: dict[str, Any], sizes: list[int]
) -> None:
    random = Random(seed)
    records = [random_order(random, index) for index in range(ORDERS)]
    aws.adds_orders(records)
    await check(
        gateway,
        Asked("phoneNumberOrders", "PhoneNumberOrderFilter", "phoneNumberOrderId"),
        given_filter,
        [record["PhoneNumberOrderId"] for record in matching(records, given_filter, ORDER_CONDITIONS)],
        sizes=sizes,
        pages=pages_of(aws, len(records)) if given_filter.get("statusIn") != [] else 0,
    )
