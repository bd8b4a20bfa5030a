"""Floods from other hosts, and whether honest work moves meanwhile: in plain and over TLS.

Hosts are network namespaces on one bridge: a tracker, a peer with a file, one that fetches it with
`panal get`, and four that flood with a thousand connections together. They share this machine's
cores with those that they flood. A line a flood: how long the get took by the wall, the start of
the command included, and what the flooders came to.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.hosts import CannotRun, Host, Link, Network
from benchmarks.places import FILE_NAME, SHARED_MEMORY, make_file
from benchmarks.processes import PANAL, Broken, Program
from benchmarks.rows import Row, table
from benchmarks.scenarios import MIB

PORT, TRACKER_PORT = 5000, 50_051
FLOODERS = 4
LEAST_S = 12.0
"""So long a flood goes on at least: past the time that a head or a handshake has."""
FLOODS: dict[bool, dict[str, tuple[str, int, str]]] = {
    False: {
        "slow heads": ("heads", PORT, "/healthz"),
        "slow bodies": ("bodies", PORT, "/api/v1/bundle"),
        "receivers that take nothing": ("receivers", PORT, "/files/" + FILE_NAME),
        "connections as quick as they come": ("connections", PORT, ""),
        "the tracker: calls without a message": (
            "calls",
            TRACKER_PORT,
            "/panal.tracker.v1.Tracker/ListPeers",
        ),
    },
    True: {
        "half handshakes": ("handshakes", PORT, ""),
        "connections that say nothing": ("silence", PORT, ""),
        "connections as quick as they come": ("connections", PORT, ""),
        "the tracker: half handshakes": ("handshakes", TRACKER_PORT, ""),
    },
}


class Scene:
    """A tracker, a peer that shares, a host that gets and four that flood."""

    def __init__(self, network: Network, place: Path, *, has_network: bool) -> None:
        self._place = place
        self._tracker, self._seed, self._getter = (
            network.add(name, Link()) for name in ("tracker", "seed", "getter")
        )
        self._flooders = [network.add(f"flooder{n}", Link()) for n in range(FLOODERS)]
        self.programs: list[Program] = []
        beyond = ["--listen", f"0.0.0.0:{TRACKER_PORT}", *([] if has_network else ["--open"])]
        tracker = self._start(self._tracker, "tracker", *beyond)
        tracker.wait_for("network join-line" if has_network else "The tracker listens")
        self._way_in = ["--tracker", f"{self._tracker.address}:{TRACKER_PORT}"]
        self._way_in += self._joining() if has_network else []
        self._open = [] if has_network else ["--open"]
        folder = place / "seed" / "files"
        outer = ("--host", self._seed.address, *self._way_in, *self._open)
        self.seed = self._start(self._seed, "peer", "seed", str(PORT), str(folder), *outer)
        self.seed.wait_for("Others reach this peer")

    def _joining(self) -> list[str]:
        line = self._place / "join"
        made = subprocess.run(
            self._tracker.words([*PANAL, "network", "join-line", "--uses", "2"]),
            env=self._environment(self._tracker),
            capture_output=True,
            text=True,
            check=True,
        )
        line.write_text(made.stdout)
        return ["--join", f"@{line}"]

    def _environment(self, host: Host) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self._place / host.name / "state")}

    def _start(self, host: Host, *words: str) -> Program:
        program = Program(host.words([*PANAL, *words]), self._environment(host))
        self.programs.append(program)
        return program

    def get(self) -> float:
        """The file once more, by a command of its own; seconds by the wall. Broken."""
        into = self._place / "into"
        shutil.rmtree(into, ignore_errors=True)
        words = [*PANAL, "get", FILE_NAME, "--into", str(into), *self._way_in, "--quiet"]
        began_s = time.monotonic()
        done = subprocess.run(
            self._getter.words(words),
            env=self._environment(self._getter),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise Broken(done.stderr[-500:])
        return time.monotonic() - began_s

    @contextlib.contextmanager
    def flood(self, kind: str, port: int, path: str, count: int) -> Iterator[list[Program]]:
        """All flooders at work, for the time of a `with`."""
        at = self._seed if port == PORT else self._tracker
        words = ["python", "-m", "benchmarks.flooding", kind, at.address, str(port)]
        words[0] = str(Path(PANAL[0]).parent / "python")
        share = str(count // FLOODERS)
        flooding = [Program(host.words([*words, share, path])) for host in self._flooders]
        try:
            for each in flooding:
                each.wait_for("flooding")
            yield flooding
        finally:
            for each in flooding:
                each.kill()


def rows(rounds: int, size_mib: int, count: int, only: str) -> Iterator[Row]:
    """A row a flood; the one without a flood comes first."""
    for has_network in (False, True):
        way = "over TLS" if has_network else "in plain"
        floods = {
            name: flood
            for title, flood in FLOODS[has_network].items()
            if only in (name := f"{way}: {title}")
        }
        if not floods:
            continue
        with (
            Network() as network,
            tempfile.TemporaryDirectory(prefix="panal-floods-", dir=SHARED_MEMORY) as name,
        ):
            place = Path(name)
            (place / "seed" / "files").mkdir(parents=True)
            make_file(place / "seed" / "files" / FILE_NAME, size_mib * MIB)
            scene = Scene(network, place, has_network=has_network)
            try:
                scene.get()
                alone_s = statistics.median(scene.get() for _ in range(rounds))
                yield Row(f"{way}: no flood", f"{alone_s:.2f} s", "", None)
                for title, (kind, port, path) in floods.items():
                    yield _row(scene, title, (kind, port, path, count), rounds, alone_s)
            finally:
                for program in reversed(scene.programs):
                    program.stop()


def _row(
    scene: Scene, title: str, flood: tuple[str, int, str, int], rounds: int, alone_s: float
) -> Row:
    began_s = time.monotonic()
    took: list[float] = []
    with scene.flood(*flood) as flooding:
        while len(took) < rounds or time.monotonic() - began_s < LEAST_S:
            took.append(scene.get())
        for each in flooding:
            each.tell("stop")
        made = sum(int(each.wait_for("made").partition(" ")[2]) for each in flooding)
        per_s = made / (time.monotonic() - began_s)
    note = f"{made} connections, {per_s:.0f}/s; the longest get {max(took):.2f} s"
    median_s = statistics.median(took)
    return Row(title, f"{median_s:.2f} s", "", median_s / alone_s, None, note)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floods", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--only", default="", metavar="WORDS", help="rows with these words")
    asked = parser.parse_args()
    found = []
    try:
        for row in rows(asked.rounds, asked.mib, asked.connections, asked.only):
            print(f"{row.name}: {row.panal} {row.note}", flush=True)
            found.append(row)
    except CannotRun as reason:
        print(f"skipped: {reason}")
        return
    print(table(found))


if __name__ == "__main__":
    main()
