"""What a tracker's store must do: small, synchronous, free of decisions.

Every method may be called from `threads` threads at once, a transaction staying on its own.
What changes records is called inside `transaction`, which raises NoSpace, with nothing changed,
when the disk, the quota or the file-size limit is reached; Conflict where another transaction
was in the way; StoreUnavailable while the store is away. Times are seconds of the clock by which
leases run, and come in as arguments. A peer is named by its `PeerName`, case aside.
`tests/tracker` holds the contract that every store passes.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from panal.tracker.changes import ChangeFeed
from panal.tracker.folders import Below
from panal.tracker.handout import Holder
from panal.tracker.member_store import SharedMembers
from panal.tracker.ranking import Match, Matches
from panal.tracker.registry import PeerRecord
from panal.tracker.search import Search
from panal.wire.catalogue import Announcement, Entry
from panal.wire.ids import ContentId, PeerName

SAME_AUTHORITY = (
    "Where this shall be one more tracker of that network, stop it, and put authority.key and "
    "authority.pem of one of its trackers into the folder 'network' of this one's state directory."
)
"""What to do where the authorities of two trackers differ."""
MAX_ITEMS_PER_PEER = 1_000_000
"""Entries of one peer, and holdings of one peer."""

TRIAL_BYTES = 4 * 1024 * 1024
"""As the largest message of an announcement."""


class Conflict(Exception):
    """Another transaction was in the way: nothing was changed, and the same again may succeed."""


class LeaseClock(Protocol):
    """By which leases run: the tracker's own, or that of a store which several trackers use."""

    def now_s(self) -> float:
        """Seconds; asked inside a transaction."""
        ...


