"""The two generations of the API that AWS has published, and where they differ for a caller."""

from dataclasses import dataclass
from typing import Final, Literal

Api = Literal["chime", "chime-sdk-voice"]

# Characters of an id that may be AWS's: its own are GUIDs and the like, of some forty.
MAX_ID_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One published API: its name in AWS's SDKs and the values its requests take."""

    api: Api
    # Rows a list call may ask for: ResultMax of the service's model.
    max_results: int
    default_region: str | None
    filter_names: frozenset[str]
    product_types: frozenset[str]
    phone_number_statuses: frozenset[str]


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
    api="chime",
    max_results=99,
    # The service lives in one region alone: service.chime.aws.amazon.com is us-east-1.
    default_region="us-east-1",
    filter_names=frozenset({"AccountId", "UserId", "VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"}),
    product_types=frozenset({"BusinessCalling", "VoiceConnector", "SipMediaApplicationDialIn"}),
    phone_number_statuses=_STATUSES,
)

CHIME_SDK_VOICE: Final = Service(
    api="chime-sdk-voice",
    max_results=100,
    default_region=None,
    filter_names=frozenset({"VoiceConnectorId", "VoiceConnectorGroupId", "SipRuleId"}),
    product_types=frozenset({"VoiceConnector", "SipMediaApplicationDialIn"}),
    phone_number_statuses=_STATUSES | {"Cancelled", "PortinCancelRequested", "PortinInProgress"},
)

SERVICES: Final[dict[Api, Service]] = {"chime": CHIME, "chime-sdk-voice": CHIME_SDK_VOICE}
