"""The line of docs/OPERATING.md that puts peers on 200 hosts, here with folders as hosts."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PROGRAMS = {
    "ssh": 'cd "$HOSTS/$1" && HOME=$PWD exec sh -c "$2"',
    # What it would run as root is not what is looked at here.
    "sudo": 'echo "$*" >"$HOME/ran" && test -e deploy/install-peer.sh && ! test -e "$HOME/broken"',
}


def _line() -> str:
    lines = (ROOT / "docs" / "OPERATING.md").read_text().splitlines()
    return next(line for line in lines if line.startswith("xargs -a hosts"))


def _run(tmp_path: Path, hosts: list[str]) -> "subprocess.CompletedProcess[str]":
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, words in _PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{words}\n")
        (programs / name).chmod(0o755)
    (tmp_path / "hosts").write_text("".join(f"{host}\n" for host in hosts))
    subprocess.run(["tar", "cf", tmp_path / "panal.tar", "-C", ROOT, "deploy"], check=True)
    path = f"{programs}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOSTS": str(tmp_path / "at")}
    for host in hosts:
        (tmp_path / "at" / host).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["sh", "-c", _line()], cwd=tmp_path, env=environment, capture_output=True, text=True
    )


def test_each_host_installs_and_keeps_nothing_of_what_was_sent(tmp_path: Path) -> None:
    ended = _run(tmp_path, ["a", "b"])
    assert (ended.returncode, ended.stderr) == (0, "")
    for host in ("a", "b"):
        (ran,) = (tmp_path / "at" / host).iterdir()
        assert ran.read_text() == "sh deploy/install-peer.sh 192.168.1.10:50051\n"


def test_where_it_failed_is_named(tmp_path: Path) -> None:
    (tmp_path / "at" / "b").mkdir(parents=True)
    (tmp_path / "at" / "b" / "broken").touch()
    (tmp_path / "at" / "c" / "panal-install").mkdir(parents=True)
    ended = _run(tmp_path, ["a", "b", "c"])
    assert ended.returncode == 123
    named = [line for line in ended.stderr.splitlines() if "not installed" in line]
    assert sorted(named) == ["b: not installed", "c: not installed"]
    assert (tmp_path / "at" / "a" / "ran").exists()
