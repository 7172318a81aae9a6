"""Import of the `aws` command's output."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.aws_errors import EmulatorError
from tests.emulator.aws_clients import Json
from tests.emulator.conftest import Emulate

NUMBER = {
    "PhoneNumberId": "%2B12065550150",
    "E164PhoneNumber": "+12065550150",
    "Country": "US",
    "Type": "Local",
    "ProductType": "VoiceConnector",
    "Status": "Assigned",
    "Associations": [
        {"Value": "mine", "Name": "VoiceConnectorId", "AssociatedTimestamp": "2019-10-28T18:40:37.453000+00:00"}
    ],
    "CreatedTimestamp": "2019-08-12T22:10:20.521000+00:00",
    "UpdatedTimestamp": "2019-08-13T00:10:20.521999+02:00",
    "OrderId": "an-order",
    "Name": "Front desk",
}
ORDER = {
    "PhoneNumberOrderId": "an-order",
    "ProductType": "VoiceConnector",
    "Status": "FOC",
    "OrderType": "Porting",
    "OrderedPhoneNumbers": [{"E164PhoneNumber": "+12065550150", "Status": "Processing"}],
    "CreatedTimestamp": "2019-08-12T22:10:20Z",
    "UpdatedTimestamp": 1565647820.504,
    "FocDate": "2019-08-24",
}


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a file, with a string as it is and any other content as JSON."""

    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_imported_records_replace_sample_data(emulate: Emulate, file: Any) -> None:
    """Keys do not change. Timestamps get the API's format."""
    path = file("account.json", {"PhoneNumbers": [NUMBER], "PhoneNumberOrders": [ORDER], "NextToken": "more"})
    emulated = emulate(api="chime-sdk-voice", load=(path,))
    assert emulated.store.counts() == (1, 1)
    association = {"Name": "VoiceConnectorId", "Value": "mine", "AssociatedTimestamp": "2019-10-28T18:40:37.453Z"}
    assert emulated.caller.get("/phone-numbers").json["PhoneNumbers"] == [
        {
            **NUMBER,
            "Associations": [association],
            "CreatedTimestamp": "2019-08-12T22:10:20.521Z",
            "UpdatedTimestamp": "2019-08-12T22:10:20.521Z",
        }
    ]
    assert emulated.caller.get("/phone-number-orders").json["PhoneNumberOrders"] == [
        {
            **ORDER,
            "CreatedTimestamp": "2019-08-12T22:10:20.000Z",
            "UpdatedTimestamp": "2019-08-12T22:10:20.504Z",
            "FocDate": "2019-08-24T00:00:00.000Z",
        }
    ]
    wanted = {"filter_name": "VoiceConnectorId", "filter_value": "mine", "status": "Assigned"}
    assert len(emulated.caller.get("/phone-numbers", **wanted).json["PhoneNumbers"]) == 1


def test_last_of_repeated_records_is_stored(emulate: Emulate, file: Any) -> None:
    """In one file or in two, with or without the plus. The record keeps its first place."""
    other = {"E164PhoneNumber": "+12065550151", "PhoneNumberId": "%2B12065550151"}
    first = file("1.json", {"PhoneNumbers": [NUMBER, other, {**NUMBER, "Status": "Unassigned"}]})
    second = file("2.json", {"PhoneNumbers": [{**other, "E164PhoneNumber": "12065550151", "Country": "CA"}]})
    numbers = emulate(load=(first, second)).caller.get("/phone-numbers").json["PhoneNumbers"]
    assert [(number["PhoneNumberId"], number.get("Status"), number["Country"]) for number in numbers] == [
        ("%2B12065550150", "Unassigned", "US"),
        ("%2B12065550151", None, "CA"),
    ]


def test_missing_phone_number_id_is_made_from_the_number(emulate: Emulate, file: Any) -> None:
    caller = emulate(load=(file("n.json", {"PhoneNumbers": [{"E164PhoneNumber": "+12065550150"}]}),)).caller
    assert caller.get("/phone-numbers").json["PhoneNumbers"] == [
        {"E164PhoneNumber": "+12065550150", "PhoneNumberId": "%2B12065550150"}
    ]


