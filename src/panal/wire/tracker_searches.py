"""A tracker's messages about searches, to domain values and back; checked here.

Reading raises UsageError, as in `wire.tracker_catalogue`.
"""

from panal.errors import UsageError
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Hit, NamedBy, SearchPage, SearchQuery
from panal.wire.ids import content_id_from_bytes, parse_peer_name
from panal.wire.names import safe_path
from panal.wire.tracker_fields import (
    DEFAULT_PAGE,
    MAX_PAGE,
    kind_from,
    kind_to,
    sha256_from,
    size_from,
)

MAX_WORDS = 512


def query_from(message: pb.SearchRequest) -> SearchQuery:
    """What is searched for; the page size capped."""
    if len(message.words) > MAX_WORDS:
        raise UsageError(f"A search has at most {MAX_WORDS} characters.")
    return SearchQuery(
        words=message.words,
        literal=message.literal,
        content=content_id_from_bytes(message.content) if message.content else None,
        sha256=sha256_from(message.sha256),
        peer=parse_peer_name(message.peer) if message.peer else "",
        kind=kind_from(message.kind) if message.HasField("kind") else None,
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
        kind=None if query.kind is None else kind_to(query.kind),
        min_size_bytes=query.min_size_bytes,
        max_size_bytes=query.max_size_bytes,
        page=query.page,
        page_size=query.page_size,
    )


def hit_from(message: pb.Hit) -> Hit:
    """One found content."""
    return Hit(
        content=content_id_from_bytes(message.content),
        size_bytes=size_from(message.size_bytes),
        kind=kind_from(message.kind),
        sha256=sha256_from(message.sha256),
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
    message.kind = kind_to(hit.kind)
    message.sha256 = hit.sha256 or b""
    message.providers = hit.providers
    message.names_total = hit.names_total
    for named in hit.names:
        message.names.add(peer=named.peer, path=named.path)
