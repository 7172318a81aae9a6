"""Sorted lists over HTTP: their order, their calls, their cursors, and errors."""

from typing import Any

import pytest
from pydantic import SecretBytes

from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, number_record, order_record
from tests.support.scripted import ScriptedResponse, scripted_upstream

NUMBERS = """
query ($first: Int, $after: String, $last: Int, $before: String, $filter: PhoneNumberFilter, $sort: PhoneNumberSort) {
  phoneNumbers(first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort) {
    nodes { e164PhoneNumber }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
ORDERS = """
query ($first: Int, $after: String, $sort: PhoneNumberOrderSort) {
  phoneNumberOrders(first: $first, after: $after, sort: $sort) {
    nodes { phoneNumberOrderId }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def numbers_of(page: dict[str, Any]) -> list[str]:
    return [node["e164PhoneNumber"] for node in page["nodes"]]


async def walk(gateway: Gateway, field: str, **variables: Any) -> list[str]:
    """Return the numbers of a list page by page, forwards from the start."""
    seen: list[str] = []
    after = None
    while True:
        page = (await gateway.query(NUMBERS, after=after, **variables))[field]
        seen += numbers_of(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return seen


@pytest.mark.parametrize(
    ("field", "values", "ascending", "descending"),
    [
        ("E164_PHONE_NUMBER", {}, [0, 1, 2, 3, 4], [4, 3, 2, 1, 0]),
        ("COUNTRY", {"Country": ["US", "CA", None, "US", "GB"]}, [1, 4, 0, 3, 2], [0, 3, 4, 1, 2]),
        # By the names of the schema: ASSIGNED, DELETE_FAILED, UNASSIGNED, UNASSIGNED, and UNKNOWN for a newer word.
        (
            "STATUS",
            {"Status": ["Unassigned", "Assigned", "Levitating", "DeleteFailed", "Unassigned"]},
            [1, 3, 0, 4, 2],
            [2, 0, 4, 3, 1],
        ),
        (
            "CALLING_NAME",
            {"CallingName": ["desk", "Desk", None, "Reception", None]},
            [1, 3, 0, 2, 4],
            [0, 3, 1, 2, 4],
        ),
        (
            "CREATED_TIMESTAMP",
            # One instant in two forms, a whole second before its fractions, another offset, and no timestamp.
            {
                "CreatedTimestamp": [
                    "2019-08-12T22:10:20.500Z",
                    "2019-08-12T22:10:20Z",
                    "2019-08-13T00:10:20.5+02:00",
                    "yesterday",
                    "2019-08-12T22:10:19.9Z",
                ]
            },
            [4, 1, 0, 2, 3],
            [0, 2, 1, 4, 3],
        ),
        (
            "UPDATED_TIMESTAMP",
            {"UpdatedTimestamp": [1565647821, "2019-08-12T22:10:20Z", None, 1565647820.5, "2019-08-12T22:10:22Z"]},
            [1, 3, 0, 4, 2],
            [4, 0, 3, 1, 2],
        ),
    ],
)
async def test_numbers_are_sorted_with_nulls_last_and_ties_by_number(
    field: str, values: dict[str, list[Any]], ascending: list[int], descending: list[int]
) -> None:
    records = [number_record(index, **{key: given[index] for key, given in values.items()}) for index in range(5)]
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": list(reversed(records))})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            for direction, expected in ((None, ascending), ("ASC", ascending), ("DESC", descending)):
                sort = {"field": field, **({"direction": direction} if direction else {})}
                for size in (2, 50):
                    numbers = await walk(gateway, "phoneNumbers", first=size, sort=sort)
                    assert numbers == [e164(index) for index in expected], (direction, size)


@pytest.mark.parametrize(
    ("field", "values", "ascending", "descending"),
    [
        ("STATUS", {"Status": ["Successful", "Failed", None, "Successful"]}, [1, 0, 3, 2], [0, 3, 1, 2]),
        (
            "CREATED_TIMESTAMP",
            {"CreatedTimestamp": ["2020-02-01T00:00:00Z", None, "2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"]},
            [2, 0, 3, 1],
            [0, 3, 2, 1],
        ),
        (
            "UPDATED_TIMESTAMP",
            {"UpdatedTimestamp": [None, None, "2020-01-01T00:00:00Z", None]},
            [2, 0, 1, 3],
            [2, 0, 1, 3],
        ),
    ],
)
async def test_orders_are_sorted_with_nulls_last_and_ties_by_id(
    gateway: Gateway, aws: Aws, field: str, values: dict[str, list[Any]], ascending: list[int], descending: list[int]
) -> None:
    records = [order_record(index, [], **{key: given[index] for key, given in values.items()}) for index in range(4)]
    aws.adds_orders(reversed(records))
    for direction, expected in (("ASC", ascending), ("DESC", descending)):
        sort = {"field": field, "direction": direction}
        one = (await gateway.query(ORDERS, first=2, sort=sort))["phoneNumberOrders"]
        two = (await gateway.query(ORDERS, first=2, after=one["pageInfo"]["endCursor"], sort=sort))["phoneNumberOrders"]
        assert [node["phoneNumberOrderId"][:8] for node in one["nodes"] + two["nodes"]] == [
            f"{index:08}" for index in expected
        ]
        assert (one["pageInfo"]["hasNextPage"], two["pageInfo"]["hasNextPage"]) == (True, False)


async def test_a_sorted_list_of_1000_numbers_costs_11_calls_in_all_while_its_pages_are_cached(
    aws: Aws, settings: Settings
) -> None:
    aws.adds_numbers(number_record(index, CallingName=f"name {index % 7}") for index in range(1_000))
    sort = {"field": "CALLING_NAME", "direction": "DESC"}
    async with gateway_over(settings.model_copy(update={"cache_ttl_seconds": 3600})) as gateway:
        seen = await walk(gateway, "phoneNumbers", first=100, sort=sort)
        last = await gateway.query(NUMBERS, last=10, sort={"field": "STATUS"})
    assert seen == [e164(index) for index in sorted(range(1_000), key=lambda index: (-(index % 7), index))]
    assert numbers_of(last["phoneNumbers"]) == [e164(index) for index in range(990, 1_000)]
    assert aws.calls == ["ListPhoneNumbers"] * 11


@pytest.mark.parametrize(
    ("fields", "arguments", "calls"),
    [
        ("nodes { id }", "first: 1, sort: { field: STATUS }", 3),
        ("nodes { id } edges { cursor } pageInfo { endCursor }", "last: 200, sort: { field: STATUS }", 3),
        ("nodes { id } totalCount", "first: 1, sort: { field: STATUS }", 3),
        ("totalCount nodes { id }", "first: 1, sort: { field: STATUS }", 3),
        ("nodes { id } facets { status { count } } totalCount", "first: 1, sort: { field: STATUS }", 3),
        ("totalCount", "sort: { field: STATUS }", 3),
        ("nodes { id } pageInfo { hasNextPage }", "first: 0, sort: { field: STATUS }", 0),
        ("__typename", "sort: { field: STATUS }", 0),
        ("nodes { id }", "first: 1, sort: null", 1),
    ],
)
async def test_calls_of_a_sorted_list(gateway: Gateway, aws: Aws, fields: str, arguments: str, calls: int) -> None:
    aws.holds(inventory=250)
    await gateway.query(f"{{ phoneNumbers({arguments}) {{ {fields} }} }}")
    assert aws.calls == ["ListPhoneNumbers"] * calls


async def test_a_sorted_list_pages_backwards_with_exact_flags(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=130)
    sort = {"field": "E164_PHONE_NUMBER", "direction": "DESC"}
    seen: list[str] = []
    before = None
    flags = []
    while True:
        page = (await gateway.query(NUMBERS, last=50, before=before, sort=sort))["phoneNumbers"]
        seen = numbers_of(page) + seen
        before = page["pageInfo"]["startCursor"]
        flags.append((page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]))
        if not page["pageInfo"]["hasPreviousPage"]:
            break
    assert seen == [e164(index) for index in reversed(range(130))]
    assert flags == [(True, False), (True, True), (False, True)]


async def test_rows_that_come_go_and_change_neither_repeat_nor_lose_another_row(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(number_record(index, CallingName=f"name {index:02}") for index in range(10, 20))
    sort = {"field": "CALLING_NAME"}
    one = (await gateway.query(NUMBERS, first=5, sort=sort))["phoneNumbers"]
    # A new first row, a shown row that goes, the row of the cursor that goes, and shown rows that move.
    aws.adds_numbers([number_record(1, CallingName="a"), number_record(11, CallingName="z")])
    aws.loses_number(e164(10))
    aws.loses_number(e164(14))
    two = (await gateway.query(NUMBERS, first=50, after=one["pageInfo"]["endCursor"], sort=sort))["phoneNumbers"]
    assert numbers_of(one) == [e164(index) for index in range(10, 15)]
    assert numbers_of(two) == [e164(index) for index in [*range(15, 20), 11]]
    assert (two["pageInfo"]["hasPreviousPage"], two["pageInfo"]["hasNextPage"]) == (True, False)


async def test_another_replica_continues_a_sorted_list(aws: Aws, settings: Settings) -> None:
    aws.holds(inventory=5)
    sharing_a_key = settings.model_copy(update={"cursor_keys": (SecretBytes(b"k" * 32),)})
    sort = {"field": "E164_PHONE_NUMBER", "direction": "DESC"}
    async with gateway_over(sharing_a_key) as gateway:
        cursor = (await gateway.query(NUMBERS, first=2, sort=sort))["phoneNumbers"]["pageInfo"]["endCursor"]
    async with gateway_over(sharing_a_key) as replica:
        page = (await replica.query(NUMBERS, first=2, after=cursor, sort=sort))["phoneNumbers"]
    assert numbers_of(page) == [e164(2), e164(1)]


async def test_a_cursor_of_another_sort_or_filter_or_of_no_sort_is_rejected_without_a_call(
    gateway: Gateway, aws: Aws
) -> None:
    aws.holds(inventory=3)
    by_status = {"field": "STATUS"}
    held = {
        name: (await gateway.query(NUMBERS, first=1, sort=sort))["phoneNumbers"]["pageInfo"]["endCursor"]
        for name, sort in (("none", None), ("status", by_status))
    }
    aws.calls.clear()
    for cursor, others in (
        (held["none"], {"sort": by_status}),
        (held["status"], {"sort": None}),
        (held["status"], {"sort": {"field": "STATUS", "direction": "DESC"}}),
        (held["status"], {"sort": {"field": "COUNTRY"}}),
        (held["status"], {"sort": by_status, "filter": {"status": "ASSIGNED"}}),
    ):
        for place in ("after", "before"):
            response = await gateway.execute(NUMBERS, **{place: cursor}, **others)
            assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_CURSOR"], others
    assert aws.calls == []


@pytest.mark.parametrize(
    ("document", "advice"),
    [
        (
            "{ phoneNumbers(first: 1, sort: { field: STATUS }) { nodes { id } } }",
            "Narrow the filter by status, productType or association, or page without sort",
        ),
        (
            "{ phoneNumberOrders(last: 1, sort: { field: STATUS }) { edges { cursor } } }",
            "Page without sort",
        ),
    ],
)
async def test_a_list_past_the_page_limit_is_an_error_that_says_how_to_shorten_it(
    aws: Aws, settings: Settings, document: str, advice: str
) -> None:
    aws.holds(inventory=250, orders=250)
    async with gateway_over(settings.model_copy(update={"max_upstream_pages": 2})) as gateway:
        response = await gateway.execute(document)
    [(field, value)] = response["data"].items()
    [error] = response["errors"]
    assert value is None
    assert error["path"][0] == field
    assert error["extensions"]["code"] == "PAGE_LIMIT_EXCEEDED"
    assert error["message"] == (
        f"The gateway read 2 upstream pages, and the list has more. {advice} (GATEWAY_MAX_UPSTREAM_PAGES)."
    )
    assert len(aws.calls) == 2


async def test_the_numbers_of_an_associated_resource_are_sorted(gateway: Gateway, aws: Aws) -> None:
    held = [{"Name": "VoiceConnectorId", "Value": "vc", "AssociatedTimestamp": None}]
    aws.adds_numbers([number_record(0, Associations=held), number_record(1), number_record(2, Associations=held)])
    data = await gateway.query(
        """query ($of: [_Any!]!) { _entities(representations: $of) { ... on VoiceConnector {
             phoneNumbers(sort: { field: E164_PHONE_NUMBER, direction: DESC }) { nodes { e164PhoneNumber } } } } }""",
        of=[{"__typename": "VoiceConnector", "voiceConnectorId": "vc"}],
    )
    assert numbers_of(data["_entities"][0]["phoneNumbers"]) == [e164(2), e164(0)]
    assert aws.calls == ["ListPhoneNumbers"]


async def test_a_value_that_is_too_long_for_a_cursor_costs_only_the_cursor() -> None:
    records = [number_record(0, CallingName="n" * 60_000), number_record(1, CallingName="a")]
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": records})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            response = await gateway.execute(
                """{ phoneNumbers(sort: { field: CALLING_NAME }) {
                       nodes { e164PhoneNumber } pageInfo { hasNextPage startCursor endCursor } } }"""
            )
    page = response["data"]["phoneNumbers"]
    assert numbers_of(page) == [e164(1), e164(0)]
    assert page["pageInfo"]["startCursor"] is not None
    assert page["pageInfo"]["endCursor"] is None
    [error] = response["errors"]
    assert (error["path"][-1], error["extensions"]["code"]) == ("endCursor", "CURSOR_TOO_LONG")


@pytest.mark.parametrize(
    "sort",
    [
        {},
        {"field": "NAME"},
        {"field": "STATUS", "direction": None},
        {"field": "STATUS", "direction": "UP"},
        {"field": None},
        [],
        "STATUS",
    ],
)
async def test_an_invalid_sort_is_rejected_without_a_call(gateway: Gateway, aws: Aws, sort: Any) -> None:
    response = await gateway.execute(NUMBERS, sort=sort)
    assert {error["extensions"]["code"] for error in response["errors"]} == {"BAD_USER_INPUT"}
    assert aws.calls == []
