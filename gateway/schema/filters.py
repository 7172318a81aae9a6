"""The filters of `phoneNumbers`, and what they are in AWS's words."""

import strawberry

from gateway.errors import BadUserInput
from gateway.schema.enums import PhoneNumberProductType, PhoneNumberStatus, aws_word
from gateway.upstream.services import MAX_ID_LENGTH, Service


@strawberry.federation.input(
    one_of=True, description="What the numbers must be associated with: exactly one of the fields."
)
class PhoneNumberAssociationFilter:
    """FilterName and FilterValue as one value, which cannot be half given."""

    account_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="An Amazon Chime account's id. chime only."
    )
    user_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="An Amazon Chime user's id. chime only."
    )
    voice_connector_id: str | None = strawberry.field(default=strawberry.UNSET, description="A Voice Connector's id.")
    voice_connector_group_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="A Voice Connector group's id."
    )
    sip_rule_id: str | None = strawberry.field(default=strawberry.UNSET, description="A SIP rule's id.")


@strawberry.input(description="Which phone numbers to list; all that is given must hold.")
class PhoneNumberFilter:
    """The filtering parameters of ListPhoneNumbers."""

    status: PhoneNumberStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Only numbers in this status."
    )
    product_type: PhoneNumberProductType | None = strawberry.field(
        default=strawberry.UNSET, description="Only numbers for this product."
    )
    association: PhoneNumberAssociationFilter | None = strawberry.field(
        default=strawberry.UNSET, description="Only numbers associated with this resource."
    )


def filter_parameters(given: PhoneNumberFilter | None, generation: Service) -> dict[str, str]:
    """ListPhoneNumbers' parameters for a filter.

    Raises: BadUserInput for UNKNOWN, and for what this generation of the API does not have. AWS would answer that with
    a 400, or, worse, with an empty list.
    """
    parameters: dict[str, str] = {}
    if not given:
        return parameters
    if given.status:
        parameters["Status"] = _known(aws_word(given.status), generation.phone_number_statuses, generation)
    if given.product_type:
        parameters["ProductType"] = _known(aws_word(given.product_type), generation.product_types, generation)
    if given.association:
        parameters |= association_parameters(*_the_one_given(given.association), generation)
    return parameters


def association_parameters(name: str, value: str, generation: Service) -> dict[str, str]:
    """FilterName and FilterValue.

    Raises: BadUserInput for a name that this generation does not have, or a value that no resource has.
    """
    if not 0 < len(value) <= MAX_ID_LENGTH:
        raise BadUserInput(f"An association's id has 1 to {MAX_ID_LENGTH} characters.")
    return {"FilterName": _known(name, generation.filter_names, generation), "FilterValue": value}


def _the_one_given(association: PhoneNumberAssociationFilter) -> tuple[str, str]:
    names = {
        "AccountId": association.account_id,
        "UserId": association.user_id,
        "VoiceConnectorId": association.voice_connector_id,
        "VoiceConnectorGroupId": association.voice_connector_group_id,
        "SipRuleId": association.sip_rule_id,
    }
    # @oneOf: GraphQL has seen to it that there is exactly one.
    return next((name, value) for name, value in names.items() if isinstance(value, str))


def _known(word: str, words: frozenset[str], generation: Service) -> str:
    if word not in words:
        raise BadUserInput(f"{word} does not exist in the upstream API in use, {generation.api}.")
    return word
