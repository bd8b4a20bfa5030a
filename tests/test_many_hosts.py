"""What docs/OPERATING.md puts peers on 200 hosts with: its line, here with folders as hosts, and
what that runs on each of them, here without its pip and systemctl."""

import os
import re
import subprocess
from pathlib import Path

import pytest

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
    # Not by lines: what a program on another host says may be half written when a name is.
    named = re.findall(r"(\w): not installed", ended.stderr)
    assert sorted(named) == ["b", "c"]
    assert (tmp_path / "at" / "a" / "ran").exists()


def _installed(tmp_path: Path, *words: str) -> list[str]:
    """What pip and systemctl were called with."""
    called = tmp_path / "called"
    called.write_text("")
    for place in ("prefix/bin/pip", "prefix/bin/python", "fakes/systemctl"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>{called}\n')
        (tmp_path / place).chmod(0o755)
    places = {name: str(tmp_path / name.lower()) for name in ("UNITS", "SETTINGS", "COMMANDS")}
    (tmp_path / "commands").mkdir(exist_ok=True)
    (tmp_path / "panal-1-py3-none-any.whl").touch()
    if not (tmp_path / "deploy").exists():
        (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    path = f"{tmp_path / 'fakes'}:{os.environ['PATH']}"
    environment = {**os.environ, **places, "PATH": path, "PREFIX": str(tmp_path / "prefix")}
    line = ["sh", "deploy/install-peer.sh", *words]
    subprocess.run(line, cwd=tmp_path, env=environment, check=True, capture_output=True)
    return called.read_text().splitlines()


def test_a_host_is_installed_once_and_again(tmp_path: Path) -> None:
    (tmp_path / "join.txt").write_text("panal-join:x\n")
    (tmp_path / "peer.env").write_text("PANAL_METRICS=0.0.0.0:9464\n")
    said = _installed(tmp_path, "t:50051", "one", "192.168.1.11")
    assert said[-3:] == [
        "systemctl daemon-reload",
        "systemctl enable --quiet panal-peer@one",
        "systemctl restart panal-peer@one",
    ]
    # Without the second a newer build of the same version would not be installed.
    assert "--upgrade ./panal-" in said[0]
    assert "--force-reinstall --no-deps ./panal-" in said[1]
    settings = tmp_path / "settings" / "peer-one.env"
    first = "PANAL_TRACKER=t:50051\nPANAL_HOST=192.168.1.11\nPANAL_METRICS=0.0.0.0:9464\n"
    assert settings.read_text() == first
    for secret in (settings, tmp_path / "settings" / "join.txt"):
        assert secret.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "units" / "panal-peer@.service.d" / "join.conf").exists()
    assert (tmp_path / "commands" / "panal").readlink() == tmp_path / "prefix/bin/panal"
    settings.write_text("changed by hand")
    assert _installed(tmp_path, "t:50051", "one", "192.168.1.12") == said
    assert settings.read_text() == "changed by hand"


@pytest.mark.parametrize("tracker", ["[2001:db8::1]:50051", "[2001:db8::1]:50051,[2001:db8::2]:1"])
def test_the_tracker_s_ipv6_address_is_looked_up_without_brackets(
    tmp_path: Path, tracker: str
) -> None:
    (tmp_path / "fakes").mkdir()
    for name, answer in (("getent", ""), ("ip", "2001:db8::1 dev e0 src 2001:db8::7 uid 0")):
        fake = tmp_path / "fakes" / name
        fake.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >>"{tmp_path}/asked"\necho "{answer}"\n')
        fake.chmod(0o755)
    _installed(tmp_path, tracker, "one")
    assert "ip -o route get 2001:db8::1" in (tmp_path / "asked").read_text().splitlines()
    settings = (tmp_path / "settings" / "peer-one.env").read_text()
    assert settings == f"PANAL_TRACKER={tracker}\nPANAL_HOST=2001:db8::7\n"
