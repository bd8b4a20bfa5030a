"""What a tracker's store must do: small, synchronous, free of decisions.

Every method may be called from one thread only. What changes records is called inside
`transaction`, which raises NoSpace, with nothing changed, when the disk, the quota or the
file-size limit is reached. Times are seconds of the tracker's monotonic clock and
come in as arguments. A peer is named by its `PeerName`, case aside. `tests/tracker` holds
the contract that every store passes.
"""

from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from panal.tracker.folders import Below
from panal.tracker.handout import Holder
from panal.tracker.registry import PeerRecord
from panal.tracker.search import Match, Matches, Search
from panal.wire.catalogue import Announcement, Entry
from panal.wire.ids import ContentId, PeerName

MAX_ITEMS_PER_PEER = 1_000_000
"""Entries of one peer, and holdings of one peer."""


@dataclass(frozen=True, slots=True)
class ListedPeer:
    """A live peer and how many entries it has."""

    record: PeerRecord
    entries: int


class Storage(Protocol):
    """Peers and their catalogues."""

    shared_as: str
    """What a database is called that other trackers use at the same time, for all of them the
    same; empty for one that is this tracker's alone."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing of what is done inside; not nested."""
        ...

    def peer(self, name: PeerName) -> PeerRecord | None:
        """What is recorded under a name, its lease over or not; None for nothing."""
        ...

    def peers_at(self, host: str, port: int, now_s: float) -> list[PeerRecord]:
        """The live peers recorded at an observed host and port."""
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
        """The entries of live peers that meet a search's conditions, exact names first.

        At most `RANK_LIMIT`.
        """
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

    def close(self) -> None:
        """Give the store back; calling it twice does nothing."""
        ...
