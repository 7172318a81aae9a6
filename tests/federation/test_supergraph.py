"""The example's supergraph behind two routers over real HTTP: requests to each subgraph, and upstream calls."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.federation.conftest import README, SECRET, Supergraph

CONTACTS = """
query ($first: Int) {
  contacts(first: $first) {
    edges { node { name phoneNumber { e164PhoneNumber phoneNumberId status } } }
  }
}
"""
OURS, CONTACTS_SUBGRAPH, CONNECTORS = "phone-numbers", "contacts", "voice-connectors"
GIVEN_BACK = "+12065550199"


def contacts_in(data: Any) -> list[Any]:
    return [edge["node"] for edge in data["contacts"]["edges"]]


def test_query_in_the_readme_returns_the_printed_response(supergraph: Supergraph) -> None:
    [query] = re.findall(r"^```graphql\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    [response] = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert supergraph.execute(query) == json.loads(response)


def test_ordered_number_links_to_its_record_and_to_fields_of_another_subgraph(supergraph: Supergraph) -> None:
    """Twenty orders cost one request to each subgraph, and the same upstream calls as without a router."""
    data = supergraph.query(
        """{ phoneNumberOrders(first: 20) { nodes {
               orderedPhoneNumbers { e164PhoneNumber phoneNumber { status contact { name } } } } } }"""
    )
    first, second, *rest = [order["orderedPhoneNumbers"] for order in data["phoneNumberOrders"]["nodes"]]
    assert [number["phoneNumber"] for number in first] == [
        {"status": "ASSIGNED", "contact": {"name": "Desk 0"}},
        {"status": "ASSIGNED", "contact": {"name": "Desk 1"}},
    ]
    assert [number["phoneNumber"]["contact"] for number in second] == [{"name": "Desk 3"}, {"name": "Desk 4"}, None]
    assert len(rest) == 18
    assert supergraph.requests() == [(OURS, "Query"), (CONTACTS_SUBGRAPH, "_entities")]
    assert supergraph.account.calls == ["ListPhoneNumberOrders", *["ListPhoneNumbers"] * 3]


def test_forty_numbers_of_another_subgraph_cost_one_entities_request_and_at_most_four_calls(
    supergraph: Supergraph,
) -> None:
    data = supergraph.query(CONTACTS, first=40)
    assert supergraph.requests() == [(CONTACTS_SUBGRAPH, "Query"), (OURS, "_entities")]
    assert 1 <= len(supergraph.account.calls) <= 4
    found = {contact["phoneNumber"]["e164PhoneNumber"]: contact["phoneNumber"] for contact in contacts_in(data)}
    listed = supergraph.query("{ phoneNumbers(first: 250) { nodes { e164PhoneNumber phoneNumberId status } } }")
    numbers = {number["e164PhoneNumber"]: number for number in listed["phoneNumbers"]["nodes"]}
    assert len(found) == 40
    assert found.items() <= numbers.items()


def test_voice_connectors_of_another_subgraph_link_to_their_numbers_and_back(supergraph: Supergraph) -> None:
    data = supergraph.query(
        """{ voiceConnectors { name phoneNumbers(first: 2) {
               nodes { contact { name } associations { target { ... on VoiceConnector { name } } } } } } }"""
    )
    for connector in data["voiceConnectors"]:
        numbers = connector["phoneNumbers"]["nodes"]
        targets = [its["target"] for number in numbers for its in number["associations"]]
        assert [target for target in targets if target] == [{"name": connector["name"]}] * 2
    seattle, _ = data["voiceConnectors"]
    assert [number["contact"]["name"] for number in seattle["phoneNumbers"]["nodes"]] == ["Desk 0", "Desk 1"]
    assert supergraph.requests()[:2] == [(CONNECTORS, "Query"), (OURS, "_entities")]
    assert sorted(supergraph.requests()[2:]) == [(CONTACTS_SUBGRAPH, "_entities"), (CONNECTORS, "_entities")]
    assert supergraph.account.calls == ["ListPhoneNumbers"] * 2


def test_node_is_refetched_through_the_router(supergraph: Supergraph) -> None:
    listed = supergraph.query("{ phoneNumbers(first: 1) { nodes { id } } }")
    [number] = listed["phoneNumbers"]["nodes"]
    data = supergraph.query(
        "query ($id: ID!) { node(id: $id) { __typename id ... on PhoneNumber { contact { name } } } }", **number
    )
    assert data["node"] == {"__typename": "PhoneNumber", "contact": {"name": "Desk 0"}, **number}


def test_connection_of_each_subgraph_pages_with_its_own_cursors(supergraph: Supergraph) -> None:
    for field, size, expected in (("contacts", 15, 41), ("phoneNumbers", 120, 250)):
        document = f"""query ($first: Int, $after: String) {{ {field}(first: $first, after: $after) {{
                         edges {{ node {{ id }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
        seen: list[str] = []
        page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            data = supergraph.query(document, first=size, after=page["endCursor"])[field]
            seen += [edge["node"]["id"] for edge in data["edges"]]
            page = data["pageInfo"]
        assert len(seen) == len(set(seen)) == expected


def test_number_missing_from_the_inventory_is_null(supergraph: Supergraph) -> None:
    """Its non-null phoneNumberId nulls the number, and only the number."""
    *held, gone = contacts_in(supergraph.execute(CONTACTS, first=41)["data"])
    assert gone == {"name": "Desk 40", "phoneNumber": None}
    assert [contact["name"] for contact in held if contact["phoneNumber"]["status"]] == [
        f"Desk {desk}" for desk in range(40)
    ]


@pytest.fixture
def get_fails(supergraph: Supergraph) -> Any:
    """Let GetPhoneNumber fail. Lists still work."""
    supergraph.account.fails("GetPhoneNumber", "ServiceFailure")
    yield
    supergraph.account.recovers()


@pytest.mark.usefixtures("get_fails")
def test_number_whose_record_fails_is_null_with_the_gateways_error_code(supergraph: Supergraph) -> None:
    response = supergraph.execute(
        "{ contacts(first: 41) { edges { node { name phoneNumber { e164PhoneNumber status } } } } }"
    )
    *held, failed = contacts_in(response["data"])
    assert failed == {"name": "Desk 40", "phoneNumber": {"e164PhoneNumber": GIVEN_BACK, "status": None}}
    assert len([contact for contact in held if contact["phoneNumber"]["status"]]) == 40
    [error] = response["errors"]
    assert error["path"][:5] == ["contacts", "edges", 40, "node", "phoneNumber"]
    assert error["message"] == "The upstream failed. Try again later."
    assert error["extensions"]["code"] == "UPSTREAM_FAILURE"
    assert error["extensions"]["retryable"] is True


def test_router_secret_is_sent_to_the_gateway_alone(supergraph: Supergraph) -> None:
    supergraph.query(
        """{ voiceConnectors { phoneNumbers(first: 1) { nodes { contact { name } } } }
             contacts(first: 1) { edges { node { phoneNumber { status } } } } }"""
    )
    assert {(requested.subgraph, requested.secret) for requested in supergraph.recorded} == {
        (OURS, SECRET),
        (CONTACTS_SUBGRAPH, None),
        (CONNECTORS, None),
    }


def test_apollo_gateway_tells_its_clients_how_long_a_response_is_fresh(caching_router: str) -> None:
    """The gateway reports it to Apollo Gateway. If a subgraph does not, the whole response is not cacheable."""

    def cache_control(query: str) -> str:
        response = httpx.post(caching_router, json={"query": query}, timeout=60)
        assert "errors" not in response.json()
        header: str = response.headers["cache-control"]
        return header

    for _ in range(2):
        found = re.fullmatch(r"max-age=(\d+), public", cache_control("{ phoneNumbers { nodes { status } } }"))
        assert found
        assert 3000 < int(found[1]) < 3600
    assert cache_control("{ phoneNumbers { nodes { contact { name } } } }") == "no-store"


def test_operation_above_the_cost_limit_is_rejected_before_any_upstream_call(
    supergraph: Supergraph, request: pytest.FixtureRequest
) -> None:
    """Hive Gateway estimates the cost by the schema's directives. Apollo Gateway leaves that to the gateway."""
    pages = " ".join(f"{alias}: phoneNumbers(first: 1000) {{ nodes {{ status }} }}" for alias in "abcdef")
    codes = {error["extensions"]["code"] for error in supergraph.execute(f"{{ {pages} }}")["errors"]}
    if "Hive" in request.node.callspec.id:
        assert (codes, supergraph.requests()) == ({"COST_ESTIMATED_TOO_EXPENSIVE"}, [])
    else:
        assert (codes, supergraph.requests()) == ({"DOCUMENT_TOO_COMPLEX"}, [(OURS, "Query")])
    assert supergraph.account.calls == []
    assert len(supergraph.query("{ phoneNumbers(first: 1000) { nodes { status } } }")["phoneNumbers"]["nodes"]) == 250
