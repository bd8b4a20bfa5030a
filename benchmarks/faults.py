"""Swarms in which things go wrong: every honest receiver finishes, and how late.

`python -m benchmarks.faults [FAULT…]`. The bound counts only what could be used: uplinks from
when their owner joined until it left, and the bytes that those who stay must receive.
"""

import argparse
import contextlib
import http.client
import itertools
import math
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.hosts import CannotRun, Host, Link, Network
from benchmarks.places import FILE_NAME, SHARED_MEMORY, make_file
from benchmarks.processes import Program
from benchmarks.rows import Aim, Row, skipped, table
from benchmarks.scenarios import MBIT, Scenario
from benchmarks.swarm import LIMIT, same, wait_for_all
from benchmarks.swarm_programs import (
    PORT,
    PanalSwarm,
    Place,
    Swarm,
    TorrentSwarm,
    place,
)
from panal.wire.have import HaveReader
from panal.wire.manifest import chunk_size_for

AIM = Aim(1.5, at_most=True)
_LINK = Link(50, 50)
_SCENARIO = Scenario("faults", 64, _LINK, (_LINK,) * 9, AIM.ratio)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong; receivers are counted from 0."""

    name: str
    scenario: Scenario = _SCENARIO
    joins_s: Mapping[int, float] = field(default_factory=dict)
    killed: tuple[int, ...] = ()
    """Half way through the clean run's bound."""
    liars: tuple[int, ...] = ()
    seed_leaves: bool = False
    """As soon as every chunk is with somebody else."""
    round_trip_s: float = 0.0

    @property
    def killed_s(self) -> float:
        """When those are killed."""
        return self.scenario.bound_s() / 2

    @property
    def honest(self) -> tuple[int, ...]:
        """Who must have the file in the end."""
        gone = {*self.killed, *self.liars}
        return tuple(i for i in range(len(self.scenario.peers)) if i not in gone)

    def bound_s(self) -> float:
        """The earliest end that the links allow."""
        size, peers, seed = self.scenario.size_bytes, self.scenario.peers, self.scenario.seed
        whole_s = size / (seed.up_mbit * MBIT)
        uplinks = [(0.0, whole_s if self.seed_leaves else math.inf, seed.up_mbit * MBIT)]
        for i in (*self.honest, *self.killed):
            until_s = self.killed_s if i in self.killed else math.inf
            uplinks.append((self.joins_s.get(i, 0.0), until_s, peers[i].up_mbit * MBIT))
        downs_s = (
            self.joins_s.get(i, 0.0) + size / (peers[i].down_mbit * MBIT) for i in self.honest
        )
        return max(whole_s, *downs_s, _sent_by_s(uplinks, size * len(self.honest)))


def _sent_by_s(uplinks: list[tuple[float, float, float]], size_bytes: float) -> float:
    """When links (from, until, bytes a second) can have sent so much together."""
    moments_s = sorted({moment for start, end, _ in uplinks for moment in (start, end)})
    for now_s, next_s in itertools.pairwise([*moments_s, math.inf]):
        rate = sum(rate for start, end, rate in uplinks if start <= now_s < end)
        if size_bytes <= rate * (next_s - now_s):
            return now_s + size_bytes / rate
        size_bytes -= rate * (next_s - now_s)
    return math.inf


FAULTS = (
    Fault("joining one a second", joins_s={i: float(i) for i in range(9)}),
    Fault("a third killed half way", killed=(0, 3, 6)),
    Fault("one in four lying", Scenario("lying", 64, _LINK, (_LINK,) * 8, 1.5), liars=(0, 4)),
    Fault("the seed leaves", seed_leaves=True),
    Fault(
        "50 ms round trip",
        Scenario("far", 32, Link(20, 20), (Link(20, 20),) * 8, 1.5),
        round_trip_s=0.05,
    ),
)


@dataclass(frozen=True, slots=True)
class _Result:
    finished: int
    last_s: float
    ratio: float

    def words(self, receivers: int) -> str:
        whole = f"{self.finished}/{receivers} whole"
        return f"{self.last_s:.1f} s, ×{self.ratio:.2f}, {whole}"


