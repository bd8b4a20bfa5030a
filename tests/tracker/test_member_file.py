"""The members' file as older and newer Panals leave it."""

import sqlite3
from pathlib import Path

import pytest

from panal.errors import Refused
from panal.tracker.member_file import SCHEMA_VERSION, MemberFile
from panal.wire.ids import PeerName

_FIRST = """
CREATE TABLE members (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, name TEXT NOT NULL,
    credential_hash BLOB NOT NULL UNIQUE, public_key BLOB NOT NULL, line TEXT NOT NULL,
    sponsor INTEGER, enrolled_at_s INTEGER NOT NULL, removed_at_s INTEGER);
CREATE UNIQUE INDEX members_by_key ON members (key) WHERE removed_at_s IS NULL;
CREATE TABLE certificates (serial BLOB PRIMARY KEY, member INTEGER NOT NULL,
    until_s INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE join_lines (id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, until_s INTEGER NOT NULL,
    uses INTEGER NOT NULL, uses_left INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);
CREATE TABLE revocations (version INTEGER NOT NULL);
INSERT INTO revocations VALUES (7);
INSERT INTO members VALUES (3, 'ana', 'Ana', x'01', x'02', 'ab', NULL, 5, NULL);
INSERT INTO certificates VALUES (x'0a', 3, 900, 0);
INSERT INTO certificates VALUES (x'0b', 2, 900, 1);
PRAGMA user_version = 1;
"""


def test_the_first_version_is_carried_on(tmp_path: Path) -> None:
    path = tmp_path / "members.sqlite"
    with sqlite3.connect(path) as older:
        older.executescript(_FIRST)
    older.close()
    file = MemberFile(path)
    (ana,) = file.everybody()
    assert (ana.name, ana.certified_until_s) == ("Ana", 900)
    assert file.revocations() == (7, frozenset({b"\x0b"}))
    assert file.last_certificate(3) is None  # how it looks was not kept then
    file.note_certificate(b"\x0c", 3, 800, b"pem")
    assert file.last_certificate(3) == (b"pem", 800)
    file.remove(3, 100.0)
    assert file.last_certificate(3) is None
    file.close()
    again = MemberFile(path)
    assert again.member(PeerName("ana")) is None
    again.close()


def test_a_newer_version_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "members.sqlite"
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(Refused, match="newer Panal"):
        MemberFile(path)
