"""A tracker at a million files: what it takes in, how quickly it finds, what it costs.

    python -m benchmarks.tracker --files 1000000
    python -m benchmarks.tracker --files 100000 --store postgresql

The peers share the machine's cores with the tracker: its processor time is shown beside the
wall time, and the database's where the store is PostgreSQL. Its server is a new one, with a larger
cache than it comes with and else its defaults. Nothing is asserted.
"""

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import (
    tracker_announce,
    tracker_calls,
    tracker_return,
    tracker_search,
    tracker_several,
)
from benchmarks.__main__ import machine
from benchmarks.processes import MachineLoad
from benchmarks.rows import Row, table
from benchmarks.tracker_load import Peers, RunningTracker
from benchmarks.tracker_names import Catalogue
from tests.support.postgres_server import PostgresServer, server_programs

LIMITS_MS = {"sqlite": (5.0, 50.0), "postgresql": (20.0, 150.0)}


PARTS = ("announce", "search", "calls", "return", "crowd", "several")
CROWD = 10_000
SERVER_OPTIONS = "-c listen_addresses='' -c shared_buffers=1GB -c max_wal_size=4GB"
"""Else as PostgreSQL comes: it syncs, and autovacuum gathers statistics."""


class Run:
    """One store's figures, part by part."""

    def __init__(
        self, catalogue: Catalogue, place: Path, server: PostgresServer | None = None
    ) -> None:
        self._catalogue = catalogue
        self._server = server
        self._place = place
        self.kind = "sqlite" if server is None else "postgresql"
        began_s = time.monotonic()
        self._messages = [catalogue.messages_of(peer) for peer in range(catalogue.peers)]
        size = sum(len(part) for parts_of_one in self._messages for part in parts_of_one)
        print(
            f"{catalogue.files:,} files of {len(catalogue.real):,} installed ones,"
            f" {catalogue.peers:,} peers; {size / 2**20:.0f} MiB of messages made in"
            f" {time.monotonic() - began_s:.0f} s",
            flush=True,
        )

    def tracker(self, name: str) -> RunningTracker:
        """A tracker with nothing in it."""
        if self._server is None:
            return RunningTracker(self._place / name)
        self._server.sql(f"CREATE DATABASE {name}")
        return RunningTracker(self._place / name, self._server, name)

    async def filled(self, parts: set[str], search_s: float, rounds: int) -> AsyncIterator[Row]:
        """Announces; then what is asked of a tracker that is full."""
        catalogue, kind = self._catalogue, self.kind
        raw = tracker_announce.raw_rows_a_second(catalogue, self._place / "raw.db")
        # Before: while it counts, nobody renews.
        queries = tracker_search.count_matches(catalogue) if "search" in parts else []
        tracker = self.tracker("filled")
        try:
            async with Peers(tracker.address, catalogue.peers) as peers:
                began_s = time.monotonic()
                await peers.register_all()
                print(f"registered in {time.monotonic() - began_s:.1f} s", flush=True)
                idle_bytes = tracker.program.resident_bytes()
                last = catalogue.path(catalogue.files - 1)
                new = await tracker_announce.tell_all(tracker, peers, self._messages, last)
                print(f"new {new}", flush=True)
                known = await tracker_announce.tell_all(tracker, peers, self._messages, last)
                print(f"known {known}; {self._kept('filled')}", flush=True)
                if self._server is not None:
                    # As autovacuum does within a minute; before it a Locate costs double.
                    self._server.sql("ANALYZE", "filled")
                for row in tracker_announce.rows(catalogue, new, known, raw, kind):
                    yield row
                if "search" in parts:
                    times = await tracker_search.measure(tracker, peers, queries, search_s)
                    for row in tracker_search.rows(catalogue, times, LIMITS_MS[kind], kind):
                        yield row
                if "calls" in parts:
                    await peers.register_all()
                    found = await tracker_calls.compare(tracker, peers, catalogue, rounds)
                    for row in tracker_calls.rate_rows(found, kind):
                        yield row
                grown = tracker.program.resident_bytes() - idle_bytes
                print(
                    f"{grown / catalogue.files:.0f} bytes of memory a file;"
                    f" at most {tracker.program.peak_bytes() / 2**20:.0f} MiB"
                    f" in all; {self._kept('filled')}",
                    flush=True,
                )
        finally:
            tracker.program.stop()
            print("\n".join(tracker.program.said[-3:]))
            print(f"stopped; {self._kept('filled')}", flush=True)

    async def returned(self) -> AsyncIterator[Row]:
        """Everybody comes back to a tracker that has lost everything."""
        async with self._some_peers("returned", self._catalogue.peers) as (tracker, peers):
            back = await tracker_return.come_back(tracker, peers, self._catalogue, self._messages)
            for row in tracker_return.rows(self._catalogue, back, self.kind):
                yield row

    async def crowd(self, count: int, duration_s: float) -> AsyncIterator[Row]:
        """Very many peers that have nothing and renew."""
        async with self._some_peers("crowd", count) as (tracker, peers):
            idle_bytes = tracker.program.resident_bytes()
            found = await tracker_calls.renew_in_crowd(tracker, peers, idle_bytes, duration_s)
            for row in tracker_calls.crowd_rows(found, self.kind):
                yield row

    async def several(self) -> AsyncIterator[Row]:
        """Trackers side by side on one database."""
        if self._server is None:
            return
        try:
            quotas = tracker_several.quotas()
        except OSError as error:
            print(f"several trackers: skipped, for no part of a core can be given: {error}")
            return
        self._server.sql("CREATE DATABASE several")
        trackers: list[RunningTracker] = []
        try:
            for number, quota in enumerate(quotas):
                state = self._place / f"several_{number}"
                trackers.append(RunningTracker(state, self._server, "several"))
                quota.hold(trackers[-1].program.pid)
            found = await tracker_several.renew_together(trackers)
        finally:
            for tracker in trackers:
                tracker.program.stop()
            for quota in quotas:
                quota.remove()
        for row in tracker_several.rows(found):
            yield row

    @asynccontextmanager
    async def _some_peers(
        self, name: str, count: int
    ) -> AsyncIterator[tuple[RunningTracker, Peers]]:
        tracker = self.tracker(name)
        try:
            async with Peers(tracker.address, count, channels=32) as peers:
                yield tracker, peers
        finally:
            tracker.program.stop()
            print("\n".join(tracker.program.said[-3:]), flush=True)

    def _kept(self, name: str) -> str:
        if self._server is None:
            return _size_words(self._place / name, self._catalogue.files)
        size = int(self._server.sql(f"SELECT pg_database_size('{name}')"))
        return f"{size / self._catalogue.files:,.0f} bytes a file in the database"


