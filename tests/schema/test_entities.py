"""The requests of a supergraph's router: entities by their keys, and the schema's text."""

from typing import Any

from graphql import build_ast_schema, parse

from gateway.schema.federation import build_schema
from gateway.schema.node import global_id
from tests.conftest import Gateway, gateway_over
from tests.support.aws import Aws, e164, number_record, order_record

ENTITIES = """
query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on PhoneNumber { e164PhoneNumber }
    ... on PhoneNumberOrder { phoneNumberOrderId }
    ... on VoiceConnector { voiceConnectorId phoneNumbers { nodes { e164PhoneNumber } } }
    ... on VoiceConnectorGroup { voiceConnectorGroupId phoneNumbers { nodes { e164PhoneNumber } } }
    ... on SipRule { sipRuleId phoneNumbers { nodes { e164PhoneNumber } } }
    ... on ChimeAccount { accountId phoneNumbers { nodes { e164PhoneNumber } } }
    ... on ChimeUser { userId phoneNumbers { nodes { e164PhoneNumber } } }
  }
}
"""
ORDER = order_record(0, [])["PhoneNumberOrderId"]
OTHER_ORDER = order_record(1, [])["PhoneNumberOrderId"]


def number(index: int) -> dict[str, Any]:
    return {"__typename": "PhoneNumber", "e164PhoneNumber": e164(index)}


def order(order_id: str) -> dict[str, Any]:
    return {"__typename": "PhoneNumberOrder", "phoneNumberOrderId": order_id}


