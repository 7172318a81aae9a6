"""The enums of both AWS services. A value that AWS adds later becomes UNKNOWN, and does not fail the page."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Self

import strawberry

from gateway.errors import BadUserInput
from gateway.upstream.services import Service


class AwsEnum(Enum):
    """An enum whose values are AWS's words."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        # The sample in AWS's API reference has "Voice Connector" for VoiceConnector.
        bare = value.replace(" ", "") if isinstance(value, str) else None
        return next((member for member in cls if member.value == bare), cls["UNKNOWN"])


def names_of(kind: type[AwsEnum]) -> Callable[[object], str]:
    """Return a function that returns the name that the schema gives to AWS's word. Unknown words have the name UNKNOWN.

    Cost: 0.1 microseconds for a word. The lookup of the enum itself takes five times as long.
    """
    names = {member.value: member.name for member in kind}

    def name_of(word: object) -> str:
        name = names.get(word) if isinstance(word, str) else None
        return name or kind(word).name

    return name_of


def aws_word(member: AwsEnum) -> str:
    """Return AWS's word for a value in a request.

    Raises:
        BadUserInput: If the value is UNKNOWN, which AWS has no word for.
    """
    if member.name == "UNKNOWN":
        raise BadUserInput("UNKNOWN stands for values newer than this gateway, so you cannot filter by it.")
    return str(member.value)


def require_supported(word: str, supported: AbstractSet[str], service: Service) -> None:
    """Check that a service has a value.

    Raises:
        BadUserInput: If it does not.
    """
    if word not in supported:
        raise BadUserInput(f"The upstream API {service.name} does not support {word}.")


def _value(word: str, description: str) -> Any:
    return strawberry.enum_value(word, description=description)


def _unknown() -> Any:
    return strawberry.enum_value(
        "UNKNOWN", description="A value that AWS added after this gateway's release. It is an error in a filter."
    )


@strawberry.enum(description="The state of a phone number, from its purchase to its deletion.")
class PhoneNumberStatus(AwsEnum):
    """PhoneNumberStatus of both service models."""

    ACQUIRE_IN_PROGRESS = _value("AcquireInProgress", "The number is being acquired from the carrier.")
    ACQUIRE_FAILED = _value("AcquireFailed", "The number could not be acquired from the carrier.")
    UNASSIGNED = _value("Unassigned", "The number is in the inventory and is not in use.")
    ASSIGNED = _value("Assigned", "The number is in use. Its associations say by which resource.")
    RELEASE_IN_PROGRESS = _value("ReleaseInProgress", "The number is being returned to the carrier.")
    DELETE_IN_PROGRESS = _value("DeleteInProgress", "The number is in the deletion queue. It can still be restored.")
    RELEASE_FAILED = _value("ReleaseFailed", "The number could not be returned to the carrier.")
    DELETE_FAILED = _value("DeleteFailed", "The number could not be deleted.")
    CANCELLED = _value("Cancelled", "The number's order or port-in was cancelled. Only with the chime-sdk-voice API.")
    PORTIN_CANCEL_REQUESTED = _value(
        "PortinCancelRequested", "Cancellation of the port-in was requested. Only with the chime-sdk-voice API."
    )
    PORTIN_IN_PROGRESS = _value(
        "PortinInProgress", "The number is being ported in from another carrier. Only with the chime-sdk-voice API."
    )
    UNKNOWN = _unknown()


@strawberry.enum(description="The product that uses a phone number or an order.")
class PhoneNumberProductType(AwsEnum):
    """PhoneNumberProductType of both service models."""

    BUSINESS_CALLING = _value("BusinessCalling", "Amazon Chime Business Calling. Only with the chime API.")
    VOICE_CONNECTOR = _value("VoiceConnector", "Amazon Chime Voice Connector: SIP trunking.")
    SIP_MEDIA_APPLICATION_DIAL_IN = _value(
        "SipMediaApplicationDialIn", "Dial-in to a SIP media application, through a SIP rule."
    )
    UNKNOWN = _unknown()


@strawberry.enum(description="The kind of a phone number.")
class PhoneNumberType(AwsEnum):
    """PhoneNumberType of both service models."""

    LOCAL = _value("Local", "A number of a geographic area.")
    TOLL_FREE = _value("TollFree", "A number that is free to call.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The state of the last update of a phone number's calling name.")
class CallingNameStatus(AwsEnum):
    """CallingNameStatus of both service models."""

    UNASSIGNED = _value("Unassigned", "The number has no calling name.")
    UPDATE_IN_PROGRESS = _value("UpdateInProgress", "The new calling name is being sent to the carriers.")
    UPDATE_SUCCEEDED = _value("UpdateSucceeded", "The calling name is in effect.")
    UPDATE_FAILED = _value("UpdateFailed", "The new calling name was rejected.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The kind of resource that a phone number is associated with.")
class PhoneNumberAssociationName(AwsEnum):
    """PhoneNumberAssociationName of both service models."""

    ACCOUNT_ID = _value("AccountId", "An Amazon Chime account. Only with the chime API.")
    USER_ID = _value("UserId", "An Amazon Chime user. Only with the chime API.")
    VOICE_CONNECTOR_ID = _value("VoiceConnectorId", "A Voice Connector.")
    VOICE_CONNECTOR_GROUP_ID = _value("VoiceConnectorGroupId", "A Voice Connector group.")
    SIP_RULE_ID = _value("SipRuleId", "A SIP rule.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The state of an order of phone numbers.")
class PhoneNumberOrderStatus(AwsEnum):
    """PhoneNumberOrderStatus of both service models. Only orders that port numbers in have those after PARTIAL."""

    PROCESSING = _value("Processing", "The order is being processed.")
    SUCCESSFUL = _value("Successful", "All of the order's numbers were acquired.")
    FAILED = _value("Failed", "None of the order's numbers could be acquired.")
    PARTIAL = _value("Partial", "Some of the order's numbers were acquired.")
    PENDING_DOCUMENTS = _value(
        "PendingDocuments", "Documents for the port-in are missing. Only with the chime-sdk-voice API."
    )
    SUBMITTED = _value("Submitted", "The port-in was submitted to the carrier. Only with the chime-sdk-voice API.")
    FOC = _value("FOC", "The carrier has set a date for the port-in. See `focDate`. Only with the chime-sdk-voice API.")
    CHANGE_REQUESTED = _value(
        "ChangeRequested", "A change of the port-in was requested. Only with the chime-sdk-voice API."
    )
    EXCEPTION = _value("Exception", "The port-in has a problem. Only with the chime-sdk-voice API.")
    CANCEL_REQUESTED = _value(
        "CancelRequested", "Cancellation of the port-in was requested. Only with the chime-sdk-voice API."
    )
    CANCELLED = _value("Cancelled", "The order was cancelled. Only with the chime-sdk-voice API.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The kind of an order of phone numbers.")
class PhoneNumberOrderType(AwsEnum):
    """PhoneNumberOrderType of chime-sdk-voice."""

    NEW = _value("New", "An order of new numbers.")
    PORTING = _value("Porting", "An order that ports numbers in from another carrier.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The state of one number of an order.")
class OrderedPhoneNumberStatus(AwsEnum):
    """OrderedPhoneNumberStatus of both service models."""

    PROCESSING = _value("Processing", "The number is being acquired.")
    ACQUIRED = _value("Acquired", "The number was acquired.")
    FAILED = _value("Failed", "The number could not be acquired.")
    UNKNOWN = _unknown()
