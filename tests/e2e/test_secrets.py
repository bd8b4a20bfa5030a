"""Every secret, sought in all that programs say, write and are started with."""

import base64
import json
import re
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.processes import Machine
from tests.support.patience import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.p9]
DEBUG = """import itertools, logging, sys, threading
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s %(message)s")
def talk():
    for _ in itertools.count():
        logging.getLogger("any").debug("is talkative")
        threading.Event().wait(0.1)
threading.Thread(target=talk, daemon=True).start()
from panal.cli.main import program
program()
"""
"""`panal` with every log of every library at its most talkative."""


@dataclass
class Seen:
    """What was said, by where."""

    texts: dict[str, str] = field(default_factory=dict)

    def note(self, where: str, text: str) -> str:
        self.texts[where] = self.texts.get(where, "") + text
        return text

    def hits(self, secrets: dict[str, str]) -> list[tuple[str, str]]:
        return [
            (where, what)
            for where, text in self.texts.items()
            for what, secret in secrets.items()
            if secret in text
        ]


def raw(url: str, request: str) -> str:
    """What a peer says to these bytes, until it ends the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_S) as wire:
        wire.sendall(request.encode("latin-1"))
        answer = b""
        while block := wire.recv(65_536):
            answer += block
    return answer.decode("latin-1")


def asked(url: str, method: str, path: str, *fields: str, body: str = "") -> str:
    host = urlsplit(url).netloc
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *fields]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return raw(url, "\r\n".join([*head, "", body]))


def forms(secret: bytes) -> dict[str, str]:
    """How bytes might be written."""
    return {
        "hex": secret.hex(),
        "base64": base64.b64encode(secret).decode().rstrip("="),
        "url": base64.urlsafe_b64encode(secret).decode().rstrip("="),
        "repr": repr(secret)[2:-1],
    }


def words_of_all_programs() -> str:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode("latin-1"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)


def test_no_secret_is_said_or_written_where_others_read(machine: Machine) -> None:
    seen = Seen()
    run = (sys.executable, "-c", DEBUG)
    tracker = machine.start(*run, "tracker", "--listen", "127.0.0.1:0", "--state", "tracked")
    at = re.findall(r"127\.0\.0\.1:\d+", tracker.wait_for("The tracker listens on"))[0]
    talkative = {"PYTHONASYNCIODEBUG": "1", "PANAL_DEBUG": "1"}
    words = ("peer", "one", "0", "files", "--tracker", at, "--guest-port", "0")
    peer = machine.start(*run, *words, environment=talkative)
    url = re.findall(r"http://127\.0\.0\.1:\d+", peer.wait_for("shares"))[0]
    state = machine.place / "files" / ".panal"
    assert " 201 " in asked(url, "PUT", "/upload/note.txt", body="words")

    # The secrets, each where it is made, and what was meant for its owner alone.
    link = json.loads(machine.panal("link", "--guest", "note.txt", "--json", "--peer", url))
    guests, _, rest = link["url"].partition("/guest/")
    guests = re.sub(r"//.*:", "//127.0.0.1:", guests)
    capability = rest.partition("/")[0]
    used = machine.panal("page", "--peer", url).strip().partition("#t=")[2]
    unused = machine.panal("page", "--peer", url).strip().partition("#t=")[2]
    begun = asked(url, "POST", "/session", body=json.dumps({"link": used}))
    session = re.findall(r"panal-\d+=([^;]+);", begun)[0]
    token = (state / "owner-token").read_text().strip()
    secrets = {
        "token": token.removeprefix("panal-owner-"),
        "session": session,
        "used page link": used,
        "page link": unused,
        "capability": capability,
        "its proof": capability[-20:],
    }
    for name in ("owner-secret", "guest-key"):
        kept = forms(bytes.fromhex((state / name).read_text().strip()))
        secrets |= {f"{name}, {form}": text for form, text in kept.items()}
    assert all(len(secret) >= 20 for secret in secrets.values())

    # Used well and badly.
    port = urlsplit(url).port
    proofs = [f"Authorization: Bearer {token}", f"Cookie: panal-{port}={session}"]
    reads = [
        "status",
        "log",
        "guest-links",
        "settings",
        "files",
        "downloads",
        "peers",
        "unfinished",
    ]
    for proof in proofs:
        for name in reads:
            answer = seen.note(f"GET {name}", asked(url, "GET", f"/api/v1/{name}", proof))
            assert " 200 " in answer
        for method, path in (
            ("GET", "/nowhere"),
            ("POST", "/api/v1/status"),
            ("GET", "/files/missing"),
            ("GET", "/api/v1/downloads/none"),
            ("POST", "/session"),
        ):
            seen.note("errors", asked(url, method, path, proof, body="{"))
        for odd in (
            proof + "x",
            proof + "\x01",
            proof + ": \u00e9",
            "Origin: http://evil\r\n" + proof,
        ):
            seen.note("errors", asked(url, "GET", "/api/v1/status", odd))
        seen.note("errors", raw(url, f"GET / HTTP/1.1\r\n{proof}\r\n\x02 bad: x\r\n\r\n"))
        seen.note("errors", raw(url, f"GET /{proof} HTTP/1.1\r\n\r\n"))
    again = asked(url, "POST", "/session", body=json.dumps({"link": used}))
    assert " 403 " in seen.note("errors", again)
    whole = f"/guest/{capability}/note.txt"
    assert " 200 " in seen.note("guest", asked(guests, "GET", whole))
    for path in (
        whole + "x",
        whole + "/x",
        f"/guest/{capability}",
        f"/guest/{capability}x/note.txt",
    ):
        seen.note("errors", asked(guests, "GET", path))
    seen.note("errors", asked(guests, "POST", whole))
    seen.note("errors", raw(guests, f"GET {whole} HTTP/9\r\n\r\n"))
    seen.note("errors", asked(url, "GET", whole))
    token_file = ("--token-file", str(state / "owner-token"))
    for command in (
        ("ls",),
        ("link", "--list"),
        ("log",),
        ("config",),
        ("doctor", "--tracker", at),
    ):
        at_peer = () if command == ("config",) else ("--peer", url)
        seen.note(f"panal {command[0]}", machine.panal(*token_file, *command, *at_peer))
    into = ("get", "note.txt", "--tracker", at, "--into", "here", "--json")
    seen.note("panal get", machine.panal(*into))
    seen.note("words of programs", words_of_all_programs())
    assert peer.end() == 0
    assert tracker.end() == 0
    assert "any is talkative" in peer.text.partition("panal.peer.sharing Sharing")[2]
    seen.note("the peer's log", peer.text)
    seen.note("the tracker's log", tracker.text)
    written = 0
    for file in (*state.iterdir(), *(machine.place / "tracked").iterdir()):
        if file.is_file() and file.name not in {"owner-secret", "owner-token", "guest-key"}:
            seen.note(f"file {file.name}", file.read_bytes().decode("latin-1"))
            written += file.name == "audit.ndjson"
    assert written == 2
    assert "guest-link-used" in seen.texts["file audit.ndjson"]

    assert seen.hits(secrets) == []
    assert Seen({"proof": f"it can be found: {link['url']}"}).hits(secrets) != []
