"""What was fetched is read again for its SHA-256: once a content, however many names it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from panal.peer import vouching as vouching_module
from panal.peer.vouching import Vouching
from panal.store.hashing import Stopping, hash_file, sha256_of_descriptor
from panal.store.index import Index
from panal.store.roots import Root
from panal.wire.catalogue import Entry
from panal.wire.names import safe_path

Told = tuple[Entry | None, Entry | None]


class Place:
    """A folder whose files were fetched, and what was read and told."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = tmp_path / "shared"
        self.folder.mkdir()
        self.root = Root(self.folder)
        self.index = Index(tmp_path / "index.sqlite")
        self.told: list[Told] = []
        self.readings = 0
        self.vouching = Vouching(self.root, self.index, self)  # type: ignore[arg-type]
        read = sha256_of_descriptor

        def counting(descriptor: int, stopping: Stopping) -> bytes:
            self.readings += 1
            return read(descriptor, stopping)

        monkeypatch.setattr(vouching_module, "sha256_of_descriptor", counting)

    def change_entry(self, before: Entry | None, after: Entry | None) -> None:
        """As the announcer is told."""
        self.told.append((before, after))

    def fetched(self, name: str, data: bytes, sha256: bytes | None = None) -> None:
        """A file that came from others, whose manifest may lie about its SHA-256."""
        (self.folder / name).write_bytes(data)
        hashed = replace(hash_file(self.root, safe_path(name), Stopping()), sha256_checked=False)
        if sha256 is not None:
            hashed = replace(hashed, manifest=replace(hashed.manifest, sha256=sha256))
        self.index.remember([hashed])

    def vouched_for(self) -> list[str]:
        """The names of what was told with a SHA-256 that was not told before."""
        return [
            after.path
            for before, after in self.told
            if before is not None and after is not None and after.sha256 and not before.sha256
        ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Place(tmp_path, monkeypatch)
    yield found
    found.index.close()


async def test_a_content_of_many_names_is_read_once_and_told_under_each(place: Place) -> None:
    for name in ("a", "b", "c"):
        place.fetched(name, b"alike")
    place.fetched("d", b"other")
    await place.vouching.check_unchecked()
    assert place.readings == 2
    assert place.vouched_for() == ["a", "b", "c", "d"]
    assert place.index.unchecked() == []


async def test_a_name_that_reads_otherwise_by_now_leaves_it_to_the_next(place: Place) -> None:
    for name in ("a", "b"):
        place.fetched(name, b"alike")
    (place.folder / "a").write_bytes(b"edited, and not looked at yet")
    await place.vouching.check_unchecked()
    assert place.readings == 1
    assert place.index.unchecked() == []


async def test_a_manifest_that_lies_is_told_of_once_and_not_vouched_for(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        place.fetched(name, b"alike", sha256=bytes(32))
    await place.vouching.check_unchecked()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "The manifest of 'a' names a wrong SHA-256" in caplog.text
    assert place.vouched_for() == []
    await place.vouching.check_unchecked()
    assert place.readings == 1
