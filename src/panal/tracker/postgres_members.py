"""A network's members, certificates and join lines in PostgreSQL, for all trackers of a network.

They are no soft records: a change is on the database's disk before anybody is told of it, and one
is made at a time, whichever tracker makes it. So a join line is used as often as it may be and
not once more, also where two trackers are shown it at the same moment.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from panal.errors import Refused
from panal.tracker.joining import LineRecord
from panal.tracker.member_store import MemberRecord, MembersCopy
from panal.tracker.postgres_database import Database
from panal.wire.ids import PeerName

_LOCK = 0x70616E616C6D  # "panalm"
_ALONE = f"SET LOCAL synchronous_commit = on; SELECT pg_advisory_xact_lock({_LOCK})".encode()
_OF_ONE_MOMENT = f"SELECT pg_advisory_xact_lock_shared({_LOCK})".encode()

_FIELDS = (
    "m.id, m.name, m.credential_hash, m.public_key, m.line, m.sponsor, m.enrolled_at_s,"
    " m.removed_at_s"
)
_MEMBER = f"SELECT {_FIELDS}, 0 FROM members m WHERE m.removed_at_s IS NULL".encode()
_EVERYBODY = (
    f"SELECT {_FIELDS}, coalesce(max(c.until_s), 0) FROM members m"
    " LEFT JOIN certificates c ON c.member = m.id GROUP BY m.id ORDER BY m.key, m.id"
).encode()
_ADD = (
    b"INSERT INTO members (key, name, credential_hash, public_key, line, sponsor, enrolled_at_s)"
    b" VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id"
)
_TAKE_MEMBER = (
    b"INSERT INTO members (id, key, name, credential_hash, public_key, line, sponsor,"
    b" enrolled_at_s, removed_at_s) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_NEXT_ID = (
    b"SELECT setval(pg_get_serial_sequence('members', 'id'),"
    b" greatest((SELECT max(id) FROM members), nextval(pg_get_serial_sequence('members', 'id'))))"
)


class PostgresMembers:
    """`panal.tracker.member_store.SharedMembers`; see there for what each method does."""

    is_shared = True

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = 0
        """Rows, by the transaction under way."""

    @property
    def version(self) -> int:
        """Another one after every change, whoever made it."""
        ((changes,),) = self._run(b"SELECT changes FROM membership")
        return int(changes)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is done inside, durable at its end, nobody else beside it."""
        with self._database.transaction():
            self._run(_ALONE)
            self._changed = 0
            yield
            if self._changed:
                self._run(b"UPDATE membership SET changes = changes + 1")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is asked inside is all of one moment."""
        with self._database.transaction():
            self._run(_OF_ONE_MOMENT)
            yield

    def everybody(self) -> list[MemberRecord]:
        """Every member, and those removed that are still remembered, in order of their names."""
        return [MemberRecord(*row) for row in self._run(_EVERYBODY)]

    def member(self, name: str) -> MemberRecord | None:
        """The member of that name, its case aside."""
        rows = self._run(_MEMBER + b" AND m.key = %s", name.casefold())
        return MemberRecord(*rows[0]) if rows else None

    def add(
        self,
        name: PeerName,
        credential_hash: bytes,
        public_key: bytes,
        line: str,
        sponsor: int | None,
        now_s: float,
    ) -> int:
        """A new member; its id, which is never used twice."""
        self._changed += 1
        values = (name.casefold(), name, credential_hash, public_key, line, sponsor, int(now_s))
        ((number,),) = self._run(_ADD, *values)
        return int(number)

    def change_credential(self, member: int, credential_hash: bytes) -> None:
        """From now on another credential is the member's."""
        self._change(
            b"UPDATE members SET credential_hash = %s WHERE id = %s", credential_hash, member
        )

    def further_names(self, sponsor: int) -> list[MemberRecord]:
        """The further names of a member."""
        return [MemberRecord(*row) for row in self._run(_MEMBER + b" AND m.sponsor = %s", sponsor)]

    def remove(self, member: int, now_s: float) -> None:
        """It is no member any more, and its certificates count no more."""
        self._change(b"UPDATE members SET removed_at_s = %s WHERE id = %s", int(now_s), member)
        self._change(b"UPDATE certificates SET revoked = true WHERE member = %s", member)
        self._change(b"UPDATE membership SET revocations = revocations + 1")

    def note_certificate(self, serial: bytes, member: int, until_s: int, pem: bytes) -> None:
        """Remember a certificate, before it is given away."""
        self._change(
            b"INSERT INTO certificates (serial, member, until_s, pem) VALUES (%s, %s, %s, %s)",
            serial,
            member,
            until_s,
            pem,
        )

    def last_certificate(self, member: int) -> tuple[bytes, int] | None:
        """The one that counts longest, and until when; None where none is kept."""
        rows = self._run(
            b"SELECT pem, until_s FROM certificates WHERE member = %s AND NOT revoked"
            b" AND pem <> '' ORDER BY until_s DESC LIMIT 1",
            member,
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def revocations(self) -> tuple[int, frozenset[bytes]]:
        """The version, and the serials that count no more, until they are let go."""
        ((version,),) = self._run(b"SELECT revocations FROM membership")
        rows = self._run(b"SELECT serial FROM certificates WHERE revoked")
        return version, frozenset(serial for (serial,) in rows)

    def lines(self) -> list[LineRecord]:
        """Every join line that is remembered."""
        rows = self._run(
            b"SELECT id, secret_hash, until_s, uses, uses_left, revoked FROM join_lines"
            b" ORDER BY until_s, id"
        )
        return [LineRecord(*row) for row in rows]

    def add_line(self, line: LineRecord) -> None:
        """A new join line."""
        self._change(
            b"INSERT INTO join_lines VALUES (%s, %s, %s, %s, %s, %s)",
            line.id,
            line.secret_hash,
            line.until_s,
            line.uses,
            line.uses_left,
            line.revoked,
        )

    def use_line(self, line: str) -> None:
        """It has let one in."""
        self._change(b"UPDATE join_lines SET uses_left = uses_left - 1 WHERE id = %s", line)

    def revoke_line(self, line: str) -> bool:
        """It lets in nobody any more; whether there was one that did."""
        return self._change(
            b"UPDATE join_lines SET revoked = true WHERE id = %s AND NOT revoked", line
        )

    def forget_old(self, now_s: float, keep_s: float) -> None:
        """Let go of what can matter to nobody: expired certificates and lines, those long gone.

        By the earlier of both clocks: of several trackers one's may be wrong.
        """
        now_s = min(now_s, self._database.now_s())
        now, before = int(now_s), int(now_s - keep_s)
        self._change(b"DELETE FROM certificates WHERE until_s <= %s", now)
        self._change(b"DELETE FROM join_lines WHERE until_s <= %s", before)
        self._change(b"DELETE FROM members WHERE removed_at_s <= %s", before)
        # A further name lives as long as its certificate: whoever uses it renews that.
        self._change(
            b"DELETE FROM members m WHERE sponsor IS NOT NULL AND removed_at_s IS NULL"
            b" AND NOT EXISTS (SELECT FROM certificates c WHERE c.member = m.id)"
        )

    def take_over(self, copy: MembersCopy) -> None:
        """Keep what a tracker's own file kept; a second time it changes nothing."""
        if not (copy.members or copy.lines):
            return
        known_by = hashlib.sha256(msgspec.msgpack.encode(copy)).digest()
        ((taken_over,),) = self._run(b"SELECT taken_over FROM membership")
        if taken_over == known_by:
            return
        ((are_others,),) = self._run(
            b"SELECT EXISTS (SELECT FROM members) OR EXISTS (SELECT FROM join_lines)"
        )
        if are_others:
            raise Refused(
                "The database has members already, and this tracker's own file has others."
            )
        for one in copy.members:
            given = (one.credential_hash, one.public_key, one.line, one.sponsor)
            times = (one.enrolled_at_s, one.removed_at_s)
            self._change(_TAKE_MEMBER, one.id, one.name.casefold(), one.name, *given, *times)
        for each in copy.certificates:
            self._change(
                b"INSERT INTO certificates VALUES (%s, %s, %s, %s, %s)",
                each.serial,
                each.member,
                each.until_s,
                each.revoked,
                each.pem,
            )
        for line in copy.lines:
            self.add_line(line)
        self._run(_NEXT_ID)
        self._change(
            b"UPDATE membership SET taken_over = %s, revocations = %s",
            known_by,
            copy.revocations_version,
        )

    def close(self) -> None:
        """Nothing: the database is the store's."""

    def _change(self, statement: bytes, *values: object) -> bool:
        """Whether it changed anything."""
        with self._database.using() as connection:
            rows = connection.execute(statement, values).rowcount
        self._changed += rows
        return rows > 0

    def _run(self, statement: bytes, *values: object) -> list[tuple[Any, ...]]:
        with self._database.using() as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []
