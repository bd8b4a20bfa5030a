"""The peer's own values as the API gives them."""

import shlex
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import asdict

from panal.answers import (
    BrowseAnswer,
    DiskAnswer,
    DownloadAnswer,
    FileAnswer,
    FileItemAnswer,
    FolderAnswer,
    FolderItemAnswer,
    GuestLinkAnswer,
    HitInfo,
    LinkAnswer,
    NameInfo,
    NetworkAnswer,
    PeerAnswer,
    PlanAnswer,
    SearchAnswer,
    SourceAnswer,
    TrackerDetailsAnswer,
    TrackerStatusAnswer,
    UnfinishedAnswer,
    VerifyAnswer,
    VerifyProgress,
    WhyAnswer,
    WhyContent,
    WhySource,
)
from panal.peer.collections import AddedFolder
from panal.peer.download import Download, State
from panal.peer.explaining import ContentFacts, DownloadFacts, content_words, explain_download
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.guest_links import Named
from panal.peer.membership import Membership
from panal.peer.planning import Plan
from panal.peer.unfinished import UnfinishedFile
from panal.peer.verifying import Verified
from panal.store.index import SharedFile
from panal.store.space import Room, reserve_bytes
from panal.swarm.explaining import source_words
from panal.swarm.messages import SourceProgress
from panal.swarm.snapshot import SourceFacts
from panal.wire import bitfield
from panal.wire.capability import Grant
from panal.wire.catalogue import FolderItem, FolderPage, FolderQuery, Hit, PeerInfo, SearchPage
from panal.wire.links import Link
from panal.wire.tracker_status import TrackerStatus

ABSENT_LISTED = 1_000
LONGEST_TIME_LEFT_S = 30 * 86_400.0


def search_answer(page: SearchPage, tracker: str) -> SearchAnswer:
    """A page of hits as the API gives it."""
    hits = [hit_info(hit, tracker) for hit in page.hits]
    return SearchAnswer(hits, page.next_page or None, page.capped)


def hit_info(hit: Hit, tracker: str) -> HitInfo:
    """A hit as the API gives it."""
    name = hit.names[0].path.rpartition("/")[2] if hit.names else hit.content.hex()
    return HitInfo(
        id=hit.content.hex(),
        name=name,
        size=hit.size_bytes,
        sha256=None if hit.sha256 is None else hit.sha256.hex(),
        kind=hit.kind.name.lower(),
        link=str(Link(hit.content, name, hit.size_bytes, tracker)),
        providers=hit.providers,
        names=[NameInfo(named.peer, named.path) for named in hit.names],
        names_total=hit.names_total,
    )


def browse_answer(query: FolderQuery, page: FolderPage, tracker: str) -> BrowseAnswer:
    """One page of a peer's folder as the API gives it."""
    before = f"{query.folder}/" if query.folder else ""
    folders = [
        FolderItemAnswer(
            name=item.name,
            path=before + item.name,
            files=None if item.is_uncounted else item.files,
            size=None if item.is_uncounted else item.size_bytes,
            id=None if item.content is None else item.content.hex(),
            link=_link(item, item.content_bytes, tracker),
        )
        for item in page.items
        if item.is_folder
    ]
    files = [
        FileItemAnswer(
            name=item.name,
            path=before + item.name,
            id=item.content.hex(),
            size=item.size_bytes,
            sha256=None if item.sha256 is None else item.sha256.hex(),
            link=str(Link(item.content, item.name, item.size_bytes, tracker)),
        )
        for item in page.items
        if not item.is_folder and item.content is not None
    ]
    return BrowseAnswer(query.peer, query.folder, folders, files, page.next_page or None)


def _link(item: FolderItem, size_bytes: int, tracker: str) -> str | None:
    if item.content is None:
        return None
    return str(Link(item.content, item.name, size_bytes, tracker))


def peer_answer(info: PeerInfo) -> PeerAnswer:
    """A peer as the API gives it."""
    return PeerAnswer(
        name=info.name,
        host=info.host,
        port=info.port,
        reachable=info.reachable,
        files=info.entries,
        joined_s_ago=info.joined_s_ago,
        renewed_s_ago=info.renewed_s_ago,
    )


def file_answer(shared: SharedFile, tracker: str, *, offline: bool = False) -> FileAnswer:
    """A shared file as the API gives it."""
    name = shared.path.rpartition("/")[2]
    return FileAnswer(
        path=shared.path,
        id=shared.content.hex(),
        size=shared.fingerprint.size_bytes,
        sha256=shared.sha256.hex() if shared.sha256_checked else None,
        link=str(Link(shared.content, name, shared.fingerprint.size_bytes, tracker)),
        offline=offline,
    )


def folder_answer(added: AddedFolder, tracker: str) -> FolderAnswer:
    """A folder's snapshot as the API gives it."""
    record = added.record
    name = record.path.rpartition("/")[2]
    return FolderAnswer(
        path=record.path,
        id=record.content.hex(),
        link=str(Link(record.content, name, record.manifest.size_bytes, tracker)),
        files=added.files,
        empty_folders=added.empty_folders,
        bytes=added.size_bytes,
        skipped=added.skipped.counts,
        skipped_folders=added.skipped.folders,
        skipped_examples=added.skipped.examples,
    )


def download_answer(download: Download) -> DownloadAnswer:
    """A download as the API gives it."""
    record, transfer = download.record, download.transfer
    progress = transfer.progress
    is_moving = progress is not None and download.state is State.RUNNING
    rate = progress.rate_bytes_s if progress is not None and is_moving else 0.0
    bytes_done = record.size_bytes if download.state is State.DONE else transfer.bytes_done
    return DownloadAnswer(
        id=record.id,
        what=record.what,
        content=None if record.content is None else record.content.hex(),
        name=record.path,
        state=download.state.value,
        size=record.size_bytes,
        priority=record.priority,
        bytes_done=bytes_done,
        bytes_resumed=download.bytes_resumed,
        rate_bytes_s=rate,
        eta_s=_time_left_s(record.size_bytes - bytes_done, rate),
        transfer_s=download.transfer_s,
        reason=download.reason,
        error=record.error_slug or None,
        sources=_sources_answer(download, ended=not is_moving),
        files=transfer.files if isinstance(transfer, FolderTransfer) else 0,
        files_done=transfer.files_done if isinstance(transfer, FolderTransfer) else 0,
        held_back=is_moving and transfer.held_back,
        bytes_copied=transfer.bytes_copied + download.earlier.copied_bytes,
    )


def _time_left_s(left_bytes: int, rate_bytes_s: float) -> float | None:
    """None where it is more than anybody waits for: what is left of a rate that has died away."""
    if rate_bytes_s <= 0 or left_bytes > rate_bytes_s * LONGEST_TIME_LEFT_S:
        return None
    return left_bytes / rate_bytes_s


def why_answer(facts: DownloadFacts) -> WhyAnswer:
    """What a download waits for, as the API gives it."""
    words = explain_download(facts)
    return WhyAnswer(
        id=facts.id,
        name=facts.name,
        state=facts.state,
        why=words.why,
        more=list(words.more),
        advice=words.advice,
        contents=[_why_content(content, facts.limits) for content in facts.contents],
        missing_files=[] if facts.folder is None else list(facts.folder.missing),
    )


def _why_content(content: ContentFacts, limits: str) -> WhyContent:
    swarm, why = content.swarm, content_words(content, limits)
    if swarm is None:
        return WhyContent(content.path, why, 0, 0, [], [])
    quickest = sorted(swarm.sources, key=lambda source: -source.rate_bytes_s)
    return WhyContent(
        path=content.path,
        why=why,
        chunks=swarm.chunk_count,
        chunks_missing=swarm.missing,
        chunks_absent=bitfield.indices(swarm.absent)[:ABSENT_LISTED],
        sources=[_why_source(source, swarm.rate_bytes_s) for source in quickest],
    )


def _why_source(source: SourceFacts, total_bytes_s: float) -> WhySource:
    return WhySource(
        peer=source.peer,
        state=source.state,
        words=source_words(source, total_bytes_s),
        rate_bytes_s=source.rate_bytes_s,
        chunks_asked=source.asked,
        chunks_missing=source.useful,
        chunks_absent=source.alone,
        silent_s=source.silent_s,
        seen_s_ago=source.seen_s_ago,
        next_try_s=source.next_try_s,
        held_back=source.is_held,
        evidence=source.reason,
    )