def run_once(program: str, fault: Fault, original: Path) -> _Result:
    """One run on fresh hosts."""
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=original.parent))
    try:
        with Network(fault.round_trip_s) as network:
            at = place(network, fault.scenario, folder)
            liars = tuple(at.peers[i] for i in fault.liars)
            swarm: Swarm = (
                PanalSwarm(at, original, liars)
                if program == "panal"
                else TorrentSwarm(at, original)
            )
            try:
                return _run(fault, at, swarm, original)
            finally:
                swarm.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(fault: Fault, at: Place, swarm: Swarm, original: Path) -> _Result:
    receivers = tuple(at.peers[i] for i in fault.honest)
    began_s = time.monotonic()
    todo = [(fault.joins_s.get(i, 0.0), "join", i) for i in (*fault.honest, *fault.killed)]
    todo += [(fault.killed_s, "kill", i) for i in fault.killed]
    acts = threading.Thread(target=_act, args=(sorted(todo), began_s, at, swarm), daemon=True)
    acts.start()
    if fault.seed_leaves:
        seed = swarm.programs[at.seed]
        watching = (swarm, receivers, seed, fault)
        threading.Thread(target=_end_seed, args=watching, daemon=True).start()
    finished_s = wait_for_all(swarm, receivers, began_s, fault.bound_s() * LIMIT)
    acts.join()
    whole = [host for host in finished_s if same(at, host, original)]
    last_s = max(finished_s.values(), default=math.inf)
    ratio = last_s / fault.bound_s() if len(whole) == len(receivers) else math.inf
    return _Result(len(whole), last_s, ratio)


def _act(todo: list[tuple[float, str, int]], began_s: float, at: Place, swarm: Swarm) -> None:
    for when_s, what, i in todo:
        time.sleep(max(0.0, began_s + when_s - time.monotonic()))
        if what == "join":
            swarm.begin(at.peers[i])
        else:
            swarm.programs[at.peers[i]].kill()


def _end_seed(swarm: Swarm, peers: tuple[Host, ...], seed: Program, fault: Fault) -> None:
    """End the seed when what the others have makes one copy; told by their `have` streams."""
    assert isinstance(swarm, PanalSwarm)
    size = fault.scenario.size_bytes
    chunks = -(-size // chunk_size_for(size))
    union: list[int] = [0]
    is_whole = threading.Event()

    def follow(host: Host) -> None:
        reader = HaveReader(chunks)
        for piece in have_stream(host, swarm.content):
            bits, further = reader.feed(piece)
            union[0] |= (bits or 0) | sum(1 << index for index in further)
            if union[0].bit_count() == chunks:
                is_whole.set()

    for host in peers:
        threading.Thread(target=follow, args=(host,), daemon=True).start()
    is_whole.wait()
    with contextlib.suppress(ProcessLookupError):
        os.kill(seed.pid, signal.SIGTERM)


def have_stream(host: Host, content: str) -> Iterator[bytes]:
    """What one peer says that it has, read over its own loopback; ends with it or its host."""
    with contextlib.suppress(CannotRun):
        while (answer := _begun(host, content)) is None:
            time.sleep(0.05)  # not there yet
        # Another stream would begin with all that it has, in the middle of this one.
        with contextlib.suppress(OSError, http.client.HTTPException):
            while piece := answer.read1(65536):
                yield piece


def _begun(host: Host, content: str) -> http.client.HTTPResponse | None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        client = http.client.HTTPConnection("127.0.0.1", PORT)
        client.sock = host.connect(PORT)
        client.request("GET", f"/content/{content}/have")
        answer = client.getresponse()
        if answer.status == 200:
            return answer
    return None


def rows(names: list[str] | None = None) -> Iterator[Row]:
    """A row a fault; libtorrent beside it where the fault is not Panal's own."""
    for fault in FAULTS:
        if names and fault.name not in names:
            continue
        try:
            yield _row(fault)
        except CannotRun as reason:
            yield skipped(f"swarm, {fault.name}", reason)


def _row(fault: Fault) -> Row:
    print(f"{fault.name}: {fault.scenario.words()}; bound {fault.bound_s():.1f} s", flush=True)
    is_alike = not fault.liars and not fault.seed_leaves
    results = {}
    folder = Path(tempfile.mkdtemp(prefix="panal-bench-", dir=SHARED_MEMORY))
    try:
        original = make_file(folder / FILE_NAME, fault.scenario.size_bytes)
        for program in ("panal", "libtorrent") if is_alike else ("panal",):
            results[program] = run_once(program, fault, original)
            print(f"  {program:<11}{results[program].words(len(fault.honest))}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    other = results.get("libtorrent")
    return Row(
        f"swarm, {fault.name}",
        results["panal"].words(len(fault.honest)),
        f"libtorrent {other.words(len(fault.honest))}" if other else "the bound",
        results["panal"].ratio,
        AIM,
        f"bound {fault.bound_s():.1f} s",
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("fault", nargs="*", help="names; none: all")
    print(table(list(rows(parser.parse_args().fault))))


if __name__ == "__main__":
    main()
