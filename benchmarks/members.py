"""A network of four hosts, from its first start to a removal, with a look at the wire.

Hosts are network namespaces on one bridge. One runs the tracker, two join by the line it printed
and exchange a folder, a fourth tries a used-up line, a forged one and none. Every frame on the
bridge is read meanwhile: no name, path, byte of a file or secret may be in it. Then one member is
removed, and shut out by the other peer and by the tracker. It prints what was seen, and ends with 1
if anything was otherwise.
"""

import argparse
import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.hosts import CannotRun, Host, Link, Network, inside
from benchmarks.places import SHARED_MEMORY
from benchmarks.processes import PANAL, Broken, Program, poll

PORT, TRACKER_PORT = 5000, 50_051
HEARD_WITHIN_S = 60.0
_EVERY_PROTOCOL = 0x0003
_BYTES = random.Random(3).randbytes(3_000_000)  # a canary, and not compressible
CANARY = b"the-canary-in-the-file "
PLAIN_CANARY = "sent-in-plain-by-a-stranger"
"""Whoever reads the wire must find this: else finding nothing says nothing."""


class Wire:
    """Everything that crosses the bridge, kept in memory."""

    def __init__(self, namespace: str) -> None:
        with inside(namespace):
            self._socket = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL)
            )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024 * 1024)
        self._socket.settimeout(0.2)
        self.seen = bytearray()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self.seen += self._socket.recv(70_000)

    def close(self) -> None:
        """Stop reading."""
        self._ended.set()
        self._thread.join()
        self._socket.close()


class Trial:
    """What is tried, step by step; `failures` are in words."""

    def __init__(self, network: Network, place: Path) -> None:
        self.place = place
        names = ("tracker", "a", "b", "stranger")
        self.tracker, self.a, self.b, self.stranger = (network.add(n, Link()) for n in names)
        self.programs: list[Program] = []
        self.failures: list[str] = []
        self.secrets: dict[str, bytes] = {}
        """What may not be on the wire."""

    def check(self, holds: bool, what: str) -> None:
        """One thing that must be so."""
        print(f"  {'yes' if holds else 'NO '}  {what}", flush=True)
        if not holds:
            self.failures.append(what)

    def start(self, host: Host, *words: str) -> Program:
        """A program of a host's own user."""
        program = Program(host.words([*PANAL, *words]), self._environment(host))
        self.programs.append(program)
        return program

    def run(self, host: Host, *words: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            host.words([*PANAL, *words]),
            env={**os.environ, **self._environment(host)},
            capture_output=True,
            text=True,
            check=False,
        )

    def _environment(self, host: Host) -> dict[str, str]:
        return {"XDG_STATE_HOME": str(self.place / host.name / "state")}

    def peer(self, host: Host, name: str, *join: str) -> Program:
        """A peer that shares its host's folder; Broken where it does not come up."""
        folder = self.place / host.name / "files"
        folder.mkdir(parents=True, exist_ok=True)
        words = ("peer", name, str(PORT), str(folder), "--host", host.address, *join)
        program = self.start(host, *words)
        program.wait_for("Others reach this peer")
        return program

    def file(self, name: str, text: str) -> Path:
        """A file with a line in it."""
        path = self.place / name
        path.write_text(text + "\n")
        return path


