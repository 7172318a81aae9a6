"""The records of the stub upstream, each computed from its index, so that responses can be checked without a call."""

from typing import Any, Final

FIRST_NUMBER: Final = 12_065_550_000
INVENTORY: Final = 250
# More than one page of 20, so that each request under load can read another page.
ORDERS: Final = 120
NUMBERS_EACH: Final = 5
# Odd and no multiple of 5, so that steps of it through 250, 1,000, ... 100,000 rows reach each row once, in scattered
# order.
STRIDE: Final = 61_803

Record = dict[str, Any]


def e164(index: int) -> str:
    """Return the phone number at an index of the inventory."""
    return f"+{FIRST_NUMBER + index}"


def number_record(index: int) -> Record:
    """Return the record at an index, with every key of the Amazon Chime API 2018-05-01 and only documented values."""
    number = e164(index)
    assigned = index % 4 != 0
    return {
        "Associations": [
            {
                "AssociatedTimestamp": f"2019-10-28T18:{index % 60:02d}:07.964Z",
                "Name": "VoiceConnectorId",
                "Value": f"abcdef1ghij2klmno3pq{index % 100:02d}",
            }
        ]
        if assigned
        else [],
        "CallingName": f"Desk {index}" if assigned else None,
        "CallingNameStatus": "UpdateSucceeded" if assigned else "Unassigned",
        "Capabilities": {
            "InboundCall": True,
            "InboundMMS": False,
            "InboundSMS": index % 2 == 0,
            "OutboundCall": True,
            "OutboundMMS": False,
            "OutboundSMS": index % 3 == 0,
        },
        "Country": "US",
        "CreatedTimestamp": f"2019-08-12T22:10:{index % 60:02d}.521Z",
        "DeletionTimestamp": None,
        "E164PhoneNumber": number,
        "PhoneNumberId": f"%2B{number[1:]}",
        "ProductType": "VoiceConnector",
        "Status": "Assigned" if assigned else "Unassigned",
        "Type": "TollFree" if index % 10 == 0 else "Local",
        "UpdatedTimestamp": f"2019-10-28T18:42:{index % 60:02d}.186Z",
    }


def order_record(index: int, inventory: int) -> Record:
    """Return the order at an index. Its numbers are scattered, and any 20 orders hold distinct ones."""
    return {
        "CreatedTimestamp": f"2019-08-12T22:10:{index % 60:02d}.504Z",
        "OrderedPhoneNumbers": [
            {"E164PhoneNumber": e164((index * NUMBERS_EACH + each) * STRIDE % inventory), "Status": "Acquired"}
            for each in range(NUMBERS_EACH)
        ],
        "PhoneNumberOrderId": f"{index:08d}-0000-4000-8000-000000000000",
        "ProductType": "VoiceConnector",
        "Status": "Successful",
        "UpdatedTimestamp": f"2019-08-12T22:10:{index % 60:02d}.186Z",
    }


def row_of(number: str) -> int:
    """Return the index of a number in the inventory."""
    return int(number.lstrip("+")) - FIRST_NUMBER
