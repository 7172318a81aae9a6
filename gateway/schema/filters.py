"""The filter arguments of the lists. gateway.schema.filter_conditions says which part of them AWS applies.

The costs follow the same division. A condition that the gateway checks costs as much as reading the whole list.
"""

from typing import Annotated, Any, Final

import strawberry
from strawberry.federation.schema_directives import Cost

from gateway.schema.associated_resources import ASSOCIATED_RESOURCES, class_of
from gateway.schema.enums import (
    CallingNameStatus,
    OrderedPhoneNumberStatus,
    PhoneNumberOrderStatus,
    PhoneNumberOrderType,
    PhoneNumberProductType,
    PhoneNumberStatus,
    PhoneNumberType,
)
from gateway.schema.field_cost import WHOLE_LIST, WHOLE_LIST_FOR_SEVERAL
from gateway.schema.scalars import DateTime, E164PhoneNumber


def _condition(description: str, *, name: str | None = None, cost: Cost | None = None) -> Any:
    directives = [] if cost is None else [cost]
    return strawberry.field(name=name, default=strawberry.UNSET, description=description, directives=directives)


def _checked_here(description: str) -> Any:
    """Declare a condition that AWS does not offer, at the cost of reading the whole list."""
    return _condition(description, cost=WHOLE_LIST)


_ASSOCIATION_FIELDS: Final = {
    resource.key: (
        str | None,
        _condition(
            f"The {resource.noun}'s id, such as `abcdef1ghij2`."
            f"{' Only with the chime API.' if resource.only_chime else ''}"
        ),
    )
    for resource in ASSOCIATED_RESOURCES
}
# AWS's FilterName and FilterValue as one value, so that neither can be missing.
_AssociationFilter: Final[Any] = strawberry.federation.input(
    class_of("PhoneNumberAssociationFilter", _ASSOCIATION_FIELDS),
    one_of=True,
    description='The resource that the numbers are associated with, such as `{ voiceConnectorId: "abcdef1ghij2" }`. '
    "Set exactly one field.",
)


@strawberry.input(
    description="A period of time. `from` belongs to it and `before` does not, so periods can follow each other. "
    'Example: all of 2026 is `{ from: "2026-01-01T00:00:00Z", before: "2027-01-01T00:00:00Z" }`.'
)
class DateTimeRange:
    """A period between two points in time. Each may be missing."""

    from_: DateTime | None = _condition(
        "The start of the period, which belongs to it, such as `2026-01-01T00:00:00Z`. Without it, the period has no "
        "start.",
        name="from",
    )
    before: DateTime | None = _condition(
        "The end of the period, which does not belong to it, such as `2027-01-01T00:00:00Z`. Without it, the period "
        "has no end."
    )


@strawberry.input(
    description="The capabilities that the numbers have or lack. `false` matches numbers without the capability, and "
    "numbers if AWS does not report it. Example: text messages without multimedia messages are "
    "`{ outboundSMS: true, outboundMMS: false }`."
)
class PhoneNumberCapabilitiesFilter:
    """A value for some of the capabilities. Its fields are those of PhoneNumberCapabilities."""

    inbound_call: bool | None = _condition("`true` for numbers that can receive calls, `false` for those that cannot.")
    outbound_call: bool | None = _condition("`true` for numbers that can make calls, `false` for those that cannot.")
    inbound_sms: bool | None = _condition(
        "`true` for numbers that can receive text messages, `false` for those that cannot.", name="inboundSMS"
    )
    outbound_sms: bool | None = _condition(
        "`true` for numbers that can send text messages, `false` for those that cannot.", name="outboundSMS"
    )
    inbound_mms: bool | None = _condition(
        "`true` for numbers that can receive multimedia messages, `false` for those that cannot.", name="inboundMMS"
    )
    outbound_mms: bool | None = _condition(
        "`true` for numbers that can send multimedia messages, `false` for those that cannot.", name="outboundMMS"
    )