async def test_entities_are_returned_in_order_with_duplicates_in_one_batch(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    wanted = [number(index % 30 * 8) for index in range(40)]
    data = await gateway.query(ENTITIES, representations=wanted)
    assert data["_entities"] == wanted
    assert len(aws.calls) <= 4


async def test_forty_numbers_by_id_or_number_are_one_batch(gateway: Gateway, aws: Aws) -> None:
    """Twenty records, each requested by id and by number."""
    aws.holds(inventory=250)
    wanted = [number(index * 12) for index in range(20)]
    by_id = [{"__typename": "PhoneNumber", "id": global_id("PhoneNumber", each["e164PhoneNumber"])} for each in wanted]
    data = await gateway.query(ENTITIES, representations=[*by_id, *wanted])
    assert data["_entities"] == [*wanted, *wanted]
    assert len(aws.calls) <= 4


async def test_forty_orders_by_either_key_cost_one_call(gateway: Gateway, aws: Aws) -> None:
    aws.holds(orders=40)
    wanted = [order(order_record(index, [])["PhoneNumberOrderId"]) for index in range(40)]
    mixed = [
        {"__typename": "PhoneNumberOrder", "id": global_id("PhoneNumberOrder", each["phoneNumberOrderId"])}
        if index % 2
        else each
        for index, each in enumerate(wanted)
    ]
    data = await gateway.query(ENTITIES, representations=mixed)
    assert data["_entities"] == wanted
    assert aws.calls == ["ListPhoneNumberOrders"]


ASSOCIATIONS = [
    ("ChimeAccount", "accountId", "AccountId"),
    ("ChimeUser", "userId", "UserId"),
    ("VoiceConnector", "voiceConnectorId", "VoiceConnectorId"),
    ("VoiceConnectorGroup", "voiceConnectorGroupId", "VoiceConnectorGroupId"),
    ("SipRule", "sipRuleId", "SipRuleId"),
]


async def test_each_of_the_five_associations_is_an_entity_with_its_numbers(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers(
        number_record(index, Associations=[{"Name": name, "Value": f"the {name}"}])
        for index, (_, _, name) in enumerate(ASSOCIATIONS)
    )
    keys = [{"__typename": typename, key: f"the {name}"} for typename, key, name in ASSOCIATIONS]
    data = await gateway.query(ENTITIES, representations=keys)
    assert data["_entities"] == [
        key | {"phoneNumbers": {"nodes": [{"e164PhoneNumber": e164(index)}]}} for index, key in enumerate(keys)
    ]


async def test_an_entity_that_does_not_exist_is_null(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1, orders=1)
    wanted = [number(0), number(99), order("none"), order(ORDER)]
    data = await gateway.query(ENTITIES, representations=wanted)
    assert data["_entities"] == [number(0), None, None, order(ORDER)]


async def test_an_unknown_association_nulls_only_its_numbers(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    unknown = {"__typename": "VoiceConnector", "voiceConnectorId": "unknown"}
    response = await gateway.execute(ENTITIES, representations=[number(0), unknown, number(0)])
    assert response["data"]["_entities"] == [number(0), unknown | {"phoneNumbers": None}, number(0)]
    [error] = response["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["_entities", 1, "phoneNumbers", "nodes"], "NOT_FOUND")


async def test_an_association_is_resolved_by_its_key_without_a_call(gateway: Gateway, aws: Aws) -> None:
    """The subgraph that owns connectors checks whether one exists."""
    connector = {"__typename": "VoiceConnector", "voiceConnectorId": "of another subgraph"}
    data = await gateway.query(
        """query ($it: _Any!) { _entities(representations: [$it]) {
             __typename ... on VoiceConnector { voiceConnectorId } } }""",
        it=connector,
    )
    assert data["_entities"] == [connector]
    assert aws.calls == []


NUMBER_ID, ORDER_ID = global_id("PhoneNumber", e164(0)), global_id("PhoneNumberOrder", ORDER)
GOOD = {
    "more fields than the key": number(0) | {"status": {"of": ["another", 7, None]}, "info": 1, "cls": 2},
    "both keys": number(0) | {"id": NUMBER_ID},
    "both keys, each in a spelling of its own": number(0)
    | {"id": global_id("PhoneNumber", e164(0).replace("+", "%2B")), "e164PhoneNumber": e164(0)[1:]},
    "one key null": number(0) | {"id": None},
}
AN_OBJECT = "A representation must be an object with __typename and a key."
TYPENAME = "The representation's __typename must be one of: "
NUMBER_KEYS = "A PhoneNumber representation needs id or e164PhoneNumber, as a non-empty string."
ORDER_KEYS = "A PhoneNumberOrder representation needs id or phoneNumberOrderId, as a non-empty string."
CONNECTOR_KEY = "A VoiceConnector representation needs voiceConnectorId, as a non-empty string."
FORM = "A phone number must be in E.164 format, such as +12065550100: the country code first, at most 15 digits."
BAD: dict[str, tuple[Any, str]] = {
    "a text": ("text", AN_OBJECT),
    "a number": (7, AN_OBJECT),
    "a list": ([number(0)], AN_OBJECT),
    "an empty list": ([], AN_OBJECT),
    "nothing": ({}, TYPENAME),
    "a key without __typename": ({"e164PhoneNumber": e164(0)}, TYPENAME),
    "a __typename that is null": ({"__typename": None, "e164PhoneNumber": e164(0)}, TYPENAME),
    "a __typename that is no text": ({"__typename": ["PhoneNumber"], "e164PhoneNumber": e164(0)}, TYPENAME),
    "an unknown type": ({"__typename": "Nothing", "id": NUMBER_ID}, TYPENAME),
    "a type that is no entity": ({"__typename": "PageInfo", "id": NUMBER_ID}, TYPENAME),
    "an interface": ({"__typename": "Node", "id": NUMBER_ID}, TYPENAME),
    "no key": ({"__typename": "PhoneNumber"}, NUMBER_KEYS),
    "a key that is null": ({"__typename": "PhoneNumber", "id": None}, NUMBER_KEYS),
    "a key that is empty": ({"__typename": "PhoneNumber", "e164PhoneNumber": ""}, NUMBER_KEYS),
    "a key that is a number": ({"__typename": "PhoneNumber", "e164PhoneNumber": 12065550000}, NUMBER_KEYS),
    "a key that is a list": ({"__typename": "PhoneNumber", "e164PhoneNumber": [e164(0)]}, NUMBER_KEYS),
    "a key that is an object": ({"__typename": "PhoneNumber", "id": {"id": NUMBER_ID}}, NUMBER_KEYS),
    "a key that is true": ({"__typename": "PhoneNumber", "id": True}, NUMBER_KEYS),
    "a good key and one of a wrong type": (number(0) | {"id": 7}, NUMBER_KEYS),
    "another type's key": ({"__typename": "PhoneNumber", "voiceConnectorId": "vc"}, NUMBER_KEYS),
    "a key in another spelling": ({"__typename": "PhoneNumber", "e164_phone_number": e164(0)}, NUMBER_KEYS),
    "a number that is none": ({"__typename": "PhoneNumber", "e164PhoneNumber": "abc"}, FORM),
    "an id that is none": ({"__typename": "PhoneNumber", "id": "nonsense"}, "The id is not from this gateway."),
    "an id of a number that is none": ({"__typename": "PhoneNumber", "id": global_id("PhoneNumber", "abc")}, FORM),
    "an order's id": (
        {"__typename": "PhoneNumber", "id": ORDER_ID},
        "The id belongs to a PhoneNumberOrder, not to a PhoneNumber.",
    ),
    "keys that disagree": (
        number(1) | {"id": NUMBER_ID},
        "The keys id and e164PhoneNumber name different PhoneNumber records.",
    ),
    "an order without a key": ({"__typename": "PhoneNumberOrder"}, ORDER_KEYS),
    "an order's key that is a number": ({"__typename": "PhoneNumberOrder", "phoneNumberOrderId": 7}, ORDER_KEYS),
    "an order by a number's id": (
        {"__typename": "PhoneNumberOrder", "id": NUMBER_ID},
        "The id belongs to a PhoneNumber, not to a PhoneNumberOrder.",
    ),
    "an order's keys that disagree": (
        order(OTHER_ORDER) | {"id": ORDER_ID},
        "The keys id and phoneNumberOrderId name different PhoneNumberOrder records.",
    ),
    "a connector without a key": ({"__typename": "VoiceConnector", "id": NUMBER_ID}, CONNECTOR_KEY),
    "a connector's key that is empty": ({"__typename": "VoiceConnector", "voiceConnectorId": ""}, CONNECTOR_KEY),
    "a key that nothing has, as answers repeat it": (
        {"__typename": "SipRule", "sipRuleId": "s" * 257},
        "The key sipRuleId has 257 characters; the limit is 256.",
    ),
}


async def test_fields_beside_a_key_are_ignored(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    data = await gateway.query(ENTITIES, representations=list(GOOD.values()))
    assert dict(zip(GOOD, data["_entities"], strict=True)) == dict.fromkeys(GOOD, number(0))
    assert aws.calls == ["GetPhoneNumber"]


async def test_each_bad_representation_is_null_with_its_own_error(gateway: Gateway, aws: Aws) -> None:
    """In one request, each bad representation is followed by a good one."""
    aws.holds(inventory=1, orders=2)
    wanted = [each for bad, _ in BAD.values() for each in (bad, number(0))]
    response = await gateway.execute(ENTITIES, representations=wanted)
    assert response["data"]["_entities"] == [None, number(0)] * len(BAD)
    names = list(BAD)
    said = {names[error["path"][1] // 2]: error for error in response["errors"]}
    assert [error["path"] for error in said.values()] == [["_entities", place * 2] for place in range(len(BAD))]
    assert {error["extensions"]["code"] for error in said.values()} == {"BAD_USER_INPUT"}
    assert [name for name, (_, message) in BAD.items() if not said[name]["message"].startswith(message)] == []
    assert aws.calls == ["GetPhoneNumber"]


async def test_a_null_representation_is_rejected_without_a_call(gateway: Gateway, aws: Aws) -> None:
    """The type is [_Any!]!, so GraphQL itself rejects null."""
    response = await gateway.execute(ENTITIES, representations=[number(0), None])
    assert "data" not in response
    assert [error["extensions"]["code"] for error in response["errors"]] == ["BAD_USER_INPUT"]
    assert aws.calls == []


async def test_an_empty_list_of_representations_returns_no_entities(gateway: Gateway, aws: Aws) -> None:
    assert await gateway.query(ENTITIES, representations=[]) == {"_entities": []}
    assert aws.calls == []


async def test_representations_may_be_written_in_the_document(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    data = await gateway.query(
        """query ($number: String!) { _entities(representations: [
             { __typename: "PhoneNumber", e164PhoneNumber: "+12065550000", status: ASSIGNED, more: [1, { of: 2.5 }] }
             { __typename: "PhoneNumber", e164PhoneNumber: $number }
           ]) { ... on PhoneNumber { e164PhoneNumber } } }""",
        number=e164(0),
    )
    assert data["_entities"] == [{"e164PhoneNumber": e164(0)}] * 2


async def test_a_failing_record_nulls_only_its_entity(gateway: Gateway, aws: Aws) -> None:
    """Forty numbers are on the first page. The number at the end of the list needs a get, which fails."""
    aws.holds(inventory=250)
    aws.fails("GetPhoneNumber", "ServiceFailure")
    held = [number(index) for index in range(40)]
    response = await gateway.execute(ENTITIES, representations=[*held[:20], number(249), *held[20:]])
    assert response["data"]["_entities"] == [*held[:20], None, *held[20:]]
    [error] = response["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["_entities", 20], "UPSTREAM_FAILURE")


# The schema's text


async def test_service_sdl_equals_the_output_of_the_schema_command(gateway: Gateway) -> None:
    data = await gateway.query("{ _service { sdl } }")
    assert data["_service"]["sdl"] == build_schema().as_str()


async def test_schema_greets_and_describes_the_fields_for_routers_last(settings: Any) -> None:
    document = "{ __schema { description queryType { fields { name description } } } _service { sdl } }"
    async with gateway_over(settings.model_copy(update={"introspection": True})) as explored:
        data = await explored.query(document)
    description = data["__schema"]["description"]
    assert description.startswith("Welcome.")
    assert build_ast_schema(parse(data["_service"]["sdl"]), assume_valid_sdl=True).description == description
    fields = data["__schema"]["queryType"]["fields"]
    names = [field["name"] for field in fields]
    assert (names[:2], names[-2:]) == (["phoneNumbers", "phoneNumberOrders"], ["_entities", "_service"])
    assert all(field["description"] for field in fields)


async def test_node_fields_are_left_out_if_the_setting_says_so(settings: Any) -> None:
    """Both the schema and its text lack the fields. Everything else stays."""
    async with gateway_over(settings.model_copy(update={"relay_node_fields": False})) as without:
        sdl = (await without.query("{ _service { sdl } }"))["_service"]["sdl"]
        response = await without.execute("query ($id: ID!) { node(id: $id) { id } }", id=NUMBER_ID)
    before, after = build_schema().as_str().split('\n\n  """\n  An object by its id.')
    assert sdl == before + after[after.index('\n\n  """\n  For routers of a federated graph: objects') :]
    assert [error["extensions"]["code"] for error in response["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]
