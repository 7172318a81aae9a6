"""PhoneNumber: a number in the inventory."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.errors import BadUserInput, UpstreamBadResponse
from gateway.schema.associations import PhoneNumberAssociation
from gateway.schema.enums import CallingNameStatus, PhoneNumberProductType, PhoneNumberStatus, PhoneNumberType
from gateway.schema.field_cost import PART_OF_RECORD, list_of
from gateway.schema.fields import link_field, parse_object, record_field
from gateway.schema.node import PHONE_NUMBER, Node, global_id, key_within
from gateway.schema.scalars import DateTime, E164PhoneNumber, read_e164
from gateway.upstream.records import PhoneNumberRecord, with_plus

if TYPE_CHECKING:  # The two types hold each other.
    from gateway.schema.phone_number_order import PhoneNumberOrder


@strawberry.type(description="What a phone number can do.")
class PhoneNumberCapabilities:
    """PhoneNumberCapabilities of both service models. Source: CapabilitiesRecord."""

    inbound_call: bool | None = record_field("InboundCall", description="Whether it can be called.")
    outbound_call: bool | None = record_field("OutboundCall", description="Whether calls can be made from it.")
    inbound_sms: bool | None = record_field(
        "InboundSMS", name="inboundSMS", description="Whether it can receive text messages."
    )
    outbound_sms: bool | None = record_field(
        "OutboundSMS", name="outboundSMS", description="Whether text messages can be sent from it."
    )
    inbound_mms: bool | None = record_field(
        "InboundMMS", name="inboundMMS", description="Whether it can receive multimedia messages."
    )
    outbound_mms: bool | None = record_field(
        "OutboundMMS", name="outboundMMS", description="Whether multimedia messages can be sent from it."
    )


def _order_id(record: PhoneNumberRecord) -> str | None:
    order_id = record.get("OrderId")
    if order_id is not None and not isinstance(order_id, str):
        raise UpstreamBadResponse(None, detail=f"OrderId is a {type(order_id).__name__}")
    return order_id or None


@strawberry.federation.type(keys=["id", "e164PhoneNumber"], description="A phone number in the account's inventory.")
class PhoneNumber(Node):
    """PhoneNumber of both service models. Source: PhoneNumberRecord."""

    id: strawberry.ID = record_field(
        "E164PhoneNumber",
        lambda number: global_id(PHONE_NUMBER, with_plus(number)),
        description="Unique among all objects of this schema. Opaque: do not take it apart.",
    )
    phone_number_id: str = record_field(
        "PhoneNumberId", description="The upstream's id of it, as the upstream writes it."
    )
    e164_phone_number: E164PhoneNumber = record_field("E164PhoneNumber", description="The number itself.")
    country: str | None = record_field("Country", description="The country, in two letters (ISO 3166-1 alpha-2).")
    type: PhoneNumberType | None = record_field("Type", PhoneNumberType, description="The kind of number.")
    product_type: PhoneNumberProductType | None = record_field(
        "ProductType", PhoneNumberProductType, description="The product it is for."
    )
    status: PhoneNumberStatus | None = record_field("Status", PhoneNumberStatus, description="Where it is in its life.")
    capabilities: PhoneNumberCapabilities | None = record_field(
        "Capabilities", parse_object, description="What it can do.", directives=[PART_OF_RECORD]
    )
    associations: list[PhoneNumberAssociation] = record_field(
        "Associations",
        absent=(),
        description="What it belongs to.",
        # A number belongs to a Voice Connector, and at times to its group as well.
        directives=[PART_OF_RECORD, list_of(2)],
    )
    calling_name: str | None = record_field("CallingName", description="The name shown to those it calls.")
    calling_name_status: CallingNameStatus | None = record_field(
        "CallingNameStatus", CallingNameStatus, description="Where an update of its calling name stands."
    )
    name: str | None = record_field("Name", description="A name given to it by its owner. chime-sdk-voice only.")
    created_timestamp: DateTime | None = record_field("CreatedTimestamp", description="When it was created.")
    updated_timestamp: DateTime | None = record_field("UpdatedTimestamp", description="When it was last changed.")
    deletion_timestamp: DateTime | None = record_field(
        "DeletionTimestamp", description="When it is deleted for good, once it is in the deletion queue."
    )
    order: Annotated["PhoneNumberOrder", strawberry.lazy("gateway.schema.phone_number_order")] | None = link_field(
        lambda context: context.phone_number_orders,
        _order_id,
        description="The order it came with, where the upstream names one. chime-sdk-voice only. Costs at most one "
        "upstream call for each distinct order of the query, and two.",
    )

    @classmethod
    def is_type_of(cls, record: Any, _info: Any) -> bool:
        """Tell the records of the two node types apart: an order's has its own id."""
        return isinstance(record, dict) and not record.get("PhoneNumberOrderId")

    @classmethod
    def resolve_reference(
        cls,
        info: Info[RequestContext, None],
        id: str | None = None,  # noqa: A002  # The key's name in the schema.
        e164_phone_number: str | None = None,  # The key's name in the schema.
    ) -> Any:
        """The record of a key that a supergraph's router gives, or of both; None where the inventory has none."""
        given = (key_within(id, PHONE_NUMBER) if id else None, e164_phone_number)
        numbers = {read_e164(number) for number in given if number}
        if len(numbers) > 1:
            raise BadUserInput("The two keys name different phone numbers.")
        return info.context.phone_numbers.load(numbers.pop())