def plan_answer(found: Plan) -> PlanAnswer:
    """A plan as the API gives it."""
    return PlanAnswer(
        id=found.content.hex(),
        kind=None if found.kind is None else found.kind.name.lower(),
        size=found.size_bytes,
        path=str(found.path),
        providers=sorted(provider.peer for provider in found.providers),
        files=None if found.to_fetch is None else len(found.to_fetch),
        bytes=found.bytes_to_fetch,
        files_there=len(found.there),
        free=found.free_bytes,
        conflicts=list(found.conflicts),
        error=None if found.problem is None else found.problem.slug,
        reason="" if found.problem is None else str(found.problem),
    )


def link_answer(named: Named, link: str, url: str | None) -> LinkAnswer:
    """A link as the API gives it; the line for a shell is made of a file's URL."""
    curl = None
    if url is not None:
        curl = f"curl -C - -o {shlex.quote('./' + named.name)} {shlex.quote(url)}"
    return LinkAnswer(named.name, named.content.hex(), named.kind.name.lower(), link, url, curl)


def network_answer(membership: Membership) -> NetworkAnswer:
    """A network as the API gives it."""
    return NetworkAnswer(membership.name, membership.pin.hex())


def tracker_status_answer(status: TrackerStatus, tracker: str) -> TrackerStatusAnswer:
    """How a tracker stands, as the API gives it: without what it could not count."""
    known = status.details
    answer = TrackerStatusAnswer(
        tracker=tracker,
        ready=not status.problem,
        problem=status.problem,
        access=status.access,
        lease_s=status.lease_s,
        details=None if known is None else TrackerDetailsAnswer(**asdict(known)),
    )
    if answer.ready:
        answer.peers, answer.peers_reachable = status.peers, status.peers_reachable
        answer.entries, answer.holdings = status.entries, status.holdings
    elif answer.details is not None:
        answer.details.store_answer_s = answer.details.search_lag_entries = UNSET
    return answer


def disk_answer(folder: Path, room: Room) -> DiskAnswer:
    """The room on a disk as the API gives it."""
    return DiskAnswer(
        folder=str(folder),
        total=room.total_bytes,
        free=room.free_bytes,
        reserve=reserve_bytes(room.total_bytes),
        usable=max(0, room.usable_bytes),
    )


def guest_link_answer(grant: Grant, url: str | None) -> GuestLinkAnswer:
    """A link for guests as the API gives it."""
    return GuestLinkAnswer(
        id=grant.serial.hex(),
        name=grant.name,
        content=grant.content.hex(),
        kind=grant.kind.name.lower(),
        expires=grant.expires_s,
        url=url,
    )


def verify_progress(found: Verified) -> VerifyProgress:
    """How far re-reading has come, as the API gives it."""
    answer = VerifyAnswer(
        found.files,
        found.size_bytes,
        found.offline,
        dict(found.differing.items()),
        list(found.repaired),
    )
    return VerifyProgress(
        files=found.files,
        of_files=found.of_files,
        bytes=found.size_bytes + found.reading_bytes,
        of_bytes=found.of_bytes,
        answer=answer if found.is_over else None,
    )


def unfinished_answer(file: UnfinishedFile) -> UnfinishedAnswer:
    """An unfinished file as the API gives it."""
    leftover = file.leftover
    return UnfinishedAnswer(
        id=leftover.content.hex(),
        name=file.name,
        size=leftover.size_bytes,
        bytes_there=file.here_bytes,
        bytes_on_disk=leftover.disk_bytes,
        modified=leftover.modified_s,
        download=file.download_id,
        expires=file.expires_s,
    )


def _sources_answer(download: Download, *, ended: bool) -> list[SourceAnswer]:
    """Who sends or has sent, with what they sent before the download waited."""
    progress, earlier = download.transfer.progress, download.earlier.by_peer.copy()
    sources = () if progress is None else progress.sources
    answers = [_source_answer(source, ended=ended) for source in sources]
    for answer in answers:
        answer.bytes += earlier.pop(answer.peer, 0)
    return answers + [SourceAnswer(peer, 0.0, sent, "done") for peer, sent in earlier.items()]


def _source_answer(source: SourceProgress, *, ended: bool) -> SourceAnswer:
    peer = source.source.partition("@")[0]
    if ended:
        state = source.state if source.state in {"away", "banned"} else "done"
        return SourceAnswer(peer, 0.0, source.bytes, state)
    return SourceAnswer(peer, source.rate_bytes_s, source.bytes, source.state)
