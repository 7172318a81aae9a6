"""Scopes limit what a token may read, whichever path a query takes to a field."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.schema.node import PHONE_NUMBER, PHONE_NUMBER_ORDER, global_id
from gateway.settings import Settings
from tests.conftest import Gateway
from tests.support.aws import Aws, e164, emulated_aws, number_record, order_record
from tests.support.issuer import Issuer, SigningKey, bearer, jwt_settings, served_issuer

KEY = SigningKey("a")
NUMBERS, ORDERS = "phone-numbers:read", "phone-number-orders:read"
ORDER_ID = str(order_record(0, [])["PhoneNumberOrderId"])
NUMBER_NODE, ORDER_NODE = global_id(PHONE_NUMBER, e164(0)), global_id(PHONE_NUMBER_ORDER, ORDER_ID)


@pytest.fixture(scope="module")
def account() -> Iterator[Aws]:
    with emulated_aws("chime-sdk-voice") as shared:
        associations = [{"Name": "VoiceConnectorId", "Value": "abc", "AssociatedTimestamp": "2019-10-28T18:40:37.453Z"}]
        shared.adds_numbers([number_record(0, OrderId=ORDER_ID, Associations=associations), number_record(1)])
        shared.adds_orders([order_record(0, [e164(0), e164(1)]), order_record(1, [])])
        yield shared


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with served_issuer(KEY) as running:
        yield running


@pytest.fixture
def aws(account: Aws) -> Aws:
    account.calls.clear()
    return account


@pytest.fixture
def settings(aws: Aws, issuer: Issuer) -> Settings:
    return jwt_settings(issuer, aws)


async def execute(gateway: Gateway, document: str, **claims: Any) -> dict[str, Any]:
    response = await gateway.http.post("/graphql", json={"query": document}, headers=bearer(KEY.token(**claims)))
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def forbidden(response: dict[str, Any]) -> list[Any]:
    """Return the paths of the errors. Assert that each is FORBIDDEN and names the missing scope."""
    errors = response.get("errors", [])
    assert {error["extensions"]["code"] for error in errors} <= {"FORBIDDEN"}
    assert all(":read" in error["message"] for error in errors)
    return [error["path"] for error in errors]


ENTITIES = (
    f'{{ _entities(representations: [{{__typename: "PhoneNumber", e164PhoneNumber: "{e164(0)}"}}, '
    f'{{__typename: "PhoneNumberOrder", phoneNumberOrderId: "{ORDER_ID}"}}]) '
    "{ ... on PhoneNumber { id } ... on PhoneNumberOrder { id } } }"
)

WITHOUT_NUMBERS: list[tuple[str, list[list[Any]]]] = [
    ("{ phoneNumbers { nodes { id } } }", [["phoneNumbers"]]),
    ("{ phoneNumbers { __typename } }", [["phoneNumbers"]]),
    ("{ mine: phoneNumbers { totalCount } }", [["mine"]]),
    (f'{{ phoneNumber(e164PhoneNumber: "{e164(0)}") {{ id }} }}', [["phoneNumber"]]),
    ('query { ...Q } fragment Q on Query { phoneNumber(e164PhoneNumber: "+1999") { id } }', [["phoneNumber"]]),
    (f'{{ node(id: "{NUMBER_NODE}") {{ id }} }}', [["node"]]),
    (
        (
            '{ _entities(representations: [{__typename: "VoiceConnector", voiceConnectorId: "abc"}]) { '
            "... on VoiceConnector { voiceConnectorId phoneNumbers { nodes { id } } } } }"
        ),
        [["_entities", 0, "phoneNumbers"]],
    ),
]
WITHOUT_ORDERS: list[tuple[str, list[list[Any]]]] = [
    ("{ phoneNumberOrders { nodes { id } } }", [["phoneNumberOrders"]]),
    ("{ phoneNumberOrders { pageInfo { hasNextPage } } }", [["phoneNumberOrders"]]),
    (f'{{ phoneNumberOrder(phoneNumberOrderId: "{ORDER_ID}") {{ id }} }}', [["phoneNumberOrder"]]),
    ('{ phoneNumberOrder(phoneNumberOrderId: "none") { id } }', [["phoneNumberOrder"]]),
    (f'{{ node(id: "{ORDER_NODE}") {{ id }} }}', [["node"]]),
]


@pytest.mark.parametrize(
    ("scopes", "document", "paths"),
    [(ORDERS, *case) for case in WITHOUT_NUMBERS]
    + [(NUMBERS, *case) for case in WITHOUT_ORDERS]
    + [("", *case) for case in [*WITHOUT_NUMBERS, *WITHOUT_ORDERS]],
)
async def test_a_field_without_its_scope_is_forbidden_and_makes_no_upstream_call(
    gateway: Gateway, aws: Aws, scopes: str, document: str, paths: list[list[Any]]
) -> None:
    response = await execute(gateway, document, scope=scopes)
    assert forbidden(response) == paths
    assert aws.calls == []


async def test_other_fields_beside_a_forbidden_field_are_answered(gateway: Gateway, aws: Aws) -> None:
    order, number = f'(phoneNumberOrderId: "{ORDER_ID}")', f'(e164PhoneNumber: "{e164(0)}")'
    document = (
        f"{{ phoneNumberOrders {{ nodes {{ id }} }} phoneNumberOrder{order} {{ id }} phoneNumber{number} {{ id }} }}"
    )
    response = await execute(gateway, document, scope=NUMBERS)
    assert forbidden(response) == [["phoneNumberOrders"], ["phoneNumberOrder"]]
    assert response["data"] == {"phoneNumberOrders": None, "phoneNumberOrder": None, "phoneNumber": {"id": NUMBER_NODE}}
    assert aws.calls == ["GetPhoneNumber"]


@pytest.mark.parametrize(("scope", "place"), [(NUMBERS, 1), (ORDERS, 0)])
async def test_each_node_and_entity_is_checked_by_itself(gateway: Gateway, aws: Aws, scope: str, place: int) -> None:
    ids = [NUMBER_NODE, ORDER_NODE]
    for document, name in ((f'{{ nodes(ids: ["{ids[0]}", "{ids[1]}"]) {{ id }} }}', "nodes"), (ENTITIES, "_entities")):
        aws.calls.clear()
        response = await execute(gateway, document, scope=scope)
        assert forbidden(response) == [[name, place]]
        assert response["data"][name] == [None if at == place else {"id": ids[at]} for at in range(2)]
        assert aws.calls == [["GetPhoneNumber", "GetPhoneNumberOrder"][1 - place]]


@pytest.mark.parametrize("selection", ["e164PhoneNumber phoneNumber { id }", "__typename phoneNumber { order { id } }"])
async def test_an_order_is_answered_without_its_linked_phone_numbers(
    gateway: Gateway, aws: Aws, selection: str
) -> None:
    """An order's own fields need the scope for orders. Its numbers in the inventory need the scope for numbers."""
    response = await execute(
        gateway, f"{{ phoneNumberOrders {{ nodes {{ id orderedPhoneNumbers {{ {selection} }} }} }} }}", scope=ORDERS
    )
    assert forbidden(response) == [
        ["phoneNumberOrders", "nodes", 0, "orderedPhoneNumbers", each, "phoneNumber"] for each in range(2)
    ]
    first, second = response["data"]["phoneNumberOrders"]["nodes"]
    assert first["id"] == ORDER_NODE
    assert [each["phoneNumber"] for each in first["orderedPhoneNumbers"]] == [None, None]
    assert second["orderedPhoneNumbers"] == []
    assert aws.calls == ["ListPhoneNumberOrders"]


