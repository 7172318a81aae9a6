"""The sort arguments of the lists, and their translation into an order of records."""

from enum import Enum
from typing import Annotated, Any, Final

import strawberry

from gateway.listing.record_values import Reader, instant_reader, name_reader, text_reader
from gateway.paging.sort_order import SortOrder
from gateway.schema.enums import PhoneNumberOrderStatus, PhoneNumberStatus, names_of
from gateway.schema.field_cost import WHOLE_LIST
from gateway.upstream.records import e164_of


@strawberry.enum(description="The direction of a sort. Rows without a value are last in both directions.")
class SortDirection(Enum):
    """The direction of a sort."""

    ASC = strawberry.enum_value("ASC", description="Ascending: A before B, and the oldest first.")
    DESC = strawberry.enum_value("DESC", description="Descending: B before A, and the newest first.")


@strawberry.enum(description="The field by which phone numbers are sorted.")
class PhoneNumberSortField(Enum):
    """The field by which phone numbers are sorted."""

    E164_PHONE_NUMBER = strawberry.enum_value(
        "E164_PHONE_NUMBER", description="By `e164PhoneNumber`, as text: `+12` is before `+2`."
    )
    COUNTRY = strawberry.enum_value("COUNTRY", description="By `country`, as text.")
    STATUS = strawberry.enum_value(
        "STATUS", description="By `status`, by the names of its values as this schema has them."
    )
    CALLING_NAME = strawberry.enum_value(
        "CALLING_NAME", description="By `callingName`, as text: upper case is before lower case."
    )
    CREATED_TIMESTAMP = strawberry.enum_value("CREATED_TIMESTAMP", description="By `createdTimestamp`.")
    UPDATED_TIMESTAMP = strawberry.enum_value("UPDATED_TIMESTAMP", description="By `updatedTimestamp`.")


@strawberry.enum(description="The field by which orders are sorted.")
class PhoneNumberOrderSortField(Enum):
    """The field by which orders are sorted."""

    STATUS = strawberry.enum_value(
        "STATUS", description="By `status`, by the names of its values as this schema has them."
    )
    CREATED_TIMESTAMP = strawberry.enum_value("CREATED_TIMESTAMP", description="By `createdTimestamp`.")
    UPDATED_TIMESTAMP = strawberry.enum_value("UPDATED_TIMESTAMP", description="By `updatedTimestamp`.")


def _direction() -> Any:
    return strawberry.field(
        default=SortDirection.ASC, description="Ascending or descending. Rows without a value are last in both."
    )


@strawberry.input(
    description="The order of a list of phone numbers. Numbers with the same value are in the order of "
    "`e164PhoneNumber`, ascending, and those without a value are last. Example: the newest numbers first are "
    "`{ field: CREATED_TIMESTAMP, direction: DESC }`."
)
class PhoneNumberSort:
    """The order of a list of phone numbers."""

    field: PhoneNumberSortField = strawberry.field(description="The field to sort by, such as `CALLING_NAME`.")
    direction: SortDirection = _direction()


@strawberry.input(
    description="The order of a list of orders. Orders with the same value are in the order of `phoneNumberOrderId`, "
    "ascending, and those without a value are last. Example: the orders that changed last first are "
    "`{ field: UPDATED_TIMESTAMP, direction: DESC }`."
)
class PhoneNumberOrderSort:
    """The order of a list of orders."""

    field: PhoneNumberOrderSortField = strawberry.field(description="The field to sort by, such as `STATUS`.")
    direction: SortDirection = _direction()


_COST: Final = (
    "The gateway reads the whole list for each page, up to its page limit (20 upstream pages by default). Beyond it, "
    "the list is null with the error PAGE_LIMIT_EXCEEDED. While AWS's responses are cached, further pages cost no call."
)
PhoneNumberSortArgument = Annotated[
    PhoneNumberSort | None,
    strawberry.argument(
        description=f"The order of the numbers. Without it, they are in AWS's own order. {_COST}",
        directives=[WHOLE_LIST],
    ),
]
PhoneNumberOrderSortArgument = Annotated[
    PhoneNumberOrderSort | None,
    strawberry.argument(
        description=f"The order of the orders. Without it, they are in AWS's own order. {_COST}",
        directives=[WHOLE_LIST],
    ),
]

_READERS: Final[dict[PhoneNumberSortField | PhoneNumberOrderSortField, Reader]] = {
    PhoneNumberSortField.E164_PHONE_NUMBER: e164_of,
    PhoneNumberSortField.COUNTRY: text_reader("Country"),
    PhoneNumberSortField.STATUS: name_reader("Status", names_of(PhoneNumberStatus)),
    PhoneNumberSortField.CALLING_NAME: text_reader("CallingName"),
    PhoneNumberSortField.CREATED_TIMESTAMP: instant_reader("CreatedTimestamp"),
    PhoneNumberSortField.UPDATED_TIMESTAMP: instant_reader("UpdatedTimestamp"),
    PhoneNumberOrderSortField.STATUS: name_reader("Status", names_of(PhoneNumberOrderStatus)),
    PhoneNumberOrderSortField.CREATED_TIMESTAMP: instant_reader("CreatedTimestamp"),
    PhoneNumberOrderSortField.UPDATED_TIMESTAMP: instant_reader("UpdatedTimestamp"),
}


def sort_order_of(given: PhoneNumberSort | PhoneNumberOrderSort | None) -> SortOrder[Any] | None:
    """Return the order of records that a sort argument requests, or None for the list's own order.

    Unknown values of an enum have the name UNKNOWN, which is also the value that the response shows.
    """
    if not given:
        return None
    is_descending = given.direction is SortDirection.DESC
    return SortOrder(f"{given.field.name} {given.direction.name}", _READERS[given.field], is_descending)
