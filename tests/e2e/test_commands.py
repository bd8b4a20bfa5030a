"""The commands as processes beside a real tracker and peer, on ports that the system chose."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def test_completion_knows_the_words(machine: Machine) -> None:
    machine.environment |= {
        "_PANAL_COMPLETE": "bash_complete", "COMP_WORDS": "panal downloads pa", "COMP_CWORD": "2",
    }  # fmt: skip
    assert machine.panal() == "plain,pause\n"