async def test_a_number_is_answered_without_its_order(gateway: Gateway, aws: Aws) -> None:
    """A number without an order is forbidden as well, because the check does not depend on the record."""
    response = await execute(gateway, "{ phoneNumbers { nodes { id order { id } } } }", scope=NUMBERS)
    assert forbidden(response) == [["phoneNumbers", "nodes", each, "order"] for each in range(2)]
    assert [node["order"] for node in response["data"]["phoneNumbers"]["nodes"]] == [None, None]
    assert aws.calls == ["ListPhoneNumbers"]


async def test_scopes_are_also_checked_on_links_back_from_associations(gateway: Gateway, aws: Aws) -> None:
    """The path leads from a number to its connector, to the connector's numbers, and to their orders."""
    document = (
        f'{{ phoneNumber(e164PhoneNumber: "{e164(0)}") '
        "{ associations { target { ... on VoiceConnector { phoneNumbers { nodes { order { orderType } } } } } } } }"
    )
    response = await execute(gateway, document, scope=NUMBERS)
    way = ["phoneNumber", "associations", 0, "target", "phoneNumbers", "nodes", 0, "order"]
    assert forbidden(response) == [way]
    assert "ListPhoneNumberOrders" not in aws.calls
    assert "GetPhoneNumberOrder" not in aws.calls


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": f"openid {NUMBERS} {ORDERS}"},
        {"scope": None, "scp": f"{ORDERS} {NUMBERS}"},
        {"scope": None, "scp": [NUMBERS, ORDERS, 7]},
    ],
)
async def test_scopes_may_be_a_string_or_a_list_in_either_claim(gateway: Gateway, claims: dict[str, Any]) -> None:
    response = await execute(gateway, "{ phoneNumbers { totalCount } phoneNumberOrders { totalCount } }", **claims)
    assert response == {"data": {"phoneNumbers": {"totalCount": 2}, "phoneNumberOrders": {"totalCount": 2}}}


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": None},
        {"scope": "phone-numbers:readx phone-numbers"},
        {"scope": "PHONE-NUMBERS:READ"},
        {"scope": f"{NUMBERS},{ORDERS}"},
        {"scope": {NUMBERS: True}},
        {"scope": True},
        {"scope": "", "scp": [NUMBERS]},
        {"scope": None, "scopes": NUMBERS, "roles": [NUMBERS]},
    ],
)
async def test_unknown_or_malformed_scopes_grant_no_access(gateway: Gateway, aws: Aws, claims: dict[str, Any]) -> None:
    response = await execute(gateway, "{ phoneNumbers { totalCount } }", **claims)
    assert forbidden(response) == [["phoneNumbers"]]
    assert aws.calls == []


async def test_the_schema_needs_no_scope(gateway: Gateway) -> None:
    response = await execute(gateway, "{ __typename _service { sdl } }", scope=None)
    assert "phoneNumbers" in response["data"]["_service"]["sdl"]
