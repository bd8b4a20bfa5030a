"""Members, their certificates and the join lines, in a file of their own, synced.

Apart from the tracker's soft records: those may be lost, and nobody is locked out or let in. One
exclusive connection; every change is on the disk before anybody is told of it. Secrets are kept as
hashes. Times are seconds since 1970.
"""

import sqlite3
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from panal.errors import Refused
from panal.tracker.database import errors_in_words, make_private, transaction
from panal.tracker.joining import LineRecord
from panal.tracker.member_store import CertificateRecord, MemberRecord, MembersCopy
from panal.wire.ids import PeerName

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    credential_hash BLOB NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    line TEXT NOT NULL,        -- the join line that let it in; empty for a further name
    sponsor INTEGER,           -- whose further name it is
    enrolled_at_s INTEGER NOT NULL,
    removed_at_s INTEGER       -- null while it is a member
);
CREATE UNIQUE INDEX members_by_key ON members (key) WHERE removed_at_s IS NULL;
CREATE TABLE certificates (
    serial BLOB PRIMARY KEY,
    member INTEGER NOT NULL,
    until_s INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0,
    pem BLOB NOT NULL DEFAULT x''         -- empty for one of an older Panal
) WITHOUT ROWID;
CREATE INDEX certificates_by_member ON certificates (member);
CREATE TABLE join_lines (
    id TEXT PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    until_s INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    uses_left INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE revocations (version INTEGER NOT NULL);
INSERT INTO revocations VALUES (1);
"""
_FROM_VERSION = {
    1: """
ALTER TABLE certificates ADD COLUMN pem BLOB NOT NULL DEFAULT x'';
CREATE INDEX certificates_by_member ON certificates (member);
""",
}


class MemberFile:
    """`panal.tracker.member_store.MemberStore` in a file; synchronous, for one thread."""

    is_shared = False

    def __init__(self, path: Path | None) -> None:
        """StateInUse while another process has it; None keeps it in memory, for tests."""
        target = ":memory:" if path is None else str(path)
        with errors_in_words(target):
            if path is not None:
                make_private(path)
            self._connection = sqlite3.connect(
                target, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(target)
            except BaseException:
                self._connection.close()
                raise

    @property
    def version(self) -> int:
        """Another one after every change."""
        return self._connection.total_changes

    def close(self) -> None:
        """Give the file back."""
        self._connection.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside, durable at its end; not nested."""
        return transaction(self._connection)

    def reading(self) -> AbstractContextManager[None]:
        """Nothing: nobody else changes it."""
        return nullcontext()

    def copy(self) -> MembersCopy:
        """All that is kept."""
        rows = self._connection.execute(
            "SELECT serial, member, until_s, revoked, pem FROM certificates ORDER BY serial"
        )
        certificates = tuple(
            CertificateRecord(serial, member, until_s, bool(revoked), pem)
            for serial, member, until_s, revoked, pem in rows
        )
        return MembersCopy(
            tuple(self.everybody()), certificates, tuple(self.lines()), self.revocations()[0]
        )

    # Members --------------------------------------------------------------------------------

    def everybody(self) -> list[MemberRecord]:
        """Every member, and those removed that are still remembered, in order of their names."""
        rows = self._connection.execute(
            "SELECT members.*, coalesce(max(until_s), 0) FROM members "
            "LEFT JOIN certificates ON certificates.member = members.id "
            "GROUP BY members.id ORDER BY key, members.id"
        )
        return [_member(row) for row in rows]

    def member(self, name: str) -> MemberRecord | None:
        """The member of that name."""
        rows = self._connection.execute(
            "SELECT *, 0 FROM members WHERE key = ? AND removed_at_s IS NULL", (name.casefold(),)
        )
        row = rows.fetchone()
        return None if row is None else _member(row)

    def add(
        self,
        name: PeerName,
        credential_hash: bytes,
        public_key: bytes,
        line: str,
        sponsor: int | None,
        now_s: float,
    ) -> int:
        """A new member; its id."""
        added = self._connection.execute(
            "INSERT INTO members (key, name, credential_hash, public_key, line, sponsor, "
            "enrolled_at_s) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (name.casefold(), name, credential_hash, public_key, line, sponsor, int(now_s)),
        )
        return int(added.lastrowid or 0)

    def change_credential(self, member: int, credential_hash: bytes) -> None:
        """From now on another credential is the member's."""
        self._connection.execute(
            "UPDATE members SET credential_hash = ? WHERE id = ?", (credential_hash, member)
        )

    def further_names(self, sponsor: int) -> list[MemberRecord]:
        """The further names of a member."""
        rows = self._connection.execute(
            "SELECT *, 0 FROM members WHERE sponsor = ? AND removed_at_s IS NULL", (sponsor,)
        )
        return [_member(row) for row in rows]

    def remove(self, member: int, now_s: float) -> None:
        """It is no member any more, and its certificates count no more."""
        self._connection.execute(
            "UPDATE members SET removed_at_s = ? WHERE id = ?", (int(now_s), member)
        )
        self._connection.execute("UPDATE certificates SET revoked = 1 WHERE member = ?", (member,))
        self._connection.execute("UPDATE revocations SET version = version + 1")

    # Certificates ---------------------------------------------------------------------------

    def note_certificate(self, serial: bytes, member: int, until_s: int, pem: bytes) -> None:
        """Remember a certificate, before it is given away."""
        self._connection.execute(
            "INSERT INTO certificates (serial, member, until_s, pem) VALUES (?, ?, ?, ?)",
            (serial, member, until_s, pem),
        )

    def last_certificate(self, member: int) -> tuple[bytes, int] | None:
        """The one that counts longest, and until when; None where none is kept."""
        row: tuple[bytes, int] | None = self._connection.execute(
            "SELECT pem, until_s FROM certificates WHERE member = ? AND NOT revoked"
            " AND pem != x'' ORDER BY until_s DESC LIMIT 1",
            (member,),
        ).fetchone()
        return row

    def revocations(self) -> tuple[int, frozenset[bytes]]:
        """The version, and the serials that count no more, until they are let go."""
        (version,) = self._connection.execute("SELECT version FROM revocations").fetchone()
        rows = self._connection.execute("SELECT serial FROM certificates WHERE revoked")
        return version, frozenset(serial for (serial,) in rows)

    # Join lines -----------------------------------------------------------------------------

    def lines(self) -> list[LineRecord]:
        """Every join line that is remembered."""
        rows = self._connection.execute("SELECT * FROM join_lines ORDER BY until_s, id")
        return [
            LineRecord(line, hashed, until_s, uses, left, bool(revoked))
            for line, hashed, until_s, uses, left, revoked in rows
        ]

    def add_line(self, line: LineRecord) -> None:
        """A new join line."""
        self._connection.execute(
            "INSERT INTO join_lines VALUES (?, ?, ?, ?, ?, 0)",
            (line.id, line.secret_hash, line.until_s, line.uses, line.uses_left),
        )

    def use_line(self, line: str) -> None:
        """It has let one in."""
        self._connection.execute(
            "UPDATE join_lines SET uses_left = uses_left - 1 WHERE id = ?", (line,)
        )

    def revoke_line(self, line: str) -> bool:
        """It lets in nobody any more; whether there was one that did."""
        changed = self._connection.execute(
            "UPDATE join_lines SET revoked = 1 WHERE id = ? AND NOT revoked", (line,)
        )
        return changed.rowcount > 0

    # The end --------------------------------------------------------------------------------

    def forget_old(self, now_s: float, keep_s: float) -> None:
        """Let go of what can matter to nobody: expired certificates and lines, those long gone."""
        now, before = int(now_s), int(now_s - keep_s)
        run = self._connection.execute
        run("DELETE FROM certificates WHERE until_s <= ?", (now,))
        run("DELETE FROM join_lines WHERE until_s <= ?", (before,))
        run("DELETE FROM members WHERE removed_at_s <= ?", (before,))
        # A further name lives as long as its certificate: whoever uses it renews that.
        run(
            "DELETE FROM members WHERE sponsor IS NOT NULL AND removed_at_s IS NULL "
            "AND id NOT IN (SELECT member FROM certificates)"
        )

    def _prepare(self, target: str) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise Refused(f"{target} was written by a newer Panal; start that one.")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")  # takes the lock now
        changes = _SCHEMA if version == 0 else _FROM_VERSION.get(version, "")
        for statement in filter(str.strip, changes.split(";\n")):
            run(statement)
        run(f"PRAGMA user_version = {SCHEMA_VERSION}")
        run("COMMIT")


def _member(row: tuple[object, ...]) -> MemberRecord:
    number, _, name, hashed, key, line, sponsor, enrolled, removed, until_s = row
    return MemberRecord(number, name, hashed, key, line, sponsor, enrolled, removed, until_s)  # type: ignore[arg-type]
