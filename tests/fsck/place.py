"""The folder and state of a peer that has some of everything, and does not run."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from panal.store.collection_records import CollectionRecord, CollectionRecords
from panal.store.damage_records import DamagedFile, DamageRecords
from panal.store.download_records import DownloadRecord, DownloadRecords
from panal.store.fingerprints import Skipped
from panal.store.guest_records import GuestRecords
from panal.store.hashing import hash_file
from panal.store.index import Index
from panal.store.mounts import FurtherRoot, Mounts
from panal.store.partial import PartialFile
from panal.store.root_records import RootRecords
from panal.store.texts import FOLDER, Texts
from panal.store.upload_files import UploadFiles, UploadRecord
from panal.store.walking import Listed
from panal.trust.files import private_folder
from panal.wire.capability import Grant
from panal.wire.collection import CollectionEntry, EntryType, encode
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, content_id
from panal.wire.names import safe_path
from tests.store.makers import manifest_by_hand, noise

LARGE = noise(600_000)
FETCHED = noise(700_000, 2)
UPLOAD = "0123456789abcdef" * 2


class Place:
    """Each part is named, so that a test can damage it."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.folder = place / "folder"
        self.elsewhere = place / "elsewhere"
        self.state = self.folder / ".panal"
        self.manifest = manifest_by_hand(FETCHED)
        self.fetched = content_id(self.manifest.encode())
        self.partial = self.state / "partial" / f"{self.fetched.hex()}.part"
        self.journal = self.partial.with_suffix(".journal")
        self.collection = ContentId(b"")
        for folder in (self.folder / "sub", self.elsewhere, self.state / "resumable"):
            private_folder(folder)
        (self.folder / "large.bin").write_bytes(LARGE)
        (self.folder / "copy.bin").write_bytes(LARGE)
        (self.folder / "sub" / "ñ -rf.txt").write_bytes(b"small")
        (self.elsewhere / "far.txt").write_bytes(b"far away")
        self._index()
        self._unfinished()

    def _index(self) -> None:
        index = Index(self.state / "index.sqlite")
        further = FurtherRoot("elsewhere", self.elsewhere, is_folder=True)
        RootRecords(index).add_root(further)
        root = Mounts(self.folder)
        root.mount(further)
        root.refresh_all(lambda _: True)
        index.remember([hash_file(root, path) for path, _ in root.walk(Skipped())])
        pieces = root.pieces(Skipped(), recall=lambda _: None)
        index.seen_folders.keep([(p.folder, p.seen) for p in pieces if isinstance(p, Listed)])
        self._shared_folder(index)
        records = DownloadRecords(index)
        large = index.by_path("large.bin")
        assert large is not None
        records.save(DownloadRecord("d1", "x", safe_path("large.bin"), state="done",
                                    content=large.content, size_bytes=len(LARGE)))  # fmt: skip
        records.save(DownloadRecord("d2", "y", safe_path("new.bin"), state="running",
                                    content=self.fetched, size_bytes=len(FETCHED)))  # fmt: skip
        GuestRecords(index).add(Grant(b"s" * 16, large.content, Kind.FILE, "large.bin", 1 << 40))
        index.close()

    def _shared_folder(self, index: Index) -> None:
        shared = index.by_path("sub/ñ -rf.txt")
        assert shared is not None
        entry = CollectionEntry(safe_path("ñ -rf.txt"), EntryType.FILE, shared.content, 5, 0)
        self.collection, manifest = Texts(self.state / FOLDER).keep(encode([entry]))
        record = CollectionRecord(safe_path("sub"), "sub", self.collection, manifest)
        CollectionRecords(index).save(record, [entry])

    def _unfinished(self) -> None:
        partial = PartialFile(self.partial.parent, self.fetched, self.manifest)
        for chunk in (0, 2):
            self.write(partial, chunk)
            partial.sync()
        self.write(partial, 1)  # written, and not durable
        os.close(partial.descriptor)
        partial._journal.close()
        upload = UploadFiles(self.state / "resumable", UPLOAD)
        upload.create(UploadRecord("up.bin", 1_000, "ask"))
        upload.data.write_bytes(b"u" * 500)

    def write(self, partial: PartialFile, chunk: int) -> None:
        start, length = self.manifest.chunk_range(chunk)
        writer = partial.begin_chunk(chunk)
        writer.write(memoryview(FETCHED)[start : start + length])
        assert writer.finish()

    @property
    def text(self) -> Path:
        return self.state / FOLDER / self.collection.hex()

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The index, with no rule enforced."""
        database = sqlite3.connect(self.state / "index.sqlite")
        yield database
        database.commit()
        database.close()

    def sql(self, change: str, *values: object) -> None:
        with self.database() as database:
            database.execute(change, values)

    def damage(self, path: str) -> None:
        """A shared file has rotted, and that is known."""
        index = Index(self.state / "index.sqlite")
        shared = index.by_path(path)
        assert shared is not None
        manifest = index.manifest(shared.content)
        assert manifest is not None
        file = DamagedFile(shared.path, shared.content, manifest, shared.fingerprint, 1)
        DamageRecords(index).add(file)
        index.forget([(shared.path, shared.fingerprint)])
        index.close()


def overwrite(path: Path, offset: int, data: bytes, *, keep_time: bool = True) -> None:
    """Change bytes as a failing disk does: size and time stay."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
