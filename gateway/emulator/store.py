"""Numbers, orders and the resources that numbers belong to, on SQLite."""

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

# "Chim", in the header of every database that is ours.
_APPLICATION_ID = 0x4368696D
_SCHEMA_VERSION = 1

# `place` is the order of the list. AUTOINCREMENT, as a place must never be given out twice: a token that names the
# last record, now removed, would otherwise pass over the next one put.
# Every index ends in the place (a rowid is part of each index), so that a page of any filter is one range of one
# index. For associations this takes a copy of the two other filters beside each.
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
class ListPhoneNumbersFilter:
    """What listed numbers must have; None asks for nothing."""

    association: tuple[str, str] | None = None
    product_type: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record's place in its list, and its JSON."""

    place: int
    record: str


def normalize_e164(text: str) -> str | None:
    """The number with its plus, by which it is kept: `12065550100` is `+12065550100`. None for what is no number."""
    match = _E164.fullmatch(text)
    return f"+{match[1]}" if match else None


class Store:
    """One database. Every method may be called from any thread, and waits for its turn.

    One connection serves all: a page takes a fraction of a millisecond, so threads have nothing to gain from more.
    """

    def __init__(self, path: Path | None, api: Api) -> None:
        """Open the database at `path`, or make it; without a path it lives in memory.

        Raises: EmulatorError for a file that cannot be opened or written, or that is no database of this API's.
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
            raise EmulatorError(f"The file {path} is not a database of this emulator.")
        # Other programs may read the file while this one writes; after a crash of the machine, not of the program,
        # the last writes may be missing.
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            # Written each time, as only a write tells whether the file can be written.
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            if not tables:
                for statement in _SCHEMA.split(";"):
                    execute(statement)
                execute(
                    "INSERT INTO settings VALUES ('api', ?), ('token_key', ?)",
                    (api, secrets.token_bytes(KEY_BYTES)),
                )
        (kept_api,) = execute("SELECT value FROM settings WHERE name = 'api'").fetchone()
        if kept_api != api:
            raise EmulatorError(f"The database {path} holds data of {kept_api}, not of {api}.")
        (self.token_key,) = execute("SELECT value FROM settings WHERE name = 'token_key'").fetchone()

    def close(self) -> None:
        """Close the database; one in memory is gone."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is put while the block runs; others wait. Blocks may be nested."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield

    def counts(self) -> tuple[int, int]:
        """How many numbers and orders are held."""
        with self._lock:
            row = self._connection.execute(
                "SELECT (SELECT count(*) FROM phone_numbers), (SELECT count(*) FROM phone_number_orders)"
            ).fetchone()
        return row[0], row[1]

    # What is put

    def put_phone_numbers(self, records: Iterable[Mapping[str, object]]) -> None:
        """Keep numbers by their E164PhoneNumber; one that is held already keeps its place and nothing else.

        Raises: KeyError for a record without E164PhoneNumber, ValueError for one that is not in E.164 format.
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
        """Keep orders by their PhoneNumberOrderId; one that is held already keeps its place and nothing else.

        Raises: KeyError for a record without PhoneNumberOrderId.
        """
        with self.transaction():
            for record in records:
                self._connection.execute(_PUT_PHONE_NUMBER_ORDER, (str(record["PhoneNumberOrderId"]), _json(record)))

    def put_resources(self, resources: Iterable[tuple[str, str]]) -> None:
        """Make resources known, as (association name, value), though no number may belong to them."""
        with self.transaction():
            for resource in resources:
                self._connection.execute("INSERT OR IGNORE INTO resources VALUES (?, ?)", resource)

    def delete_phone_number(self, e164: str) -> None:
        """Remove a number, if it is held; the resources that it belonged to stay known."""
        with self.transaction():
            self._connection.execute("DELETE FROM phone_numbers WHERE e164 = ?", (normalize_e164(e164),))

    # What is asked

    def phone_numbers(self, wanted: ListPhoneNumbersFilter, *, after: int, limit: int) -> list[StoredRecord]:
        """At most `limit` numbers from behind the place `after` on."""
        query, values = listing_query(wanted)
        with self._lock:
            rows = self._connection.execute(query, (*values, after, limit)).fetchall()
        return [StoredRecord(*row) for row in rows]

    def phone_number_orders(self, *, after: int, limit: int) -> list[StoredRecord]:
        """At most `limit` orders from behind the place `after` on."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT place, record FROM phone_number_orders WHERE place > ? ORDER BY place LIMIT ?",
                (after, limit),
            ).fetchall()
        return [StoredRecord(*row) for row in rows]

    def phone_number(self, e164: str) -> str | None:
        """The record of the number, which is given with its plus."""
        return self._one("SELECT record FROM phone_numbers WHERE e164 = ?", e164)

    def phone_number_order(self, order_id: str) -> str | None:
        """The record of the order."""
        return self._one("SELECT record FROM phone_number_orders WHERE order_id = ?", order_id)

    def knows_resource(self, name: str, value: str) -> bool:
        """Whether a number ever belonged to the resource, or it was made known without one."""
        return self._one("SELECT 1 FROM resources WHERE name = ? AND value = ?", name, value) is not None

    def _one(self, query: str, *values: str) -> str | None:
        with self._lock:
            row = self._connection.execute(query, values).fetchone()
        return None if row is None else row[0]


def listing_query(wanted: ListPhoneNumbersFilter) -> tuple[str, list[str]]:
    """The query for a page of numbers, and the filter's values; the place to start behind and the limit come after."""
    if wanted.association is None:
        source = listed = "phone_numbers"
    else:
        # CROSS JOIN keeps SQLite to this order: from the association's range to its numbers.
        listed = "associations"
        source = "associations CROSS JOIN phone_numbers ON phone_numbers.place = associations.place"
    conditions = {
        "name": wanted.association and wanted.association[0],
        "value": wanted.association and wanted.association[1],
        "product_type": wanted.product_type,
        "status": wanted.status,
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
