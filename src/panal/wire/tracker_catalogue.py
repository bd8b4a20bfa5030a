"""A tracker's messages about contents, to domain values and back; checked here.

Reading raises UsageError (a wrong length, an unknown kind, a path against the rules), so
neither the tracker nor a peer sees an unchecked value.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import cast

from panal.errors import UsageError
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import (
    Announcement,
    Caller,
    Entry,
    FolderItem,
    FolderPage,
    FolderQuery,
    Hit,
    Holding,
    NamedBy,
    Provider,
    SearchPage,
    SearchQuery,
)
from panal.wire.ids import (
    CONTENT_ID_BYTES,
    ContentId,
    content_id_from_bytes,
    parse_peer_name,
    parse_zone,
)
from panal.wire.manifest import HASH_BYTES, MAX_CONTENT_BYTES, Kind
from panal.wire.names import safe_path, safe_paths
from panal.wire.tracker import caller_to, port_from

MAX_LOCATED = 1_000
MAX_PROVIDERS = 50
MAX_PAGE = 1_000
DEFAULT_PAGE = 100
MAX_WORDS = 512


def entry_from(message: pb.Entry) -> Entry:
    """One announced path."""
    return Entry(
        safe_path(message.path),
        content_id_from_bytes(message.content),
        _size_from(message.size_bytes),
        _kind_from(message.kind),
        _sha256_from(message.sha256),
    )


def entries_from(messages: Sequence[pb.Entry]) -> tuple[Entry, ...]:
    """Announced paths, looked at together: what is wrong with one is looked for only then."""
    if not messages:
        return ()
    told = list(map(_TOLD, messages))
    paths, contents, sizes, kinds, sha256s = zip(*told, strict=True)
    if (
        set(map(len, contents)) != {CONTENT_ID_BYTES}
        or max(sizes) > MAX_CONTENT_BYTES
        or not _KINDS.keys() >= set(kinds)
        or not {0, HASH_BYTES} >= set(map(len, sha256s))
    ):
        return tuple(map(entry_from, messages))
    safe_paths(paths)
    return tuple(
        [
            Entry(path, content, size, _KINDS[kind], sha256 or None)
            for path, content, size, kind, sha256 in told
        ]
    )


_TOLD = attrgetter("path", "content", "size_bytes", "kind", "sha256")


def entry_to(entry: Entry) -> pb.Entry:
    """One announced path, as a message."""
    return pb.Entry(
        path=entry.path,
        content=entry.content,
        size_bytes=entry.size_bytes,
        kind=_kind_to(entry.kind),
        sha256=entry.sha256 or b"",
    )


def announcement_from(message: pb.AnnounceRequest) -> Announcement:
    """One message of changes, its caller aside."""
    return Announcement(
        sequence=message.sequence,
        replace_all=message.replace_all,
        all_told=message.all_told,
        entries=entries_from(message.entries),
        removed_paths=safe_paths(message.removed_paths),
        holdings=tuple(
            Holding(content_id_from_bytes(holding.content), holding.complete)
            for holding in message.holdings
        ),
        removed_holdings=tuple(content_id_from_bytes(raw) for raw in message.removed_holdings),
    )


def announcement_to(announcement: Announcement, caller: Caller | None) -> pb.AnnounceRequest:
    """One message of changes; `caller` goes with the first of a stream."""
    return pb.AnnounceRequest(
        caller=None if caller is None else caller_to(caller),
        sequence=announcement.sequence,
        replace_all=announcement.replace_all,
        all_told=announcement.all_told,
        entries=[entry_to(entry) for entry in announcement.entries],
        removed_paths=announcement.removed_paths,
        holdings=[
            pb.Holding(content=holding.content, complete=holding.complete)
            for holding in announcement.holdings
        ],
        removed_holdings=announcement.removed_holdings,
    )


def contents_from(message: pb.LocateRequest) -> list[ContentId]:
    """The contents that are asked for."""
    told = message.contents
    if not 1 <= len(told) <= MAX_LOCATED:
        raise UsageError(f"1 to {MAX_LOCATED} contents can be located at once.")
    contents = cast(list[ContentId], told[:])
    for raw in contents:
        if len(raw) != CONTENT_ID_BYTES:
            content_id_from_bytes(raw)  # says what is wrong
    return contents


def provider_from(message: pb.Provider) -> Provider:
    """One provider; whether its address may be dialled is asked of `wire.address`."""
    name, port = parse_peer_name(message.peer), port_from(message.port)
    return Provider(name, message.host, port, message.complete, parse_zone(message.zone))


@lru_cache(maxsize=16_384)
def provider_to(provider: Provider) -> pb.Provider:
    """One provider, as a message that nobody changes: the same ones are named again and again."""
    return pb.Provider(
        peer=provider.peer,
        host=provider.host,
        port=provider.port,
        complete=provider.complete,
        zone=provider.zone,
    )


def located_to(located: Sequence[tuple[ContentId, Sequence[Provider]]]) -> pb.LocateResponse:
    """Providers by content, as a message that nobody changes."""
    if len(located) == 1 and len(located[0][1]) == 1:
        return _held_by_one(located[0][0], located[0][1][0])
    return _located_to(located)


@lru_cache(maxsize=4_096)
def _held_by_one(content: ContentId, provider: Provider) -> pb.LocateResponse:
    """What most are told who ask for a rare content, made once; each is 2 KiB."""
    return _located_to([(content, [provider])])


def _located_to(located: Iterable[tuple[ContentId, Iterable[Provider]]]) -> pb.LocateResponse:
    message = pb.LocateResponse()
    for content, providers in located:
        message.located.add(content=content, providers=map(provider_to, providers))
    return message


def query_from(message: pb.SearchRequest) -> SearchQuery:
    """What is searched for; the page size capped."""
    if len(message.words) > MAX_WORDS:
        raise UsageError(f"A search has at most {MAX_WORDS} characters.")
    return SearchQuery(
        words=message.words,
        literal=message.literal,
        content=content_id_from_bytes(message.content) if message.content else None,
        sha256=_sha256_from(message.sha256),
        peer=parse_peer_name(message.peer) if message.peer else "",
        kind=_kind_from(message.kind) if message.HasField("kind") else None,
        min_size_bytes=message.min_size_bytes,
        max_size_bytes=message.max_size_bytes,
        page=message.page,
        page_size=min(message.page_size or DEFAULT_PAGE, MAX_PAGE),
    )


def query_to(query: SearchQuery) -> pb.SearchRequest:
    """What is searched for, as a message; UsageError for words that no name can have."""
    try:
        query.words.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("What is searched for is not valid UTF-8: no name has it.") from None
    return pb.SearchRequest(
        words=query.words,
        literal=query.literal,
        content=query.content or b"",
        sha256=query.sha256 or b"",
        peer=query.peer,
        kind=None if query.kind is None else _kind_to(query.kind),
        min_size_bytes=query.min_size_bytes,
        max_size_bytes=query.max_size_bytes,
        page=query.page,
        page_size=query.page_size,
    )


def hit_from(message: pb.Hit) -> Hit:
    """One found content."""
    return Hit(
        content=content_id_from_bytes(message.content),
        size_bytes=_size_from(message.size_bytes),
        kind=_kind_from(message.kind),
        sha256=_sha256_from(message.sha256),
        names=tuple(
            NamedBy(parse_peer_name(named.peer), safe_path(named.path)) for named in message.names
        ),
        names_total=max(message.names_total, len(message.names)),
        providers=message.providers,
    )


def page_from(message: pb.SearchResponse) -> SearchPage:
    """One page of hits."""
    hits = tuple(hit_from(hit) for hit in message.hits)
    return SearchPage(hits, message.next_page, message.capped)


def page_to(page: SearchPage) -> pb.SearchResponse:
    """One page of hits, as a message."""
    message = pb.SearchResponse(next_page=page.next_page, capped=page.capped)
    for hit in page.hits:
        _write_hit(hit, message.hits.add())
    return message


def _write_hit(hit: Hit, message: pb.Hit) -> None:
    """In its place: a message that is made elsewhere is copied there."""
    message.content = hit.content
    message.size_bytes = hit.size_bytes
    message.kind = _kind_to(hit.kind)
    message.sha256 = hit.sha256 or b""
    message.providers = hit.providers
    message.names_total = hit.names_total
    for named in hit.names:
        message.names.add(peer=named.peer, path=named.path)


def _size_from(number: int) -> int:
    if number > MAX_CONTENT_BYTES:
        raise UsageError(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
    return number


_KINDS = {int(kind): kind for kind in Kind}


def _kind_from(number: int) -> Kind:
    kind = _KINDS.get(number)
    if kind is None:
        raise UsageError(f"{number} is no kind of content.")
    return kind


def _kind_to(kind: Kind) -> pb.Kind:
    return pb.KIND_COLLECTION if kind is Kind.COLLECTION else pb.KIND_FILE


def _sha256_from(raw: bytes) -> bytes | None:
    if raw and len(raw) != HASH_BYTES:
        raise UsageError(f"A SHA-256 has {HASH_BYTES} bytes.")
    return raw or None


def folder_query_from(message: pb.ListFolderRequest) -> FolderQuery:
    """Which folder is asked for; the page size capped."""
    return FolderQuery(
        peer=parse_peer_name(message.peer),
        folder=safe_path(message.folder) if message.folder else "",
        page=_item_page(message.page),
        page_size=min(message.page_size or DEFAULT_PAGE, MAX_PAGE),
    )


def folder_query_to(query: FolderQuery) -> pb.ListFolderRequest:
    """Which folder is asked for, as a message; UsageError for a page that cannot be."""
    return pb.ListFolderRequest(
        peer=query.peer, folder=query.folder, page=_item_page(query.page), page_size=query.page_size
    )


def folder_page_from(message: pb.ListFolderResponse) -> FolderPage:
    """One page of a folder."""
    return FolderPage(tuple(map(_item_from, message.items)), _item_page(message.next_page))


def folder_page_to(page: FolderPage) -> pb.ListFolderResponse:
    """One page of a folder, as a message."""
    items = [
        pb.FolderItem(
            name=item.name,
            is_folder=item.is_folder,
            content=item.content or b"",
            size_bytes=item.size_bytes,
            files=item.files,
            uncounted=item.is_uncounted,
            sha256=item.sha256 or b"",
            content_bytes=item.content_bytes,
        )
        for item in page.items
    ]
    return pb.ListFolderResponse(items=items, next_page=page.next_page)


def _item_from(message: pb.FolderItem) -> FolderItem:
    if not message.content and not message.is_folder:
        raise UsageError("A file without a content.")
    return FolderItem(
        name=_one_part(message.name),
        is_folder=message.is_folder,
        content=content_id_from_bytes(message.content) if message.content else None,
        size_bytes=message.size_bytes,
        files=message.files,
        is_uncounted=message.uncounted,
        sha256=_sha256_from(message.sha256),
        content_bytes=_size_from(message.content_bytes),
    )


def _item_page(text: str) -> str:
    """The name that a page begins behind, a folder's with a slash."""
    return _one_part(text.removesuffix("/")) + text[len(text.removesuffix("/")) :] if text else ""


def _one_part(text: str) -> str:
    if "/" in safe_path(text):
        raise UsageError("A name in a folder is one part of a path.")
    return text
