"""Downloads, what they wait for and what they leave, as the API gives it."""

from panal.answers import (
    DownloadAnswer,
    PlanAnswer,
    SourceAnswer,
    UnfinishedAnswer,
    WhyAnswer,
    WhyContent,
    WhySource,
)
from panal.peer.download import Download, State
from panal.peer.explaining import ContentFacts, DownloadFacts, content_words, explain_download
from panal.peer.folder_transfer import FolderTransfer
from panal.peer.planning import Plan
from panal.peer.unfinished import UnfinishedFile
from panal.swarm.explaining import source_words
from panal.swarm.messages import SourceProgress
from panal.swarm.snapshot import SourceFacts
from panal.wire import bitfield

ABSENT_LISTED = 1_000
LONGEST_TIME_LEFT_S = 30 * 86_400.0


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
