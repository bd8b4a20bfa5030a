"""The JSON of the API, as structs: their field names are the contract."""

import msgspec


class NameInfo(msgspec.Struct):
    """Under which name, at which peer."""

    peer: str
    """The peer's name."""
    path: str
    """Where it is at that peer."""


class HitInfo(msgspec.Struct):
    """One content that a search found."""

    id: str
    """Its content id."""
    name: str
    """The last part of its best name."""
    size: int
    """In bytes; of a folder, its list's."""
    sha256: str | None
    """Of the file, in hex, where somebody vouches for it."""
    kind: str
    """file or collection."""
    link: str
    """For chats and mails, and for `get`."""
    providers: int
    """How many live peers have it."""
    names: list[NameInfo]
    """Its names that matched, the best 20; without words, the one name that is listed."""


class SearchAnswer(msgspec.Struct):
    """One page of hits."""

    hits: list[HitInfo]
    """The best match first; without words, every path in order."""
    next: str | None
    """What asks for the next page; null after the last."""
    capped: bool
    """More than 10,000 names matched, and only 10,000 were ranked; never so without words."""


class PeerAnswer(msgspec.Struct):
    """One live peer."""

    name: str
    """What it is called."""
    host: str
    """Where it answers; empty where you cannot call it."""
    port: int
    """Its HTTP port."""
    reachable: bool
    """Whether the tracker's call came through."""
    files: int
    """How many files and folders it shares."""
    joined_s_ago: float
    """When it came, in seconds before now."""
    renewed_s_ago: float
    """When it was last heard of, in seconds before now."""


class FileAnswer(msgspec.Struct):
    """One shared file."""

    path: str
    """Below the shared folder, or below a root."""
    id: str
    """Its content id."""
    size: int
    """In bytes."""
    sha256: str | None
    """In hex; null until it was computed here."""
    link: str
    """For chats and mails, and for `get`."""
    offline: bool = False
    """Its folder or disk is not there now: nobody can fetch it."""


class FilesAnswer(msgspec.Struct):
    """One page of shared files."""

    files: list[FileAnswer]
    """In path order."""
    next: str | None
    """The path to go on after; null after the last page."""


class FolderAnswer(msgspec.Struct):
    """One folder that is shared as it was when it was asked for."""

    path: str
    """Below the shared folder; empty for all of it."""
    id: str
    """Its content id."""
    link: str
    """For chats and mails, and for `get`."""
    files: int
    """How many are in it."""
    empty_folders: int
    """How many are in it."""
    bytes: int
    """Of all its files."""
    skipped: dict[str, int]
    """What was left out, by reason."""
    skipped_folders: dict[str, int]
    """How many of them are folders; what is in those is not counted."""
    skipped_examples: dict[str, list[str]]
    """Some of their paths, by reason."""


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
    state: str
    """queued, running, waiting, paused, done or failed."""
    size: int
    """In bytes; 0 until it is known."""
    priority: int
    """Those of a higher one go first."""
    bytes_done: int
    """How many are here and verified."""
    bytes_resumed: int
    """How many were here when it began."""
    rate_bytes_s: float
    """What comes now."""
    eta_s: float | None
    """How long it will take at that rate, in seconds."""
    transfer_s: float
    """From the first request until the final name existed."""
    reason: str
    """Why nothing moves, or how it failed, in words."""
    error: str | None
    """The stable word of the error, once failed, or `no-space` while it waits for room."""
    sources: list[SourceAnswer]
    """Who serves it."""
    files: int = 0
    """How many files a folder has; 0 for a file."""
    files_done: int = 0
    """How many of them are here."""
    held_back: bool = False
    """The peer's own rate limit is what holds it back."""


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


class PeersAnswer(msgspec.Struct):
    """Who is here."""

    peers: list[PeerAnswer]
    """By name."""


class PlanAnswer(msgspec.Struct):
    """What a download would do."""

    id: str
    """The content's."""
    kind: str | None
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


class VerifyAnswer(msgspec.Struct):
    """What re-reading shared files found."""

    files: int
    """How many were looked at."""
    bytes: int
    """How many were read."""
    offline: int
    """Files whose folder or disk is not there now."""
    differing: dict[str, str]
    """By path: why it is not what it was."""


class VerifyProgress(msgspec.Struct):
    """How far re-reading has come: one line of a stream."""

    files: int
    """How many were read."""
    of_files: int
    """How many there are to read."""
    bytes: int
    """How many were read, of the file under way too."""
    of_bytes: int
    """How many there are to read."""
    answer: VerifyAnswer | None
    """What it came to; in the last line only."""


class SettingsAnswer(msgspec.Struct):
    """What can be changed while the peer runs."""

    active_downloads: int
    """How many downloads run at once; the others wait in the queue."""
    upload_limit_bytes_s: int
    """To all together; of all limits, 0 is none."""
    download_limit_bytes_s: int
    """From all together."""
    upload_limit_per_peer_bytes_s: int
    """To each remote address, however many connections it has."""
    download_limit_per_peer_bytes_s: int
    """From each peer, over all downloads."""


class RootAnswer(msgspec.Struct):
    """A file or folder from elsewhere, shared in place."""

    name: str
    """The first part of its paths."""
    place: str
    """Where it lies on the disk."""


class AddedAnswer(msgspec.Struct):
    """What came of adding."""

    roots: list[RootAnswer]
    """Shared in place; their files are hashed and announced from now on."""
    again: list[str]
    """Paths of the folder that were left out and are shared again."""
    files: list[FileAnswer]
    """Copied into the folder."""


class StatusAnswer(msgspec.Struct):
    """This peer's own state."""

    name: str
    """This peer's."""
    urls: list[str]
    """Where it answers."""
    folder: str
    """What it shares."""
    trackers: list[str]
    """Whom it asks."""
    registered: bool
    """Whether a tracker knows it."""
    reachable: bool
    """Whether the tracker's call came through."""
    problem: str
    """What is wrong with either, in words."""
    files: int
    """How many it shares."""
    bytes: int
    """How many they have."""
    to_hash: int
    """How many files are still to be hashed."""
    skipped: dict[str, int]
    """What is not shared, by reason."""
    skipped_folders: dict[str, int]
    """How many of them are folders; what is in those is not counted."""
    skipped_examples: dict[str, list[str]]
    """Some of their paths, by reason."""
    roots: list[RootAnswer]
    """What is shared in place from elsewhere."""
    offline: list[str]
    """Roots that are not there now, the folder among them; they may come back."""
    watching: dict[str, str]
    """By root, "" for the folder: why it is found out about by scans only, in words."""
    unshared: list[str]
    """Paths that are left out until they are added again."""
    unfinished: int
    """Unfinished files, those of downloads that go on too."""
    unfinished_bytes: int
    """What they take of the disk."""
