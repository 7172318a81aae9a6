"""PhoneNumber: a number in the account's inventory."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from gateway.errors import UpstreamBadResponse
from gateway.schema.associations import PhoneNumberAssociation
from gateway.schema.connection import Connection, facets_field
from gateway.schema.enums import CallingNameStatus, PhoneNumberProductType, PhoneNumberStatus, PhoneNumberType
from gateway.schema.facets import PhoneNumberFacets
from gateway.schema.field_cost import LOOKUP_OR_SHARED_WALK, PART_OF_RECORD, list_of
from gateway.schema.fields import TypeTest, link_field, parse_object, record_field
from gateway.schema.node import ID_DESCRIPTION, PHONE_NUMBER, Node, global_id
from gateway.schema.scalars import DateTime, E164PhoneNumber
from gateway.upstream.e164 import with_plus
from gateway.upstream.records import PhoneNumberRecord

if TYPE_CHECKING:  # The two types hold each other.
    from gateway.schema.phone_number_order import PhoneNumberOrder


@strawberry.type(description="The calls and messages that a phone number supports. Null means not known.")
class PhoneNumberCapabilities:
    """PhoneNumberCapabilities of both service models. Source: CapabilitiesRecord."""

    inbound_call: bool | None = record_field("InboundCall", description="Whether the number can receive calls.")
    outbound_call: bool | None = record_field("OutboundCall", description="Whether the number can make calls.")
    inbound_sms: bool | None = record_field(
        "InboundSMS", name="inboundSMS", description="Whether the number can receive text messages."
    )
    outbound_sms: bool | None = record_field(
        "OutboundSMS", name="outboundSMS", description="Whether the number can send text messages."
    )
    inbound_mms: bool | None = record_field(
        "InboundMMS", name="inboundMMS", description="Whether the number can receive multimedia messages."
    )
    outbound_mms: bool | None = record_field(
        "OutboundMMS", name="outboundMMS", description="Whether the number can send multimedia messages."
    )


def _with_order_id(record: PhoneNumberRecord) -> PhoneNumberRecord:
    """Return a record whose OrderId can be used.

    Raises:
        UpstreamBadResponse: If AWS sent another type. It nulls this one field.
    """
    order_id = record.get("OrderId")
    if order_id is not None and not isinstance(order_id, str):
        raise UpstreamBadResponse(None, detail=f"expected OrderId to be a string, got {type(order_id).__name__}")
    return record


@strawberry.federation.type(keys=["id", "e164PhoneNumber"], description="A phone number in the account's inventory.")
class PhoneNumber(Node):
    """PhoneNumber of both service models. Source: PhoneNumberRecord."""

    id: strawberry.ID = record_field(
        "E164PhoneNumber", lambda number: global_id(PHONE_NUMBER, with_plus(number)), description=ID_DESCRIPTION
    )
    phone_number_id: str = record_field(
        "PhoneNumberId", description="AWS's id of the number, in AWS's spelling, such as `%2B12065550100`."
    )
    e164_phone_number: E164PhoneNumber = record_field(
        "E164PhoneNumber", description="The number in E.164 format, such as `+12065550100`."
    )
    country: str | None = record_field(
        "Country", description="The country, as a two-letter code such as `US` (ISO 3166-1 alpha-2)."
    )
    type: PhoneNumberType | None = record_field("Type", PhoneNumberType, description="The kind of number.")
    product_type: PhoneNumberProductType | None = record_field(
        "ProductType", PhoneNumberProductType, description="The product that the number is for."
    )
    status: PhoneNumberStatus | None = record_field(
        "Status", PhoneNumberStatus, description="The number's state, such as in use or being deleted."
    )
    capabilities: PhoneNumberCapabilities | None = record_field(
        "Capabilities",
        parse_object,
        description="The calls and messages that the number supports.",
        directives=[PART_OF_RECORD],
    )
    associations: list[PhoneNumberAssociation] = record_field(
        "Associations",
        absent=(),
        description="The resources that use the number. Empty if none does.",
        # A number belongs to a Voice Connector, and at times to its group as well.
        directives=[PART_OF_RECORD, list_of(2)],
    )
    calling_name: str | None = record_field(
        "CallingName", description="The name that people see when the number calls them. Null if it has none."
    )
    calling_name_status: CallingNameStatus | None = record_field(
        "CallingNameStatus", CallingNameStatus, description="The state of the last update of the calling name."
    )
    name: str | None = record_field(
        "Name", description="The name that the account gave to the number. Only with the chime-sdk-voice API."
    )
    created_timestamp: DateTime | None = record_field("CreatedTimestamp", description="When the number was created.")
    updated_timestamp: DateTime | None = record_field(
        "UpdatedTimestamp", description="When the number was last changed."
    )
    deletion_timestamp: DateTime | None = record_field(
        "DeletionTimestamp",
        description="When the number will be deleted for good. Null unless it is in the deletion queue.",
    )
    order: Annotated["PhoneNumberOrder", strawberry.lazy("gateway.schema.phone_number_order")] | None = link_field(
        lambda context: context.orders_of_numbers,
        _with_order_id,
        description="The order that the number came with: the newest one that acquired it. Null if no order has "
        "the number. The chime-sdk-voice API names the order, so k distinct orders in one query cost at most k + 2 "
        "upstream calls. They cost up to k / 10 calls more if list pages held ten of them each and hold none of them "
        "now. The chime API does not name it, so the list of orders is read once for all numbers of a query, up to "
        "the page limit (20 upstream pages by default). If it is longer, the field of a number that was not found is "
        "null with the error PAGE_LIMIT_EXCEEDED.",
        cost=LOOKUP_OR_SHARED_WALK,
    )

    # An order has an order id, and a number's record has none.
    is_type_of = TypeTest("PhoneNumberOrderId", has_key=False)


@strawberry.type(description="One page of a list of phone numbers.")
class PhoneNumberConnection(Connection[PhoneNumber]):
    """A connection of phone numbers. Source: ListConnection."""

    facets: PhoneNumberFacets | None = facets_field("phone numbers")
