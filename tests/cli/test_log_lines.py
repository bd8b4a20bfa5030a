"""The log of a running program: words for people, JSON lines for machines."""

import io
import json
import logging
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from panal import request_ids
from panal.cli.log_lines import JsonLines, TextLines, log_to_stderr
from tests.support.patience import PATIENCE_S


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("asked", "stream", "is_json"),
    [
        ("auto", Terminal, False),
        ("auto", io.StringIO, True),
        ("text", io.StringIO, False),
        ("json", Terminal, True),
    ],
)
def test_a_terminal_gets_words_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    stream: type[io.StringIO],
    is_json: bool,
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])  # as a program begins
    out = stream()
    monkeypatch.setattr(sys, "stderr", out)
    log_to_stderr(logging.INFO, asked)
    logging.getLogger("panal.tracker").warning("%s happened", "this")
    assert out.getvalue().startswith("{") is is_json
    assert "this happened" in out.getvalue()


def line(formatter: logging.Formatter, message: str, level: int = logging.INFO, **more) -> str:
    record = logging.LogRecord("panal.peer.x", level, "", 0, message, (), more.get("exc_info"))
    record.created = 1_700_000_000.25
    return formatter.format(record)


def test_a_json_line_has_what_a_machine_looks_for() -> None:
    assert json.loads(line(JsonLines(), 'a "quoted"\nname: año')) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "panal.peer.x",
        "message": 'a "quoted"\nname: año',
    }
    assert "\n" not in line(JsonLines(), "two\nlines")
    assert json.loads(line(JsonLines(), "no character: \udcff"))["message"].endswith("\\udcff")


async def test_both_name_the_request_where_it_helps() -> None:
    request_ids.begin("abc123")
    assert json.loads(line(JsonLines(), "x"))["request_id"] == "abc123"
    assert re.fullmatch(r"\d\d:\d\d:\d\d x", line(TextLines(), "x"))
    warned = line(TextLines(), "x", logging.WARNING)
    assert warned.endswith("x (request abc123)")
    assert line(TextLines(), "x abc123", logging.WARNING).endswith("x abc123")


def test_a_fault_keeps_its_traceback() -> None:
    try:
        raise ZeroDivisionError("here")
    except ZeroDivisionError as error:
        info = (type(error), error, error.__traceback__)
    said = json.loads(line(JsonLines(), "x", logging.ERROR, exc_info=info))
    assert said["message"] == "x"
    assert "ZeroDivisionError: here" in said["exception"]
    assert "ZeroDivisionError: here" in line(TextLines(), "x", logging.ERROR, exc_info=info)


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_last_word_of_a_program_is_a_line_of_its_log(log_format: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("peer", "one", str(port), str(tmp_path / "one"), "--log-format", log_format)
        command = [sys.executable, "-m", "panal", *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    if log_format == "text":
        assert last.startswith(f"panal: Port {port} is taken")
    else:
        told = [json.loads(line) for line in ended.stderr.splitlines()]
        assert told[-1]["message"].startswith(f"Port {port} is taken")
        assert (told[-1]["level"], told[-1]["logger"]) == ("error", "panal")
