"""PhoneNumberOrder: an order of numbers, each linked to its full record."""

import strawberry

from gateway.schema.connection import Connection, facets_field
from gateway.schema.enums import (
    OrderedPhoneNumberStatus,
    PhoneNumberOrderStatus,
    PhoneNumberOrderType,
    PhoneNumberProductType,
)
from gateway.schema.facets import PhoneNumberOrderFacets
from gateway.schema.field_cost import PART_OF_RECORD, list_of
from gateway.schema.fields import TypeTest, link_field, record_field
from gateway.schema.node import ID_DESCRIPTION, PHONE_NUMBER_ORDER, Node, global_id
from gateway.schema.phone_number import PhoneNumber
from gateway.schema.scalars import DateTime, E164PhoneNumber
from gateway.upstream.e164 import with_plus
from gateway.upstream.records import OrderedPhoneNumberRecord


def _e164(ordered: OrderedPhoneNumberRecord) -> str | None:
    number = ordered["E164PhoneNumber"]
    # A query links hundreds of numbers, and nearly all have their plus. The test here saves a call for each of them.
    if number and not number.startswith("+"):
        number = with_plus(number)
    return number or None


@strawberry.type(description="One number of an order.")
class OrderedPhoneNumber:
    """OrderedPhoneNumber of both service models. Source: OrderedPhoneNumberRecord."""

    e164_phone_number: E164PhoneNumber = record_field(
        "E164PhoneNumber", description="The number in E.164 format, such as `+12065550100`."
    )
    status: OrderedPhoneNumberStatus | None = record_field(
        "Status", OrderedPhoneNumberStatus, description="The number's state within the order."
    )
    phone_number: PhoneNumber | None = link_field(
        lambda context: context.phone_numbers,
        _e164,
        description="The number's full record. Null if the inventory does not hold it. k numbers in one query cost at "
        "most k + 2 upstream calls, and far fewer if the list pages that the gateway reads hold many of them. They "
        "cost up to k / 10 calls more if list pages held ten of them each and hold none of them now.",
    )


@strawberry.federation.type(keys=["id", "phoneNumberOrderId"], description="An order of phone numbers.")
class PhoneNumberOrder(Node):
    """PhoneNumberOrder of both service models. Source: PhoneNumberOrderRecord."""

    id: strawberry.ID = record_field(
        "PhoneNumberOrderId",
        lambda order_id: global_id(PHONE_NUMBER_ORDER, order_id),
        description=ID_DESCRIPTION,
    )
    phone_number_order_id: strawberry.ID = record_field("PhoneNumberOrderId", description="AWS's id of the order.")
    product_type: PhoneNumberProductType | None = record_field(
        "ProductType", PhoneNumberProductType, description="The product that the order's numbers are for."
    )
    status: PhoneNumberOrderStatus | None = record_field(
        "Status", PhoneNumberOrderStatus, description="The order's state."
    )
    order_type: PhoneNumberOrderType | None = record_field(
        "OrderType", PhoneNumberOrderType, description="The kind of order. Only with the chime-sdk-voice API."
    )
    ordered_phone_numbers: list[OrderedPhoneNumber] = record_field(
        "OrderedPhoneNumbers",
        absent=(),
        description="The ordered numbers. They come with the order, without an upstream call.",
        # AWS accepts 50 numbers in one order, and most orders have few.
        directives=[PART_OF_RECORD, list_of(5)],
    )
    created_timestamp: DateTime | None = record_field("CreatedTimestamp", description="When the order was placed.")
    updated_timestamp: DateTime | None = record_field(
        "UpdatedTimestamp", description="When the order was last changed."
    )
    foc_date: DateTime | None = record_field(
        "FocDate",
        description="The date on which the carrier will port the numbers in (firm order commitment). Null unless the "
        "carrier has set one. Only with the chime-sdk-voice API.",
    )

    # Only orders have an order id of their own.
    is_type_of = TypeTest("PhoneNumberOrderId", has_key=True)


@strawberry.type(description="One page of a list of orders.")
class PhoneNumberOrderConnection(Connection[PhoneNumberOrder]):
    """A connection of orders. Source: ListConnection."""

    facets: PhoneNumberOrderFacets | None = facets_field("orders")
