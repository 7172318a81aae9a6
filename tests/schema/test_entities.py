from tests.aws import Aws, e164, number_record
from tests.conftest import Gateway

ENTITIES = """
query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on PhoneNumber { e164PhoneNumber }
    ... on PhoneNumberOrder { phoneNumberOrderId }
    ... on VoiceConnector { voiceConnectorId phoneNumbers { nodes { e164PhoneNumber } } }
  }
}
"""


async def test_entities_come_in_order_duplicates_included_at_the_loaders_cost(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=250)
    wanted = [e164(index % 30 * 8) for index in range(40)]
    representations = [{"__typename": "PhoneNumber", "e164PhoneNumber": number} for number in wanted]
    data = await gateway.query(ENTITIES, representations=representations)
    assert [entity["e164PhoneNumber"] for entity in data["_entities"]] == wanted
    assert len(aws.calls) <= 4


async def test_a_bad_representation_nulls_itself_alone(gateway: Gateway, aws: Aws) -> None:
    aws.adds_numbers([number_record(0, Associations=[{"Name": "VoiceConnectorId", "Value": "vc"}])])
    aws.holds(orders=1)
    answer = await gateway.answer(
        ENTITIES,
        representations=[
            {"__typename": "PhoneNumber", "e164PhoneNumber": e164(0), "status": "a field that the router adds"},
            {"__typename": "Nothing"},
            "text",
            {"__typename": "PhoneNumber"},
            {"__typename": "PhoneNumber", "e164PhoneNumber": "abc"},
            {"__typename": "PhoneNumber", "id": "nonsense"},
            {"__typename": "VoiceConnector", "voiceConnectorId": "vc"},
            {"__typename": "PhoneNumberOrder", "phoneNumberOrderId": "00000000-0000-4000-8000-000000000000"},
            {"__typename": "PhoneNumberOrder", "phoneNumberOrderId": 7},
        ],
    )
    first, *bad, connector, order, _ = answer["data"]["_entities"]
    assert first == {"__typename": "PhoneNumber", "e164PhoneNumber": e164(0)}
    assert bad == [None] * 5
    assert connector["phoneNumbers"] == {"nodes": [{"e164PhoneNumber": e164(0)}]}
    assert order["phoneNumberOrderId"] == "00000000-0000-4000-8000-000000000000"
    assert [(e["path"][1], e["extensions"]["code"]) for e in answer["errors"]] == [
        (place, "BAD_USER_INPUT") for place in (1, 2, 3, 4, 5, 8)
    ]


async def test_the_service_describes_itself_in_the_sdl_that_is_committed(gateway: Gateway) -> None:
    data = await gateway.query("{ _service { sdl } }")
    assert "type PhoneNumber implements Node @key" in data["_service"]["sdl"]
