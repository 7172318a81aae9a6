"""The kinds of resources that phone numbers are associated with. Other services own the resources.

To add a kind, add its name to PhoneNumberAssociationName and declare it in ASSOCIATED_RESOURCES.
"""

from dataclasses import dataclass
from typing import Any, Final

from gateway.schema.enums import PhoneNumberAssociationName


@dataclass(frozen=True, slots=True)
class AssociatedResource:
    """A kind of resource that phone numbers can be associated with.

    Attributes:
        association: The name of the association.
        type_name: The name of the GraphQL type.
        noun: The resource in a sentence.
        description: The description of the GraphQL type.
        only_chime: Whether the chime-sdk-voice API lacks it.
    """

    association: PhoneNumberAssociationName
    type_name: str
    noun: str
    description: str
    only_chime: bool = False

    @property
    def filter_name(self) -> str:
        """AWS's name of the association, and of the filter for it."""
        return str(self.association.value)

    @property
    def key(self) -> str:
        """The GraphQL field that holds the resource's id."""
        return self.filter_name[0].lower() + self.filter_name[1:]


def class_of(name: str, fields: dict[str, tuple[Any, Any]]) -> type:
    """Return a class for Strawberry to make a type of. Each field has an annotation and a value."""
    annotations = {key: annotation for key, (annotation, _) in fields.items()}
    values = {key: value for key, (_, value) in fields.items()}
    return type(name, (), {"__module__": __name__, "__annotations__": annotations, **values})


ASSOCIATED_RESOURCES: Final = (
    AssociatedResource(
        PhoneNumberAssociationName.ACCOUNT_ID,
        "ChimeAccount",
        "account",
        "An Amazon Chime account. Only with the chime API.",
        only_chime=True,
    ),
    AssociatedResource(
        PhoneNumberAssociationName.USER_ID,
        "ChimeUser",
        "user",
        "An Amazon Chime user. Only with the chime API.",
        only_chime=True,
    ),
    AssociatedResource(
        PhoneNumberAssociationName.VOICE_CONNECTOR_ID,
        "VoiceConnector",
        "Voice Connector",
        "A Voice Connector: a SIP trunk.",
    ),
    AssociatedResource(
        PhoneNumberAssociationName.VOICE_CONNECTOR_GROUP_ID,
        "VoiceConnectorGroup",
        "Voice Connector group",
        "A group of Voice Connectors. If one fails, another one takes its calls.",
    ),
    AssociatedResource(
        PhoneNumberAssociationName.SIP_RULE_ID,
        "SipRule",
        "SIP rule",
        "A SIP rule, which routes calls to a SIP media application.",
    ),
)
