"""Random inventories, sorted and counted by the gateway and by a plain model of the rows that an unsorted list shows.

Records have missing, null and odd values. Upstream pages have any size, and the page limit is 4 of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cmp_to_key, partial
from math import ceil
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.comparison import PROJECTING
from tests.execution.in_memory_account import Account
from tests.support.aws import number_record

MAX_PAGES: Final = 4
ALL: Final = """
query ($filter: PhoneNumberFilter) {
  phoneNumbers(first: 1000, filter: $filter) {
    nodes {
      e164PhoneNumber country status type productType callingName callingNameStatus createdTimestamp updatedTimestamp
      associations { name value }
    }
  }
}
"""
SORTED: Final = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: PhoneNumberFilter, $sort: PhoneNumberSort) {
  phoneNumbers(first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort) {
    edges { cursor node { e164PhoneNumber } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    totalCount
  }
}
"""
COUNTED: Final = """
query ($filter: PhoneNumberFilter, $sort: PhoneNumberSort) {
  phoneNumbers(first: 0, filter: $filter, sort: $sort) {
    totalCount
    facets {
      status { value count } type { value count } productType { value count } country { value count }
      callingNameStatus { value count } association { value count } resource { name value count }
    }
  }
}
"""
FIELDS: Final = {
    "E164_PHONE_NUMBER": "e164PhoneNumber",
    "COUNTRY": "country",
    "STATUS": "status",
    "CALLING_NAME": "callingName",
    "CREATED_TIMESTAMP": "createdTimestamp",
    "UPDATED_TIMESTAMP": "updatedTimestamp",
}
FILTERS: Final = [None, {"type": "TOLL_FREE"}, {"status": "ASSIGNED"}, {"status": "ASSIGNED", "country": "us"}]

_TIMESTAMPS: Final[list[Any]] = [
    *("2019-08-12T22:10:20.521Z", "2019-08-12T22:10:20Z", "2019-08-12T22:10:20.5Z", "2019-08-13T00:10:20+02:00"),
    *(1_565_647_820, 1_565_647_820.75, "2019-08-12", "yesterday", True, None, {}),
]
_RESOURCES: Final = st.builds(
    lambda name, value: {"Name": name, "Value": value},
    st.sampled_from(["VoiceConnectorId", "SipRuleId", "MoonId", "SunId", None]),
    st.sampled_from(["a", "b", ""]),
)
_RECORDS: Final = st.fixed_dictionaries(
    {
        "Status": st.sampled_from(["Assigned", "Unassigned", "DeleteFailed", "Levitating", None, 7, {}]),
        "Type": st.sampled_from(["Local", "TollFree", "Mobile", None]),
        "ProductType": st.sampled_from(["VoiceConnector", "Voice Connector", "BusinessCalling", None]),
        "Country": st.sampled_from(["US", "us", "GB", "", None, ["US"]]),
        "CallingName": st.sampled_from(["Desk", "desk", "Desk 2", "\U0001f600", "\uffff", "", None, {}]),
        "CallingNameStatus": st.sampled_from(["Unassigned", "UpdateFailed", None]),
        "CreatedTimestamp": st.sampled_from(_TIMESTAMPS),
        "UpdatedTimestamp": st.sampled_from(_TIMESTAMPS),
        "Associations": st.none() | st.lists(_RESOURCES, max_size=3),
    }
)


@dataclass
class Inventory:
    """An account, and a filter of its list."""

    account: Account
    filter: dict[str, str] | None

    async def ask(self, document: str, **variables: Any) -> Any:
        """Return the list of a response, or the code of the error that nulls it. Other errors do not matter."""
        given = {"filter": self.filter, **variables}
        result = await PROJECTING(document, given, None, self.account.context())
        if result.data is not None and result.data["phoneNumbers"] is not None:
            return result.data["phoneNumbers"]
        assert result.errors
        return getattr(result.errors[0].original_error, "code", None)

    @property
    def pages(self) -> int:
        """The upstream pages of the list."""
        status = (self.filter or {}).get("status")
        rows = [row for row in self.account.numbers if status is None or row.get("Status") == status.capitalize()]
        return max(1, ceil(len(rows) / self.account.rows_each))


