"""A soak: peers that come, change and go, while their trackers and the database are killed.

    .venv/bin/python -m benchmarks.history [--seconds 120] [--peers 40] [--files 20] [--broken]
    .venv/bin/python -m benchmarks.history --postgresql [--trackers 3] [--seconds 120]

Trackers are processes, killed with signal 9 and started again a moment later. With --postgresql
they are replicas on a server that is started for this, killed too (unless --keep-database) and
started again; without, one tracker on SQLite, which half of the times comes back with nothing.
Everything is recorded, listings of each tracker too, the renewals that were acknowledged and what
the database's clock says, and then checked (`checking.py`); exit code 1 where something cannot be.
Where a lease had ended because its peer was late that is counted apart.
Leases of 9 s and renewals each 3 s stand for 60 and 20. --broken lets trackers forget removals:
then the check must find that. Nothing of it needs a quiet machine but the times that it prints.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.history.checking import Limits, Verdict, check
from benchmarks.history.events import (
    ClockRead,
    Confirmed,
    Disturbed,
    Ended,
    History,
    Started,
    Told,
)
from benchmarks.history.peers import DialbackHost, RecordedPeer, look
from benchmarks.history.trackers import TrackerProcess
from panal.clock import SystemClock
from tests.support.postgres_server import PostgresServer, server_programs

RENEW_S, LEASE_S = 3.0, 9.0
INTERVAL_S = 1.1 * RENEW_S + 3.0 + 2.0
"""A renewal, one look at a tracker that is away, and time to tell on a busy machine."""
SLACK_S = 3.0
STALL_S = 1.5
"""How late a busy machine may be."""
CALM_S = INTERVAL_S + 4.0
"""How long nothing disturbs between two disturbances, so that there is something to check."""


@dataclass
class Soak:
    """Everything that runs."""

    peers: list[RecordedPeer]
    trackers: list[TrackerProcess]
    history: History
    host: DialbackHost
    chance: Random
    ends_s: float
    files: int
    done: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[float, str]] = field(default_factory=list)
    """When a tracker was killed, and which."""
    longest_stall_s: float = 0.0

    def goes_on(self) -> bool:
        """Whether it is not over."""
        return time.monotonic() < self.ends_s

    async def live(self, peer: RecordedPeer) -> None:
        """What a peer's owner does, until the end."""
        chance = self.chance
        for number in range(self.files):
            peer.change(f"file-{number}", is_shared=True)
        await peer.start(self.host)
        while self.goes_on():
            await asyncio.sleep(chance.expovariate(1.0))
            what = chance.random()
            if what < 0.9 or not peer.is_running:
                path = f"file-{chance.randrange(self.files)}"
                peer.change(path, is_shared=chance.random() < 0.7)
                self.done["changes"] += 1
            else:
                await peer.end(politely=what < 0.95)
                self.done["ends"] += 1
                await asyncio.sleep(chance.random() * 2 * LEASE_S)
                await peer.start(self.host)

    async def watch(self) -> None:
        """List each tracker again and again."""
        while self.goes_on():
            for tracker in self.trackers:
                self.done["listings"] += await look(tracker.address, self.history)
            await asyncio.sleep(0.2)

    async def note_stalls(self) -> None:
        """A machine that stands still for longer than a lease has to spare loses leases."""
        while self.goes_on():
            began_s = time.monotonic()
            await asyncio.sleep(0.1)
            self.longest_stall_s = max(self.longest_stall_s, time.monotonic() - began_s - 0.1)
            if time.monotonic() - began_s > STALL_S:
                self.history.note(Disturbed("stall", began_s, time.monotonic()))
                self.done["stalls"] += 1

    async def read_clock(self, url: str) -> None:
        """What the database's clock says, by which leases run: it may be set, or stand still."""
        while self.goes_on():
            read = await asyncio.to_thread(_clock_at, url, self.history.now_s)
            if read is not None:
                self.history.note(read)
            await asyncio.sleep(0.5)

    async def kill_trackers(self, state: Path | None) -> None:
        """One after the other, so that others are there where there are any."""
        while self.goes_on():
            await asyncio.sleep(self.chance.uniform(1.0, 2.0) * CALM_S)
            tracker = self.chance.choice(self.trackers)
            began_s = time.monotonic()
            tracker.kill()
            self.kills.append((began_s, tracker.address))
            self.done["trackers killed"] += 1
            if state is not None and self.chance.random() < 0.5:
                shutil.rmtree(state, ignore_errors=True)
                self.done["states lost"] += 1
            await asyncio.sleep(self.chance.uniform(0.5, 3.0))
            await tracker.start()
            if state is not None:  # nobody else has what it had
                self.history.note(Disturbed("tracker", began_s, time.monotonic()))

    async def kill_database(self, stop: Callable[[], None], start: Callable[[], None]) -> None:
        """Now and then, for a moment or for long."""
        while self.goes_on():
            await asyncio.sleep(self.chance.uniform(2.0, 3.0) * CALM_S)
            began_s = time.monotonic()
            await asyncio.to_thread(stop)
            self.done["databases killed"] += 1
            await asyncio.sleep(self.chance.choice((0.5, 3.0, LEASE_S + 2.0)))
            await asyncio.to_thread(_again_and_again, start)
            self.history.note(Disturbed("database", began_s, time.monotonic()))


def _clock_at(url: str, now_s: Callable[[], float]) -> ClockRead | None:
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            began_s = now_s()
            row = connection.execute(
                "SELECT extract(epoch FROM clock_timestamp())::float8"
            ).fetchone()
            return ClockRead(began_s, now_s(), row[0]) if row else None
    except psycopg.Error:
        return None


