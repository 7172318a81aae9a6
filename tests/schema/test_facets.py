"""Facets over HTTP: their counts, the calls that they share, and errors."""

from typing import Any

import pytest

from gateway.settings import Settings
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, number_record, order_record
from tests.support.scripted import ScriptedResponse, scripted_upstream

FACETS = """
{
  phoneNumbers(first: 0) {
    totalCount
    facets {
      status { value count } productType { value count } type { value count } country { value count }
      callingNameStatus { value count } association { value count }
      resource { name value count target { __typename ... on VoiceConnector { voiceConnectorId } } }
    }
  }
}
"""


def counts(facet: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(each["value"], each["count"]) for each in facet]


def held_by(*resources: tuple[str | None, str]) -> list[dict[str, Any]]:
    return [{"Name": name, "Value": value, "AssociatedTimestamp": None} for name, value in resources]


async def facets_of(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the response to FACETS from an upstream that lists these records."""
    with scripted_upstream(ScriptedResponse({"PhoneNumbers": records})) as upstream:
        settings = Settings(upstream_api="chime", upstream_endpoint_url=upstream.url)  # type: ignore[arg-type]  # Pydantic parses the URL.
        async with gateway_over(settings) as gateway:
            data: dict[str, Any] = (await gateway.query(FACETS))["phoneNumbers"]["facets"]
    return data


async def test_values_are_counted_by_count_and_then_by_value_without_nulls() -> None:
    facets = await facets_of(
        number_record(0, Status="Unassigned", Country="US", Type="Local", CallingNameStatus=None),
        number_record(1, Status="Assigned", Country="GB", Type="TollFree", CallingNameStatus=None),
        number_record(2, Status="Assigned", Country=None, Type="TollFree", CallingNameStatus=None),
        number_record(3, Status="DeleteFailed", Country="GB", ProductType="Voice Connector", CallingNameStatus=None),
        number_record(4, Status="Levitating", Country="US", ProductType=7, CallingNameStatus=None),
        number_record(5, Status=None, Country=["US"], ProductType={}, CallingNameStatus=None),
    )
    assert counts(facets["status"]) == [("ASSIGNED", 2), ("DELETE_FAILED", 1), ("UNASSIGNED", 1), ("UNKNOWN", 1)]
    assert counts(facets["country"]) == [("GB", 2), ("US", 2)]
    assert counts(facets["type"]) == [("LOCAL", 4), ("TOLL_FREE", 2)]
    assert counts(facets["productType"]) == [("VOICE_CONNECTOR", 4), ("UNKNOWN", 2)]
    assert facets["callingNameStatus"] == facets["association"] == facets["resource"] == []


async def test_a_number_counts_once_for_each_kind_and_each_resource() -> None:
    facets = await facets_of(
        number_record(0, Associations=held_by(("VoiceConnectorId", "b"), ("VoiceConnectorGroupId", "b"))),
        number_record(1, Associations=held_by(("VoiceConnectorId", "b"), ("VoiceConnectorId", "b"))),
        number_record(2, Associations=held_by(("VoiceConnectorId", "a"), ("VoiceConnectorId", "b"))),
        number_record(3, Associations=held_by(("MoonId", "m"), ("SunId", "m"), (None, "n"))),
        number_record(4, Associations=None),
    )
    assert counts(facets["association"]) == [("VOICE_CONNECTOR_ID", 3), ("UNKNOWN", 1), ("VOICE_CONNECTOR_GROUP_ID", 1)]
    assert facets["resource"] == [
        {
            "name": "VOICE_CONNECTOR_ID",
            "value": "b",
            "count": 3,
            "target": {"__typename": "VoiceConnector", "voiceConnectorId": "b"},
        },
        {
            "name": "VOICE_CONNECTOR_ID",
            "value": "a",
            "count": 1,
            "target": {"__typename": "VoiceConnector", "voiceConnectorId": "a"},
        },
        {"name": "VOICE_CONNECTOR_GROUP_ID", "value": "b", "count": 1, "target": {"__typename": "VoiceConnectorGroup"}},
        {"name": "UNKNOWN", "value": "m", "count": 1, "target": None},
        {"name": "UNKNOWN", "value": "n", "count": 1, "target": None},
    ]


async def test_the_100_largest_resources_are_counted(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(
        number_record(index, Associations=held_by(("VoiceConnectorId", f"vc{index % 150:03}"))) for index in range(160)
    )
    resources = (await gateway.query(FACETS))["phoneNumbers"]["facets"]["resource"]
    assert counts(resources) == [
        *((f"vc{index:03}", 2) for index in range(10)),
        *((f"vc{index:03}", 1) for index in range(10, 100)),
    ]


async def test_orders_are_counted_after_the_page_arguments(gateway: Gateway, aws: Aws) -> None:
    """The page has one order, and the facets count all of them."""
    statuses = ["Successful", "Processing", "Successful", None]
    aws.adds_orders(order_record(index, [e164(index)], Status=status) for index, status in enumerate(statuses))
    data = await gateway.query(
        """{ phoneNumberOrders(first: 1) {
               facets { status { value count } productType { value count } orderType { value count } }
               nodes { id } } }"""
    )
    facets = data["phoneNumberOrders"]["facets"]
    assert counts(facets["status"]) == [("SUCCESSFUL", 2), ("PROCESSING", 1)]
    assert counts(facets["productType"]) == [("VOICE_CONNECTOR", 4)]
    assert facets["orderType"] == []
    assert len(data["phoneNumberOrders"]["nodes"]) == 1
    assert aws.calls == ["ListPhoneNumberOrders"]


async def test_facets_count_the_filtered_list(gateway: Gateway, aws: Aws) -> None:
    held = held_by(("VoiceConnectorId", "vc"))
    aws.adds_numbers(
        [number_record(0, Associations=held, Status="Assigned"), number_record(1), number_record(2, Associations=held)]
    )
    data = await gateway.query(
        """{ phoneNumbers(filter: { association: { voiceConnectorId: "vc" } }) {
               totalCount facets { status { value count } resource { value count } } } }"""
    )
    assert data["phoneNumbers"]["totalCount"] == 2
    assert counts(data["phoneNumbers"]["facets"]["status"]) == [("ASSIGNED", 1), ("UNASSIGNED", 1)]
    assert counts(data["phoneNumbers"]["facets"]["resource"]) == [("vc", 2)]


@pytest.mark.parametrize(
    ("selection", "calls"),
    [
        ("(first: 0) { facets { status { count } } }", 3),
        ("(first: 0) { facets { status { count } } totalCount }", 3),
        ("(first: 10) { totalCount nodes { id } facets { status { count } country { count } } }", 3),
        ("(first: 10) { nodes { id } facets { resource { count target { __typename } } } }", 3),
        ("(last: 10) { nodes { id } one: facets { type { count } } two: facets { type { count } } }", 3),
        ("(first: 10) { facets { __typename } }", 3),
        ("(first: 10) { nodes { id } }", 1),
    ],
)
async def test_facets_share_the_calls_of_the_count_and_the_rows(
    gateway: Gateway, aws: Aws, selection: str, calls: int
) -> None:
    aws.holds(inventory=250)
    await gateway.query(f"{{ phoneNumbers{selection} }}")
    assert aws.calls == ["ListPhoneNumbers"] * calls


async def test_facets_past_the_page_limit_null_only_themselves(aws: Aws, settings: Settings) -> None:
    aws.holds(inventory=250)
    async with gateway_over(settings.model_copy(update={"max_upstream_pages": 2})) as gateway:
        response = await gateway.execute(
            "{ phoneNumbers(first: 1) { facets { status { count } } totalCount nodes { e164PhoneNumber } } }"
        )
    assert response["data"] == {
        "phoneNumbers": {"facets": None, "totalCount": None, "nodes": [{"e164PhoneNumber": e164(0)}]}
    }
    assert {(*error["path"], error["extensions"]["code"]) for error in response["errors"]} == {
        ("phoneNumbers", "facets", "PAGE_LIMIT_EXCEEDED"),
        ("phoneNumbers", "totalCount", "PAGE_LIMIT_EXCEEDED"),
    }


async def test_a_resource_of_a_facet_leads_to_its_numbers(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers([number_record(0), number_record(1, Associations=held_by(("VoiceConnectorId", "vc")))])
    data = await gateway.query(
        """{ phoneNumbers(first: 0) { facets { resource { target { ... on VoiceConnector {
               phoneNumbers(first: 9) { nodes { e164PhoneNumber } } } } } } } }"""
    )
    [resource] = data["phoneNumbers"]["facets"]["resource"]
    assert resource["target"]["phoneNumbers"]["nodes"] == [{"e164PhoneNumber": e164(1)}]
    assert aws.calls == ["ListPhoneNumbers", "ListPhoneNumbers"]
