"""What is shared, by this peer or by others, as the API gives it."""

from panal.answers import (
    BrowseAnswer,
    FileAnswer,
    FileItemAnswer,
    FolderAnswer,
    FolderItemAnswer,
    HitInfo,
    NameInfo,
    PeerAnswer,
    SearchAnswer,
)
from panal.peer.collections import AddedFolder
from panal.store.shared_files import SharedFile
from panal.wire.catalogue import FolderItem, FolderPage, FolderQuery, Hit, PeerInfo, SearchPage
from panal.wire.links import Link


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
