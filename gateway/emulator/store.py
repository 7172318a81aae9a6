"""A SQLite store of phone numbers, orders and the resources that numbers are associated with."""

import re
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from gateway.emulator.aws_errors import EmulatorError
from gateway.emulator.next_tokens import KEY_BYTES
from gateway.emulator.service_model import Api

# "Chim" in ASCII. It marks a database file as the emulator's.
_APPLICATION_ID = 0x4368696D
_SCHEMA_VERSION = 1

# Lists are ordered by `place`. AUTOINCREMENT keeps SQLite from using a place twice. Otherwise, if the record of a token
# was deleted, a newer record could get its place, and the list would skip that record.
# Each index ends with the place, because SQLite appends the rowid to every index. For any filters, a page is thus one
# range of one index. The table of associations repeats product type and status for this.
_SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;

CREATE TABLE phone_numbers (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    e164 TEXT NOT NULL UNIQUE,
    product_type TEXT,
    status TEXT,
    record TEXT NOT NULL
);
CREATE INDEX phone_numbers_by_product_type ON phone_numbers (product_type);
CREATE INDEX phone_numbers_by_status ON phone_numbers (status, product_type);
CREATE INDEX phone_numbers_by_status_alone ON phone_numbers (status);

CREATE TABLE associations (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    place INTEGER NOT NULL REFERENCES phone_numbers ON DELETE CASCADE,
    product_type TEXT,
    status TEXT,
    PRIMARY KEY (name, value, place)
) WITHOUT ROWID;
CREATE INDEX associations_by_product_type ON associations (name, value, product_type, place);
CREATE INDEX associations_by_status ON associations (name, value, status, product_type, place);
CREATE INDEX associations_by_status_alone ON associations (name, value, status, place);
CREATE INDEX associations_by_place ON associations (place);

CREATE TABLE resources (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, value)
) WITHOUT ROWID;

CREATE TABLE phone_number_orders (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
);
"""

_PUT_PHONE_NUMBER = """
INSERT INTO phone_numbers (e164, product_type, status, record) VALUES (?, ?, ?, ?)
ON CONFLICT (e164) DO UPDATE
SET product_type = excluded.product_type, status = excluded.status, record = excluded.record
RETURNING place
"""
_PUT_PHONE_NUMBER_ORDER = """
INSERT INTO phone_number_orders (order_id, record) VALUES (?, ?)
ON CONFLICT (order_id) DO UPDATE SET record = excluded.record
"""

_E164 = re.compile(r"\+?([1-9][0-9]{1,14})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPhoneNumbersFilters:
    """The filters of ListPhoneNumbers. A filter that is None matches all numbers."""

    association: tuple[str, str] | None = None
    product_type: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record's JSON and its place in the list."""

    place: int
    record: str


def normalize_e164(text: str) -> str | None:
    """Return the number with its plus: `+12065550100` for `12065550100`. Return None if it is not an E.164 number."""
    match = _E164.fullmatch(text)
    return f"+{match[1]}" if match else None


