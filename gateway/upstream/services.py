"""The two AWS services that this gateway can call, and their differences for a caller."""

from dataclasses import dataclass
from typing import Final, Literal

Api = Literal["chime", "chime-sdk-voice"]

# Characters of the longest id that may be AWS's. AWS's own ids are GUIDs and similar, of about 40 characters.
MAX_ID_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A published AWS service.

    Attributes:
        name: Its name in AWS's SDKs.
        max_results: The most rows that a list call may request. Source: ResultMax of the service's model.
        default_region: The region to call if the AWS configuration names no region.
        filter_names: The values of FilterName in its requests.
        product_types: The values of ProductType in its requests.
        phone_number_statuses: The values of Status in its requests.
        names_orders: Whether a phone number's record names the order that it came with.
    """

    name: Api
    max_results: int
    default_region: str | None
    filter_names: frozenset[str]
    product_types: frozenset[str]
    phone_number_statuses: frozenset[str]
    names_orders: bool


_STATUSES: Final = frozenset(
    {
        "AcquireInProgress",
        "AcquireFailed",
        "Unassigned",
        "Assigned",
        "ReleaseInProgress",
        "DeleteInProgress",
        "ReleaseFailed",
        "DeleteFailed",
    }
)

CHIME: Final = Service(
    name="chime",
    max_results=99,
    # The service exists in one region only: service.chime.aws.amazon.com is us-east-1.
    default_region="us-east-1",
    filter_names=frozenset({"AccountId", "UserId", "VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"}),
    product_types=frozenset({"BusinessCalling", "VoiceConnector", "SipMediaApplicationDialIn"}),
    phone_number_statuses=_STATUSES,
    names_orders=False,
)

CHIME_SDK_VOICE: Final = Service(
    name="chime-sdk-voice",
    max_results=100,
    default_region=None,
    filter_names=frozenset({"VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"}),
    product_types=frozenset({"VoiceConnector", "SipMediaApplicationDialIn"}),
    phone_number_statuses=_STATUSES | {"Cancelled", "PortinCancelRequested", "PortinInProgress"},
    names_orders=True,
)

SERVICES: Final[dict[Api, Service]] = {"chime": CHIME, "chime-sdk-voice": CHIME_SDK_VOICE}
