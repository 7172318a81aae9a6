"""The sample responses of AWS's API reference."""

from gateway.emulator.service_model import Api
from tests.emulator.conftest import Emulate, Emulated

PHONE_NUMBERS = (
    b'{"NextToken":null,"PhoneNumbers":[{"Associations":[{"AssociatedTimestamp":"2019-10-28T18:40:37.453Z","Name"'
    b':"VoiceConnectorId","Value":"abcdef1ghij2klmno3pqr4"}],"CallingName":null,"CallingNameStatus":"UpdateInProgr'
    b'ess","Capabilities":{"InboundCall":true,"InboundMMS":true,"InboundSMS":true,"OutboundCall":true,"OutboundMMS'
    b'":true,"OutboundSMS":true},"CreatedTimestamp":"2019-08-12T22:10:20.521Z","DeletionTimestamp":null,"E164Phone'
    b'Number":"+12065550100","PhoneNumberId":"%2B12065550100","ProductType":"Voice Connector","Status":"Assigned",'
    b'"Type":"Local","UpdatedTimestamp":"2019-10-28T18:42:07.964Z"},{"Associations":[{"AssociatedTimestamp":"2019-'
    b'10-28T18:40:37.511Z","Name":"VoiceConnectorId","Value":"abcdef1ghij2klmno3pqr4"}],"CallingName":null,"Callin'
    b'gNameStatus":"UpdateInProgress","Capabilities":{"InboundCall":true,"InboundMMS":true,"InboundSMS":true,"Outb'
    b'oundCall":true,"OutboundMMS":true,"OutboundSMS":true},"CreatedTimestamp":"2019-08-12T22:10:20.521Z","Deletio'
    b'nTimestamp":null,"E164PhoneNumber":"+12065550101","PhoneNumberId":"%2B12065550101","ProductType":"Voice Conn'
    b'ector","Status":"Assigned","Type":"Local","UpdatedTimestamp":"2019-10-28T18:42:07.960Z"},{"Associations":[],'
    b'"CallingName":null,"CallingNameStatus":"Unassigned","Capabilities":{"InboundCall":true,"InboundMMS":true,"In'
    b'boundSMS":true,"OutboundCall":true,"OutboundMMS":true,"OutboundSMS":true},"CreatedTimestamp":"2019-08-09T21:'
    b'35:21.445Z","DeletionTimestamp":null,"E164PhoneNumber":"+12065550102","PhoneNumberId":"%2B12065550102","Prod'
    b'uctType":"Voice Connector","Status":"Unassigned","Type":"Local","UpdatedTimestamp":"2019-10-28T18:31:55.339Z'
    b'"}]}'
)
PHONE_NUMBER_ORDERS = (
    b'{"NextToken":null,"PhoneNumberOrders":[{"CreatedTimestamp":"2019-08-12T22:10:20.504Z","OrderedPhoneNumbers":'
    b'[{"E164PhoneNumber":"+12065550100","Status":"Acquired"},{"E164PhoneNumber":"+12065550101","Status":"Acquired'
    b'"}],"PhoneNumberOrderId":"abc12345-de67-89f0-123g-h45i678j9012","ProductType":"Voice Connector","Status":"Su'
    b'ccessful","UpdatedTimestamp":"2019-08-12T22:10:31.186Z"}]}'
)


def test_response_with_the_documented_numbers_equals_the_sample_byte_for_byte(emulate: Emulate) -> None:
    response = emulate(numbers=3, orders=1).caller.get("/phone-numbers")
    assert response.body == PHONE_NUMBERS
    assert response.headers["Content-Type"] == "application/json"
    assert len(response.headers["x-amzn-RequestId"]) == len("c859a1d1-84ce-4cfc-a3ad-4dcde29d9265")


def test_response_with_the_documented_order_equals_the_sample_byte_for_byte(emulate: Emulate) -> None:
    response = emulate(numbers=3, orders=1).caller.get("/phone-number-orders")
    assert response.body == PHONE_NUMBER_ORDERS


def test_each_response_has_its_own_request_id(sample: Emulated) -> None:
    paths = ["/phone-numbers", "/phone-numbers", "/phone-numbers?max-results=0", "/nothing"]
    ids = {sample.caller.get(path).headers["x-amzn-RequestId"] for path in paths}
    assert len(ids) == len(paths)


def test_documented_records_are_the_first_sample_records(emulate: Emulate, api: Api) -> None:
    few, many = emulate(api=api, numbers=3, orders=1).caller, emulate(api=api).caller
    for target, key, count in (("/phone-numbers", "PhoneNumbers", 3), ("/phone-number-orders", "PhoneNumberOrders", 1)):
        alone = few.get(target).json
        assert alone["NextToken"] is None
        assert many.get(target, max_results=count).json[key] == alone[key]


def test_chime_sdk_voice_adds_its_own_keys_to_the_documented_records(emulate: Emulate) -> None:
    caller = emulate(api="chime-sdk-voice", numbers=3, orders=1).caller
    number = caller.get("/phone-numbers/%2B12065550100").json["PhoneNumber"]
    order = caller.get("/phone-number-orders/abc12345-de67-89f0-123g-h45i678j9012").json["PhoneNumberOrder"]
    assert (number["OrderId"], number["Name"], number["Country"]) == (order["PhoneNumberOrderId"], None, "US")
    assert (order["OrderType"], order["FocDate"]) == ("New", None)
