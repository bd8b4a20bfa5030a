"""A peer's own state and settings."""

import msgspec
from msgspec import UNSET, UnsetType

from panal.answers.sharing import RootAnswer
from panal.audit import Event


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
    verify_rate_bytes_s: int
    """Of shared files read again while nothing else is to be done; 0: none are."""


class PageLink(msgspec.Struct):
    """A link that opens the page as its owner, once."""

    url: str
    """With the address that the request came to."""
    expires_s: int
    """How long it counts, in seconds."""


class NetworkAnswer(msgspec.Struct):
    """The network that this peer is a member of."""

    name: str
    """What this peer is called there."""
    pin: str
    """The SHA-256 of its authority's certificate, in hex."""


class DiskAnswer(msgspec.Struct):
    """The room on the shared folder's disk."""

    folder: str
    """Where downloads and uploads go."""
    total: int
    """In bytes, as all that follow."""
    free: int
    """What this user may still write."""
    reserve: int
    """What Panal leaves free."""
    usable: int
    """What is free beyond that; 0 where nothing is."""


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
    reachability: str
    """How the tracker's call came through or why not, in words; empty before it was tried."""
    tracker: str
    """Of those, the one that it asks now; the others when that one does not answer."""
    network: NetworkAnswer | None
    """Which network it is in, if it is in one."""
    open: bool
    """Whether whoever reaches it may fetch."""
    hosts: list[str]
    """The addresses that it listens on; 0.0.0.0 is all."""
    port: int
    """The port there."""
    guests: str | None
    """Where guests come in; null: nowhere."""
    settings: SettingsAnswer
    """Its limits now."""
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
    """Unfinished files, those of downloads and uploads that go on too."""
    unfinished_bytes: int
    """What they take of the disk."""
    withdrawn: dict[str, str] = msgspec.field(default_factory=dict)
    """Folders that are not offered any more: by path, a path in each that is not as it was."""
    damaged: dict[str, str] = msgspec.field(default_factory=dict)
    """Files that have rotted and are served no more: by path, what is wrong and what to do."""
    unsettled: int = 0
    """Paths that were changed just now: they are shared once they rest."""


class TrackerDetailsAnswer(msgspec.Struct, kw_only=True):
    """What a tracker tells its owner beside counts."""

    version: str
    """Of the tracker's Panal."""
    up_s: float
    """Since it began to listen."""
    store: str
    """Which kind keeps the records: sqlite, in its state directory or in memory, or postgresql."""
    store_answer_s: float | UnsetType = UNSET
    """How long the records took to count what they have; not there while they do not."""
    store_waiting: int
    """Questions to the records that are not answered yet."""
    search_lag_entries: int | UnsetType = UNSET
    """Entries that were acknowledged and that a search does not find yet; likewise."""
    leases_ended: int
    """Peers that went without a word, since the start, as all that follow."""
    calls: int
    """Calls that ended."""
    calls_failed: int
    """Of those, by a fault or a missed deadline of the tracker."""
    calls_under_way: int
    """Calls that have not ended yet."""
    calls_per_s: float
    """Over the last minute."""


class TrackerStatusAnswer(msgspec.Struct, kw_only=True):
    """How a tracker stands."""

    tracker: str
    """Which one answered."""
    ready: bool
    """Whether it can do its work; where not, what it would count is not there."""
    problem: str
    """Why not, in words; empty where it can."""
    access: str
    """Who may call it: loopback, open or network; empty where it says something else."""
    peers: int | UnsetType = UNSET
    """With a lease."""
    peers_reachable: int | UnsetType = UNSET
    """Of those, the ones whose port answered its call."""
    entries: int | UnsetType = UNSET
    """Of those peers, one a path."""
    holdings: int | UnsetType = UNSET
    """Contents without an entry that they hold, whole or in part."""
    lease_s: float
    """How long a lease counts."""
    details: TrackerDetailsAnswer | None
    """Null for whoever is not its owner."""


class LogAnswer(msgspec.Struct):
    """What happened at a peer's doors, or at a tracker's."""

    events: list[Event]
    """The newest last."""
