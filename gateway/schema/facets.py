"""The facets of the lists: how many rows have each value. Their fields count the records of the whole list."""

from collections.abc import Callable
from typing import Any, Final

import strawberry

from gateway.listing.facet_counts import count_kinds, count_resources, count_values
from gateway.listing.record_values import Reader, name_reader, text_reader
from gateway.schema.associations import ASSOCIATION_TARGET, target_of
from gateway.schema.enums import (
    AwsEnum,
    CallingNameStatus,
    PhoneNumberAssociationName,
    PhoneNumberOrderStatus,
    PhoneNumberOrderType,
    PhoneNumberProductType,
    PhoneNumberStatus,
    PhoneNumberType,
    names_of,
)
from gateway.schema.field_cost import PART_OF_RECORD, list_of

# The most resources of a `resource` facet. A page of a filter's choices shows fewer, and an account may have thousands.
MAX_RESOURCES: Final = 100

_name_of_kind: Final = names_of(PhoneNumberAssociationName)


@strawberry.type(description="A value, and the number of rows that have it.")
class FacetCount:
    """A count of one value."""

    value: str = strawberry.field(
        description="The name of an enum's value, such as `ASSIGNED`, or a country, such as `US`."
    )
    count: int = strawberry.field(description="The number of rows with this value.")


def _target(root: strawberry.Parent[Any]) -> Any:
    return target_of(root.name, root.value)


@strawberry.type(description="A resource, and the number of phone numbers that are associated with it.")
class ResourceFacetCount:
    """A count of one associated resource."""

    name: PhoneNumberAssociationName = strawberry.field(description="The kind of resource.")
    value: str = strawberry.field(description="The resource's id.")
    count: int = strawberry.field(description="The number of phone numbers that are associated with the resource.")
    target: Any = strawberry.field(
        resolver=_target,
        graphql_type=ASSOCIATION_TARGET | None,
        description="The resource itself. Null if its kind is newer than this gateway. No upstream call.",
        directives=[PART_OF_RECORD],
    )


def _resolver(count: Callable[[Any], list[tuple[str, int]]]) -> Callable[..., Any]:
    def resolve(root: strawberry.Parent[Any]) -> Any:
        return [FacetCount(value=value, count=number) for value, number in count(root)]

    return resolve


def _facet(count: Callable[[Any], list[tuple[str, int]]], description: str, *, usual_size: int) -> Any:
    return strawberry.field(
        resolver=_resolver(count), description=description, directives=[PART_OF_RECORD, list_of(usual_size)]
    )


def _value_facet(read: Reader, description: str, *, usual_size: int) -> Any:
    return _facet(lambda records: count_values(records, read), description, usual_size=usual_size)


def _enum_facet(key: str, kind: type[AwsEnum], description: str) -> Any:
    return _value_facet(name_reader(key, names_of(kind)), description, usual_size=len(kind))


def _resources(root: strawberry.Parent[Any]) -> Any:
    return [
        ResourceFacetCount(name=PhoneNumberAssociationName[resource.name], value=resource.value, count=number)
        for resource, number in count_resources(root, _name_of_kind, limit=MAX_RESOURCES)
    ]


@strawberry.type(
    description="How many phone numbers of the list have each value. Each facet has the most frequent value first, and "
    "values with the same count in the order of the value. Nulls are not counted."
)
class PhoneNumberFacets:
    """The facets of a list of phone numbers. Their source is the list's records."""

    status: list[FacetCount] = _enum_facet("Status", PhoneNumberStatus, "Numbers by status, such as `ASSIGNED`.")
    product_type: list[FacetCount] = _enum_facet(
        "ProductType", PhoneNumberProductType, "Numbers by product, such as `VOICE_CONNECTOR`."
    )
    type: list[FacetCount] = _enum_facet("Type", PhoneNumberType, "Numbers by kind, such as `TOLL_FREE`.")
    # Accounts have numbers of a few countries.
    country: list[FacetCount] = _value_facet(text_reader("Country"), "Numbers by country, such as `US`.", usual_size=10)
    calling_name_status: list[FacetCount] = _enum_facet(
        "CallingNameStatus", CallingNameStatus, "Numbers by the state of their calling name, such as `UPDATE_FAILED`."
    )
    association: list[FacetCount] = _facet(
        lambda records: count_kinds(records, _name_of_kind),
        "Numbers by the kind of resource that they are associated with, such as `VOICE_CONNECTOR_ID`. A number counts "
        "once for each kind.",
        usual_size=len(PhoneNumberAssociationName),
    )
    resource: list[ResourceFacetCount] = strawberry.field(
        resolver=_resources,
        description=f"Numbers by Voice Connector, group, SIP rule, account and user: the {MAX_RESOURCES} with the most "
        "numbers.",
        directives=[PART_OF_RECORD, list_of(MAX_RESOURCES)],
    )


@strawberry.type(
    description="How many orders of the list have each value. Each facet has the most frequent value first, and values "
    "with the same count in the order of the value. Nulls are not counted."
)
class PhoneNumberOrderFacets:
    """The facets of a list of orders. Their source is the list's records."""

    status: list[FacetCount] = _enum_facet("Status", PhoneNumberOrderStatus, "Orders by status, such as `PROCESSING`.")
    product_type: list[FacetCount] = _enum_facet(
        "ProductType", PhoneNumberProductType, "Orders by product, such as `VOICE_CONNECTOR`."
    )
    order_type: list[FacetCount] = _enum_facet(
        "OrderType", PhoneNumberOrderType, "Orders by kind, such as `PORTING`. The chime API reports no kind."
    )
