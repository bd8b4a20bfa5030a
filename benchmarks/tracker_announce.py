"""How many entries a tracker takes in a second: names that it does not know, and names it knows.

Every peer tells all that it has, as after a start, over gRPC to a tracker in a process of its own.
A new entry counts once its announce is answered; the index that searches look into may then lag
behind, and the lag is shown. Beside it raw SQLite writes the same rows without a tracker.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rows import Aim, Row
from benchmarks.tracker_load import Cpu, Peers, RunningTracker, in_lanes
from benchmarks.tracker_names import Catalogue
from panal.wire import tracker_pb2 as pb

NEW_A_SECOND = 30_000
KNOWN_A_SECOND = 100_000
AT_ONCE = 8
"""Peers that announce at the same time."""


@dataclass(frozen=True)
class Told:
    """What one round of everybody telling everything took."""

    wall_s: float
    cpu: Cpu
    lag_s: float

    def a_second(self, files: int) -> float:
        """Entries acknowledged in a second."""
        return files / self.wall_s


async def tell_all(
    tracker: RunningTracker, peers: Peers, messages: list[list[bytes]], last: str
) -> Told:
    """Everybody tells everything; `last` is a name that is searched for until it is found."""
    began_s, cpu_before = time.monotonic(), tracker.cpu()

    async def tell(peer: int) -> None:
        await peers.announce(peer, messages[peer], everything=True)

    async with peers.kept():
        await in_lanes(range(peers.count), tell, AT_ONCE)
    wall_s = time.monotonic() - began_s
    cpu = tracker.cpu() - cpu_before
    await until_found(peers, last)
    return Told(wall_s, cpu, time.monotonic() - began_s - wall_s)


async def until_found(peers: Peers, path: str, patience_s: float = 600.0) -> None:
    """Search for a whole path until it is there."""
    request = pb.SearchRequest(words=path, literal=True)
    async with asyncio.timeout(patience_s):
        while not (await peers.call(0, "Search", request, pb.SearchResponse)).hits:
            await asyncio.sleep(0.02)


def raw_rows_a_second(catalogue: Catalogue, path: Path, rows: int = 100_000) -> float:
    """What SQLite alone takes of such rows with two indexes, in one transaction."""
    entries = [catalogue.entry(number) for number in range(min(rows, catalogue.files))]
    values = [(0, e.path, e.content, e.size_bytes, e.kind, e.sha256) for e in entries]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, peer INTEGER, path TEXT, content BLOB,"
        " size_bytes INTEGER, kind INTEGER, sha256 BLOB, UNIQUE (peer, path))"
    )
    connection.execute("CREATE INDEX entries_by_content ON entries (content)")
    began_s = time.monotonic()
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO entries (peer, path, content, size_bytes, kind, sha256)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        values,
    )
    connection.execute("COMMIT")
    spent_s = time.monotonic() - began_s
    connection.close()
    path.unlink()
    return len(values) / spent_s


def rows(catalogue: Catalogue, new: Told, known: Told, raw: float, store: str) -> Iterator[Row]:
    """The lines of the table."""
    files = catalogue.files
    for what, told, wanted in (
        ("new names", new, NEW_A_SECOND),
        ("known names", known, KNOWN_A_SECOND),
    ):
        yield Row(
            f"announce, {what}, {files:,} files, {store}",
            f"{told.a_second(files):,.0f}/s",
            f"raw SQLite, new rows {raw:,.0f}/s" if told is new else f"aim {wanted:,}/s",
            told.a_second(files) / wanted,
            Aim(1.0),
            f"of {wanted:,}/s; {told.wall_s:.1f} s, {told.cpu.each(files)};"
            f" last name found {told.lag_s:.2f} s later",
        )
