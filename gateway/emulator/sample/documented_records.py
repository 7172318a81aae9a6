"""The records of the sample responses in AWS's API reference of ListPhoneNumbers and ListPhoneNumberOrders."""

from gateway.emulator.service_model import Record, ServiceModel

_CAPABILITIES = dict.fromkeys(
    ("InboundCall", "InboundMMS", "InboundSMS", "OutboundCall", "OutboundMMS", "OutboundSMS"), True
)
_VOICE_CONNECTOR = "abcdef1ghij2klmno3pqr4"
_ORDER_ID = "abc12345-de67-89f0-123g-h45i678j9012"

# The documented numbers have no Country, and their product type has a space.
_PHONE_NUMBERS: tuple[Record, ...] = (
    {
        "Associations": [
            {
                "AssociatedTimestamp": "2019-10-28T18:40:37.453Z",
                "Name": "VoiceConnectorId",
                "Value": _VOICE_CONNECTOR,
            }
        ],
        "CallingName": None,
        "CallingNameStatus": "UpdateInProgress",
        "Capabilities": _CAPABILITIES,
        "CreatedTimestamp": "2019-08-12T22:10:20.521Z",
        "DeletionTimestamp": None,
        "E164PhoneNumber": "+12065550100",
        "PhoneNumberId": "%2B12065550100",
        "ProductType": "Voice Connector",
        "Status": "Assigned",
        "Type": "Local",
        "UpdatedTimestamp": "2019-10-28T18:42:07.964Z",
    },
    {
        "Associations": [
            {
                "AssociatedTimestamp": "2019-10-28T18:40:37.511Z",
                "Name": "VoiceConnectorId",
                "Value": _VOICE_CONNECTOR,
            }
        ],
        "CallingName": None,
        "CallingNameStatus": "UpdateInProgress",
        "Capabilities": _CAPABILITIES,
        "CreatedTimestamp": "2019-08-12T22:10:20.521Z",
        "DeletionTimestamp": None,
        "E164PhoneNumber": "+12065550101",
        "PhoneNumberId": "%2B12065550101",
        "ProductType": "Voice Connector",
        "Status": "Assigned",
        "Type": "Local",
        "UpdatedTimestamp": "2019-10-28T18:42:07.960Z",
    },
    {
        "Associations": [],
        "CallingName": None,
        "CallingNameStatus": "Unassigned",
        "Capabilities": _CAPABILITIES,
        "CreatedTimestamp": "2019-08-09T21:35:21.445Z",
        "DeletionTimestamp": None,
        "E164PhoneNumber": "+12065550102",
        "PhoneNumberId": "%2B12065550102",
        "ProductType": "Voice Connector",
        "Status": "Unassigned",
        "Type": "Local",
        "UpdatedTimestamp": "2019-10-28T18:31:55.339Z",
    },
)

_PHONE_NUMBER_ORDER: Record = {
    "CreatedTimestamp": "2019-08-12T22:10:20.504Z",
    "OrderedPhoneNumbers": [
        {"E164PhoneNumber": "+12065550100", "Status": "Acquired"},
        {"E164PhoneNumber": "+12065550101", "Status": "Acquired"},
    ],
    "PhoneNumberOrderId": _ORDER_ID,
    "ProductType": "Voice Connector",
    "Status": "Successful",
    "UpdatedTimestamp": "2019-08-12T22:10:31.186Z",
}

DOCUMENTED_PHONE_NUMBER_COUNT = len(_PHONE_NUMBERS)


def documented_phone_numbers(service: ServiceModel) -> list[Record]:
    """Return the three documented numbers.

    AWS has no sample for `chime-sdk-voice`, so its numbers are the same, with the keys that this API adds.
    """
    if service.api == "chime":
        return list(_PHONE_NUMBERS)
    first, second, third = ({**number, "Country": "US", "Name": None} for number in _PHONE_NUMBERS)
    return [{**first, "OrderId": _ORDER_ID}, {**second, "OrderId": _ORDER_ID}, {**third, "OrderId": None}]


def documented_phone_number_order(service: ServiceModel) -> Record:
    """Return the documented order. On `chime-sdk-voice` it also has the keys that this API adds."""
    if service.api == "chime":
        return _PHONE_NUMBER_ORDER
    return {**_PHONE_NUMBER_ORDER, "FocDate": None, "OrderType": "New"}
