"""What `--json` prints where it is not an answer of the API itself, as structs."""

import msgspec

from panal.answers import AddedAnswer, DownloadAnswer, FileAnswer, FolderAnswer, GuestLinksAnswer

Value = str | int | float | bool | None | list[str]


class Problem(msgspec.Struct):
    """Why a command failed: the only document on stdout then, unless a document says it."""

    type: str
    """`urn:panal:error:` and the error's stable word, as in the API."""
    title: str
    """What kind of failure that is, in words."""
    detail: str
    """What happened, and what to do next."""
    exit_code: int
    """The code that the command ended with."""


class LsDocument(msgspec.Struct):
    """Everything that a peer shares."""

    files: list[FileAnswer]
    """In path order."""
    skipped: dict[str, int]
    """What is not shared, by reason."""
    skipped_folders: dict[str, int]
    """How many of them are folders; what is in those is not counted."""


class AddDocument(AddedAnswer):
    """What came of adding."""

    folders: list[FolderAnswer]
    """Folders inside the peer's own, each shared as one content."""


class UnshareDocument(msgspec.Struct):
    """What is shared no more."""

    unshared: list[str]
    """As the peer called it, or from the root of the disk."""


class LinksDocument(GuestLinksAnswer):
    """Every link for guests that counts."""


class RevokedDocument(msgspec.Struct):
    """Links for guests that count no more."""

    revoked: list[str]
    """Their ids, as they were given."""


class DeepFinding(msgspec.Struct):
    """One thing that is not as it should be."""

    kind: str
    """A stable word."""
    weight: str
    """broken: no fault may bring it about; pending: Panal sees to it; known: you mend it."""
    promise: str
    """Which promise of docs/RELIABILITY.md it touches."""
    where: str
    """A path, an id or a table."""
    detail: str
    """What differs, in words; may be empty."""
    meaning: str
    """What it is and what comes of it."""


class DeepDocument(msgspec.Struct):
    """What a check of a stopped peer found."""

    folder: str
    """The peer's."""
    state: str
    """Where its state is."""
    files: int
    """Shared files that were looked at."""
    bytes: int
    """How many were read of them."""
    unfinished: int
    """Unfinished files that were looked at."""
    in_use: int
    """How many of them another process has open: they were left alone."""
    unproved_chunks: int
    """Chunks of unfinished files whose hash is not known here: read when they are next fetched."""
    broken: int
    """How many findings are of that weight."""
    pending: int
    """How many are of that one."""
    known: int
    """And of that one."""
    findings: list[DeepFinding]
    """The first thousand of each kind."""


class CancelDocument(msgspec.Struct):
    """What was taken off the list."""

    cancelled: list[DownloadAnswer]
    """As each stood just before."""


class GetSource(msgspec.Struct):
    """One peer that served a download."""

    peer: str
    """Its name."""
    bytes: int
    """How many of the bytes came from it."""


class GetDocument(msgspec.Struct):
    """One content that is whole, verified and in place."""

    id: str
    """Its content id."""
    path: str
    """Where it is: with `--peer`, below that peer's folder."""
    size: int
    """Of the file, or of all files of a folder."""
    bytes_resumed: int
    """How many were here before it began; a peer that starts again counts anew."""
    bytes_copied: int
    """How many are copies, made here, of files that have the same content."""
    transfer_s: float
    """From the first request until the final name existed, without waits for a disk and pauses."""
    sources: list[GetSource]
    """Who served it."""


class Finding(msgspec.Struct):
    """One thing that was looked at."""

    check: str
    """What it was."""
    verdict: str
    """ok, warn or fail."""
    found: str
    """What there is, in words."""
    advice: str = ""
    """What to do; empty where nothing is to be done."""


class DoctorDocument(msgspec.Struct):
    """Everything that was looked at."""

    findings: list[Finding]
    """In the order in which it was; any `fail` makes the exit code 1."""


class Setting(msgspec.Struct):
    """One option of one command."""

    command: str
    """Which command; `panal` for all of them."""
    setting: str
    """The option, without its dashes."""
    value: Value
    """What it would be; secrets are not shown."""
    origin: str
    """flag, environment, file or default."""
    where: str
    """The variable or the file, where it comes from one."""


class ConfigDocument(msgspec.Struct):
    """Every setting, or those of one command."""

    settings: list[Setting]
    """By command."""


class VersionDocument(msgspec.Struct):
    """The version."""

    panal: str
    """As its changelog numbers it."""


class MemberDocument(msgspec.Struct):
    """One member of a network."""

    name: str
    """Its name: a peer's, or what a user's commands go by."""
    here: bool
    """Whether it is registered now."""
    enrolled_at: str
    """RFC 3339, UTC."""
    certified_until: str
    """Until when its certificate counts; it renews that by itself."""
    enrolled_by: str
    """The join line that let it in, or the member whose further name it is."""


class OpenLineDocument(msgspec.Struct):
    """A join line, without its secret."""

    id: str
    """How `panal network revoke` knows it."""
    uses: int
    """How many it lets in altogether."""
    uses_left: int
    """How many of them are to come."""
    until: str
    """RFC 3339, UTC."""


class NetworkDocument(msgspec.Struct):
    """A network, as its owner sees it."""

    members: list[MemberDocument]
    """By name."""
    join_lines: list[OpenLineDocument]
    """Those that still let somebody in."""


class JoinLineDocument(msgspec.Struct):
    """A new join line."""

    line: str | None
    """The secret line itself; null where it was written to a file. It is kept nowhere else."""
    join_line: OpenLineDocument
    """What the tracker keeps of it."""


class RevokedLineDocument(msgspec.Struct):
    """A join line that lets nobody in any more."""

    revoked: str
    """Its id."""


class RemovedDocument(msgspec.Struct):
    """A member that is none any more."""

    removed: str
    """Its name."""
    open_join_line: str | None
    """The join line by which it came, where that still lets somebody in: it could come again."""
