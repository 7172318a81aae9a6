"""The database: its queries, its contents after a restart, and files that it must not change."""

import itertools
import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.emulator.asgi import EmulatorOptions, create_emulator
from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.service_model import Api
from gateway.emulator.store import ListPhoneNumbersFilters, listing_query
from tests.emulator.conftest import Emulate

FILTERS = [
    ListPhoneNumbersFilters(association=association, product_type=product_type, status=status)
    for association, product_type, status in itertools.product(
        (None, ("VoiceConnectorId", "abcdef1ghij2klmno3pqr4")), (None, "VoiceConnector"), (None, "Assigned")
    )
]


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_page_with_any_filters_reads_one_range_of_an_index(
    emulate: Emulate, tmp_path: Path, filters: ListPhoneNumbersFilters
) -> None:
    """SQLite neither scans nor sorts. The index range has all filters and the place."""
    emulate(db=tmp_path / "chime.db")
    query, values = listing_query(filters)
    with sqlite3.connect(tmp_path / "chime.db") as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", (*values, 0, 100))]
    connection.close()
    given = [
        *(["name=?", "value=?"] if filters.association else []),
        *(["status=?"] if filters.status else []),
        *(["product_type=?"] if filters.product_type else []),
    ]
    searched, *joined = plan
    assert searched.startswith("SEARCH ")
    assert all(condition in searched for condition in given)
    assert "rowid>?" in searched or "place>?" in searched
    if filters.association:
        assert joined == ["SEARCH phone_numbers USING INTEGER PRIMARY KEY (rowid=?)"]
    else:
        assert not joined


def test_database_keeps_its_records_and_gets_no_sample_data(emulate: Emulate, tmp_path: Path) -> None:
    first = emulate(db=tmp_path / "chime.db", numbers=5, orders=2)
    first.store.delete_phone_number("+12065550100")
    first.store.close()
    again = emulate(db=tmp_path / "chime.db", numbers=250, orders=40)
    assert again.store.counts() == (4, 2)
    assert again.caller.get("/phone-numbers/%2B12065550100").status == 404


def test_empty_database_gets_sample_data(emulate: Emulate, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert emulate(db=tmp_path / "empty.db").store.counts() == (250, 40)


def test_another_program_can_read_the_database_while_the_emulator_runs(emulate: Emulate, tmp_path: Path) -> None:
    emulated = emulate(db=tmp_path / "chime.db")
    other = sqlite3.connect(tmp_path / "chime.db")
    try:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        reading = other.execute("SELECT e164 FROM phone_numbers")
        assert reading.fetchone() == ("+12065550100",)
        emulated.store.delete_phone_number("+12065550101")
        assert emulated.caller.get("/phone-numbers/%2B12065550101").status == 404
    finally:
        other.close()


def test_deleted_number_leaves_only_its_known_resources(emulate: Emulate, tmp_path: Path) -> None:
    emulated = emulate(db=tmp_path / "chime.db", numbers=3, orders=0)
    for e164 in ("+12065550100", "12065550101", "+12065550102"):
        emulated.store.delete_phone_number(e164)
    with sqlite3.connect(tmp_path / "chime.db") as connection:
        rows = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("phone_numbers", "associations")
        }
    connection.close()
    assert rows == {"phone_numbers": 0, "associations": 0}


def rejection(**options: object) -> str:
    with pytest.raises(EmulatorError) as raised:
        create_emulator(EmulatorOptions(**options))  # type: ignore[arg-type]  # Any options.
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_database_of_the_other_api_is_rejected(emulate: Emulate, tmp_path: Path) -> None:
    emulate(db=tmp_path / "chime.db")
    said = rejection(db=tmp_path / "chime.db", api="chime-sdk-voice")
    assert said == (
        f"The database {tmp_path / 'chime.db'} has data of chime, not of chime-sdk-voice. "
        "Use --api chime or another file (--db)."
    )


def test_database_of_another_program_is_rejected_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (id)")
    connection.close()
    before = path.read_bytes()
    assert "is not a database of this emulator" in rejection(db=path)
    assert path.read_bytes() == before


def test_file_that_is_not_a_database_is_rejected_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a database.\n" * 100)
    assert "file is not a database" in rejection(db=path)
    assert path.read_text().startswith("Not a database")


def test_database_that_cannot_be_opened_is_rejected(tmp_path: Path) -> None:
    assert "unable to open database file" in rejection(db=tmp_path / "no such folder" / "chime.db")
    assert "unable to open database file" in rejection(db=tmp_path)


def test_read_only_database_is_rejected(emulate: Emulate) -> None:
    # Only the owner can enter pytest's own folder, so this test uses another one. It does not run as root, because root
    # can write any file.
    with TemporaryDirectory() as folder:
        path = Path(folder, "chime.db")
        emulate(db=path).store.close()
        path.chmod(0o444)
        path.parent.chmod(0o755)
        myself = os.geteuid()
        os.seteuid(myself or 65534)
        try:
            said = rejection(db=path)
        finally:
            os.seteuid(myself)
    assert "readonly database" in said


@pytest.mark.slow
def test_locked_database_is_rejected(emulate: Emulate, tmp_path: Path) -> None:
    """SQLite waits for five seconds before."""
    emulate(db=tmp_path / "chime.db").store.close()
    with sqlite3.connect(tmp_path / "chime.db") as holder:
        holder.execute("PRAGMA journal_mode = DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in rejection(db=tmp_path / "chime.db")
    holder.close()


@pytest.mark.parametrize("record", [{}, {"E164PhoneNumber": None}, {"E164PhoneNumber": "+0"}])
def test_invalid_record_leaves_the_store_unchanged(emulate: Emulate, api: Api, record: dict[str, object]) -> None:
    emulated = emulate(api=api, numbers=0, orders=0)
    with pytest.raises((KeyError, ValueError)):
        emulated.store.put_phone_numbers([{"E164PhoneNumber": "+12065550150"}, record])
    assert emulated.store.counts() == (0, 0)