async def measured(run: Run, parts: set[str], seconds: float, crowd: int, rounds: int) -> list[Row]:
    """The rows of one store."""
    rows: list[Row] = []
    if parts & {"announce", "search", "calls"}:
        rows += [row async for row in run.filled(parts, seconds, rounds)]
    if "return" in parts:
        rows += [row async for row in run.returned()]
    if "crowd" in parts:
        rows += [row async for row in run.crowd(crowd, 2 * seconds)]
    if "several" in parts:
        rows += [row async for row in run.several()]
    return rows


def _size_words(folder: Path, files: int) -> str:
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    listed = ", ".join(f"{name} {size / 2**20:.0f} MiB" for name, size in sorted(sizes.items()))
    return f"{sum(sizes.values()) / files:,.0f} bytes a file on disk ({listed})"


def _server() -> PostgresServer:
    programs = server_programs()
    if programs is None:
        raise SystemExit("There is no PostgreSQL here: install Debian's postgresql.")
    server = PostgresServer(programs, options=SERVER_OPTIONS)
    server.start()
    return server


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracker", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--peers", type=int, default=1_000)
    parser.add_argument("--crowd", type=int, default=CROWD, help="peers that only renew")
    parser.add_argument("--store", default="sqlite", choices=("sqlite", "postgresql"))
    parser.add_argument("--only", action="append", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of searching and renewing")
    parser.add_argument("--rounds", type=int, default=tracker_calls.ROUNDS, help="of calls")
    asked = parser.parse_args()
    parts = set(asked.only or PARTS)
    print(machine(0))
    load = MachineLoad()
    place = Path(tempfile.mkdtemp(prefix="panal-tracker-"))
    server = _server() if asked.store == "postgresql" else None
    try:
        run = Run(Catalogue(asked.files, asked.peers), place, server)
        rows = asyncio.run(measured(run, parts, asked.seconds, asked.crowd, asked.rounds))
    finally:
        shutil.rmtree(place)
        if server is not None:
            server.remove()
    print(f"machine {load.busy_share():.0%} busy\n\n{table(rows)}")


if __name__ == "__main__":
    main()
