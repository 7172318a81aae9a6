"""The cost of a request in its response: the estimate, the rows and calls really made, and the points left."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.settings import Settings, read_settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, emulated_aws
from tests.support.multipart import fetch_parts


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    """Return an account with 120 numbers, and 20 orders of two numbers each."""
    with emulated_aws("chime") as shared:
        shared.holds(inventory=120, orders=20, numbers_each=2)
        yield shared


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    return account


@pytest.fixture
def settings(aws: Aws) -> Settings:
    return read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url)


async def reported(gateway: Gateway, document: str, **variables: Any) -> Any:
    body = {"query": document, "variables": variables, "extensions": {"cost": True}}
    return (await gateway.http.post("/graphql", json=body)).json()["extensions"]


@pytest.mark.parametrize(
    ("document", "points", "rows", "calls"),
    [
        ("{ __typename }", 0, 0, 0),
        ("{ phoneNumbers { nodes { id } } }", 51, 50, 1),
        # The estimate counts the rows that are requested, and the list has fewer.
        ("{ phoneNumberOrders { nodes { id } } }", 51, 20, 1),
        ("{ phoneNumberOrders { edges { cursor } nodes { id } pageInfo { endCursor } } }", 51, 20, 1),
        ("{ phoneNumbers(first: 110) { edges { cursor } } }", 112, 110, 2),
        ("{ phoneNumbers(first: 0) { nodes { id } totalCount } }", 20, 0, 2),
        ("{ a: phoneNumbers(first: 2) { nodes { id } } b: phoneNumbers(first: 3) { nodes { id } } }", 7, 5, 2),
        ('{ phoneNumber(e164PhoneNumber: "+12065550000") { id } }', 2, 1, 1),
        ('{ phoneNumber(e164PhoneNumber: "+12065559999") { id } }', 2, 0, 1),
        # An order and its two numbers.
        (
            "{ phoneNumberOrders(first: 1) { nodes { orderedPhoneNumbers { phoneNumber { id } } } } }",
            12,
            3,
            3,
        ),
        # A filter reads the whole list, and one row matches.
        ('{ phoneNumbers(filter: { search: "50119" }) { nodes { id } } }', 70, 1, 2),
    ],
)
async def test_actual_rows_and_calls_are_beside_the_estimate(
    gateway: Gateway, aws: Aws, document: str, points: int, rows: int, calls: int
) -> None:
    cost = (await reported(gateway, document))["cost"]
    assert cost["actual"] == {"rows": rows, "calls": calls}
    assert (cost["points"], cost["limit"], cost["left"]) == (points, 5000, 5000 - points)
    assert len(aws.calls) == calls


async def test_entities_are_counted_as_rows(gateway: Gateway) -> None:
    numbers = [{"__typename": "PhoneNumber", "e164PhoneNumber": f"+1206555{index:04}"} for index in (1, 2, 9999)]
    document = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }"
    cost = (await reported(gateway, document, of=numbers))["cost"]
    assert (cost["points"], cost["actual"]["rows"]) == (6, 2)


async def test_the_last_part_reports_the_rows_of_all_parts(gateway: Gateway, aws: Aws) -> None:
    document = """{ phoneNumbers(first: 110) {
        nodes @stream(initialCount: 10) { id } ... @defer { edges { cursor } pageInfo { hasNextPage } } } }"""
    parts = await fetch_parts(gateway.http, document, extensions={"cost": True})
    assert parts[0]["extensions"]["cost"]["points"] == 112
    assert parts[-1]["extensions"]["cost"]["actual"] == {"rows": 110, "calls": 2}
    assert len(aws.calls) == 2


async def test_points_left_are_reported_if_callers_have_a_limit(aws: Aws) -> None:
    limited = read_settings(upstream_api=aws.api, upstream_endpoint_url=aws.url, rate_limit_points_per_minute=60)
    async with gateway_over(limited) as gateway:
        first = await reported(gateway, "{ phoneNumbers(first: 19) { nodes { id } } }")
        assert first["rateLimit"] == {"limit": 60, "left": 40, "resetSeconds": 20}
        response = await gateway.http.post("/graphql", json={"query": "{ __typename }"})
        assert "extensions" not in response.json()


async def test_without_a_limit_no_points_left_are_reported(gateway: Gateway) -> None:
    assert set(await reported(gateway, "{ __typename }")) == {"cost"}
    response = await gateway.http.post("/graphql", json={"query": "{ __typename }"})
    assert not [name for name in response.headers if name.startswith("ratelimit")]