class Store:
    """One database. You can call each method from any thread.

    All threads share one connection under a lock. A page takes a fraction of a millisecond, so more connections would
    not be faster.
    """

    def __init__(self, path: Path | None, api: Api) -> None:
        """Open or create the database at `path`. Without a path, the database is in memory.

        Raises:
            EmulatorError: If the file cannot be opened or written, or is not a database of this API.
        """
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise EmulatorError(f"The database {path} cannot be opened: {error}.") from error
        try:
            self._open(path, api)
        except sqlite3.Error as error:
            self.close()
            raise EmulatorError(f"The database {path} cannot be used: {error}.") from error
        except EmulatorError:
            self.close()
            raise

    def _open(self, path: Path | None, api: Api) -> None:
        execute = self._connection.execute
        (application_id,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and (application_id, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
            raise EmulatorError(f"The file {path} is not a database of this emulator. Use another file (--db).")
        # With these two pragmas, other programs can read the file while the emulator writes. If the machine crashes,
        # the last writes may be lost. If the program crashes, they are not.
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            # Only a write shows whether the file is writable, so these are written at each start.
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            if not tables:
                for statement in _SCHEMA.split(";"):
                    execute(statement)
                execute(
                    "INSERT INTO settings VALUES ('api', ?), ('token_key', ?)",
                    (api, secrets.token_bytes(KEY_BYTES)),
                )
        (stored_api,) = execute("SELECT value FROM settings WHERE name = 'api'").fetchone()
        if stored_api != api:
            raise EmulatorError(
                f"The database {path} has data of {stored_api}, not of {api}. "
                f"Use --api {stored_api} or another file (--db)."
            )
        (self.token_key,) = execute("SELECT value FROM settings WHERE name = 'token_key'").fetchone()

    def close(self) -> None:
        """Close the database. If it is in memory, its data end here."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes of the block. If it raises, undo all of them. Other threads wait. Blocks can be nested."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield

    def counts(self) -> tuple[int, int]:
        """Return how many numbers and orders the store has."""
        with self._lock:
            row = self._connection.execute(
                "SELECT (SELECT count(*) FROM phone_numbers), (SELECT count(*) FROM phone_number_orders)"
            ).fetchone()
        return row[0], row[1]

    def put_phone_numbers(self, records: Iterable[Mapping[str, object]]) -> None:
        """Store numbers by their E164PhoneNumber. A number that exists is replaced, but keeps its place.

        Raises:
            KeyError: If a record has no E164PhoneNumber.
            ValueError: If an E164PhoneNumber is not in E.164 format.
        """
        with self.transaction():
            for record in records:
                self._put_phone_number(record)

    def _put_phone_number(self, record: Mapping[str, object]) -> None:
        e164 = normalize_e164(str(record["E164PhoneNumber"]))
        if e164 is None:
            raise ValueError(f"{record['E164PhoneNumber']!r} is not in E.164 format")
        product_type = record.get("ProductType")
        if isinstance(product_type, str):
            product_type = product_type.replace(" ", "")
        status = record.get("Status")
        execute = self._connection.execute
        (place,) = execute(_PUT_PHONE_NUMBER, (e164, product_type, status, _json(record))).fetchone()
        execute("DELETE FROM associations WHERE place = ?", (place,))
        associations = record.get("Associations")
        for association in associations if isinstance(associations, list) else ():
            resource = (association["Name"], association["Value"])
            execute("INSERT OR IGNORE INTO resources VALUES (?, ?)", resource)
            execute(
                "INSERT OR IGNORE INTO associations VALUES (?, ?, ?, ?, ?)",
                (*resource, place, product_type, status),
            )

    def put_phone_number_orders(self, records: Iterable[Mapping[str, object]]) -> None:
        """Store orders by their PhoneNumberOrderId. An order that exists is replaced, but keeps its place.

        Raises:
            KeyError: If a record has no PhoneNumberOrderId.
        """
        with self.transaction():
            for record in records:
                self._connection.execute(_PUT_PHONE_NUMBER_ORDER, (str(record["PhoneNumberOrderId"]), _json(record)))

    def put_resources(self, resources: Iterable[tuple[str, str]]) -> None:
        """Store resources, each as (association name, value). A resource may have no numbers."""
        with self.transaction():
            for resource in resources:
                self._connection.execute("INSERT OR IGNORE INTO resources VALUES (?, ?)", resource)

    def delete_phone_number(self, e164: str) -> None:
        """Delete a number if it exists. The resources that it was associated with stay known."""
        with self.transaction():
            self._connection.execute("DELETE FROM phone_numbers WHERE e164 = ?", (normalize_e164(e164),))

    def phone_numbers(self, filters: ListPhoneNumbersFilters, *, after: int, limit: int) -> list[StoredRecord]:
        """Return at most `limit` numbers that follow the place `after`."""
        query, values = listing_query(filters)
        with self._lock:
            rows = self._connection.execute(query, (*values, after, limit)).fetchall()
        return [StoredRecord(*row) for row in rows]

    def phone_number_orders(self, *, after: int, limit: int) -> list[StoredRecord]:
        """Return at most `limit` orders that follow the place `after`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT place, record FROM phone_number_orders WHERE place > ? ORDER BY place LIMIT ?",
                (after, limit),
            ).fetchall()
        return [StoredRecord(*row) for row in rows]

    def phone_number(self, e164: str) -> str | None:
        """Return a number's record as JSON. `e164` has its plus."""
        return self._fetch_value("SELECT record FROM phone_numbers WHERE e164 = ?", e164)

    def phone_number_order(self, order_id: str) -> str | None:
        """Return an order's record as JSON."""
        return self._fetch_value("SELECT record FROM phone_number_orders WHERE order_id = ?", order_id)

    def knows_resource(self, name: str, value: str) -> bool:
        """Return whether the resource is stored, or was ever associated with a number."""
        return self._fetch_value("SELECT 1 FROM resources WHERE name = ? AND value = ?", name, value) is not None

    def _fetch_value(self, query: str, *values: str) -> str | None:
        with self._lock:
            row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]


def listing_query(filters: ListPhoneNumbersFilters) -> tuple[str, list[str]]:
    """Return the SQL for a page of numbers, and the filters' values. Two more values follow: `after` and `limit`."""
    if filters.association is None:
        source = listed = "phone_numbers"
    else:
        # With CROSS JOIN, SQLite reads the association's range first and then its numbers.
        listed = "associations"
        source = "associations CROSS JOIN phone_numbers ON phone_numbers.place = associations.place"
    conditions = {
        "name": filters.association and filters.association[0],
        "value": filters.association and filters.association[1],
        "product_type": filters.product_type,
        "status": filters.status,
    }
    given = {column: value for column, value in conditions.items() if value is not None}
    where = "".join(f"{listed}.{column} = ? AND " for column in given)
    query = (
        f"SELECT phone_numbers.place, phone_numbers.record FROM {source} "  # noqa: S608  # Fixed words; values are bound.
        f"WHERE {where}{listed}.place > ? ORDER BY {listed}.place LIMIT ?"
    )
    return query, list(given.values())


def _json(record: Mapping[str, object]) -> str:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS).decode()
