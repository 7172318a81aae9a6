"""PhoneNumberOrder: an order of numbers, each linked to its full record."""

from typing import Any

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.errors import BadUserInput
from gateway.schema.enums import (
    OrderedPhoneNumberStatus,
    PhoneNumberOrderStatus,
    PhoneNumberOrderType,
    PhoneNumberProductType,
)
from gateway.schema.field_cost import PART_OF_RECORD, list_of
from gateway.schema.fields import link_field, record_field
from gateway.schema.node import PHONE_NUMBER_ORDER, Node, global_id, key_within
from gateway.schema.phone_number import PhoneNumber
from gateway.schema.scalars import DateTime, E164PhoneNumber
from gateway.upstream.records import OrderedPhoneNumberRecord, with_plus


def _e164(ordered: OrderedPhoneNumberRecord) -> str | None:
    return with_plus(ordered["E164PhoneNumber"]) if ordered["E164PhoneNumber"] else None


@strawberry.type(description="One number of an order.")
class OrderedPhoneNumber:
    """OrderedPhoneNumber of both service models. Source: OrderedPhoneNumberRecord."""

    e164_phone_number: E164PhoneNumber = record_field("E164PhoneNumber", description="The number itself.")
    status: OrderedPhoneNumberStatus | None = record_field(
        "Status", OrderedPhoneNumberStatus, description="Where it stands within the order."
    )
    phone_number: PhoneNumber | None = link_field(
        lambda context: context.phone_numbers,
        _e164,
        description="Its full record; null when the inventory has none. All numbers of a query are looked up together: "
        "never more than one upstream call a number and two, and far fewer where a list page holds many.",
    )


@strawberry.federation.type(keys=["id", "phoneNumberOrderId"], description="An order of phone numbers.")
class PhoneNumberOrder(Node):
    """PhoneNumberOrder of both service models. Source: PhoneNumberOrderRecord."""

    id: strawberry.ID = record_field(
        "PhoneNumberOrderId",
        lambda order_id: global_id(PHONE_NUMBER_ORDER, order_id),
        description="Unique among all objects of this schema. Opaque: do not take it apart.",
    )
    phone_number_order_id: strawberry.ID = record_field("PhoneNumberOrderId", description="The upstream's id of it.")
    product_type: PhoneNumberProductType | None = record_field(
        "ProductType", PhoneNumberProductType, description="The product its numbers are for."
    )
    status: PhoneNumberOrderStatus | None = record_field(
        "Status", PhoneNumberOrderStatus, description="Where it stands."
    )
    order_type: PhoneNumberOrderType | None = record_field(
        "OrderType", PhoneNumberOrderType, description="The kind of order. chime-sdk-voice only."
    )
    ordered_phone_numbers: list[OrderedPhoneNumber] = record_field(
        "OrderedPhoneNumbers",
        absent=(),
        description="The numbers that it asks for.",
        # AWS takes 50 numbers in one order, and most orders have few.
        directives=[PART_OF_RECORD, list_of(5)],
    )
    created_timestamp: DateTime | None = record_field("CreatedTimestamp", description="When it was placed.")
    updated_timestamp: DateTime | None = record_field("UpdatedTimestamp", description="When it last changed.")
    foc_date: DateTime | None = record_field(
        "FocDate", description="The firm order commitment date of a port-in. chime-sdk-voice only."
    )

    @classmethod
    def is_type_of(cls, record: Any, _info: Any) -> bool:
        """Tell the records of the two node types apart: an order's has its own id."""
        return isinstance(record, dict) and bool(record.get("PhoneNumberOrderId"))

    @classmethod
    def resolve_reference(
        cls,
        info: Info[RequestContext, None],
        id: str | None = None,  # noqa: A002  # The key's name in the schema.
        phone_number_order_id: str | None = None,  # The key's name in the schema.
    ) -> Any:
        """The record of a key that a supergraph's router gives, or of both; None where there is no such order."""
        given = (key_within(id, PHONE_NUMBER_ORDER) if id else None, phone_number_order_id)
        order_ids = {order_id for order_id in given if order_id}
        if len(order_ids) > 1:
            raise BadUserInput("The two keys name different orders.")
        return info.context.phone_number_orders.load(order_ids.pop())
