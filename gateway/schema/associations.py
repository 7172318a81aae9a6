"""The associations of phone numbers. Each kind of associated resource is a federation entity."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Union

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.schema.associated_resources import ASSOCIATED_RESOURCES, AssociatedResource, class_of
from gateway.schema.connection import After, Before, First, Last, ListConnection
from gateway.schema.enums import PhoneNumberAssociationName
from gateway.schema.field_cost import CONNECTION, PART_OF_RECORD
from gateway.schema.fields import record_field
from gateway.schema.filter_conditions import association_parameters, phone_number_list_filter
from gateway.schema.filters import PhoneNumberFilterArgument
from gateway.schema.resolvers import resolver_field
from gateway.schema.scalars import DateTime
from gateway.schema.semantic_nullability import NULL_ONLY_IF_ERROR
from gateway.schema.sort import PhoneNumberSortArgument, sort_order_of
from gateway.schema.sources import phone_number_list
from gateway.upstream.records import AssociationRecord

_PhoneNumberConnection: Final[Any] = Annotated["PhoneNumberConnection", strawberry.lazy("gateway.schema.phone_number")]  # noqa: F821  # The two types hold each other.


class AssociatedEntity:
    """The GraphQL type of a kind of resource, with its key and the list of its phone numbers."""

    def __init__(self, resource: AssociatedResource) -> None:
        self.association = resource.association
        self.type_name = resource.type_name
        self.key = resource.key
        self.type = _create_type(resource)

    def of(self, resource_id: str) -> Any:
        """Return the resource with an id. Whether it exists is not checked: its owner knows."""
        return self.type(**{self.key: strawberry.ID(resource_id)})


def _create_type(resource: AssociatedResource) -> Any:
    fields = {
        resource.key: (strawberry.ID, strawberry.field(description=f"The {resource.noun}'s id.")),
        "phone_numbers": (
            _PhoneNumberConnection | None,
            resolver_field(
                _phone_numbers(resource.filter_name, resource.key),
                description=f"The phone numbers of this {resource.noun}. Null only if there is an error.",
                directives=[*CONNECTION, NULL_ONLY_IF_ERROR],
            ),
        ),
    }
    return strawberry.federation.type(
        class_of(resource.type_name, fields), keys=[resource.key], description=resource.description
    )


def _phone_numbers(filter_name: str, key: str) -> Callable[..., Any]:
    """Return a resolver for the numbers that have an association. It calls ListPhoneNumbers with this FilterName.

    Cost and errors are those of Query.phone_numbers. The resolver raises BadUserInput if the API lacks the filter.
    """

    def phone_numbers(
        root: strawberry.Parent[Any],
        info: Info[RequestContext, None],
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter: PhoneNumberFilterArgument = strawberry.UNSET,  # noqa: A002  # The argument's name in the schema.
        sort: PhoneNumberSortArgument = strawberry.UNSET,
    ) -> Any:
        context = info.context
        service = context.upstream.service
        association = association_parameters(filter_name, getattr(root, key), service)
        source = phone_number_list(context, phone_number_list_filter(filter, service, association), sort_order_of(sort))
        return ListConnection(context, source, first=first, after=after, last=last, before=before)

    return phone_numbers


ASSOCIATED_ENTITIES: Final = tuple(AssociatedEntity(resource) for resource in ASSOCIATED_RESOURCES)
_ENTITY_OF: Final = {entity.association: entity for entity in ASSOCIATED_ENTITIES}
ASSOCIATION_TARGET: Final[Any] = Annotated[
    Union[tuple(entity.type for entity in ASSOCIATED_ENTITIES)],  # noqa: UP007  # The operator takes no tuple.
    strawberry.union(
        "PhoneNumberAssociationTarget", description="A resource that a phone number can be associated with."
    ),
]


def target_of(name: PhoneNumberAssociationName, resource_id: str | None) -> Any:
    """Return the resource of an association, or None if the association names none, or one of a newer kind."""
    entity = _ENTITY_OF.get(name)
    return entity.of(resource_id) if entity and resource_id else None


def _target(root: strawberry.Parent[Any]) -> Any:
    association: AssociationRecord = root
    return target_of(PhoneNumberAssociationName(association.get("Name")), association.get("Value"))


@strawberry.type(description="A link from a phone number to a resource that uses it.")
class PhoneNumberAssociation:
    """PhoneNumberAssociation of both service models. Source: AssociationRecord."""

    name: PhoneNumberAssociationName = record_field(
        "Name",
        PhoneNumberAssociationName,
        absent=PhoneNumberAssociationName.UNKNOWN,
        description="The kind of resource.",
    )
    value: str = record_field("Value", description="The resource's id.")
    associated_timestamp: DateTime | None = record_field(
        "AssociatedTimestamp", description="When the number was associated with the resource."
    )
    target: Any = strawberry.field(
        resolver=_target,
        graphql_type=ASSOCIATION_TARGET | None,
        description="The resource itself. Null if its kind is newer than this gateway. No upstream call.",
        directives=[PART_OF_RECORD],
    )
