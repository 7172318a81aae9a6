"""The enumerated values of both API generations. What AWS adds later is UNKNOWN, and loses no page."""

from enum import Enum
from typing import Any, Self, TypeVar

import strawberry

from gateway.errors import BadUserInput

E = TypeVar("E", bound="AwsEnum")


class AwsEnum(Enum):
    """An enumeration whose values are AWS's words."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        # The pages' own sample prints "Voice Connector" for VoiceConnector.
        bare = value.replace(" ", "") if isinstance(value, str) else None
        return next((member for member in cls if member.value == bare), cls["UNKNOWN"])


def aws_word(member: AwsEnum) -> str:
    """AWS's word for a value that a caller gave.

    Raises: BadUserInput for UNKNOWN, which AWS has no word for.
    """
    if member.name == "UNKNOWN":
        raise BadUserInput("UNKNOWN stands for values newer than this gateway; it cannot be asked for.")
    return str(member.value)


def _value(word: str, description: str) -> Any:
    return strawberry.enum_value(word, description=description)


def _unknown() -> Any:
    return strawberry.enum_value("UNKNOWN", description="A value newer than this gateway; refused as an input.")


@strawberry.enum(description="Where a phone number is in its life.")
class PhoneNumberStatus(AwsEnum):
    """PhoneNumberStatus of both service models."""

    ACQUIRE_IN_PROGRESS = _value("AcquireInProgress", "It is being acquired from the carrier.")
    ACQUIRE_FAILED = _value("AcquireFailed", "It could not be acquired from the carrier.")
    UNASSIGNED = _value("Unassigned", "It is in the inventory and nothing uses it.")
    ASSIGNED = _value("Assigned", "It is in use; see its associations.")
    RELEASE_IN_PROGRESS = _value("ReleaseInProgress", "It is being given back to the carrier.")
    DELETE_IN_PROGRESS = _value("DeleteInProgress", "It is in the deletion queue, from which it can be restored.")
    RELEASE_FAILED = _value("ReleaseFailed", "It could not be given back to the carrier.")
    DELETE_FAILED = _value("DeleteFailed", "It could not be deleted.")
    CANCELLED = _value("Cancelled", "Its order or port-in was cancelled. chime-sdk-voice only.")
    PORTIN_CANCEL_REQUESTED = _value(
        "PortinCancelRequested", "Cancelling its port-in has been asked for. chime-sdk-voice only."
    )
    PORTIN_IN_PROGRESS = _value("PortinInProgress", "It is being ported in from another carrier. chime-sdk-voice only.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The product that a phone number or an order is for.")
class PhoneNumberProductType(AwsEnum):
    """PhoneNumberProductType of both service models."""

    BUSINESS_CALLING = _value("BusinessCalling", "Amazon Chime Business Calling. chime only.")
    VOICE_CONNECTOR = _value("VoiceConnector", "Amazon Chime Voice Connector: SIP trunking.")
    SIP_MEDIA_APPLICATION_DIAL_IN = _value(
        "SipMediaApplicationDialIn", "Dialling in to a SIP media application, through a SIP rule."
    )
    UNKNOWN = _unknown()


@strawberry.enum(description="The kind of a phone number.")
class PhoneNumberType(AwsEnum):
    """PhoneNumberType of both service models."""

    LOCAL = _value("Local", "It belongs to a place.")
    TOLL_FREE = _value("TollFree", "Calls to it are free for the caller.")
    UNKNOWN = _unknown()


@strawberry.enum(description="Where an update of a phone number's outbound calling name stands.")
class CallingNameStatus(AwsEnum):
    """CallingNameStatus of both service models."""

    UNASSIGNED = _value("Unassigned", "It has no calling name.")
    UPDATE_IN_PROGRESS = _value("UpdateInProgress", "A new calling name is on its way to the carriers.")
    UPDATE_SUCCEEDED = _value("UpdateSucceeded", "The calling name is in effect.")
    UPDATE_FAILED = _value("UpdateFailed", "The new calling name was refused.")
    UNKNOWN = _unknown()


@strawberry.enum(description="What kind of resource an association names.")
class PhoneNumberAssociationName(AwsEnum):
    """PhoneNumberAssociationName of both service models."""

    ACCOUNT_ID = _value("AccountId", "An Amazon Chime account. chime only.")
    USER_ID = _value("UserId", "An Amazon Chime user. chime only.")
    VOICE_CONNECTOR_ID = _value("VoiceConnectorId", "A Voice Connector.")
    VOICE_CONNECTOR_GROUP_ID = _value("VoiceConnectorGroupId", "A Voice Connector group.")
    SIP_RULE_ID = _value("SipRuleId", "A SIP rule.")
    UNKNOWN = _unknown()


@strawberry.enum(description="Where a phone number order stands.")
class PhoneNumberOrderStatus(AwsEnum):
    """PhoneNumberOrderStatus of both service models; all past PARTIAL are of port-in orders."""

    PROCESSING = _value("Processing", "It is being worked on.")
    SUCCESSFUL = _value("Successful", "All of its numbers were acquired.")
    FAILED = _value("Failed", "None of its numbers was acquired.")
    PARTIAL = _value("Partial", "Some of its numbers were acquired.")
    PENDING_DOCUMENTS = _value("PendingDocuments", "Documents are missing for the port-in. chime-sdk-voice only.")
    SUBMITTED = _value("Submitted", "The port-in was handed to the carrier. chime-sdk-voice only.")
    FOC = _value("FOC", "The carrier has set a date for the port-in; see focDate. chime-sdk-voice only.")
    CHANGE_REQUESTED = _value("ChangeRequested", "A change of the port-in was asked for. chime-sdk-voice only.")
    EXCEPTION = _value("Exception", "The port-in met a problem. chime-sdk-voice only.")
    CANCEL_REQUESTED = _value("CancelRequested", "Cancelling was asked for. chime-sdk-voice only.")
    CANCELLED = _value("Cancelled", "It was cancelled. chime-sdk-voice only.")
    UNKNOWN = _unknown()


@strawberry.enum(description="The kind of a phone number order.")
class PhoneNumberOrderType(AwsEnum):
    """PhoneNumberOrderType of chime-sdk-voice."""

    NEW = _value("New", "It asks for new numbers.")
    PORTING = _value("Porting", "It brings numbers in from another carrier.")
    UNKNOWN = _unknown()


@strawberry.enum(description="Where one number of an order stands.")
class OrderedPhoneNumberStatus(AwsEnum):
    """OrderedPhoneNumberStatus of both service models."""

    PROCESSING = _value("Processing", "It is being acquired.")
    ACQUIRED = _value("Acquired", "It was acquired.")
    FAILED = _value("Failed", "It could not be acquired.")
    UNKNOWN = _unknown()
