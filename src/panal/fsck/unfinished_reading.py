"""Unfinished files, and folders' lists: Panal's own files, read as they are."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3
from msgspec.structs import replace

from panal.errors import IntegrityError, NotFound, UnsafeName
from panal.fsck.facts import PartialThere, SharedFolder, UploadThere
from panal.fsck.index_reading import FolderRow
from panal.store.hashing import hash_descriptor
from panal.store.journal_records import records_in, replay
from panal.store.rereading import forget_cached
from panal.store.texts import manifest_of_text
from panal.store.upload_files import UploadFiles
from panal.wire import bitfield
from panal.wire.collection import read
from panal.wire.ids import ContentId
from panal.wire.manifest import Kind, Manifest, chunk_count_for, content_id

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MOST_JOURNAL_BYTES = 64 * 1024 * 1024
"""A content has half a million chunks at most, and each is named a few times."""


def look_at_partial(
    folder: Path, content: ContentId, manifest: Manifest | None, *, is_owned: bool
) -> PartialThere | None:
    """What there is of a content in a directory of unfinished files; None: somebody uses it.

    Without its manifest only a file of which every chunk is there can be read for right bytes.
    OSError.
    """
    with contextlib.ExitStack() as opened:
        records: list[int] | None = []
        journal = _opened(folder / f"{content.hex()}.journal", opened)
        if journal is not None:
            try:
                fcntl.flock(journal, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            raw = os.pread(journal, MOST_JOURNAL_BYTES, 0)
            # Zeros alone: a power cut before the first sync. It claims nothing.
            records = records_in(raw, content) if raw.strip(b"\0") else []
        part = _opened(folder / f"{content.hex()}.part", opened)
        there = PartialThere(
            content,
            None if part is None else os.fstat(part).st_size,
            journal is not None,
            None if records is None else tuple(records),
            manifest,
            0,
            is_owned,
        )
        return there if part is None else _with_wrong_chunks(there, part)


def _opened(path: Path, closing: contextlib.ExitStack) -> int | None:
    try:
        descriptor = os.open(path, _FLAGS)
    except FileNotFoundError:
        return None
    closing.callback(os.close, descriptor)
    return descriptor


def named_chunks(there: PartialThere) -> int:
    """The chunks that its journal calls written or durable, as a bitfield."""
    if there.size_bytes is None or not there.records:
        return 0
    durable, written = replay(there.records, chunk_count_for(there.size_bytes))
    return durable | written


def _with_wrong_chunks(there: PartialThere, part: int) -> PartialThere:
    """The same, once the chunks that its journal names were read."""
    named = named_chunks(there)
    if there.size_bytes is None or not named:
        return there
    forget_cached(part)
    manifest = there.manifest
    if manifest is None and named == bitfield.full(chunk_count_for(there.size_bytes)):
        manifest = _manifest_if_right(there, part)
        if manifest is None:
            return replace(there, wrong=named)
    if manifest is None or manifest.size_bytes != there.size_bytes:
        return there
    wrong = bitfield.from_indices(_wrong_of(named, part, manifest))
    return replace(there, manifest=manifest, wrong=wrong)


def _manifest_if_right(there: PartialThere, part: int) -> Manifest | None:
    """That of the whole file, if it makes the id that the file is named after."""
    assert there.size_bytes is not None  # noqa: S101 (it was opened)
    found = hash_descriptor(part, there.size_bytes)
    kinds = (replace(found, kind=kind) for kind in Kind)
    return next((one for one in kinds if content_id(one.encode()) == there.content), None)


def _wrong_of(chunks: int, part: int, manifest: Manifest) -> Iterator[int]:
    for index in bitfield.indices(chunks):
        offset, length = manifest.chunk_range(index)
        if blake3(os.pread(part, length, offset)).digest() != manifest.chunk_hash(index):
            yield index


# Folders' lists -----------------------------------------------------------------------------


def read_text(path: Path) -> bytes | None:
    """A folder's list, if it is here; OSError."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def look_at_folder(
    row: FolderRow, files: frozenset[tuple[str, bytes]], text: bytes | None
) -> SharedFolder:
    """A folder that is shared as one content, and its list."""
    return SharedFolder(
        row.path,
        row.content,
        row.encoded_manifest,
        files,
        None if text is None else manifest_of_text(text),
        None if text is None else listed_in(text, row.base + "/" if row.base else ""),
    )


def listed_in(text: bytes, above: str = "") -> frozenset[tuple[str, bytes]] | None:
    """The files of a list, below `above`, and their contents; None where it is none."""
    try:
        return frozenset((above + e.path, e.content) for e in read(text) if e.content is not None)
    except (IntegrityError, UnsafeName):
        return None


# Uploads ------------------------------------------------------------------------------------


def look_at_upload(folder: Path, identity: str) -> UploadThere:
    """An unfinished upload by tus; nothing of it is cut or removed."""
    files = UploadFiles(folder, identity)
    size_bytes = None
    with contextlib.suppress(FileNotFoundError):
        size_bytes = files.data.lstat().st_size
    try:
        record = files.read_record()
    except NotFound as error:
        return UploadThere(identity, str(error), None, size_bytes, 0)
    wanted = None if record.stored_as else record.size_bytes
    return UploadThere(identity, "", wanted, size_bytes, files.durable_bytes())
