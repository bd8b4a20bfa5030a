"""The JSON of the API, as structs: their field names are the contract."""

import msgspec


class NameInfo(msgspec.Struct):
    """Under which name, at which peer."""

    peer: str
    path: str


class HitInfo(msgspec.Struct):
    """One content that a search found."""

    id: str
    name: str
    size: int
    sha256: str | None
    kind: str
    link: str
    providers: int
    names: list[NameInfo]


class SearchAnswer(msgspec.Struct):
    """One page of hits."""

    hits: list[HitInfo]
    next: str | None
    capped: bool


class PeerAnswer(msgspec.Struct):
    """One live peer."""

    name: str
    host: str
    port: int
    reachable: bool
    files: int
    joined_s_ago: float
    renewed_s_ago: float


class FileAnswer(msgspec.Struct):
    """One shared file."""

    path: str
    id: str
    size: int
    sha256: str | None
    link: str


class FilesAnswer(msgspec.Struct):
    """One page of shared files."""

    files: list[FileAnswer]
    next: str | None


class FolderAnswer(msgspec.Struct):
    """One folder that is shared as it was when it was asked for."""

    path: str
    id: str
    link: str
    files: int
    empty_folders: int
    bytes: int
    """Of all its files."""
    skipped: dict[str, int]
    """What was left out, by reason."""
    skipped_examples: dict[str, list[str]]


class SourceAnswer(msgspec.Struct):
    """One source of a download."""

    peer: str
    rate_bytes_s: float
    bytes: int
    state: str


class DownloadAnswer(msgspec.Struct):
    """One download."""

    id: str
    what: str
    content: str | None
    name: str | None
    state: str
    size: int
    priority: int
    bytes_done: int
    bytes_resumed: int
    rate_bytes_s: float
    eta_s: float | None
    transfer_s: float
    reason: str
    error: str | None
    """The stable word of the error, once failed."""
    sources: list[SourceAnswer]
    files: int = 0
    """How many files a folder has; 0 for a file."""
    files_done: int = 0
    held_back: bool = False
    """The peer's own rate limit is what holds it back."""


class DownloadsAnswer(msgspec.Struct):
    """Every download."""

    downloads: list[DownloadAnswer]


class PeersAnswer(msgspec.Struct):
    """Who is here."""

    peers: list[PeerAnswer]


class PlanAnswer(msgspec.Struct):
    """What a download would do."""

    id: str
    size: int | None
    """Not known while nobody who is online shares it under a name."""
    path: str
    providers: list[str]
    free: int
    """Bytes that the disk has beyond its reserve."""
    is_there: bool
    """The same content is under that name already."""
    conflict: str
    """Why it could not be put there, in words."""


class VerifyAnswer(msgspec.Struct):
    """What re-reading shared files found."""

    files: int
    bytes: int
    offline: int
    """Files whose folder or disk is not there now."""
    differing: dict[str, str]
    """By path: why it is not what it was."""


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
    urls: list[str]
    folder: str
    trackers: list[str]
    registered: bool
    reachable: bool
    problem: str
    files: int
    bytes: int
    to_hash: int
    skipped: dict[str, int]
    skipped_examples: dict[str, list[str]]
    roots: list[RootAnswer]
    """What is shared in place from elsewhere."""
    offline: list[str]
    """Roots that are not there now, the folder among them; they may come back."""
    watching: dict[str, str]
    """By root, "" for the folder: why it is found out about by scans only, in words."""
    unshared: list[str]
    """Paths that are left out until they are added again."""
