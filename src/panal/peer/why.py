"""The facts of one download at this moment, gathered for the words (peer.explaining)."""

from heapq import nsmallest

from panal.clock import Clock
from panal.errors import NoSpace
from panal.peer.download import Download
from panal.peer.explaining import BundleFacts, ContentFacts, DownloadFacts, FolderFacts
from panal.peer.folder_transfer import BundleTransfer, FolderTransfer
from panal.peer.live_settings import LiveSettings
from panal.peer.queueing import Turn
from panal.peer.transfer import Transfer
from panal.wire.names import printable

MISSING_LISTED = 100
"""So many of a folder's missing files are told."""


def facts_of_download(
    download: Download, turn: Turn | None, limits: LiveSettings, clock: Clock
) -> DownloadFacts:
    """The download at this moment; its progress must have been brought up to now."""
    record, transfer = download.record, download.transfer
    progress = transfer.progress
    return DownloadFacts(
        id=record.id,
        state=download.state.value,
        reason=download.reason,
        name=record.path,
        size_bytes=record.size_bytes,
        bytes_done=transfer.bytes_done,
        rate_bytes_s=0.0 if progress is None else progress.rate_bytes_s,
        transfer_s=download.transfer_s,
        is_identified=record.content is not None,
        lacks_room=download.lack is not None and record.error_slug == NoSpace.slug,
        tries_disk=download.lack is not None and record.error_slug != NoSpace.slug,
        is_held=transfer.held_back,
        turn=turn,
        limit_bytes_s=limits.download_limit_bytes_s,
        limit_per_peer_bytes_s=limits.download_limit_per_peer_bytes_s,
        contents=_contents(transfer, clock.now_s()),
        folder=_folder(transfer),
        banned=tuple(sorted(transfer.banned.items())),
        served=tuple(download.bytes_by_peer().items()),
    )


def _contents(transfer: Transfer, now_s: float) -> tuple[ContentFacts, ...]:
    if isinstance(transfer, FolderTransfer):
        return tuple(_content(active, now_s) for active in transfer.active)
    content = _content(transfer, now_s)
    return () if content.swarm is None else (content,)


def _content(transfer: Transfer, now_s: float) -> ContentFacts:
    bundle = None
    if isinstance(transfer, BundleTransfer):
        asked_s_ago = now_s - transfer.began_s
        bundle = BundleFacts(transfer.peer, transfer.wanted_files, transfer.files, asked_s_ago)
    return ContentFacts(
        path=transfer.path,
        swarm=transfer.facts(),
        waiting_for=transfer.waiting_for,
        is_held=transfer.held_back,
        bundle=bundle,
    )


def _folder(transfer: Transfer) -> FolderFacts | None:
    if not isinstance(transfer, FolderTransfer):
        return None
    missing = nsmallest(MISSING_LISTED, transfer.missing)
    names = tuple(printable(path)[1:-1] for path in missing)
    return FolderFacts(transfer.files, transfer.files_done, names)