def compare(field: str, one: dict[str, Any], other: dict[str, Any], *, descending: bool) -> int:
    """Return a negative number if one row is before another, and a positive number if it is after it."""
    mine, others = (comparable(row[FIELDS[field]], field) for row in (one, other))
    if (mine is None) != (others is None):
        return 1 if mine is None else -1
    if mine != others:
        return -1 if (mine > others) == descending else 1
    return -1 if one["e164PhoneNumber"] < other["e164PhoneNumber"] else 1


def comparable(value: Any, field: str) -> Any:
    return datetime.fromisoformat(value).astimezone(UTC) if value and field.endswith("TIMESTAMP") else value


def counted(values: Iterator[Any]) -> list[tuple[Any, int]]:
    counts = Counter(value for value in values if value is not None)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def pairs(facet: list[dict[str, Any]]) -> list[tuple[Any, int]]:
    return [(each["value"], each["count"]) for each in facet]


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    records = draw(st.lists(_RECORDS, max_size=24))
    numbers = draw(st.permutations(range(len(records))))
    account = Account(
        numbers=[number_record(number, **record) for number, record in zip(numbers, records, strict=True)],
        rows_each=draw(st.sampled_from([3, 6, 100])),
    )
    return Inventory(account, draw(st.sampled_from(FILTERS)))


async def shown_rows(inventory: Inventory) -> list[dict[str, Any]]:
    """Return all rows of the filtered list as the gateway shows them. The filter has a model of its own."""
    unlimited = Inventory(Account(numbers=inventory.account.numbers), inventory.filter)
    rows: list[dict[str, Any]] = (await unlimited.ask(ALL))["nodes"]
    return rows


@settings(max_examples=75)
@given(
    inventories(),
    st.sampled_from(sorted(FIELDS)),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
async def test_sorted_pages_match_the_model(
    inventory: Inventory, field: str, descending: bool, backward: bool, sizes: list[int]
) -> None:  # Values that hypothesis draws.
    rows = await shown_rows(inventory)
    expected = sorted(rows, key=cmp_to_key(partial(compare, field, descending=descending)))
    sort = {"field": field, "direction": "DESC" if descending else "ASC"}
    seen: list[str] = []
    cursor = None
    for number in range(1_000):
        size = sizes[number % len(sizes)]
        window = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        inventory.account.calls.clear()
        page = await inventory.ask(SORTED, sort=sort, **window)
        assert len(inventory.account.calls) == min(inventory.pages, MAX_PAGES)
        if inventory.pages > MAX_PAGES:
            assert page == "PAGE_LIMIT_EXCEEDED"
            return
        assert page["totalCount"] == len(rows)
        numbers = [edge["node"]["e164PhoneNumber"] for edge in page["edges"]]
        seen = numbers + seen if backward else seen + numbers
        info = page["pageInfo"]
        assert info["hasPreviousPage" if not backward else "hasNextPage"] == (number > 0)
        cursor = info["startCursor" if backward else "endCursor"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            break
    assert seen == [row["e164PhoneNumber"] for row in expected]


@settings(max_examples=75)
@given(inventories(), st.booleans())
async def test_facets_match_the_model(inventory: Inventory, sort: bool) -> None:  # A value that hypothesis draws.
    rows = await shown_rows(inventory)
    inventory.account.calls.clear()
    page = await inventory.ask(COUNTED, sort={"field": "STATUS"} if sort else None)
    assert len(inventory.account.calls) == min(inventory.pages, MAX_PAGES)
    if inventory.pages > MAX_PAGES:
        assert page == {"totalCount": None, "facets": None}
        return
    assert page["totalCount"] == len(rows)
    facets = page["facets"]
    for facet in ("status", "type", "productType", "country", "callingNameStatus"):
        assert pairs(facets[facet]) == counted(row[facet] for row in rows), facet
    kinds = ({each["name"] for each in row["associations"]} for row in rows)
    assert pairs(facets["association"]) == counted(kind for each in kinds for kind in each)
    resources = ({(each["value"], each["name"]) for each in row["associations"]} for row in rows)
    assert [((each["value"], each["name"]), each["count"]) for each in facets["resource"]] == counted(
        resource for each in resources for resource in each
    )
