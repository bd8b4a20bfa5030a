"""The seed's own commands, word for word, as processes (field rows R1 to R31)."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import Machine, need
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow


def curl(*words: str) -> str:
    done = subprocess.run(
        [need("curl"), "-sS", "--max-time", "60", *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture(autouse=True)
def _the_ports_are_ours() -> Iterator[None]:
    """The seed's ports, one of them among those that the system gives to whoever asks for any.

    A socket that is bound and does not listen keeps the system from that, and who asks for the
    port by its number from nothing.
    """
    with ExitStack() as stack:
        for port in (50051, 5000, 5001, 5002):
            stack.enter_context(held(port))
        yield


def held(port: int) -> socket.socket:
    """Wait where another test was given it just now."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    until_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < until_s, f"Port {port} must be free for this test."
            time.sleep(0.05)
        else:
            return probe


def test_the_seeds_own_story(machine: Machine) -> None:
    """Tracker, two peers, upload, search, download, in both directions (R13-R24, R29-R31)."""
    machine.run(
        *(sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=."),
        *("--grpc_python_out=.", "tracker.proto"),
        cwd="tracker",
    )  # R11: as written, before the start; its output must not get in the way
    assert {"tracker_pb2.py", "tracker_pb2_grpc.py"} <= set(os.listdir(machine.place / "tracker"))
    tracker = machine.tracker()
    peer_1 = machine.peer("peer_1", 5000, "./peer1_files")
    peer_2 = machine.peer("peer_2", 5001, "./peer2_files")
    assert (machine.place / "peer" / "peer1_files").is_dir()

    song = machine.place / "canción #1?.txt"
    song.write_bytes(b"la la la\n" * 100_000)
    form = f"file=@{song}"
    answer = json.loads(curl("-F", form, "http://localhost:5000/upload"))
    assert answer["files"][0]["path"] == song.name
    assert answer["announced"] is True

    hits = json.loads(curl("http://localhost:5001/api/v1/search?q=CANCION"))["hits"]
    assert [(hit["name"], hit["providers"]) for hit in hits] == [(song.name, 1)]
    assert json.loads(machine.panal("search", "cancion", "--json"))["hits"] == hits

    got = json.loads(machine.panal("get", song.name, "--into", "here", "--json"))
    assert Path(got["path"]).read_bytes() == song.read_bytes()
    assert got["sources"] == [{"peer": "peer_1", "bytes": song.stat().st_size}]

    into_peer_2 = machine.panal("get", song.name, "--peer", "http://127.0.0.1:5001", "--json")
    assert json.loads(into_peer_2)["id"] == got["id"]
    copy = machine.place / "peer" / "peer2_files" / song.name
    assert copy.read_bytes() == song.read_bytes()
    by_path = "http://localhost:5001/files/canci%C3%B3n%20%231%3F.txt"
    digest = hashlib.sha256(song.read_bytes()).hexdigest()
    assert hashlib.sha256(curl(by_path).encode()).hexdigest() == digest

    listed = json.loads(machine.panal("peers", "--json"))["peers"]
    assert {(peer["name"], peer["port"], peer["reachable"]) for peer in listed} == {
        ("peer_1", 5000, True),
        ("peer_2", 5001, True),
    }
    assert peer_2.end(signal.SIGINT) == 0
    assert peer_1.end(signal.SIGTERM) == 0
    assert (
        machine.panal("search", "cancion", "--json") == '{"hits":[],"next":null,"capped":false}\n'
    )
    assert tracker.end(signal.SIGINT) == 0
    assert all(is_free(port) for port in (50051, 5000, 5001))
    for program in (tracker, peer_1, peer_2):
        assert "Traceback" not in program.text


def test_what_is_taken_is_refused_in_words(machine: Machine) -> None:
    """Ports R16, R25, R28; names R27; the first ones are unaffected."""
    machine.tracker()
    machine.peer("peer_1", 5000, "./a")
    second_tracker = machine.start(sys.executable, "tracker.py", cwd="tracker")
    assert second_tracker.wait() == 1
    assert "50051" in second_tracker.text

    same_port = machine.start(sys.executable, "peer.py", "peer_2", "5000", "./b", cwd="peer")
    assert same_port.wait() == 1
    assert "Port 5000 is taken" in same_port.text
    assert not (machine.place / "peer" / "b").exists()

    same_name = machine.start(sys.executable, "peer.py", "PEER_1", "5001", "./c", cwd="peer")
    assert same_name.wait() == 7
    assert "The name peer_1 belongs to" in same_name.text

    same_folder = machine.start(sys.executable, "peer.py", "peer_3", "5002", "./a", cwd="peer")
    assert same_folder.wait() == 1
    assert "Another Panal peer uses" in same_folder.text

    outside = machine.start(
        *(sys.executable, "peer.py", "peer_4", "5002", "./d", "--host", "0.0.0.0"), cwd="peer"
    )
    assert outside.wait() == 7
    assert "--open" in outside.text
    listed = json.loads(machine.panal("peers", "--json"))["peers"]
    assert [peer["name"] for peer in listed] == ["peer_1"]
    for program in machine.programs:
        assert "Traceback" not in program.text


def test_a_peer_waits_for_its_tracker(machine: Machine) -> None:
    """R24: clear words and retries, no traceback; commands say 4."""
    peer = machine.start(sys.executable, "peer.py", "peer_1", "5000", "./files", cwd="peer")
    peer.wait_for("does not answer")
    note = machine.place / "note.txt"
    note.write_text("kept until the tracker is there")
    answer = json.loads(curl("-F", f"file=@{note}", "http://localhost:5000/upload"))
    assert answer["announced"] is False
    assert "does not answer" in machine.panal("search", "note", code=4)
    assert "does not answer" in machine.panal("get", "note.txt", code=4)
    machine.tracker()
    peer.wait_for("Registered as peer_1")
    machine.panal("get", "note.txt", "--into", "here")
    assert (machine.place / "here" / "note.txt").read_text() == note.read_text()


def test_a_tracker_that_forgot_everything_learns_it_again(machine: Machine) -> None:
    """Killed, its records deleted, started again: every file back within one renewal."""
    tracker = machine.tracker("--state", "records")
    peer = machine.peer("peer_1", 5000, "./files")
    for name in ("one.txt", "two.txt"):
        (machine.place / name).write_text(name)
        curl("-T", str(machine.place / name), f"http://localhost:5000/upload/sub/{name}")
    tracker.end(signal.SIGKILL)
    for file in (machine.place / "tracker" / "records").iterdir():
        file.unlink()
    machine.tracker("--state", "records")
    assert json.loads(machine.panal("search", "--json"))["hits"] == []
    peer.wait_for("Registered as peer_1")
    hits = json.loads(machine.panal("search", "--json"))["hits"]
    assert sorted(hit["name"] for hit in hits) == ["one.txt", "two.txt"]


def test_files_by_hand_are_found(machine: Machine) -> None:
    """I3: the index follows the folder: dropped in, renamed, deleted."""
    machine.tracker()
    peer = machine.peer("peer_1", 5000, "./files")
    folder = machine.place / "peer" / "files"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "dropped.txt").write_text("by hand")
    peer.wait_for("Sharing 'deep/er/dropped.txt'")
    machine.panal("get", "dropped.txt", "--into", "here")
    (folder / "deep" / "er" / "dropped.txt").rename(folder / "renamed.txt")
    peer.wait_for_each("No longer sharing 'deep/er/dropped.txt'", "Sharing 'renamed.txt'")
    (folder / "renamed.txt").unlink()
    peer.wait_for("No longer sharing 'renamed.txt'")
    assert "not found" in machine.panal("get", "renamed.txt", "--json", code=3).replace("-", " ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_get_goes_on_where_it_was(machine: Machine, number: signal.Signals) -> None:
    """Asked again, the same command fetches only what is missing."""
    machine.tracker()
    machine.peer("peer_1", 5000, "./files")
    big = machine.place / "peer" / "files" / "big.bin"
    big.write_bytes(os.urandom(100 * 1024 * 1024))
    machine.programs[-1].wait_for("Sharing 'big.bin'")
    panal = str(Path(sys.prefix) / "bin" / "panal")
    slow = ("--limit-down", "20M")  # so that it cannot be done before it is stopped
    first = machine.start(panal, "get", "big.bin", "--into", "here", *slow)
    partial = machine.place / "here" / ".panal" / "partial"
    while first.process.poll() is None:
        journals = list(partial.glob("*.journal")) if partial.exists() else []
        if journals and journals[0].stat().st_size > 500:
            first.process.send_signal(number)
            break
    killed = number is signal.SIGKILL
    assert first.wait() == (-number if killed else 130), first.text
    if not killed:
        assert "goes on" in first.text
        listed = json.loads(machine.panal("peers", "--json"))["peers"]
        assert [peer["name"] for peer in listed] == ["peer_1"]
    assert not (machine.place / "here" / "big.bin").exists()
    again = json.loads(machine.panal("get", "big.bin", "--into", "here", "--json"))
    assert again["bytes_resumed"] > 0
    assert again["bytes_resumed"] + sum(s["bytes"] for s in again["sources"]) == again["size"]
    assert subprocess.run(["cmp", big, machine.place / "here" / "big.bin"]).returncode == 0
    assert os.listdir(machine.place / "here") == ["big.bin"]
