"""The resources that phone numbers are associated with. Other services own them, and each is a federation entity.

To add one, add its name to PhoneNumberAssociationName and declare it in ASSOCIATED_ENTITIES.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final, Union

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.errors import BadUserInput
from gateway.schema.connection import After, Before, Connection, First, Last, ListConnection
from gateway.schema.enums import PhoneNumberAssociationName, require_supported
from gateway.schema.field_cost import CONNECTION, PART_OF_RECORD
from gateway.schema.fields import record_field
from gateway.schema.scalars import DateTime
from gateway.schema.sources import phone_number_list
from gateway.upstream.records import AssociationRecord
from gateway.upstream.services import MAX_ID_LENGTH, Service

PhoneNumberConnection = Connection[Annotated["PhoneNumber", strawberry.lazy("gateway.schema.phone_number")]]  # type: ignore[name-defined]  # noqa: F821  # The two types hold each other.


class AssociatedEntity:
    """A type of resource that phone numbers can be associated with: its GraphQL type, key and filter.

    Attributes:
        filter_name: AWS's name of the association, and of the filter for it.
        key: The GraphQL field that holds the resource's id.
        noun: What a sentence calls the resource.
        only_chime: Whether the chime-sdk-voice API lacks it.
        type: The GraphQL type. It has the key and the list of the resource's phone numbers.
    """

    def __init__(
        self,
        association: PhoneNumberAssociationName,
        type_name: str,
        noun: str,
        description: str,
        *,
        only_chime: bool = False,
    ) -> None:
        self.association = association
        self.type_name = type_name
        self.filter_name = str(association.value)
        self.key = self.filter_name[0].lower() + self.filter_name[1:]
        self.noun = noun
        self.only_chime = only_chime
        self.type = self._create_type(description)

    def of(self, resource_id: str) -> Any:
        """Return the resource with an id. Whether it exists is not checked: its owner knows."""
        return self.type(**{self.key: strawberry.ID(resource_id)})

    @property
    def key_description(self) -> str:
        """The description of a field that holds the resource's id."""
        return f"The {self.noun}'s id.{' Only with the chime API.' if self.only_chime else ''}"

    def _create_type(self, description: str) -> Any:
        fields = {
            self.key: (strawberry.ID, strawberry.field(description=f"The {self.noun}'s id.")),
            "phone_numbers": (
                PhoneNumberConnection | None,
                strawberry.field(
                    resolver=_phone_numbers(self.filter_name, self.key),
                    description=f"The phone numbers of this {self.noun}. Null only if there is an error.",
                    directives=CONNECTION,
                ),
            ),
        }
        return strawberry.federation.type(class_of(self.type_name, fields), keys=[self.key], description=description)


def class_of(name: str, fields: dict[str, tuple[Any, Any]]) -> type:
    """Return a class for Strawberry to make a type of. Each field has an annotation and a value."""
    annotations = {key: annotation for key, (annotation, _) in fields.items()}
    values = {key: value for key, (_, value) in fields.items()}
    return type(name, (), {"__module__": __name__, "__annotations__": annotations, **values})


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
    ) -> Any:
        context = info.context
        filters = association_parameters(filter_name, getattr(root, key), context.upstream.service)
        source = phone_number_list(context, filters)
        return ListConnection(context, source, first=first, after=after, last=last, before=before)

    return phone_numbers


def association_parameters(filter_name: str, resource_id: str, service: Service) -> dict[str, str]:
    """Return the parameters FilterName and FilterValue of ListPhoneNumbers.

    Raises:
        BadUserInput: If the service lacks the filter, or if the id is empty or too long.
    """
    if not 0 < len(resource_id) <= MAX_ID_LENGTH:
        raise BadUserInput(
            f"The id of an associated resource must have 1 to {MAX_ID_LENGTH} characters; it has {len(resource_id)}."
        )
    require_supported(filter_name, service.filter_names, service)
    return {"FilterName": filter_name, "FilterValue": resource_id}


ASSOCIATED_ENTITIES: Final = (
    AssociatedEntity(
        PhoneNumberAssociationName.ACCOUNT_ID,
        "ChimeAccount",
        "account",
        "An Amazon Chime account. Only with the chime API.",
        only_chime=True,
    ),
    AssociatedEntity(
        PhoneNumberAssociationName.USER_ID,
        "ChimeUser",
        "user",
        "An Amazon Chime user. Only with the chime API.",
        only_chime=True,
    ),
    AssociatedEntity(
        PhoneNumberAssociationName.VOICE_CONNECTOR_ID,
        "VoiceConnector",
        "Voice Connector",
        "A Voice Connector: a SIP trunk.",
    ),
    AssociatedEntity(
        PhoneNumberAssociationName.VOICE_CONNECTOR_GROUP_ID,
        "VoiceConnectorGroup",
        "Voice Connector group",
        "A group of Voice Connectors. If one fails, another one takes its calls.",
    ),
    AssociatedEntity(
        PhoneNumberAssociationName.SIP_RULE_ID,
        "SipRule",
        "SIP rule",
        "A SIP rule, which routes calls to a SIP media application.",
    ),
)
_ENTITY_OF: Final = {entity.association: entity for entity in ASSOCIATED_ENTITIES}
_TARGET: Final[Any] = Annotated[
    Union[tuple(entity.type for entity in ASSOCIATED_ENTITIES)],  # noqa: UP007  # The operator takes no tuple.
    strawberry.union(
        "PhoneNumberAssociationTarget", description="A resource that a phone number can be associated with."
    ),
]


def _target(root: strawberry.Parent[Any]) -> Any:
    association: AssociationRecord = root
    entity = _ENTITY_OF.get(PhoneNumberAssociationName(association.get("Name")))
    resource_id = association.get("Value")
    return entity.of(resource_id) if entity and resource_id else None


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
        graphql_type=_TARGET | None,
        description="The resource itself. Null if its kind is newer than this gateway. No upstream call.",
        directives=[PART_OF_RECORD],
    )
