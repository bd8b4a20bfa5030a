"""The commands as processes beside a real tracker and peer, on ports that the system chose."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from panal.cli.documents import GetDocument
from tests.e2e.processes import Machine, Program

pytestmark = pytest.mark.slow
PANAL = str(Path(sys.prefix) / "bin" / "panal")


class House:
    """A tracker and one peer, and the words that name them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.tracker_program = machine.start(PANAL, "tracker", "--listen", "127.0.0.1:0")
        line = self.tracker_program.wait_for("The tracker listens on")
        self.tracker = re.findall(r"127\.0\.0\.1:\d+", line)[0]
        self.peer_program = self.start_peer()
        line = self.peer_program.wait_for("shares")
        self.peer = re.findall(r"http://127\.0\.0\.1:\d+", line)[0]
        self.folder = machine.place / "files"

    def start_peer(self) -> Program:
        return self.machine.start(PANAL, "peer", "peer_1", "0", "files", "--tracker", self.tracker)


@pytest.fixture
def house(machine: Machine) -> Iterator[House]:
    made = House(machine)
    yield made
    for program in (made.peer_program, made.tracker_program):
        if program.process.poll() is None:
            assert program.end(signal.SIGTERM) == 0
        assert "Traceback" not in program.text


def test_get_waits_for_a_name(house: House) -> None:
    get = (PANAL, "get", "later.txt", "--tracker", house.tracker, "--into", "here")
    house.machine.run(*get, code=3)
    waiting = house.machine.start(*get, "--wait", "--json")
    waiting.wait_for("It is waited for")
    (house.folder / "later.txt").write_text("now")
    done = json.loads(waiting.wait_for("{"))
    assert waiting.wait() == 0
    assert (house.machine.place / "here" / "later.txt").read_text() == "now"
    assert done["size"] == 3


def test_limits_at_the_start_of_a_peer_and_of_a_get(house: House) -> None:
    limited = house.machine.start(
        PANAL, "peer", "peer_2", "0", "others", "--tracker", house.tracker, "--limit-up", "5M"
    )
    url = re.findall(r"http://127\.0\.0\.1:\d+", limited.wait_for("shares"))[0]
    shown = house.machine.run(PANAL, "settings", "download_limit=2M", "--peer", url)
    assert "upload_limit = 5 MB/s\ndownload_limit = 2 MB/s\n" in shown
    assert limited.end(signal.SIGTERM) == 0
    limited = house.machine.start(
        PANAL, "peer", "peer_2", "0", "others", "--tracker", house.tracker
    )
    url = re.findall(r"http://127\.0\.0\.1:\d+", limited.wait_for("shares"))[0]
    shown = house.machine.run(PANAL, "settings", "--peer", url)
    assert "upload_limit = none\ndownload_limit = 2 MB/s\n" in shown
    (house.machine.place / "others" / "note.txt").write_text("a note")
    limited.wait_for("Sharing 'note.txt'")
    get = (PANAL, "get", "note.txt", "--tracker", house.tracker, "--into", "here")
    house.machine.run(*get, "--limit-down", "1K", "--limit-up", "0", "--quiet")
    assert limited.end(signal.SIGTERM) == 0


def test_get_waits_for_a_path_in_a_folder(house: House) -> None:
    get = (PANAL, "get", "album/sub/song.txt", "--tracker", house.tracker, "--into", "here")
    house.machine.run(*get, code=3)
    waiting = house.machine.start(*get, "--wait", "--json")
    waiting.wait_for("It is waited for")
    (house.folder / "album" / "sub").mkdir(parents=True)
    (house.folder / "album" / "sub" / "song.txt").write_text("la")
    (house.folder / "album" / "other.txt").write_text("not asked for")
    house.machine.panal("add", str(house.folder / "album"), "--peer", house.peer)
    done = json.loads(waiting.wait_for("{"))
    assert waiting.wait() == 0
    assert done["path"] == str(house.machine.place / "here" / "song.txt")
    assert [path.name for path in (house.machine.place / "here").iterdir()] == ["song.txt"]
    house.machine.run(*get[:2], "album/sub/nothing", *get[3:], "--wait", code=3)


