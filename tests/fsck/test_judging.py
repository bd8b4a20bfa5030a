"""From facts to findings: each names what it is about, and says what differs."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

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
from panal.fsck.judging import (
    judge_content,
    judge_download,
    judge_file,
    judge_folder,
    judge_guest,
    judge_partial,
    judge_root,
    judge_schema,
    judge_text,
    judge_upload,
)
from panal.store.journal_records import BATCH, DURABLE
from panal.wire.manifest import MIN_CHUNK_BYTES, Manifest, content_id
from tests.store.makers import bits, manifest_by_hand, noise

DATA = noise(11 * MIN_CHUNK_BYTES)
WHOLE = manifest_by_hand(DATA)
ID = content_id(WHOLE.encode())
HEX = ID.hex()
LIST = manifest_by_hand(b"a list")


def told(found: Iterator[Finding]) -> list[tuple[str, str, str]]:
    return [(one.kind.slug, one.where, one.detail) for one in found]


def with_wrong(*chunks: int) -> Manifest:
    """The same, but for the hashes of these chunks."""
    changed = bytearray(WHOLE.chunk_hashes)
    for chunk in chunks:
        changed[32 * chunk] ^= 1
    return replace(WHOLE, chunk_hashes=bytes(changed))


NOT_THE_MANIFEST = "These bytes are not the manifest of that content."
CONTENT = ContentRow(ID, WHOLE.kind.value, WHOLE.size_bytes, WHOLE.sha256, WHOLE.encode(), True)
CONTENTS: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({}, []),
    ({"is_used": False}, [("content-unused", HEX, "")]),
    ({"encoded_manifest": b"x"}, [("manifest-wrong", HEX, NOT_THE_MANIFEST)]),
    ({"kind": 1}, [("content-row-wrong", HEX, "")]),
    ({"size_bytes": 1}, [("content-row-wrong", HEX, "")]),
    ({"sha256": bytes(32)}, [("content-row-wrong", HEX, "")]),
]


@pytest.mark.parametrize(("changed", "expected"), CONTENTS)
def test_a_content(changed: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(judge_content(replace(CONTENT, **changed))) == expected


FILE = SharedFile("a/b", WHOLE.size_bytes, True, WHOLE, Stands.SAME, WHOLE)
FILES: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({}, []),
    ({"path": "../b"}, [("path-unsafe", "../b", "'..' walks through folders")]),
    (
        {"size_bytes": 7},
        [("content-row-wrong", "a/b", f"7 bytes, {len(DATA)} in the manifest")],
    ),
    (
        {"stands": Stands.UNREADABLE, "problem": "a bad sector"},
        [("file-unreadable", "a/b", "a bad sector")],
    ),
    ({"stands": Stands.NOTHING}, [("file-missing", "a/b", "")]),
    ({"stands": Stands.OTHER}, [("file-changed", "a/b", "")]),
    ({"stands": Stands.OFFLINE}, []),
    ({"expected": None}, []),
    ({"found": None}, []),
    ({"found": with_wrong(3)}, [("bytes-differ", "a/b", "chunk 3")]),
    (
        {"found": with_wrong(*range(8))},
        [("bytes-differ", "a/b", "chunk 0, 1, 2, 3, 4, 5, 6, 7")],
    ),
    (
        {"found": with_wrong(*range(9))},
        [("bytes-differ", "a/b", "chunk 0, 1, 2, 3, 4, 5, 6, 7 and 1 more")],
    ),
    (
        {"found": with_wrong(*range(10))},
        [("bytes-differ", "a/b", "chunk 0, 1, 2, 3, 4, 5, 6, 7 and 2 more")],
    ),
    ({"found": replace(WHOLE, sha256=bytes(32))}, [("sha256-differs", "a/b", "")]),
    ({"found": replace(WHOLE, sha256=bytes(32)), "sha256_checked": False}, []),
]


@pytest.mark.parametrize(("changed", "expected"), FILES)
def test_a_file(changed: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(judge_file(replace(FILE, **changed))) == expected


LIST_ID = content_id(LIST.encode())
LISTED = frozenset({("f/a", ID), ("f/b", ID)})
FOLDER = SharedFolder("f", LIST_ID, LIST.encode(), LISTED, LIST, LISTED)
FOLDERS: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({}, []),
    ({"encoded_manifest": b"x"}, [("manifest-wrong", "f", NOT_THE_MANIFEST)]),
    ({"text_manifest": None}, [("text-missing", "f", LIST_ID.hex())]),
    ({"text_manifest": WHOLE}, [("text-differs", "f", LIST_ID.hex())]),
    ({"listed": None}, [("text-differs", "f", LIST_ID.hex())]),
    (
        {"files": frozenset({("f/a", ID), ("f/c", ID), ("f/d", ID)})},
        [("folder-rows-wrong", "f", "3 rows of 2 files, 1 the same")],
    ),
]


@pytest.mark.parametrize(("changed", "expected"), FOLDERS)
def test_a_folder(changed: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(judge_folder(replace(FOLDER, **changed))) == expected


@pytest.mark.parametrize("is_needed", [True, False])
def test_a_list(is_needed: bool) -> None:
    unused = [] if is_needed else [("text-unused", LIST_ID.hex(), "")]
    assert told(judge_text(LIST_ID, LIST, is_needed=is_needed)) == unused
    assert told(judge_text(ID, LIST, is_needed=is_needed)) == [("text-differs", HEX, "")]


DOWNLOAD = DownloadRow("d1", "a/b", "running", ID, 5, "", True)
WITHOUT_REASON = "it has failed without a reason"
NOT_STOPPED = "it has a reason, and neither has failed nor waits"
NOT_KNOWN = "it is done, and not known where or what"
DOWNLOADS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"size_bytes": 0}, ""),
    ({"size_bytes": -1}, "its size is below zero"),
    ({"path": None, "content": None}, ""),
    ({"path": "a/../b"}, "'..' walks through folders"),
    ({"content": bytes(31)}, "its content id has 31 bytes"),
    ({"state": "lost"}, "its state is 'lost'"),
    ({"state": "queued"}, ""),
    ({"state": "paused"}, ""),
    ({"state": "waiting"}, ""),
    ({"state": "waiting", "error_slug": "no-space"}, ""),
    ({"state": "failed", "error_slug": "no-space"}, ""),
    ({"state": "failed"}, WITHOUT_REASON),
    ({"error_slug": "no-space"}, NOT_STOPPED),
    ({"state": "done", "error_slug": "no-space"}, NOT_STOPPED),
    ({"state": "done"}, ""),
    ({"state": "done", "path": None}, NOT_KNOWN),
    ({"state": "done", "content": None}, NOT_KNOWN),
]


@pytest.mark.parametrize(("changed", "problem"), DOWNLOADS)
def test_a_download(changed: dict[str, Any], problem: str) -> None:
    expected = [("download-wrong", "d1", problem)] if problem else []
    assert told(judge_download(replace(DOWNLOAD, **changed))) == expected


def test_a_download_whose_file_is_gone() -> None:
    gone = replace(DOWNLOAD, state="done", is_there=False)
    assert told(judge_download(gone)) == [("download-gone", "a/b", "")]
    assert told(judge_download(replace(gone, state="running"))) == []


@pytest.mark.parametrize(
    ("changed", "is_wrong"),
    [
        ({}, False),
        ({"kind": 1}, False),
        ({"kind": 2}, True),
        ({"content": bytes(31)}, True),
        ({"name": "../a"}, True),
    ],
)
def test_a_guests_link(changed: dict[str, Any], is_wrong: bool) -> None:
    row = replace(GuestRow(b"\x0a\x0b", ID, 0, "a"), **changed)
    assert told(judge_guest(row)) == ([("guest-wrong", "0a0b", "")] if is_wrong else [])


def test_a_guests_link_without_a_serial() -> None:
    assert told(judge_guest(GuestRow(b"", ID, 0, "a"))) == [("guest-wrong", "", "")]


@pytest.mark.parametrize(
    ("name", "place", "problem"),
    [
        ("music", "/media/music", ""),
        ("music", "media/music", "its place is not absolute"),
        ("a/b", "/media", "its name cannot be the first part of a path"),
        ("..", "/media", "its name cannot be the first part of a path"),
    ],
)
def test_a_root(name: str, place: str, problem: str) -> None:
    expected = [("root-wrong", name, problem)] if problem else []
    assert told(judge_root(RootRow(name, place))) == expected


@pytest.mark.parametrize(
    ("wanted_bytes", "size_bytes", "durable_bytes", "problem"),
    [
        (5, 3, 3, ""),
        (5, 5, 5, ""),
        (5, 3, 4, "4 bytes are called durable of 3"),
        (5, 6, 0, "6 bytes of 5"),
        (None, 6, 9, ""),
        (5, None, 9, ""),
    ],
)
def test_an_upload(
    wanted_bytes: int | None, size_bytes: int | None, durable_bytes: int, problem: str
) -> None:
    there = UploadThere("u1", "", wanted_bytes, size_bytes, durable_bytes)
    expected = [("upload-wrong", "u1", problem)] if problem else []
    assert told(judge_upload(there)) == expected
    unread = replace(there, problem="no record")
    assert told(judge_upload(unread)) == [("upload-wrong", "u1", "no record")]


PARTIAL = PartialThere(ID, len(DATA), True, (0, BATCH, DURABLE, 1), WHOLE, 0, True)
PARTIALS: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({}, []),
    ({"manifest": None}, []),
    ({"is_owned": False}, [("partial-unowned", HEX, "")]),
    ({"has_journal": False, "records": None}, []),
    ({"records": None}, [("journal-foreign", HEX, "")]),
    ({"records": ()}, []),
    ({"size_bytes": None}, [("journal-alone", HEX, "2 chunks")]),
    ({"size_bytes": None, "records": (BATCH,)}, []),
    ({"size_bytes": 9}, [("partial-size", HEX, f"9 bytes, {len(DATA)} in the manifest")]),
    ({"records": (0, 10)}, []),
    ({"records": (0, 11)}, [("journal-beyond", HEX, "chunk 11 of 11")]),
    ({"wrong": bits(0)}, [("durable-chunk-wrong", HEX, "chunk 0")]),
    ({"wrong": bits(1)}, [("written-chunk-wrong", HEX, "chunk 1")]),
    (
        {"wrong": bits(0, 1)},
        [("durable-chunk-wrong", HEX, "chunk 0"), ("written-chunk-wrong", HEX, "chunk 1")],
    ),
]


@pytest.mark.parametrize(("changed", "expected"), PARTIALS)
def test_an_unfinished_file(changed: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(judge_partial(replace(PARTIAL, **changed))) == expected


def test_the_columns_of_an_index_are_those_of_its_version() -> None:
    columns = {"seen_folders": {"folder", "seen"}}
    names = "content, device, inode, mtime_ns, path, size_bytes"
    assert told(judge_schema(1, columns)) == [
        ("index-schema", "contents", "without id, kind, sha256, sha256_checked, size_bytes"),
        ("index-schema", "shared", f"without {names}"),
        ("index-schema", "downloads", "without content, error_slug, id, path, state, what"),
    ]
    assert [where for _, where, _ in told(judge_schema(2, columns))][3:] == ["catalogue_total"]
    assert [where for _, where, _ in told(judge_schema(3, columns))][4:] == ["shared"]


@pytest.mark.parametrize(
    ("state", "error_slug", "is_sound"),
    [
        ("failed", "no-space", True),
        ("waiting", "no-space", True),
        ("waiting", "", True),
        ("queued", "", True),
        ("failed", "", False),
        ("queued", "no-space", False),
        ("paused", "refused", False),
    ],
)
def test_who_has_failed_or_waits_may_have_a_reason(
    state: str, error_slug: str, is_sound: bool
) -> None:
    row = DownloadRow("d1", "a.bin", state, bytes(32), 5, error_slug, is_there=False)
    assert (list(judge_download(row)) == []) is is_sound
