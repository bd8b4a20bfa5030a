"""Secrets on the disk."""

import os
from contextlib import suppress
from pathlib import Path

import pytest

from panal.trust.files import private_folder, read_private, write_private
from tests.support.modeless import without_modes

pytestmark = pytest.mark.p9


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    private_folder(folder)
    write_private(folder / "key", b"secret")
    assert (folder / "key").read_bytes() == b"secret"
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["key"]


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"longer than what comes")
    path.chmod(0o644)
    leftover = tmp_path / "key.new"
    leftover.write_bytes(b"left by a kill")
    leftover.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not leftover.exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    os.symlink(victim, tmp_path / "key.new")
    with suppress(OSError):
        write_private(tmp_path / "key", b"secret")
    assert victim.read_bytes() == b"untouched"


def test_whatever_the_umask_nobody_else_may_enter_or_change(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder(tmp_path / "a" / "b" / "c")
        write_private(tmp_path / "a" / "b" / "c" / "key", b"secret")
    finally:
        os.umask(before)
    found = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
    assert found == {"b": 0o700, "c": 0o700, "key": 0o600}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_what_others_may_read_is_no_secret_unless_the_disk_keeps_no_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    write_private(path, b"secret")
    assert read_private(path) == "secret"
    path.chmod(0o644)
    assert read_private(path) is None
    without_modes(monkeypatch)
    assert read_private(path) == "secret"
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