@pytest.mark.parametrize("wait", [[], ["--wait"]])
def test_get_of_a_link_waits_for_its_providers(house: House, wait: list[str]) -> None:
    (house.folder / "note.txt").write_text("a note")
    house.peer_program.wait_for("Sharing 'note.txt'")
    files = json.loads(house.machine.panal("ls", "--peer", house.peer, "--json"))["files"]
    assert house.peer_program.end() == 0
    words = ("get", files[0]["link"], "--tracker", house.tracker, "--into", "here", *wait)
    getting = house.machine.start(PANAL, *words, "--json")
    getting.wait_for("waiting: nobody online holds this content")
    house.peer_program = house.start_peer()
    done = msgspec.json.decode(getting.wait_for("{"), type=GetDocument)
    assert getting.wait() == 0
    assert (done.size, done.bytes_resumed, len(done.sources)) == (6, 0, 1)
    assert (done.sources[0].peer, done.sources[0].bytes) == ("peer_1", 6)
    assert (house.machine.place / "here" / "note.txt").read_text() == "a note"


def test_a_dry_run_and_a_quiet_get(house: House) -> None:
    (house.folder / "note.txt").write_text("a note")
    house.peer_program.wait_for("Sharing 'note.txt'")
    words = ("get", "note.txt", "--tracker", house.tracker, "--into", "here")
    plan = json.loads(house.machine.panal(*words, "--dry-run", "--json"))
    assert plan["providers"] == ["peer_1"]
    assert not (house.machine.place / "here").exists()
    assert house.machine.start(PANAL, *words, "--quiet").wait() == 0
    assert house.machine.programs[-1].text == ""
    assert os.listdir(house.machine.place / "here") == ["note.txt"]


def test_ls_verify_doctor_and_then_nobody(house: House) -> None:
    (house.folder / "note.txt").write_text("a note")
    house.peer_program.wait_for("Sharing 'note.txt'")
    at = ("--peer", house.peer)
    files = json.loads(house.machine.panal("ls", *at, "--json"))["files"]
    assert [file["path"] for file in files] == ["note.txt"]
    assert json.loads(house.machine.panal("verify", *at, "--json"))["files"] == 1
    doctor = ("doctor", *at, "--tracker", house.tracker, "--json")
    findings = json.loads(house.machine.panal(*doctor))["findings"]
    assert {finding["verdict"] for finding in findings} <= {"ok", "warn"}
    assert house.peer_program.end() == 0
    for words in (["ls"], ["verify"], ["downloads"], ["unshare", "x"], ["add", "files"]):
        assert "does not answer" in house.machine.panal(*words, *at, code=4)


def test_no_colour_off_a_terminal_nor_with_no_color(machine: Machine) -> None:
    machine.environment |= {"NO_COLOR": "1"}
    said = machine.panal(
        "doctor", "--tracker", "127.0.0.1:1", "--peer", "http://127.0.0.1:1", code=1
    )
    assert "\x1b" not in said


BASH = """
eval "$(panal completion bash)"
COMP_WORDS=(panal {words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_panal_completion panal
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(machine: Machine, words: str) -> list[str]:
    """What bash offers; a busy machine may not answer within a Tab's patience."""
    machine.environment["PATH"] = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    offered: list[str] = []
    for _ in range(10):
        offered = machine.run("bash", "-c", BASH.format(words=words)).splitlines()
        if any(offered):
            break
    return offered


def test_completion_in_bash(house: House) -> None:
    assert completed(house.machine, "downloads pa") == ["pause"]
    for name in ("my notes.txt", "what?*.txt"):
        (house.folder / name).write_text(name)
    house.peer_program.wait_for_each("Sharing 'my notes.txt'", "Sharing 'what?*.txt'")
    house.machine.environment |= {"PANAL_TRACKER": house.tracker, "PANAL_PEER": house.peer}
    assert completed(house.machine, "unshare m") == [r"my\ notes.txt"]
    assert completed(house.machine, r"unshare 'my\ no'") == [r"my\ notes.txt"]
    assert completed(house.machine, "unshare w") == [r"what\?\*.txt"]
