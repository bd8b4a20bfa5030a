"""From facts to findings; pure."""

from collections.abc import Iterator, Mapping, Set

from panal.errors import IntegrityError
from panal.fsck import findings as f
from panal.fsck.facts import (
    ContentRow,
    DownloadRow,
    GuestRow,
    PartialThere,
    RootRow,
    SharedFile,
    SharedFolder,
    Stands,
    UploadThere,
)
from panal.fsck.findings import Finding
from panal.store.journal_records import named_in, replay
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import HASH_BYTES, Kind, Manifest, chunk_count_for, content_id, decode
from panal.wire.names import path_problem

_NAMED = 8
"""So many numbers of chunks are named."""
DOWNLOAD_STATES = frozenset({"queued", "waiting", "running", "paused", "done", "failed"})
SCHEMA: tuple[tuple[int, str, frozenset[str]], ...] = (
    (1, "contents", frozenset({"id", "kind", "size_bytes", "sha256", "sha256_checked"})),
    (1, "shared", frozenset({"path", "content", "device", "inode", "mtime_ns", "size_bytes"})),
    (1, "downloads", frozenset({"id", "what", "path", "state", "content", "error_slug"})),
    (2, "seen_folders", frozenset({"folder", "seen"})),
    (2, "catalogue_total", frozenset({"digest"})),
    (3, "shared", frozenset({"ctime_ns"})),
)
"""Since which version of the index which table has which columns."""

# The index ----------------------------------------------------------------------------------


def judge_schema(version: int, columns: Mapping[str, Set[str]]) -> Iterator[Finding]:
    """The columns of each table, by name: those of its version are there."""
    for since, table, wanted in SCHEMA:
        if since <= version and (missing := wanted - columns.get(table, set())):
            yield f.INDEX_SCHEMA.at(table, f"without {', '.join(sorted(missing))}")


def judge_content(row: ContentRow) -> Iterator[Finding]:
    """One content's row: its manifest is that of its id, and the columns say what that says."""
    name = row.content.hex()
    if not row.is_used:
        yield f.CONTENT_UNUSED.at(name)
    try:
        manifest = decode(row.encoded_manifest, ContentId(row.content))
    except IntegrityError as error:
        yield f.MANIFEST_WRONG.at(name, str(error))
        return
    told = (row.kind, row.size_bytes, row.sha256)
    if told != (manifest.kind.value, manifest.size_bytes, manifest.sha256):
        yield f.CONTENT_ROW_WRONG.at(name)


# Files --------------------------------------------------------------------------------------


def judge_file(file: SharedFile) -> Iterator[Finding]:
    """One shared path: the file is there as it was hashed, and has its content's bytes."""
    if (problem := path_problem(file.path)) is not None:
        yield f.PATH_UNSAFE.at(file.path, problem)
        return
    if file.expected is not None and file.expected.size_bytes != file.size_bytes:
        detail = f"{file.size_bytes} bytes, {file.expected.size_bytes} in the manifest"
        yield f.CONTENT_ROW_WRONG.at(file.path, detail)
        return
    match file.stands:  # a root that is away is told once, and not here
        case Stands.UNREADABLE:
            yield f.FILE_UNREADABLE.at(file.path, file.problem)
        case Stands.NOTHING:
            yield f.FILE_MISSING.at(file.path)
        case Stands.OTHER:
            yield f.FILE_CHANGED.at(file.path)
        case Stands.SAME if file.expected is not None and file.found is not None:
            yield from _judge_bytes(file, file.expected, file.found)


def _judge_bytes(file: SharedFile, expected: Manifest, found: Manifest) -> Iterator[Finding]:
    wrong = expected.differing(found)
    if wrong:
        yield f.BYTES_DIFFER.at(file.path, _chunks_words(wrong))
    elif file.sha256_checked and expected.sha256 != found.sha256:
        yield f.SHA256_DIFFERS.at(file.path)


def _chunks_words(bits: int) -> str:
    chunks = bitfield.indices(bits)
    named = ", ".join(map(str, chunks[:_NAMED]))
    more = len(chunks) - _NAMED
    return f"chunk {named}" + (f" and {more} more" if more > 0 else "")


# Folders, downloads, links, roots -------------------------------------------------------------


def judge_folder(folder: SharedFolder) -> Iterator[Finding]:
    """A folder that is shared as one content: its list is here, and its rows are what that says."""
    try:
        manifest = decode(folder.encoded_manifest, ContentId(folder.content))
    except IntegrityError as error:
        yield f.MANIFEST_WRONG.at(folder.path, str(error))
        return
    if folder.text_manifest is None:
        yield f.TEXT_MISSING.at(folder.path, folder.content.hex())
    elif folder.text_manifest != manifest or folder.listed is None:
        yield f.TEXT_DIFFERS.at(folder.path, folder.content.hex())
    elif folder.listed != folder.files:
        same = len(folder.listed & folder.files)
        detail = f"{len(folder.files)} rows of {len(folder.listed)} files, {same} the same"
        yield f.FOLDER_ROWS_WRONG.at(folder.path, detail)