def _again_and_again(start: Callable[[], None]) -> None:
    """What is left of a database that was killed may be in the way of the next."""
    for _ in range(20):
        try:
            return start()
        except RuntimeError:
            time.sleep(0.5)
    return start()


def _database() -> PostgresServer:
    programs = server_programs()
    if programs is None:
        raise SystemExit("There is no PostgreSQL here (Debian: apt-get install postgresql).")
    server = PostgresServer(programs)
    server.start()
    return server


async def _soak(given: argparse.Namespace, place: Path) -> tuple[History, Soak]:
    history, chance = History(time.monotonic), Random(given.random_seed)
    words = ["--renew", str(RENEW_S), "--lease", str(LEASE_S)]
    words += ["--broken"] if given.broken else []
    server: PostgresServer | None = None
    state: Path | None = None
    if given.postgresql:
        server = _database()
        words += ["--store", server.url()]
    else:
        state = place / "state"
        words += ["--state", str(state)]
    count = given.trackers if given.postgresql else 1
    trackers = [TrackerProcess(words) for _ in range(count)]
    try:
        for tracker in trackers:
            await tracker.start()
        addresses = [tracker.address for tracker in trackers]
        async with DialbackHost() as host:
            peers = [
                RecordedPeer(
                    f"peer-{n}", addresses, history, SystemClock(), Random(chance.random())
                )
                for n in range(given.peers)
            ]
            ends_s = time.monotonic() + given.seconds
            soak = Soak(peers, trackers, history, host, chance, ends_s, given.files)
            async with asyncio.TaskGroup() as work:
                for peer in peers:
                    work.create_task(soak.live(peer))
                work.create_task(soak.watch())
                work.create_task(soak.note_stalls())
                work.create_task(soak.kill_trackers(state))
                if server is not None:
                    work.create_task(soak.read_clock(server.url()))
                if server is not None and not given.keep_database:
                    work.create_task(soak.kill_database(server.stop, server.start))
            await asyncio.sleep(INTERVAL_S)
            for tracker in trackers:
                await look(tracker.address, history)
            for peer in peers:
                await peer.end(politely=True)
    finally:
        for tracker in trackers:
            tracker.kill()
        if server is not None:
            server.remove()
    return history, soak


def _tell(soak: Soak, history: History, verdict: Verdict) -> None:
    print(", ".join(f"{count:,} {what}" for what, count in sorted(soak.done.items())))
    changed: dict[tuple[str, str], float] = {}
    waits = []
    for event in history.events:
        key = getattr(event, "peer", ""), getattr(event, "path", "")
        if type(event).__name__ == "Changed":
            changed[key] = event.at_s  # type: ignore[union-attr]
        elif isinstance(event, Told) and key in changed:
            waits.append(event.at_s - changed.pop(key))
    waits.sort()
    if waits:
        half, most = waits[len(waits) // 2], waits[len(waits) * 999 // 1000]
        print(
            f"from a change until a tracker has acknowledged it: median {half:.2f} s, "
            f"999 of 1000 {most:.2f} s, longest {waits[-1]:.2f} s"
        )
    moves = sorted(_until_moved(soak))
    if moves:
        print(
            f"{len(moves)} peers took another tracker after theirs was killed: median "
            f"{moves[len(moves) // 2]:.2f} s, longest {moves[-1]:.2f} s"
        )
    print(f"longest stall of this process: {soak.longest_stall_s:.2f} s")
    print(
        f"longest time between two confirmations of a running peer: {_longest_gap_s(history):.2f} s"
    )
    print("checked: " + ", ".join(f"{rule} {n:,}" for rule, n in sorted(verdict.checked.items())))
    for violation in verdict.violations[:20]:
        print(f"{violation.rule}: {violation.words}")
    for lapsed in verdict.lapsed[:5]:
        print(f"no violation: {lapsed.words}")
    print(f"{len(verdict.violations)} violations; {len(verdict.lapsed)} times a lease had ended")


def _longest_gap_s(history: History) -> float:
    """Until a renewal was acknowledged, since the one before was asked for."""
    last_s: dict[str, float] = {}
    longest_s = 0.0
    for event in history.events:
        if isinstance(event, Started | Ended):
            last_s.pop(event.peer, None)
        elif isinstance(event, Confirmed):
            longest_s = max(longest_s, event.at_s - last_s.get(event.peer, event.asked_s))
            last_s[event.peer] = event.asked_s
    return longest_s


def _until_moved(soak: Soak) -> Iterator[float]:
    for killed_s, address in soak.kills:
        for peer in soak.peers:
            after = (at_s - killed_s for at_s, before in peer.moves if before == address)
            delay_s = min((s for s in after if s >= 0), default=INTERVAL_S)
            if delay_s < INTERVAL_S:
                yield delay_s


def main() -> None:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--peers", type=int, default=40)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--trackers", type=int, default=3)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--keep-database", action="store_true")
    parser.add_argument("--broken", action="store_true")
    parser.add_argument("--random-seed", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="panal-history-") as place:
        history, soak = asyncio.run(_soak(given, Path(place)))
    verdict = check(history.events, Limits(INTERVAL_S, LEASE_S + SLACK_S, LEASE_S))
    _tell(soak, history, verdict)
    sys.exit(1 if verdict.violations else 0)


if __name__ == "__main__":
    main()
