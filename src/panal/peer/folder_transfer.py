"""How far a folder has come: the sum of what its files have, read while it runs."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from panal.clock import Clock
from panal.peer.transfer import Swarm, Transfer
from panal.swarm.messages import Progress, SourceId, SourceProgress
from panal.wire.collection import CollectionEntry
from panal.wire.ids import PeerName

RATE_OVER_S = 2.0


class BundleTransfer(Transfer):
    """One bundle; a thread counts what it has verified of it."""

    peer: str = ""
    wanted_files: int = 0
    began_s: float = 0.0
    files: int = 0
    copied_files: int = 0
    """Further paths of what came once."""
    came: list[str] = msgspec.field(default_factory=list)
    """The paths of all of them."""

    def hold(self, is_held: bool) -> None:
        """Our own rate limit holds it back, or no more."""
        self.is_held = is_held

    def count(self, entries: Sequence[CollectionEntry]) -> None:
        """One content has come, for all these paths."""
        size_bytes = entries[0].size_bytes
        self.files += 1
        self.bytes_done += size_bytes
        if copies := len(entries) - 1:
            self.copied_files += copies
            self.bytes_copied += copies * size_bytes
        self.came += [entry.path for entry in entries]


class FolderTransfer(Transfer, kw_only=True):
    """One folder's transfers, those that ended summed up."""

    clock: Clock
    files: int = 0
    files_done: int = 0
    missing: set[str] = msgspec.field(default_factory=set)
    """Paths that are not here, nor on their way into their places."""
    kept_bytes: int = 0
    """Of files that were there before."""
    active: list[Transfer] = msgspec.field(default_factory=list)
    """One for each content that is on its way."""
    ended_bytes: int = 0
    ended_resumed_bytes: int = 0
    bytes_by_peer: defaultdict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    _rate_since: tuple[float, int] = (0.0, 0)
    _rate_bytes_s: float = 0.0

    def begin(self, path: str) -> Transfer:
        """One more content is on its way."""
        transfer = Transfer(path=path)
        self.active.append(transfer)
        return transfer

    def begin_bundle(self, peer: PeerName, files: int) -> BundleTransfer:
        """One more bundle is on its way, of so many files."""
        transfer = BundleTransfer(peer=peer, wanted_files=files, began_s=self.clock.now_s())
        self.active.append(transfer)
        return transfer

    def end_bundle(self, transfer: BundleTransfer, peer: PeerName) -> None:
        """A bundle has come, with as much as it has counted."""
        self.missing.difference_update(transfer.came)
        self.bytes_by_peer[peer] += transfer.bytes_done
        self.files_done += transfer.files + transfer.copied_files
        self.bytes_copied += transfer.bytes_copied
        self.end(transfer, transfer.bytes_done)

    def end(self, transfer: Transfer, size_bytes: int) -> None:
        """A content has come, or not: then with the bytes 0."""
        transfer.look()
        if transfer not in self.active:
            return
        self.active = [other for other in self.active if other is not transfer]
        self.ended_bytes += size_bytes
        self.ended_resumed_bytes += transfer.bytes_resumed if size_bytes else 0
        for source in _sources(transfer):
            self.bytes_by_peer[_peer(source)] += source.bytes
        self.banned.update(transfer.banned)

    def keep(self, entry: CollectionEntry) -> None:
        """One file was there before."""
        self._count(entry)
        self.kept_bytes += entry.size_bytes

    def copy(self, entry: CollectionEntry) -> None:
        """One file was copied from another here."""
        self._count(entry)
        self.bytes_copied += entry.size_bytes

    def _count(self, entry: CollectionEntry) -> None:
        self.missing.discard(entry.path)
        self.files_done += 1

    def look(self) -> None:
        """Bring what is told up to now."""
        for transfer in self.active:
            transfer.look()
        resumed = sum(transfer.bytes_resumed for transfer in self.active)
        here = sum(transfer.bytes_done for transfer in self.active)
        self.bytes_resumed = self.kept_bytes + self.ended_resumed_bytes + resumed
        self.bytes_done = self.kept_bytes + self.bytes_copied + self.ended_bytes + here
        self._measure()
        self.progress = Progress(
            chunks_written=self.files_done + self._files_in_bundles(),
            chunk_count=self.files,
            rate_bytes_s=self._rate_bytes_s,
            sources=self._all_sources(),
            reason=self.reason,
            held_back=self.held_back,
        )

    def swarms(self) -> list[Swarm]:
        """What is at work on the files that come chunk by chunk."""
        return [swarm for transfer in self.active for swarm in transfer.swarms()]

    def _files_in_bundles(self) -> int:
        bundles = [t for t in self.active if isinstance(t, BundleTransfer)]
        return sum(bundle.files + bundle.copied_files for bundle in bundles)

    def _measure(self) -> None:
        since_s, at_first = self._rate_since
        now_s = self.clock.now_s()
        spent_s = now_s - since_s
        if since_s == 0.0 or spent_s >= RATE_OVER_S:
            fetched = self.bytes_done - self.bytes_resumed - self.bytes_copied
            self._rate_bytes_s = max(0, fetched - at_first) / spent_s if since_s else 0.0
            self._rate_since = now_s, fetched

    def _all_sources(self) -> tuple[SourceProgress, ...]:
        by_peer = dict(self.bytes_by_peer)
        rates: dict[str, float] = {}
        for transfer in self.active:
            for source in _sources(transfer):
                peer = _peer(source)
                by_peer[peer] = by_peer.get(peer, 0) + source.bytes
                rates[peer] = rates.get(peer, 0.0) + source.rate_bytes_s
        for peer in self.banned:
            by_peer.setdefault(peer, 0)
        return tuple(
            SourceProgress(
                SourceId(peer),
                "banned" if peer in self.banned else "sending",
                rates.get(peer, 0.0),
                size_bytes,
            )
            for peer, size_bytes in sorted(by_peer.items())
        )

    @property
    def held_back(self) -> bool:
        """Whether our own rate limit holds any of the files back."""
        return any(transfer.held_back for transfer in self.active)

    @property
    def reason(self) -> str:
        """Why nothing moves, in words; empty while one of the files does."""
        reasons = [transfer.reason for transfer in self.active]
        if not reasons:
            return self.waiting_for
        return reasons[0] if all(reasons) else ""


def _sources(transfer: Transfer) -> tuple[SourceProgress, ...]:
    return () if transfer.progress is None else tuple(transfer.progress.sources)


def _peer(source: SourceProgress) -> str:
    return source.source.partition("@")[0]
