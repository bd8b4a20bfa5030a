"""Panal and libtorrent as swarms of real processes on the hosts of a network."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.hosts import Host, Link, Network
from benchmarks.places import FILE_NAME
from benchmarks.processes import PANAL, PATIENCE_S, Broken, Program
from benchmarks.scenarios import Scenario

PORT = 5000
TRACKER_PORT = 50051


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run happens: its hosts, the seed's first, and a folder for everything."""

    network: Network
    seed: Host
    peers: tuple[Host, ...]
    tracker: Host
    folder: Path


def place(network: Network, scenario: Scenario, folder: Path) -> Place:
    """A host for each part; the tracker's is not shaped."""
    seed = network.add("seed", scenario.seed)
    peers = tuple(network.add(f"p{i}", link) for i, link in enumerate(scenario.peers, 1))
    tracker = network.add("tracker", Link())
    network.start_delay()
    return Place(network, seed, peers, tracker, folder)


class Swarm(Protocol):
    """A program's swarm, all its processes up and waiting."""

    programs: dict[Host, Program]

    def begin(self, host: Host) -> None:
        """Tell one receiver to fetch."""

    def begin_all(self, hosts: Sequence[Host]) -> None:
        """Tell all at the same time: none waits for the answer of another."""

    def is_done(self, host: Host) -> bool:
        """Whether a receiver has the whole file."""
        ...

    def why(self, host: Host) -> str:
        """What a receiver that does not finish says."""
        ...

    def stop(self) -> None:
        """End every process."""


class PanalSwarm:
    """A tracker, a seed and waiting peers; `liars` serve wrong bytes in place of peers."""

    def __init__(
        self,
        at: Place,
        original: Path,
        liars: tuple[Host, ...] = (),
        zones: Mapping[Host, str] | None = None,
    ) -> None:
        """`zones` are told to the peers on those hosts."""
        self._at = at
        self._zones = zones or {}
        self.programs: dict[Host, Program] = {}
        self._environment = {"XDG_STATE_HOME": str(at.folder / "state")}
        self._tracker = f"{at.tracker.address}:{TRACKER_PORT}"
        listen = ("tracker", "--listen", self._tracker, "--open")
        self.tracker = Program(at.tracker.words([*PANAL, *listen]), self._environment)
        try:
            self.tracker.wait_for("The tracker listens")
            seed_folder = at.folder / at.seed.name
            seed_folder.mkdir(parents=True)
            (seed_folder / FILE_NAME).hardlink_to(original)
            for host in (at.seed, *(host for host in at.peers if host not in liars)):
                self.programs[host] = self._peer(host)
            for host in self.programs:
                self._await(host, "/api/v1/status", lambda answer: bool(answer["registered"]))
            found = self._await(
                at.seed, f"/api/v1/search?q={FILE_NAME}", lambda answer: bool(answer["hits"])
            )
            self.content = str(found["hits"][0]["id"])
            for host in liars:
                words = ("-m", "benchmarks.liar", host.name, host.address, str(PORT))
                command = [sys.executable, *words, self._tracker, str(original)]
                self.programs[host] = Program(host.words(command), self._environment)
            for host in liars:
                self.programs[host].wait_for("READY")
        except BaseException:
            self.stop()
            raise

    def _peer(self, host: Host) -> Program:
        folder = str(self._at.folder / host.name)
        words = ("peer", host.name, str(PORT), folder, "--tracker", self._tracker)
        outer = ("--host", host.address, "--open")
        zone = ("--zone", self._zones[host]) if host in self._zones else ()
        return Program(host.words([*PANAL, *words, *outer, *zone]), self._environment)

    def _await(
        self, host: Host, path: str, is_enough: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s and self.programs[host].is_running():
            try:
                answer = call(host, "GET", path)
            except OSError:
                answer = None
            if answer is not None and is_enough(answer):
                return answer
            time.sleep(0.05)
        raise Broken(f"{host.name} did not come up: {path}: {self.programs[host].said[-5:]}")

    def begin(self, host: Host) -> None:
        """Tell one receiver to fetch."""
        call(host, "POST", "/api/v1/downloads", {"what": self.content, "name": FILE_NAME})

    def begin_all(self, hosts: Sequence[Host]) -> None:
        """Tell all at the same time: none waits for the answer of another."""
        with ThreadPoolExecutor(len(hosts)) as callers:
            list(callers.map(self.begin, hosts))

    def is_done(self, host: Host) -> bool:
        """Whether the final name is there."""
        return (self._at.folder / host.name / FILE_NAME).exists()

    def why(self, host: Host) -> str:
        """What a receiver says about its download."""
        try:
            answer = call(host, "GET", "/api/v1/downloads") or {}
        except OSError as error:
            return str(error)
        return json.dumps(answer)[:600]

    def stop(self) -> None:
        """End every process."""
        for program in self.programs.values():
            program.kill()
        self.tracker.kill()


class TorrentSwarm:
    """libtorrent 2 on every host; each receiver connects to all others."""

    def __init__(self, at: Place, original: Path) -> None:
        self._at = at
        self.programs: dict[Host, Program] = {}
        self._begun = [at.seed]
        torrent = at.folder / "data.torrent"
        command = [sys.executable, "-m", "benchmarks.torrent"]
        made = Program([*command, "0", str(original), str(torrent)])
        while made.is_running():
            time.sleep(0.01)
        try:
            for host in (at.seed, *at.peers):
                folder = at.folder / host.name
                folder.mkdir(parents=True)
                if host is at.seed:
                    (folder / original.name).hardlink_to(original)
                words = [*command, str(PORT), str(folder / original.name), str(torrent)]
                self.programs[host] = Program(host.words(words))
            for program in self.programs.values():
                program.wait_for("READY")
        except BaseException:
            self.stop()
            raise

    def begin(self, host: Host) -> None:
        """Tell one receiver to connect to all that have begun before, and the seed."""
        addresses = " ".join(f"{other.address}:{PORT}" for other in self._begun)
        self._begun.append(host)
        self.programs[host].tell(f"connect {addresses}")

    def begin_all(self, hosts: Sequence[Host]) -> None:
        """Tell one after the other, which waits for no answer."""
        for host in hosts:
            self.begin(host)

    def is_done(self, host: Host) -> bool:
        """Whether it has said so."""
        return self.programs[host].has_said("DONE")

    def why(self, host: Host) -> str:
        """Its last words."""
        return str(self.programs[host].said[-3:])

    def stop(self) -> None:
        """End every process."""
        for program in self.programs.values():
            program.kill()


def call(host: Host, method: str, path: str, body: object = None) -> dict[str, Any] | None:
    """One call to a host's own peer, over its loopback; None for an answer without success."""
    with host.connect(PORT) as connection:
        client = http.client.HTTPConnection("127.0.0.1", PORT)
        client.sock = connection
        headers = {"Content-Type": "application/json"} if body is not None else {}
        client.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = client.getresponse()
        raw = answer.read()
    if answer.status >= 300:
        if method == "POST":
            raise Broken(f"{host.name}: {method} {path}: {answer.status} {raw[:300]!r}")
        return None
    parsed: dict[str, Any] = json.loads(raw)
    return parsed