def test_import_adds_to_the_records_of_a_database(emulate: Emulate, file: Any, tmp_path: Path) -> None:
    emulate(db=tmp_path / "chime.db", numbers=3, orders=1).store.close()
    loaded = emulate(db=tmp_path / "chime.db", load=(file("n.json", {"PhoneNumbers": [NUMBER]}),))
    assert loaded.store.counts() == (4, 1)


def test_import_of_empty_lists_creates_an_empty_account(emulate: Emulate, file: Any) -> None:
    assert emulate(load=(file("n.json", {"PhoneNumbers": []}),)).store.counts() == (0, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_in_the_encodings_of_other_shells_are_imported(emulate: Emulate, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "n.json").write_text(json.dumps({"PhoneNumbers": [NUMBER]}), encoding=encoding)
    assert emulate(load=(tmp_path / "n.json",)).store.counts() == (1, 0)


def number(**changes: object) -> Json:
    return {"PhoneNumbers": [NUMBER, {**NUMBER, **changes}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not JSON"),
        ("PhoneNumbers: []", "is not JSON"),
        ([], "has neither PhoneNumbers nor PhoneNumberOrders"),
        ({"Users": []}, "has neither PhoneNumbers nor PhoneNumberOrders"),
        ({"PhoneNumbers": {}}, "PhoneNumbers is not a list"),
        ({"PhoneNumbers": ["+12065550150"]}, r"PhoneNumbers\[0\] is not an object"),
        ({"PhoneNumbers": [{}]}, r"PhoneNumbers\[0\] has no E164PhoneNumber"),
        (number(E164PhoneNumber=None), r"PhoneNumbers\[1\] has no E164PhoneNumber"),
        (number(E164PhoneNumber=12065550150), r"\[1\] has a E164PhoneNumber that is not text"),
        (number(E164PhoneNumber="+1 206"), r"\[1\] has an E164PhoneNumber that is not in E.164 format: \+1 206"),
        (number(Status=["Assigned"]), r"\[1\] has a Status that is not text"),
        (number(Associations={}), r"\[1\] has Associations that are not a list of objects"),
        (number(Associations=[{"Name": "SipRuleId"}]), r"\[1\] has no Value"),
        (number(CreatedTimestamp="once"), r"\[1\] has a CreatedTimestamp that is not a timestamp: once"),
        (number(CreatedTimestamp=1e300), r"\[1\] has a CreatedTimestamp that is not a timestamp"),
        (number(CreatedTimestamp={}), r"\[1\] has a CreatedTimestamp that is not a timestamp"),
        ({"PhoneNumberOrders": [{"Status": "Failed"}]}, r"PhoneNumberOrders\[0\] has no PhoneNumberOrderId"),
    ],
)
def test_invalid_file_is_rejected_with_its_name_and_entry(file: Any, content: object, message: str) -> None:
    path = file("account.json", content)
    with pytest.raises(EmulatorError, match=message) as raised:
        create_emulator(EmulatorOptions(load=(path,)))
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(EmulatorError, match=f"cannot be read: {reason}"):
            create_emulator(EmulatorOptions(load=(path,)))


def test_one_invalid_entry_leaves_the_database_unchanged(emulate: Emulate, file: Any, tmp_path: Path) -> None:
    emulate(db=tmp_path / "chime.db", numbers=3, orders=1).store.close()
    good, bad = file("good.json", {"PhoneNumbers": [NUMBER]}), file("bad.json", {"PhoneNumbers": [NUMBER, {}]})
    with pytest.raises(EmulatorError):
        create_emulator(EmulatorOptions(db=tmp_path / "chime.db", load=(good, bad)))
    assert emulate(db=tmp_path / "chime.db").store.counts() == (3, 1)
