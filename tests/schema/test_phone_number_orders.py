import pytest

from tests.conftest import Gateway
from tests.support.aws import Aws

ORDERS_WITH_NUMBER_STATUS = """
query ($first: Int) {
  phoneNumberOrders(first: $first) {
    nodes { phoneNumberOrderId orderedPhoneNumbers { e164PhoneNumber phoneNumber { e164PhoneNumber status } } }
  }
}
"""


async def test_numbers_of_a_page_of_orders_are_one_batch(gateway: Gateway, aws: Aws) -> None:
    """The inventory is read once, for twenty orders or for one."""
    aws.holds(orders=20, numbers_each=3, inventory=150)
    data = await gateway.query(ORDERS_WITH_NUMBER_STATUS, first=20)
    linked = [
        o["phoneNumber"]["e164PhoneNumber"]
        for n in data["phoneNumberOrders"]["nodes"]
        for o in n["orderedPhoneNumbers"]
    ]
    assert len(linked) == 60
    assert aws.calls == ["ListPhoneNumberOrders", "ListPhoneNumbers"]


@pytest.mark.parametrize("order_id", [".", "..", "...", "o" * 257])
async def test_an_unknown_order_id_is_null_and_does_not_change_the_url(
    gateway: Gateway, aws: Aws, order_id: str
) -> None:
    """Dots in a URL's path would name another resource."""
    data = await gateway.query("query ($id: ID!) { phoneNumberOrder(phoneNumberOrderId: $id) { id } }", id=order_id)
    assert data == {"phoneNumberOrder": None}
    assert aws.calls == []
