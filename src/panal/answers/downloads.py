"""Downloads: as they stand, as they would go, and what they left unfinished."""

from typing import Annotated

import msgspec

from panal.answers.found import KindWord

STATES = ["queued", "running", "waiting", "paused", "done", "failed"]
StateWord = Annotated[str, msgspec.Meta(extra_json_schema={"enum": STATES})]


class SourceAnswer(msgspec.Struct):
    """One source of a download."""

    peer: str
    """Its name."""
    rate_bytes_s: float
    """What comes from it now."""
    bytes: int
    """How many came from it."""
    state: str
    """What it is doing, in a word."""


class DownloadAnswer(msgspec.Struct):
    """One download."""

    id: str
    """The download's, by which it is steered."""
    what: str
    """As it was asked for."""
    content: str | None
    """The content's id; null until it is known."""
    name: str | None
    """The path below the folder; null until it is known."""
    state: StateWord
    """queued, running, waiting, paused, done or failed."""
    size: int
    """In bytes; 0 until it is known."""
    priority: int
    """Those of a higher one go first."""
    bytes_done: int
    """How many are here and verified."""
    bytes_resumed: int
    """How many were here before it began and still agree with their hashes; counted anew after
    a restart of the peer."""
    rate_bytes_s: float
    """What comes now."""
    eta_s: float | None
    """How long it will take at that rate, in seconds."""
    transfer_s: float
    """From the first request until the final name existed, without waits for a disk and pauses."""
    reason: str
    """Why nothing moves, how it failed, or that it has rotted since it was done, in words."""
    error: str | None
    """The stable word of the error, once failed, or while it waits for its disk."""
    sources: list[SourceAnswer]
    """Who serves it."""
    files: int = 0
    """How many files a folder has; 0 for a file."""
    files_done: int = 0
    """How many of them are here."""
    held_back: bool = False
    """The peer's own rate limit is what holds it back."""
    bytes_copied: int = 0
    """How many are copies of a folder's or other shared files that have the same content."""


class DownloadsAnswer(msgspec.Struct):
    """Every download."""

    downloads: list[DownloadAnswer]
    """The newest last."""


class UnfinishedAnswer(msgspec.Struct):
    """One unfinished file, a download's or left behind."""

    id: str
    """Of its content; of a folder's small files, the folder's."""
    name: str | None
    """Where it would go, where a download says so."""
    size: int
    """When it is whole; of a folder's small files, of what is there."""
    bytes_there: int
    """Verified so far."""
    bytes_on_disk: int
    """What the disk gives to it: all of its size from the first byte, on most."""
    modified: float
    """When it was last written to, or let go; seconds since 1970."""
    download: str | None
    """The id of the download that owns it."""
    expires: float | None
    """When it is removed; null while a download needs it."""


class UnfinishedFilesAnswer(msgspec.Struct):
    """Every unfinished file, the oldest first."""

    unfinished: list[UnfinishedAnswer]
    """Those of downloads that go on too."""


class PlanAnswer(msgspec.Struct):
    """What a download would do."""

    id: str
    """The content's."""
    kind: KindWord | None
    """file or collection; null while nobody answers who has it."""
    size: int | None
    """Of the file, or of all files asked for of a folder; null while it is not known."""
    path: str
    """Where it would be."""
    providers: list[str]
    """Who has it; empty: it would be waited for."""
    files: int | None
    """How many files would be fetched; 0: all are there; null while it is not known."""
    bytes: int | None
    """How many bytes would be fetched, unfinished files counted whole."""
    files_there: int
    """How many are there already, the same."""
    free: int
    """Bytes that the disk has beyond its reserve."""
    conflicts: list[str]
    """What stands under wanted names, in words."""
    error: str | None
    """The stable word of the error with which it would fail."""
    reason: str
    """That error in words."""
