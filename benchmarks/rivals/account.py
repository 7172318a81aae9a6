"""What the stub upstream holds, computed from a row's place alone, so that answers can be checked without asking it."""

from typing import Any, Final

FIRST_NUMBER: Final = 12_065_550_000
INVENTORY: Final = 250
# More than one page of 20, so that load can ask for another page of them each time.
ORDERS: Final = 120
NUMBERS_EACH: Final = 5
# Odd and no multiple of 5: steps of it through 250, 1,000, ... 100,000 rows meet each row once, here and there.
STRIDE: Final = 61_803

Record = dict[str, Any]


def e164(index: int) -> str:
    """The index-th number of the inventory."""
    return f"+{FIRST_NUMBER + index}"


def number_record(index: int) -> Record:
    """The index-th number, as AWS lists it: every key of the Amazon Chime API 2018-05-01, none of them odd."""
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
    """The index-th order; its numbers stand here and there in the inventory, and any 20 orders name distinct ones."""
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
    """Where a number stands in the inventory."""
    return int(number.lstrip("+")) - FIRST_NUMBER