def everything(trial: Trial, wire: Wire) -> None:
    """The whole story."""
    print("a network is made, and two join")
    tracker = trial.start(trial.tracker, "tracker", "--listen", f"0.0.0.0:{TRACKER_PORT}")
    tracker.wait_for("panal network join-line")
    first = _minted(trial, "--uses", "1")
    trial.check(f"at={trial.tracker.address}:{TRACKER_PORT}" in first, "the line names the tracker")
    twice = _minted(trial, "--uses", "2")
    join = trial.file("join", twice)
    trial.secrets |= {"a join secret": _secret(first).encode(), "and bare": _raw(first)}
    trial.secrets |= {"its pin": _pin(first).encode()}
    (trial.place / "a" / "files" / "shared-folder").mkdir(parents=True)
    (trial.place / "a" / "files" / "shared-folder" / "big-secret.bin").write_bytes(_BYTES)
    for number in range(20):
        small = trial.place / "a" / "files" / "shared-folder" / f"small-secret-{number}.txt"
        small.write_bytes(CANARY * 40 + b"%d" % number)
    trial.peer(trial.a, "peer-anna", "--join", f"@{join}")
    b = trial.peer(trial.b, "peer-berta", "--join", f"@{join}")
    for host in (trial.a, trial.b):
        member = trial.place / host.name / "files" / ".panal" / "network" / "member.json"
        credential = json.loads(member.read_text())["credential"]
        trial.secrets[f"{host.name}'s credential"] = credential.encode()
        trial.secrets[f"and bare, {host.name}'s"] = bytes.fromhex(credential)

    print("they exchange a folder")
    folder = str(trial.place / "a" / "files" / "shared-folder")
    added = trial.run(trial.a, "add", folder, "--json")
    link = json.loads(added.stdout)["folders"][0]["link"]
    got = trial.run(trial.b, "get", link, "--peer", f"http://127.0.0.1:{PORT}")
    arrived = trial.place / "b" / "files" / "shared-folder"
    trial.check(got.returncode == 0, f"the folder came ({got.stderr.strip()[-80:]})")
    trial.check(
        (arrived / "big-secret.bin").exists()
        and (arrived / "big-secret.bin").read_bytes() == _BYTES,
        "its bytes are right",
    )
    trial.check((arrived / "small-secret-7.txt").exists(), "the small files too")
    content = link.partition("?")[0].removeprefix("panal:")

    print("nobody else gets in")
    outside = ("--tracker", f"{trial.tracker.address}:{TRACKER_PORT}")
    used_up = trial.run(trial.stranger, "get", content, *outside, "--join", f"@{join}")
    trial.check(used_up.returncode == 7, f"a used-up line is refused: {used_up.stderr.strip()}")
    forged = trial.file("forged", twice.replace(_secret(twice), "0" * 32))
    refused = trial.run(trial.stranger, "get", content, *outside, "--join", f"@{forged}")
    trial.check(refused.returncode == 7, f"a wrong secret is refused: {refused.stderr.strip()}")
    other = trial.file("other", twice.replace(_pin(twice), "0" * 64))
    mistaken = trial.run(trial.stranger, "get", content, *outside, "--join", f"@{other}")
    trial.check(mistaken.returncode == 7, f"another pin is refused: {mistaken.stderr.strip()}")
    plainly = trial.run(trial.stranger, "get", content, *outside)
    trial.check(plainly.returncode != 0, f"without a line: {plainly.stderr.strip()}")
    trial.check(not _answers(trial.stranger, trial.a, tls=False), "plain HTTP is not served")
    trial.check(not _answers(trial.stranger, trial.a, tls=True), "nor TLS without a member")

    print("what was on the wire")
    time.sleep(1.0)
    wire.close()
    seen = bytes(wire.seen)
    trial.check(len(seen) > len(_BYTES), f"{len(seen):,} bytes were seen")
    trial.check(PLAIN_CANARY.encode() in seen, "what was sent in plain is among them")
    canaries = {
        "a file's name": b"secret",
        "the folder's name": b"shared-folder",
        "a peer's name": b"peer-anna",
        "another's": b"peer-berta",
        "a small file's bytes": CANARY,
        "a big file's bytes": _BYTES[1_000_000:1_000_032],
        "the content's id": content.encode(),
        "the id in bytes": bytes.fromhex(content),
        **trial.secrets,
    }
    for what, canary in canaries.items():
        trial.check(canary not in seen, f"{what} is not among them")

    print("one is removed")
    removed = trial.run(trial.tracker, "network", "remove", "peer-berta")
    began_s = time.monotonic()
    trial.check(removed.returncode == 0, "the owner removes it")
    member = trial.place / "b" / "files" / ".panal" / "network"
    poll(
        lambda: not _answers(trial.b, trial.a, tls=True, member=member),
        "the other peer to refuse it",
        HEARD_WITHIN_S,
    )
    print(f"       refused by the other peer after {time.monotonic() - began_s:.1f} s")
    b.wait_for("was removed from the network", HEARD_WITHIN_S)
    again = trial.run(trial.b, "peer", "peer-berta", "0", str(trial.place / "b" / "files"))
    trial.check(again.returncode == 7, f"it does not come back: {again.stderr.strip()[-80:]}")


def _minted(trial: Trial, *words: str) -> str:
    made = trial.run(trial.tracker, "network", "join-line", *words)
    if made.returncode:
        raise Broken(made.stderr)
    return made.stdout.strip()


def _secret(line: str) -> str:
    found = re.search(r"secret=([0-9a-f]{32})", line)
    assert found is not None
    return found[1]


def _raw(line: str) -> bytes:
    return bytes.fromhex(_secret(line))


def _pin(line: str) -> str:
    return line.partition(":")[2].partition("?")[0]


def _answers(caller: Host, called: Host, *, tls: bool, member: Path | None = None) -> bool:
    """Whether a host gets any answer."""
    words = [sys.executable, "-m", "benchmarks.members", "--ask", called.address]
    words += ["--tls"] if tls else []
    words += ["--member", str(member)] if member is not None else []
    asked = subprocess.run(caller.words(words), capture_output=True, text=True, check=False)
    return "HTTP" in asked.stdout


def _ask(host: str, *, tls: bool, member: Path | None) -> None:
    """In a host: ask for the listing, verifying nothing, and print what comes."""
    import ssl

    request = f"GET /files/?{PLAIN_CANARY} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, PORT), timeout=5) as connection:
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                if member is not None:
                    context.load_cert_chain(member / "member.pem", member / "member.key")
                connection = context.wrap_socket(connection)
            connection.sendall(request.encode())
            print(connection.recv(4_096))
    except OSError as error:
        print(error)


@contextlib.contextmanager
def _programs(trial: Trial) -> Iterator[None]:
    try:
        yield
    finally:
        for program in reversed(trial.programs):
            program.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; exit code 1 where something was otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.members", description=__doc__)
    parser.add_argument("--ask", metavar="HOST", help=argparse.SUPPRESS)
    parser.add_argument("--tls", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--member", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.ask:
        _ask(asked.ask, tls=asked.tls, member=asked.member)
        return
    try:
        with (
            Network() as network,
            tempfile.TemporaryDirectory(prefix="panal-members-", dir=SHARED_MEMORY) as name,
        ):
            trial = Trial(network, Path(name))
            wire = Wire(network.switch)
            with _programs(trial):
                everything(trial, wire)
    except CannotRun as reason:
        print(f"skipped: {reason}")
        return
    print("all of it holds" if not trial.failures else f"otherwise: {len(trial.failures)}")
    sys.exit(1 if trial.failures else 0)


if __name__ == "__main__":
    main()
