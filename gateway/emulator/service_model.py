"""The two APIs: the values that each allows in requests and in records."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Api = Literal["chime", "chime-sdk-voice"]
OperationName = Literal["ListPhoneNumbers", "ListPhoneNumberOrders", "GetPhoneNumber", "GetPhoneNumberOrder"]
Record: TypeAlias = dict[str, object]

OPERATION_NAMES: tuple[OperationName, ...] = get_args(OperationName)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceModel:
    """The limits and enums of one API, from its reference and from botocore's service model."""

    api: Api
    max_results: int
    association_names: tuple[str, ...]
    product_types: tuple[str, ...]
    phone_number_statuses: tuple[str, ...]
    order_statuses: tuple[str, ...]
    # Orders of `chime` have no type, and its numbers have neither OrderId nor Name.
    order_types: tuple[str, ...] = ()


CHIME = ServiceModel(
    api="chime",
    max_results=99,
    association_names=("AccountId", "UserId", "VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"),
    product_types=("BusinessCalling", "VoiceConnector", "SipMediaApplicationDialIn"),
    phone_number_statuses=(
        "AcquireInProgress",
        "AcquireFailed",
        "Unassigned",
        "Assigned",
        "ReleaseInProgress",
        "DeleteInProgress",
        "ReleaseFailed",
        "DeleteFailed",
    ),
    order_statuses=("Processing", "Successful", "Failed", "Partial"),
)

CHIME_SDK_VOICE = ServiceModel(
    api="chime-sdk-voice",
    max_results=100,
    association_names=("VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"),
    product_types=("VoiceConnector", "SipMediaApplicationDialIn"),
    phone_number_statuses=(
        "Cancelled",
        "PortinCancelRequested",
        "PortinInProgress",
        *CHIME.phone_number_statuses,
    ),
    order_statuses=(
        *CHIME.order_statuses,
        "PendingDocuments",
        "Submitted",
        "FOC",
        "ChangeRequested",
        "Exception",
        "CancelRequested",
        "Cancelled",
    ),
    order_types=("New", "Porting"),
)

SERVICE_MODELS: dict[Api, ServiceModel] = {each.api: each for each in (CHIME, CHIME_SDK_VOICE)}
