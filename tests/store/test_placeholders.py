"""An empty file that took a name: a kill leaves it, and the next start removes it."""

import errno
import os
from pathlib import Path

import pytest

from panal.errors import TargetTaken
from panal.store import placeholders, publish
from panal.store.placeholders import noted, remove_left
from panal.store.roots import Root
from tests.store.makers import sp


@pytest.fixture
def own_place(tmp_path: Path) -> Path:
    (tmp_path / ".panal" / "partial").mkdir(parents=True)
    return tmp_path / ".panal"


@pytest.fixture
def source(own_place: Path) -> Path:
    """A file that has no name yet."""
    (own_place / "partial" / "x.part").write_bytes(b"whole")
    return own_place / "partial" / "x.part"


def left(
    source: Path,
    folder: Path,
    data: bytes = b"",
    mode: int = placeholders.MODE,
    note_mode: int = placeholders.MODE,
) -> Path:
    """As a kill has it: a note, and what stands under the name."""
    note = Path(f"{source}{placeholders.NOTE}")
    note.write_text("a/ñ", "utf-8")
    note.chmod(note_mode)
    (folder / "a").mkdir()
    (folder / "a/ñ").write_bytes(data)
    (folder / "a/ñ").chmod(mode)
    return folder / "a/ñ"


def test_an_empty_file_of_ours_goes_with_its_note(
    tmp_path: Path, own_place: Path, source: Path
) -> None:
    name = left(source, tmp_path)
    remove_left(own_place, Root(tmp_path))
    assert not name.exists()
    assert list(source.parent.iterdir()) == [source]


def test_where_the_file_system_gives_all_files_its_own_mode_it_goes_too(
    tmp_path: Path, own_place: Path, source: Path
) -> None:
    name = left(source, tmp_path, mode=0o644, note_mode=0o644)
    remove_left(own_place, Root(tmp_path))
    assert not name.exists()


def test_a_name_that_is_taken_is_never_noted_as_ours(
    tmp_path: Path, own_place: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    for way in ("rename_noreplace", "link_and_unlink"):
        monkeypatch.setattr(publish, way, unsupported)
    monkeypatch.setattr(publish, "noted", lambda *_: pytest.fail("noted"))
    (tmp_path / "lock").touch(mode=placeholders.MODE)
    with pytest.raises(TargetTaken):
        publish.publish(source, Root(tmp_path), sp("lock"))


@pytest.mark.parametrize(("data", "mode"), [(b"x", 0o600), (b"", 0o644)])
def test_another_file_under_the_name_stays(
    tmp_path: Path, own_place: Path, source: Path, data: bytes, mode: int
) -> None:
    name = left(source, tmp_path, data, mode)
    remove_left(own_place, Root(tmp_path))
    assert name.read_bytes() == data
    assert list(source.parent.iterdir()) == [source]


def test_an_empty_file_that_has_its_name_stays(
    tmp_path: Path, own_place: Path, source: Path
) -> None:
    """Killed after the rename: what was to get the name is there no more."""
    name = left(source, tmp_path)
    source.unlink()
    remove_left(own_place, Root(tmp_path))
    assert name.exists()
    assert list(source.parent.iterdir()) == []


@pytest.mark.parametrize("text", ["../out", "", "a/ñ\n", "\ufffd"])
def test_a_note_that_names_nothing_goes(
    tmp_path: Path, own_place: Path, source: Path, text: str
) -> None:
    Path(f"{source}{placeholders.NOTE}").write_text(text, "utf-8")
    remove_left(own_place, Root(tmp_path))
    assert list(source.parent.iterdir()) == [source]


def test_while_the_folder_is_away_the_note_stays(
    tmp_path: Path, own_place: Path, source: Path
) -> None:
    left(source, tmp_path)
    root = Root(tmp_path)
    root.is_online = False
    remove_left(own_place, root)
    assert Path(f"{source}{placeholders.NOTE}").exists()


def test_the_note_is_there_before_the_name_and_gone_after(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Path(f"{source}{placeholders.NOTE}")
    seen: list[str] = []

    def unsupported(*_: object) -> None:
        raise OSError(22, "no")

    def placed(*_: object) -> None:
        seen.append(note.read_text("utf-8"))

    monkeypatch.setattr(publish, "rename_noreplace", unsupported)
    monkeypatch.setattr(publish, "link_and_unlink", unsupported)
    monkeypatch.setattr(publish, "placeholder_and_rename", placed)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        publish.publish_at(str(source), folder, "name", sp("a/ñ"))
    finally:
        os.close(folder)
    assert seen == ["a/ñ"]
    assert not note.exists()
    with noted(source, sp("a/ñ")):
        assert note.exists()
