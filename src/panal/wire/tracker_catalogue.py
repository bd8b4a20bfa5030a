"""A tracker's messages about contents, to domain values and back; checked here.

Reading raises UsageError (a wrong length, an unknown kind, a path against the rules), so
neither the tracker nor a peer sees an unchecked value.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from panal.errors import UsageError
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Announcement, Caller, Entry, Holding, Provider
from panal.wire.field_count import has_more_fields
from panal.wire.ids import (
    CONTENT_ID_BYTES,
    ContentId,
    content_id_from_bytes,
    parse_peer_name,
    parse_zone,
)
from panal.wire.manifest import HASH_BYTES, MAX_CONTENT_BYTES
from panal.wire.names import safe_path, safe_paths
from panal.wire.tracker import caller_to, port_from
from panal.wire.tracker_fields import KINDS, kind_from, kind_to, sha256_from, size_from

MAX_LOCATED = 1_000
MAX_PROVIDERS = 50
MAX_TOLD = 10_000
"""Items of one message of an announcement."""
_FIELDS_BESIDES = 10
"""Its caller, sequence and the like, and what a later one may know."""


def entry_from(message: pb.Entry) -> Entry:
    """One announced path."""
    return Entry(
        safe_path(message.path),
        content_id_from_bytes(message.content),
        size_from(message.size_bytes),
        kind_from(message.kind),
        sha256_from(message.sha256),
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
        or not KINDS.keys() >= set(kinds)
        or not {0, HASH_BYTES} >= set(map(len, sha256s))
    ):
        return tuple(map(entry_from, messages))
    safe_paths(paths)
    return tuple(
        [
            Entry(path, content, size, KINDS[kind], sha256 or None)
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
        kind=kind_to(entry.kind),
        sha256=entry.sha256 or b"",
    )


def decoded_announcement(raw: bytes) -> pb.AnnounceRequest:
    """One message of changes as it came; UsageError where it has too many.

    ValueError and protobuf's DecodeError where it is none.
    """
    if has_more_fields(raw, MAX_TOLD + _FIELDS_BESIDES):
        raise UsageError(f"One message of an announcement has at most {MAX_TOLD:,} items.")
    return pb.AnnounceRequest.FromString(raw)


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
    contents: list[Any] = message.contents[:]
    if not 1 <= len(contents) <= MAX_LOCATED:
        raise UsageError(f"1 to {MAX_LOCATED} contents can be located at once.")
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