def judge_text(name: ContentId, manifest: Manifest, *, is_needed: bool) -> Iterator[Finding]:
    """A folder's list that lies in the state directory under an id, and its manifest."""
    if content_id(manifest.encode()) != name:
        yield f.TEXT_DIFFERS.at(name.hex())
    elif not is_needed:
        yield f.TEXT_UNUSED.at(name.hex())


def judge_download(row: DownloadRow) -> Iterator[Finding]:
    """One download's row."""
    problem = _download_problem(row)
    if problem:
        yield f.DOWNLOAD_WRONG.at(row.id, problem)
    elif row.state == "done" and not row.is_there:
        yield f.DOWNLOAD_GONE.at(row.path or row.id)


def _download_problem(row: DownloadRow) -> str:
    if row.state not in DOWNLOAD_STATES:
        return f"its state is {row.state!r}"
    if row.path is not None and (problem := path_problem(row.path)) is not None:
        return problem
    if row.content is not None and len(row.content) != HASH_BYTES:
        return f"its content id has {len(row.content)} bytes"
    if row.state == "done" and (row.path is None or row.content is None):
        return "it is done, and not known where or what"
    if row.state == "failed" and not row.error_slug:
        return "it has failed without a reason"
    if row.error_slug and row.state not in {"failed", "waiting"}:
        return "it has a reason, and neither has failed nor waits"
    return "" if row.size_bytes >= 0 else "its size is below zero"


def judge_guest(row: GuestRow) -> Iterator[Finding]:
    """One link for guests."""
    is_right = len(row.content) == HASH_BYTES and row.kind in set(Kind) and row.serial
    if not is_right or path_problem(row.name) is not None:
        yield f.GUEST_WRONG.at(row.serial.hex())


def judge_root(row: RootRow) -> Iterator[Finding]:
    """One further root."""
    if not row.place.startswith("/"):
        yield f.ROOT_WRONG.at(row.name, "its place is not absolute")
    elif "/" in row.name or path_problem(row.name) is not None:
        yield f.ROOT_WRONG.at(row.name, "its name cannot be the first part of a path")


# Unfinished files ---------------------------------------------------------------------------


def judge_upload(there: UploadThere) -> Iterator[Finding]:
    """One unfinished upload: what it calls durable is here, and no more is than it is to have."""
    if there.problem:
        yield f.UPLOAD_WRONG.at(there.id, there.problem)
    elif there.wanted_bytes is not None and there.size_bytes is not None:
        if there.durable_bytes > there.size_bytes:
            detail = f"{there.durable_bytes} bytes are called durable of {there.size_bytes}"
            yield f.UPLOAD_WRONG.at(there.id, detail)
        elif there.size_bytes > there.wanted_bytes:
            detail = f"{there.size_bytes} bytes of {there.wanted_bytes}"
            yield f.UPLOAD_WRONG.at(there.id, detail)


def judge_partial(there: PartialThere) -> Iterator[Finding]:
    """What is unfinished of one content: its journal says nothing that its bytes are not."""
    name = there.content.hex()
    if not there.is_owned:
        yield f.PARTIAL_UNOWNED.at(name)
    if not there.has_journal:
        return
    if there.records is None:
        yield f.JOURNAL_FOREIGN.at(name)
        return
    named = named_in(there.records)
    if not named:
        return
    if there.size_bytes is None:
        yield f.JOURNAL_ALONE.at(name, f"{len(named)} chunks")
    elif there.manifest is not None and there.manifest.size_bytes != there.size_bytes:
        detail = f"{there.size_bytes} bytes, {there.manifest.size_bytes} in the manifest"
        yield f.PARTIAL_SIZE.at(name, detail)
    else:
        yield from _judge_chunks(there, there.records, chunk_count_for(there.size_bytes))


def _judge_chunks(there: PartialThere, records: tuple[int, ...], count: int) -> Iterator[Finding]:
    name = there.content.hex()
    last = max(named_in(records))
    if last >= count:
        yield f.JOURNAL_BEYOND.at(name, f"chunk {last} of {count}")
    durable, _ = replay(records, count)
    if bad := there.wrong & durable:
        yield f.DURABLE_CHUNK_WRONG.at(name, _chunks_words(bad))
    if bad := there.wrong & ~durable:
        yield f.WRITTEN_CHUNK_WRONG.at(name, _chunks_words(bad))
