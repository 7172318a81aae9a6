from tests.conftest import Gateway
from tests.support.aws import Aws

IDS = "{ phoneNumbers(first: 2) { nodes { id } } phoneNumberOrders(first: 1) { nodes { id } } }"
NODES = """
query ($ids: [ID!]!) {
  nodes(ids: $ids) { __typename id ... on PhoneNumber { country } ... on PhoneNumberOrder { orderType } }
}
"""


async def test_every_id_finds_its_object(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=2, orders=1)
    data = await gateway.query(IDS)
    ids = [node["id"] for field in data.values() for node in field["nodes"]]
    nodes = (await gateway.query(NODES, ids=ids))["nodes"]
    assert [node["id"] for node in nodes] == ids
    assert [node["__typename"] for node in nodes] == ["PhoneNumber", "PhoneNumber", "PhoneNumberOrder"]
    assert sorted(aws.calls[2:]) == ["GetPhoneNumber", "GetPhoneNumber", "GetPhoneNumberOrder"]


async def test_one_bad_id_nulls_only_its_own_item(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    [good] = [node["id"] for node in (await gateway.query(IDS))["phoneNumbers"]["nodes"]]
    response = await gateway.execute(NODES, ids=["nonsense", good, ""])
    assert [node and node["id"] for node in response["data"]["nodes"]] == [None, good, None]
    assert [(e["path"], e["extensions"]["code"]) for e in response["errors"]] == [
        (["nodes", 0], "BAD_USER_INPUT"),
        (["nodes", 2], "BAD_USER_INPUT"),
    ]


async def test_an_object_that_no_longer_exists_is_null(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1)
    [gone] = [node["id"] for node in (await gateway.query(IDS))["phoneNumbers"]["nodes"]]
    aws.loses_number("+12065550000")
    assert await gateway.query("query ($id: ID!) { node(id: $id) { id } }", id=gone) == {"node": None}


async def test_an_order_is_found_by_its_aws_id(gateway: Gateway, aws: Aws) -> None:
    aws.holds(inventory=1, orders=1, numbers_each=1)
    data = await gateway.query(
        """{ phoneNumberOrder(phoneNumberOrderId: "00000000-0000-4000-8000-000000000000") {
               status orderedPhoneNumbers { status phoneNumber { status } } }
             gone: phoneNumberOrder(phoneNumberOrderId: "none") { id } }"""
    )
    assert data == {
        "phoneNumberOrder": {
            "status": "SUCCESSFUL",
            "orderedPhoneNumbers": [{"status": "ACQUIRED", "phoneNumber": {"status": "UNASSIGNED"}}],
        },
        "gone": None,
    }