@strawberry.input(
    description="Which phone numbers to list. A number must match every field that is set, and null means not set. AWS "
    "applies `status`, `productType` and `association`, and a `statusIn` with one value. The gateway applies the other "
    "fields to the pages that it reads, up to its page limit (20 upstream pages by default). At the limit, a page has "
    "the numbers found so far, and `hasNextPage` is true: continue after `endCursor`. Example: the toll-free numbers "
    "that are not in use are `{ status: UNASSIGNED, type: TOLL_FREE }`."
)
class PhoneNumberFilter:
    """The conditions of a list of phone numbers. All of them hold together."""

    status: PhoneNumberStatus | None = _condition(
        "Only numbers with this status, such as `UNASSIGNED`. AWS applies it."
    )
    product_type: PhoneNumberProductType | None = _condition(
        "Only numbers for this product, such as `VOICE_CONNECTOR`. AWS applies it."
    )
    association: Any = strawberry.field(
        graphql_type=_AssociationFilter | None,
        default=strawberry.UNSET,
        description='Only numbers that are associated with this resource, such as `{ sipRuleId: "abcdef1ghij2" }`. '
        "AWS applies it. In the list of a resource it is an error.",
    )
    status_in: list[PhoneNumberStatus] | None = _condition(
        "Only numbers with one of these statuses, such as `[ASSIGNED, UNASSIGNED]`. An empty list matches nothing. AWS "
        "applies a list of one status.",
        cost=WHOLE_LIST_FOR_SEVERAL,
    )
    type: PhoneNumberType | None = _checked_here("Only numbers of this kind, such as `TOLL_FREE`.")
    country: str | None = _checked_here(
        "Only numbers of this country: a code of two letters (ISO 3166-1 alpha-2), in any case, such as `US`."
    )
    e164_starts_with: str | None = _checked_here(
        "Only numbers that start with these digits: the country code first, with or without `+`, such as `+1206`."
    )
    search: str | None = _checked_here(
        "Only numbers with this text in their digits, their name or their calling name, in any case. It has at least 2 "
        "characters. Spaces, `+`, `-`, `(` and `)` do not matter for the digits: `(206) 555` finds `+12065550100`."
    )
    has_calling_name: bool | None = _checked_here(
        "`true` lists only numbers with a calling name, `false` only numbers without one."
    )
    calling_name_status: CallingNameStatus | None = _checked_here(
        "Only numbers whose calling name has this status, such as `UPDATE_FAILED`."
    )
    capabilities: PhoneNumberCapabilitiesFilter | None = _checked_here(
        "Only numbers with these capabilities, such as `{ outboundSMS: true, outboundMMS: false }`."
    )
    associated: bool | None = _checked_here(
        "`true` lists only numbers with an association, `false` only numbers without one."
    )
    created: DateTimeRange | None = _checked_here(
        'Only numbers that were created in this period, such as `{ from: "2026-11-01T00:00:00Z" }`.'
    )
    updated: DateTimeRange | None = _checked_here(
        'Only numbers that were last changed in this period, such as `{ before: "2026-01-01T00:00:00Z" }`.'
    )
    deletion: DateTimeRange | None = _checked_here(
        "Only numbers that will be deleted for good in this period, such as "
        '`{ before: "2026-12-01T00:00:00Z" }`. They are in the deletion queue.'
    )


@strawberry.input(
    description="Which orders to list. An order must match every field that is set, and null means not set. AWS has "
    "no filter for orders, so the gateway applies all fields to the pages that it reads, up to its page limit (20 "
    "upstream pages by default). At the limit, a page has the orders found so far, and `hasNextPage` is true: continue "
    "after `endCursor`. Example: the orders in progress are `{ status: PROCESSING }`."
)
class PhoneNumberOrderFilter:
    """The conditions of a list of orders. All of them hold together."""

    status: PhoneNumberOrderStatus | None = _checked_here("Only orders with this status, such as `PROCESSING`.")
    status_in: list[PhoneNumberOrderStatus] | None = _checked_here(
        "Only orders with one of these statuses, such as `[FAILED, PARTIAL]`. An empty list matches nothing."
    )
    product_type: PhoneNumberProductType | None = _checked_here(
        "Only orders for this product, such as `VOICE_CONNECTOR`."
    )
    order_type: PhoneNumberOrderType | None = _checked_here(
        "Only orders of this kind, such as `PORTING`. The chime API reports no kind, so there it matches nothing."
    )
    e164_phone_number: E164PhoneNumber | None = _checked_here(
        "Only orders that contain this number, such as `+12065550100`."
    )
    ordered_phone_number_status: OrderedPhoneNumberStatus | None = _checked_here(
        "Only orders with at least one number in this state, such as `FAILED`."
    )
    created: DateTimeRange | None = _checked_here(
        'Only orders that were placed in this period, such as `{ from: "2026-11-01T00:00:00Z" }`.'
    )
    updated: DateTimeRange | None = _checked_here(
        'Only orders that were last changed in this period, such as `{ before: "2026-01-01T00:00:00Z" }`.'
    )


PhoneNumberFilterArgument = Annotated[
    PhoneNumberFilter | None, strawberry.argument(description="Which numbers to list. Without it, all of them.")
]
PhoneNumberOrderFilterArgument = Annotated[
    PhoneNumberOrderFilter | None, strawberry.argument(description="Which orders to list. Without it, all of them.")
]
