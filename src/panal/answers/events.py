"""What the stream of events tells: the data of each kind, and of an upload that comes in."""

import msgspec
from msgspec import UNSET, UnsetType

from panal.answers.downloads import DownloadAnswer
from panal.answers.status import StatusAnswer
from panal.audit import Event


class HelloEvent(msgspec.Struct):
    """The first event of every stream."""

    epoch: str
    """Another one after each start of the peer: what was told before is told anew."""
    peer: str
    """This peer's name."""
    version: str
    """Panal's."""


class DownloadsEvent(msgspec.Struct):
    """Downloads that are new or stand otherwise than before."""

    whole: bool
    """These are all there are; else the others are as they were."""
    downloads: list[DownloadAnswer]
    """The newest last."""
    removed: list[str]
    """The ids of those that are off the list."""


class FilesEvent(msgspec.Struct):
    """What is shared has changed: whoever shows some of it asks for that again."""

    files: int
    """How many are shared."""
    size_bytes: int
    """How many bytes they have."""
    changes: int
    """How often something has changed since the peer's start."""


class PeerRow(msgspec.Struct):
    """One live peer, as the tracker tells."""

    name: str
    """Its name."""
    host: str
    """Where it is."""
    port: int
    """Where it answers there."""
    reachable: bool
    """Whether the tracker's call came through."""
    files: int
    """How many it shares."""


class PeersEvent(msgspec.Struct):
    """Peers that have come, or are otherwise than before."""

    whole: bool
    """These are all there are; else the others are as they were."""
    peers: list[PeerRow]
    """At most 1,000 are told of."""
    removed: list[str]
    """The names of those that have gone."""


class RateOfSource(msgspec.Struct):
    """What comes from one peer now."""

    peer: str
    """Its name."""
    rate_bytes_s: float
    """Over all downloads."""


class RateOfTaker(msgspec.Struct):
    """What goes to one connection now."""

    peer: str
    """Whose it is: by its certificate, or where only one at that address says to fetch that
    content; empty where it is not known."""
    host: str
    """The address that it comes from."""
    port: int
    """The port there: connections of one address differ in it."""
    rate_bytes_s: float
    """What it takes."""
    name: str
    """A path of what it takes; empty where it has none here."""
    content: str
    """The id of that."""


class TrafficEvent(msgspec.Struct):
    """Each second while something moves, and once when nothing does any more."""

    at: float
    """Seconds since 1970."""
    down_bytes_s: float
    """What comes now."""
    up_bytes_s: float
    """What goes now."""
    down_bytes: int
    """What has come for downloads, as far as this was looked at while they were listed."""
    up_bytes: int
    """What has gone out of contents since the peer's start."""
    sources: list[RateOfSource]
    """From whom, the quickest first."""
    takers: list[RateOfTaker]
    """To whom, the quickest first; at most 100."""


class UploadAnswer(msgspec.Struct):
    """One upload that is coming in, or an unfinished one that may go on."""

    id: str
    """Its own; of a resumable one, the last part of its address."""
    path: str
    """Where it will be, below the folder."""
    size: int | None
    """In bytes; null where its sender has not said."""
    offset: int
    """How many are here."""
    rate_bytes_s: float
    """What comes now."""
    state: str
    """receiving, storing (all is here), or waiting for its sender to go on."""
    resumable: bool
    """Whether it goes on after a break."""
    expires: float | None
    """When what is here of it is removed unless it goes on; seconds since 1970."""


class UploadsAnswer(msgspec.Struct):
    """Every unfinished upload that can go on."""

    uploads: list[UploadAnswer]
    """Those begun first first."""


class UploadsEvent(msgspec.Struct):
    """Uploads that are new or stand otherwise than before."""

    whole: bool
    """These are all there are; else the others are as they were."""
    uploads: list[UploadAnswer]
    """The newest last."""
    removed: list[str]
    """The ids of those that have ended."""


class ChunksEvent(msgspec.Struct):
    """The chunks of the download that is watched.

    Whole: every field but `runs`. Else `runs`, and what else has changed. A field that is not
    there is as it was. One byte a chunk each in `states`, `from` and `copies`.
    """

    download: str
    """The download's id."""
    whole: bool
    """Forget what was told before."""
    path: str | UnsetType = UNSET
    """Which of a folder's files it is; empty for a file."""
    size_bytes: int | UnsetType = UNSET
    """Of the file."""
    chunk_size: int | UnsetType = UNSET
    """In bytes; the last chunk may be shorter."""
    chunk_count: int | UnsetType = UNSET
    """How many there are."""
    sources: list[str] | UnsetType = UNSET
    """Names of peers, by number."""
    states: bytes | UnsetType = UNSET
    """0 missing, 1 being asked for, 2 verified, 3 missing and came wrong once."""
    origins: bytes | UnsetType = msgspec.field(name="from", default=UNSET)
    """The number of the source that it came from or is asked of; 254: one of those beyond, 255:
    it was here before, or nobody yet."""
    copies: bytes | UnsetType = UNSET
    """How many connected sources have it; 255: as many or more."""
    runs: list[tuple[int, int, int, int]] | UnsetType = UNSET
    """First chunk, last chunk, their state, their source."""


class StreamedEvents(msgspec.Struct):
    """The kinds of events, and the JSON that is the data of each; `chunks` only with `watch`."""

    hello: HelloEvent
    """The first of every stream."""
    status: StatusAnswer
    """As under /api/v1/status, when it changes."""
    files: FilesEvent
    """When what is shared changes."""
    downloads: DownloadsEvent
    """When one changes, at most four times a second."""
    uploads: UploadsEvent
    """The same."""
    peers: PeersEvent
    """When one comes, goes or changes, looked at every 10 s."""
    traffic: TrafficEvent
    """Each second while something moves."""
    log: Event
    """One line of the log, as it is written."""
    chunks: ChunksEvent
    """When a chunk changes, at most four times a second."""
