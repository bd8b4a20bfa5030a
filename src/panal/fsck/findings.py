"""What a check can find: each kind once, how grave it is, and which promise it touches; pure.

*Broken* is what no fault may bring about: a kill, a full disk and a power cut leave none of it.
*Pending* is what they may leave, and Panal mends by itself. *Known* was found before and is not
served; only a person mends it.
"""

from enum import Enum

import msgspec


class Weight(Enum):
    """How grave a finding is."""

    BROKEN = "broken"
    PENDING = "pending"
    KNOWN = "known"


class Kind(msgspec.Struct, frozen=True):
    """One kind of finding."""

    slug: str
    weight: Weight
    promise: str
    """Of docs/RELIABILITY.md."""
    meaning: str
    """What it is and what comes of it, in a sentence."""

    def at(self, where: str, detail: str = "") -> "Finding":
        """One such finding; `where` is a path or an id as it is, not yet escaped."""
        return Finding(self, where, detail)


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be."""

    kind: Kind
    where: str
    detail: str = ""
    """What differs, in words."""


_kinds: list[Kind] = []


def _broken(slug: str, promise: str, meaning: str) -> Kind:
    return _kind(slug, Weight.BROKEN, promise, meaning)


def _pending(slug: str, promise: str, meaning: str) -> Kind:
    return _kind(slug, Weight.PENDING, promise, meaning)


def _known(slug: str, promise: str, meaning: str) -> Kind:
    return _kind(slug, Weight.KNOWN, promise, meaning)


def _kind(slug: str, weight: Weight, promise: str, meaning: str) -> Kind:
    kind = Kind(slug, weight, promise, meaning)
    _kinds.append(kind)
    return kind


# The index ----------------------------------------------------------------------------------

INDEX_DAMAGED = _broken(
    "index-damaged", "P3", "The index cannot be read; a start sets it aside and hashes all anew."
)
INDEX_SCHEMA = _broken("index-schema", "P3", "The index lacks what an index of its version has.")
REFERENCE_LOST = _broken(
    "reference-lost", "P1", "A row of the index refers to another that is not there."
)
MANIFEST_WRONG = _broken(
    "manifest-wrong", "P1", "A manifest in the index is not that of its content id."
)
CONTENT_ROW_WRONG = _broken(
    "content-row-wrong", "P1", "The index says of a content what its manifest does not say."
)
CONTENT_UNUSED = _broken(
    "content-unused", "P3", "The index keeps a content that no file has: its space is lost."
)
TOTAL_WRONG = _broken(
    "total-wrong", "P8", "The digest that the tracker compares is not that of the index."
)
SEEN_WRONG = _broken(
    "seen-wrong",
    "P3",
    "A file is not in the index, and the index says of its folder that it is: no scan finds it.",
)
PATH_UNSAFE = _broken("path-unsafe", "P2", "The index has a path that may not be shared.")

# Files --------------------------------------------------------------------------------------

BYTES_DIFFER = _broken(
    "bytes-differ",
    "P1",
    "A file has other bytes than it was shared with, though its size and time have not changed: "
    "the running peer's 'panal verify' withdraws it, and says what mends it.",
)
SHA256_DIFFERS = _broken(
    "sha256-differs", "P1", "The SHA-256 that is vouched for is not that of the file."
)
DAMAGED = _known(
    "damaged", "P1", "A file that has rotted: not served until 'panal verify --repair' mends it."
)
DAMAGED_TOUCHED = _known(
    "damaged-touched",
    "P1",
    "A file has other bytes than were shared, and may have been edited and its time set back: not "
    "served, and no repair touches it. Touch it to share it as it is, or remove it and get it "
    "again.",
)
DAMAGED_ELSEWHERE = _known(
    "damaged-elsewhere",
    "P1",
    "A file has rotted where Panal only reads: not served until you put it right there.",
)
FILE_CHANGED = _pending(
    "file-changed", "P1", "A file was edited or replaced; it is not served, and hashed anew."
)
FILE_MISSING = _pending("file-missing", "P1", "A file is gone; the next start shares it no more.")
FILE_UNREADABLE = _broken("file-unreadable", "P5", "A file cannot be read.")
ROOT_OFFLINE = _pending(
    "root-offline", "P5", "A folder or disk is not there; its files are kept in the index."
)
NOT_INDEXED = _pending("not-indexed", "P3", "A file is in the folder and not in the index yet.")
TEMPORARY_VISIBLE = _broken(
    "temporary-visible", "P2", "A temporary file of Panal's lies among the user's files."
)

# Folders shared as one content, downloads, links for guests -----------------------------------

TEXT_DIFFERS = _broken(
    "text-differs", "P1", "A folder's list has other bytes than its content id says."
)
TEXT_MISSING = _broken("text-missing", "P3", "A folder is shared and its list is not here.")
TEXT_UNUSED = _pending(
    "text-unused", "P5", "A folder's list that nothing needs; the next start removes it."
)
FOLDER_ROWS_WRONG = _broken(
    "folder-rows-wrong", "P1", "What the index keeps of a shared folder is not what its list says."
)
DOWNLOAD_WRONG = _broken("download-wrong", "P3", "A download's row makes no sense.")
DOWNLOAD_GONE = _pending(
    "download-gone", "P4", "What a download had put in place is not there any more."
)
GUEST_WRONG = _broken("guest-wrong", "P9", "The row of a link for guests makes no sense.")
ROOT_WRONG = _broken("root-wrong", "P2", "The row of a further root makes no sense.")

# Unfinished files ---------------------------------------------------------------------------

DURABLE_CHUNK_WRONG = _broken(
    "durable-chunk-wrong",
    "P4",
    "A chunk that was called durable has other bytes. It is fetched anew when the download goes "
    "on.",
)
WRITTEN_CHUNK_WRONG = _pending(
    "written-chunk-wrong",
    "P3",
    "A chunk that was called written has other bytes: only a power cut may do that. The next "
    "start hashes it again and fetches it anew.",
)
JOURNAL_FOREIGN = _broken(
    "journal-foreign", "P3", "A journal is not one of its content; what it says is dropped."
)
JOURNAL_BEYOND = _broken(
    "journal-beyond", "P3", "A journal names a chunk that its content does not have."
)
JOURNAL_ALONE = _pending(
    "journal-alone",
    "P3",
    "A journal outlived its file, which has its final name or was removed; it is removed too.",
)
PARTIAL_SIZE = _broken(
    "partial-size", "P3", "A partial file has not the size of the content that it is to become."
)
PARTIAL_UNOWNED = _pending(
    "partial-unowned", "P5", "No download needs this unfinished file; it is removed after a day."
)
UPLOAD_LEFT = _pending(
    "upload-left", "P4", "An upload was broken off; what it left is removed at the next start."
)
UPLOAD_WRONG = _broken(
    "upload-wrong", "P4", "The record of an unfinished upload does not fit to its bytes."
)
TEMPORARY_LEFT = _pending(
    "temporary-left", "P5", "A file that was being written when the peer was killed; it is small."
)
STATE_OPEN = _broken(
    "state-open", "P9", "Other users of this machine may read what Panal keeps for its user."
)
STRAY = _broken("stray", "P5", "A file in Panal's own directory that belongs to nothing.")

KINDS: tuple[Kind, ...] = tuple(_kinds)
"""Every kind, in this order."""
