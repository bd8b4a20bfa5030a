"""Panal and libtorrent on loopback: one source, and gets of what it has."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.processes import PANAL, REPOSITORY, Broken, Program, free_port, poll

TORRENT = (sys.executable, "-m", "benchmarks.torrent")


class LocalPeer:
    """One running peer that shares `folder`."""

    def __init__(
        self, name: str, tracker: str, folder: Path, state: Path, join: tuple[str, ...] = ()
    ) -> None:
        """`join` are the words that let it, and its gets, into a network."""
        self.port = free_port()
        self.tracker = tracker
        self.join = join
        self.environment = {"XDG_STATE_HOME": str(state)}
        words = ("peer", name, str(self.port), str(folder), "--tracker", tracker, *join)
        self.program = Program([*PANAL, *words], self.environment)
        try:
            poll(lambda: self.status()["registered"], f"{name} to be registered")
        except BaseException:
            self.program.kill()
            raise

    def status(self) -> dict[str, Any]:
        """What the peer says of itself; not registered where it does not answer yet."""
        try:
            return self.call("GET", "/api/v1/status")
        except OSError:
            return {"registered": False}

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One call to the peer's API. Broken where it is refused."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        text = None if body is None else json.dumps(body)
        client.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        with contextlib.closing(client), client.getresponse() as answer:
            raw = answer.read()
        if answer.status >= 300:
            raise Broken(f"{method} {path}: {answer.status} {raw[:300]!r}")
        parsed: dict[str, Any] = json.loads(raw) if raw else {}
        return parsed

    def found(self, name: str) -> list[dict[str, Any]]:
        """The hits of a file's name at the tracker."""
        hits: list[dict[str, Any]] = self.call("GET", f"/api/v1/search?q={name}")["hits"]
        return hits

    def wait_until_found(self, name: str, patience_s: float = 600.0) -> dict[str, Any]:
        """The hit of a file, once the tracker knows it."""
        poll(lambda: bool(self.found(name)), f"{name} to be found", patience_s)
        return self.found(name)[0]

    def get(self, what: str, into: Path) -> tuple[float, float]:
        """`panal get` as a command: its wall time, and the transfer_s that it reports."""
        where = ("--into", str(into), "--tracker", self.tracker, *self.join)
        words = [*PANAL, "get", what, *where, "--json"]
        began_s = time.monotonic()
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True
        )
        wall_s = time.monotonic() - began_s
        if done.returncode != 0:
            raise Broken(f"panal get: {done.returncode} {done.stderr[-500:]}")
        return wall_s, float(json.loads(done.stdout)["transfer_s"])


class LocalPanal(LocalPeer):
    """A tracker, a peer that shares `folder`, and further peers beside it; state in `place`."""

    def __init__(self, folder: Path, place: Path, *, has_network: bool = False) -> None:
        """`has_network`: only members talk, over TLS."""
        self._state = place / "state"
        tracker = f"127.0.0.1:{free_port()}"
        environment = {"XDG_STATE_HOME": str(self._state)}
        words = [*PANAL, "tracker", "--listen", tracker, *(["--network"] if has_network else [])]
        self.tracker_program = Program(words, environment)
        self._beside: list[LocalPeer] = []
        join: tuple[str, ...] = ()
        try:
            self.tracker_program.wait_for("The tracker listens")
            if has_network:
                line = place / "join"
                line.write_text(join_line(environment, tracker))
                join = ("--join", f"@{line}")
            super().__init__("source", tracker, folder, self._state, join)
        except BaseException:
            self.tracker_program.kill()
            raise

    def beside(self, name: str, folder: Path) -> LocalPeer:
        """One further peer of the same tracker, which ends with this one."""
        self._beside.append(LocalPeer(name, self.tracker, folder, self._state, self.join))
        return self._beside[-1]

    def stop(self) -> None:
        """End everything."""
        for peer in (*self._beside, self):
            peer.program.stop()
        self.tracker_program.stop()


def join_line(environment: dict[str, str], tracker: str) -> str:
    """What lets members into the network of a tracker on this machine."""
    state = Path(environment["XDG_STATE_HOME"]) / "panal" / f"tracker-{tracker.rpartition(':')[2]}"
    words = [*PANAL, "network", "join-line", "--state", str(state)]
    made = subprocess.run(
        words, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return made.stdout


@contextlib.contextmanager
def local_panal(folder: Path, place: Path, *, has_network: bool = False) -> Iterator[LocalPanal]:
    """A tracker and a peer for the time of a `with`."""
    panal = LocalPanal(folder, place, has_network=has_network)
    try:
        yield panal
    finally:
        panal.stop()


class LocalTorrent:
    """A libtorrent seed of a file or folder."""

    def __init__(self, shared: Path, place: Path) -> None:
        self._shared = shared
        self._torrent = place / "shared.torrent"
        subprocess.run([*TORRENT, "0", shared, self._torrent], cwd=REPOSITORY, check=True)
        self._port = free_port()
        self.seed = Program([*TORRENT, str(self._port), str(shared), str(self._torrent)])
        self.seed.wait_for("READY", 600)

    def get(self, into: Path) -> float:
        """By a session that is up already: from the call to connect until all is there."""
        into.mkdir(parents=True, exist_ok=True)
        path = into / self._shared.name
        getter = Program([*TORRENT, str(free_port()), str(path), str(self._torrent)])
        try:
            getter.wait_for("READY", 600)
            began_s = time.monotonic()
            getter.tell(f"connect 127.0.0.1:{self._port}")
            getter.wait_for("DONE", 600)
            return time.monotonic() - began_s
        finally:
            getter.kill()


@contextlib.contextmanager
def local_torrent(shared: Path, place: Path) -> Iterator[LocalTorrent]:
    """A seed for the time of a `with`."""
    torrent = LocalTorrent(shared, place)
    try:
        yield torrent
    finally:
        torrent.seed.kill()


def timed(*words: str | Path, synced: Path | None = None) -> float:
    """Wall time of a command, and of syncing what it wrote, where a path says so."""
    began_s = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise Broken(f"{words[0]}: {done.returncode} {done.stderr[-500:]}")
    if synced is not None:
        sync(synced)
    return time.monotonic() - began_s


def sync(path: Path) -> None:
    """Make a file, or all of a folder's file system, durable."""
    subprocess.run(["sync", *(["-f"] if path.is_dir() else []), path], check=True)


def emptied(folder: Path) -> Path:
    """A new, empty folder in its place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