@dataclass(frozen=True, slots=True)
class ListedPeer:
    """A live peer and how many entries it has."""

    record: PeerRecord
    entries: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What is recorded of live peers, all together."""

    peers: int
    reachable: int
    """Of the peers, those whose port answered."""
    entries: int
    holdings: int
    unsearchable: int = 0
    """Entries that a search does not find yet, where the store catches up later."""


class Storage(Protocol):
    """Peers and their catalogues."""

    kind: str
    """What it is called: `sqlite`."""
    threads: int
    """How many may use it at once."""
    shared_as: str
    """The id of the database that other trackers use as well; empty for a tracker's own."""

    @property
    def feed(self) -> ChangeFeed | None:
        """The line to those other trackers; None where there are none."""
        ...

    @property
    def members(self) -> SharedMembers | None:
        """A network's members, for all trackers of this store; None where each keeps its own."""
        ...

    is_embedded: bool
    """Whether a short question takes microseconds, and waits for no other program."""
    indexes_behind: bool
    """Whether `index_names` has something to do."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; not nested."""
        ...

    def peer(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        ...

    def peer_for_update(self, name: PeerName) -> PeerRecord | None:
        """As `peer`; until the transaction ends nobody else changes what is under that name."""
        ...

    def peers_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port.

        In a transaction nobody else changes them, or joins there, until it ends.
        """
        ...

    def peers_free_for_update(self, names: Sequence[PeerName]) -> list[PeerRecord]:
        """As `peer_for_update` of many; whom another transaction has in hand is left out."""
        ...

    def renew_in_memory(
        self, name: PeerName, renewed: Callable[[PeerRecord], PeerRecord]
    ) -> PeerRecord | None:
        """What `renewed` makes of a peer's record, its lease granted anew, without a transaction.

        None, with nothing changed, where that takes one: the store keeps leases elsewhere, or
        the peer is not here.
        """
        ...

    def put_leases(self, records: Sequence[PeerRecord]) -> None:
        """Record until when the leases of recorded peers run, and when they were renewed."""
        ...

    def put_peer(self, record: PeerRecord) -> None:
        """Record a peer; its catalogue and digest stay what they are, empty if it is new."""
        ...

    def end_lease(self, name: PeerName, now_s: float) -> None:
        """From now on a peer is gone: named to nobody, its catalogue kept."""
        ...

    def forget(self, name: PeerName) -> bool:
        """Drop a peer with all its records at once; whether there was one."""
        ...

    def apply(self, name: PeerName, announcement: Announcement) -> bytes:
        """Make one message's changes and note its sequence; the digest after it.

        What is removed goes before what is added. A path or holding announced again takes
        the new values; removing what is not there changes nothing. KeyError for an unknown
        peer, TooLarge above `MAX_ITEMS_PER_PEER`.
        """
        ...

    def begin_replacement(self, name: PeerName) -> int:
        """Start a new generation of a peer's catalogue; KeyError for an unknown peer."""
        ...

    def end_replacement(self, name: PeerName, generation: int) -> bytes:
        """Drop what was last announced before `generation` began; the digest after it."""
        ...

    def locate(self, contents: Iterable[ContentId], now_s: float) -> dict[ContentId, list[Holder]]:
        """The live holders of each content: entries are complete holdings, too."""
        ...

    def match(self, search: Search, now_s: float) -> Matches:
        """The entries of live peers that meet a search's conditions; at most `RANK_LIMIT`.

        Exact names are among them however many match. What cannot come onto the search's page
        may be left out, but then whole contents.
        """
        ...

    def is_quick(self, search: Search) -> bool:
        """Whether `match` is known to take a millisecond or so; nothing is asked, by any thread."""
        ...

    def entries_in_order(self, search: Search, now_s: float) -> Generator[Match]:
        """The entries that a listing shows, from a page's beginning on, all there are.

        In the order of path, content and peer; each costs only when it is taken. Close it
        before the transaction ends.
        """
        ...

    def provider_counts(self, contents: Sequence[ContentId], now_s: float) -> dict[ContentId, int]:
        """How many live peers hold each content, whole or in part."""
        ...

    def entries_between(self, name: PeerName, first: str, before: str, limit: int) -> list[Entry]:
        """A peer's entries from a path on and before another, in the order of paths."""
        ...

    def files_between(self, name: PeerName, first: str, before: str, limit: int) -> Below:
        """How many files a peer has there, and their bytes; of at most `limit` of them."""
        ...

    def list_peers(self, after: str, limit: int, now_s: float) -> list[ListedPeer]:
        """The live peers by name without case, those after `after`, at most `limit`."""
        ...

    def extend_leases(self, now_s: float) -> None:
        """Let leases go on for as long as no tracker of this store could be asked.

        Where that was longer than between sweeps: nobody could renew then. Before each sweep.
        """
        ...

    def totals(self, now_s: float) -> Totals:
        """What is recorded of the live peers; cheap enough for every few seconds."""
        ...

    def sweep(self, now_s: float) -> list[PeerRecord]:
        """End what is left of leases that are over; whose they were, each told once."""
        ...

    def drop_gone(self, before_s: float) -> None:
        """Drop the peers that have been gone since then or longer, with all their records."""
        ...

    def clear_leftovers(self, limit: int) -> bool:
        """Remove up to `limit` rows of peers dropped before; whether more are left.

        Nothing ever names these rows. They go in slices, so that dropping a peer with a
        million entries holds nobody up.
        """
        ...

    def find_room(self) -> None:
        """NoSpace where `TRIAL_BYTES` find no room; asked outside a transaction.

        A lesser write may succeed on a full disk: what failed has left room in SQLite's log.
        """
        ...

    def whose(self) -> str | None:
        """What `claim` noted first; None before that, and where others cannot have."""
        ...

    def claim(self, whose: str) -> None:
        """Note whose records these are: a network's, by its pin, or everybody's, when empty.

        Refused where they are somebody else's: a network's would be shown to strangers.
        """
        ...

    def watch(self, watcher: Callable[[bool], None]) -> None:
        """Call `watcher`, from any thread, when the store is away (False) and is back (True)."""
        ...

    def index_names(self, limit: int) -> int:
        """Let the index of searches catch up by up to `limit` names; how many are left, about.

        What was announced a moment ago is found all the same; of very much at once, a part
        only when this was called often enough.
        """
        ...

    def merge_index(self, pages: int) -> bool:
        """Merge what `index_names` has made, about so many pages of it, so that searches look into
        less; whether there was anything to merge."""
        ...

    def close(self) -> None:
        """Give the store back; calling it twice does nothing."""
        ...
