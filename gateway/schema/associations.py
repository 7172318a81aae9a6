"""What a phone number belongs to: accounts, users, connectors, groups and rules that other services own."""

from collections.abc import Callable
from typing import Annotated, Any

import strawberry
from strawberry.types.info import Info

from gateway.context import RequestContext
from gateway.schema.connection import After, Before, Connection, First, Last, ListConnection
from gateway.schema.enums import PhoneNumberAssociationName
from gateway.schema.field_cost import CONNECTION, PART_OF_RECORD
from gateway.schema.fields import record_field
from gateway.schema.filters import association_parameters
from gateway.schema.scalars import DateTime
from gateway.schema.sources import phone_number_list
from gateway.upstream.records import AssociationRecord

PhoneNumberConnection = Connection[Annotated["PhoneNumber", strawberry.lazy("gateway.schema.phone_number")]]  # type: ignore[name-defined]  # noqa: F821  # The two types hold each other.


def _phone_numbers(filter_name: str, key: str) -> Callable[..., Any]:
    """A resolver for the numbers that hold an association: ListPhoneNumbers with FilterName and FilterValue.

    Cost and faults: those of Query.phone_numbers; BadUserInput where the API in use has no such filter.
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
        filters = association_parameters(filter_name, getattr(root, key), context.upstream.generation)
        source = phone_number_list(context, filters)
        return ListConnection(context, source, first=first, after=after, last=last, before=before)

    return phone_numbers


@strawberry.federation.type(keys=["accountId"], description="An Amazon Chime account. chime only.")
class ChimeAccount:
    """An entity of another subgraph; ours is the list of its numbers."""

    account_id: strawberry.ID = strawberry.field(description="The account's id.")
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers("AccountId", "account_id"),
        description="The phone numbers of this account; null only with an error.",
        directives=CONNECTION,
    )

    @classmethod
    def resolve_reference(cls, account_id: str) -> "ChimeAccount":
        """The entity of a key that a supergraph's router gives."""
        return cls(account_id=strawberry.ID(account_id))


@strawberry.federation.type(keys=["userId"], description="An Amazon Chime user. chime only.")
class ChimeUser:
    """An entity of another subgraph; ours is the list of its numbers."""

    user_id: strawberry.ID = strawberry.field(description="The user's id.")
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers("UserId", "user_id"),
        description="The phone numbers of this user; null only with an error.",
        directives=CONNECTION,
    )

    @classmethod
    def resolve_reference(cls, user_id: str) -> "ChimeUser":
        """The entity of a key that a supergraph's router gives."""
        return cls(user_id=strawberry.ID(user_id))


@strawberry.federation.type(keys=["voiceConnectorId"], description="A Voice Connector: a SIP trunk.")
class VoiceConnector:
    """An entity of another subgraph; ours is the list of its numbers."""

    voice_connector_id: strawberry.ID = strawberry.field(description="The Voice Connector's id.")
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers("VoiceConnectorId", "voice_connector_id"),
        description="The phone numbers of this Voice Connector; null only with an error.",
        directives=CONNECTION,
    )

    @classmethod
    def resolve_reference(cls, voice_connector_id: str) -> "VoiceConnector":
        """The entity of a key that a supergraph's router gives."""
        return cls(voice_connector_id=strawberry.ID(voice_connector_id))


@strawberry.federation.type(
    keys=["voiceConnectorGroupId"], description="A group of Voice Connectors that stand in for each other."
)
class VoiceConnectorGroup:
    """An entity of another subgraph; ours is the list of its numbers."""

    voice_connector_group_id: strawberry.ID = strawberry.field(description="The group's id.")
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers("VoiceConnectorGroupId", "voice_connector_group_id"),
        description="The phone numbers of this group; null only with an error.",
        directives=CONNECTION,
    )

    @classmethod
    def resolve_reference(cls, voice_connector_group_id: str) -> "VoiceConnectorGroup":
        """The entity of a key that a supergraph's router gives."""
        return cls(voice_connector_group_id=strawberry.ID(voice_connector_group_id))


@strawberry.federation.type(keys=["sipRuleId"], description="A SIP rule, which leads calls to a SIP media application.")
class SipRule:
    """An entity of another subgraph; ours is the list of its numbers."""

    sip_rule_id: strawberry.ID = strawberry.field(description="The rule's id.")
    phone_numbers: PhoneNumberConnection | None = strawberry.field(
        resolver=_phone_numbers("SipRuleId", "sip_rule_id"),
        description="The phone numbers that this rule serves; null only with an error.",
        directives=CONNECTION,
    )

    @classmethod
    def resolve_reference(cls, sip_rule_id: str) -> "SipRule":
        """The entity of a key that a supergraph's router gives."""
        return cls(sip_rule_id=strawberry.ID(sip_rule_id))


PhoneNumberAssociationTarget = Annotated[
    ChimeAccount | ChimeUser | VoiceConnector | VoiceConnectorGroup | SipRule,
    strawberry.union(
        "PhoneNumberAssociationTarget", description="A resource that a phone number can be associated with."
    ),
]

_TARGETS: dict[PhoneNumberAssociationName, Callable[[str], Any]] = {
    PhoneNumberAssociationName.ACCOUNT_ID: ChimeAccount.resolve_reference,
    PhoneNumberAssociationName.USER_ID: ChimeUser.resolve_reference,
    PhoneNumberAssociationName.VOICE_CONNECTOR_ID: VoiceConnector.resolve_reference,
    PhoneNumberAssociationName.VOICE_CONNECTOR_GROUP_ID: VoiceConnectorGroup.resolve_reference,
    PhoneNumberAssociationName.SIP_RULE_ID: SipRule.resolve_reference,
}


def _target(root: strawberry.Parent[Any]) -> Any:
    association: AssociationRecord = root
    entity = _TARGETS.get(PhoneNumberAssociationName(association.get("Name")))
    value = association.get("Value")
    return entity(value) if entity and value else None


@strawberry.type(description="One thing that a phone number belongs to.")
class PhoneNumberAssociation:
    """PhoneNumberAssociation of both service models. Source: AssociationRecord."""

    name: PhoneNumberAssociationName = record_field(
        "Name",
        PhoneNumberAssociationName,
        absent=PhoneNumberAssociationName.UNKNOWN,
        description="What kind of resource it is.",
    )
    value: str = record_field("Value", description="The resource's id.")
    associated_timestamp: DateTime | None = record_field("AssociatedTimestamp", description="Since when.")
    target: PhoneNumberAssociationTarget | None = strawberry.field(
        resolver=_target,
        description="The resource itself; null for a kind newer than this gateway.",
        directives=[PART_OF_RECORD],
    )
