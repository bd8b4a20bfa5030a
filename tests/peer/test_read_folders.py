"""The lists of folders that guests look into: read once, looked up by path, few kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from panal.peer.read_folders import ReadFolder, ReadFolders
from panal.store.texts import Texts
from panal.wire.collection import CollectionEntry, EntryType, encode
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.names import safe_path

PATHS = ["a", "a.txt", "b/c", "b/c.txt", "b/d/e", "b0", "ñ/é", "\U0001f41d"]


def entries(paths: Sequence[str]) -> list[CollectionEntry]:
    content = ContentId(bytes(32))
    return [CollectionEntry(safe_path(p), EntryType.FILE, content, 1, 0) for p in sorted(paths)]


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    return Texts(tmp_path / "texts")


def test_what_is_there_is_found_and_nothing_else() -> None:
    folder = ReadFolder(entries(PATHS))
    for path in PATHS:
        entry = folder.entry(path)
        assert entry is not None
        assert entry.path == path
    for path in ("", "b", "b/", "b/d", "a.tx", "a.txtx", "z", "\U0010ffff"):
        assert folder.entry(path) is None
    for prefix in ("", "b/", "b/d/", "ñ/", "z/"):
        found = [entry.path for entry in folder.below(prefix)]
        assert found == sorted(path for path in PATHS if path.startswith(prefix))


def test_a_list_is_read_once_and_few_are_kept(
    texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [texts.keep(encode(entries([f"{name}{n}" for n in range(4)])))[0] for name in "abc"]
    read: list[ContentId] = []
    reading = texts.read

    def noted(content: ContentId) -> tuple[bytes, Manifest] | None:
        read.append(content)
        return reading(content)

    monkeypatch.setattr(texts, "read", noted)
    folders = ReadFolders(texts, most_entries=8)
    for content in (ids[0], ids[1], ids[0], ids[1], ids[0]):
        assert folders.get(content) is not None
    assert read == ids[:2]
    for content in (ids[2], ids[0], ids[1]):  # the one that was asked for longest ago has gone
        assert folders.get(content) is not None
    assert read == [*ids[:2], ids[2], ids[1]]


def test_one_that_is_larger_than_all_may_be_is_kept_alone(texts: Texts) -> None:
    content, _ = texts.keep(encode(entries(PATHS)))
    folders = ReadFolders(texts, most_entries=2)
    assert folders.get(content) is folders.get(content) is not None


def test_what_is_not_here_is_not_kept_as_missing(texts: Texts) -> None:
    text = encode(entries(PATHS))
    content, _ = texts.keep(text)
    texts.remove(content)
    folders = ReadFolders(texts)
    assert folders.get(content) is None
    texts.keep(text)
    assert folders.get(content) is not None
