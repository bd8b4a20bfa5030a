"""Every parser of what others, or a damaged disk, may have written; each with good examples.

A parser takes bytes and gives something, or refuses in its own way. Where what it took can be
written again, it must be read as the same.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from panal.cli.settings_file import settings_for
from panal.errors import IntegrityError, PanalError
from panal.store import journal, journal_records
from panal.store.upload_files import UploadFiles
from panal.tracker.query_words import parse_query
from panal.wire import (
    address,
    bitfield,
    bundle,
    capability,
    chunk_request,
    collection,
    have,
    ids,
    join_line,
    links,
    manifest,
    membership,
    names,
    ranges,
    response,
    tracker,
    tracker_catalogue,
    tracker_pb2,
    tracker_searches,
    tus,
)
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId

_CHUNKS = 77
_DIGITS = b"5" * 64
_CONTENT = ContentId(bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Parser:
    """One of them."""

    name: str
    read: Callable[[bytes], object]
    """Raises what is in `refusals` and nothing else."""
    examples: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...] = (PanalError,)


class NotTheSame(AssertionError):
    """What was read, written and read again is something else."""


def _same(first: object, second: object) -> None:
    if first != second:
        raise NotTheSame(f"{first!r} became {second!r}")


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _manifest(data: bytes) -> object:
    found = manifest.decode(data, manifest.content_id(data))
    _same(found.encode(), data)
    return found


def _collection(data: bytes) -> object:
    entries = collection.decode(data)
    _same(collection.encode(entries), data)
    return entries


def _path(text: str) -> object:
    path = names.safe_path(text)
    _same(path, text)
    if not (Path("/root") / path).resolve().is_relative_to("/root"):
        raise NotTheSame(f"{path!r} leads out")
    return path


def _link(text: str) -> object:
    found = links.parse_what(text)
    if isinstance(found, links.Link):
        _same(links.parse_what(str(found)), found)
    return found


def _join_line(text: str) -> object:
    found = join_line.parse_join_line(text)
    _same(join_line.parse_join_line(str(found)), found)
    return found


def _range(text: str) -> object:
    for size in (0, 1, 1000, 2**40):
        try:
            parts = ranges.parse_range(text, size)
        except ranges.RangeNotSatisfiable:
            continue
        for part in parts or []:
            if not 0 <= part.start < part.stop <= size:
                raise NotTheSame(f"{part} is not within {size} bytes")
    return ranges.none_match(text, '"x"'), ranges.if_range_holds(text, '"x"')


def _have(data: bytes) -> object:
    """In pieces, as a network brings it, it says the same as at once."""
    reader, at_once = have.HaveReader(_CHUNKS), have.HaveReader(_CHUNKS)
    told, gathered = 0, None
    for at in range(0, len(data), 3):
        bits, further = reader.feed(data[at : at + 3])
        gathered = bits if bits is not None else gathered
        told |= bitfield.from_indices(further)
    bits, further = at_once.feed(data)
    _same((gathered, told), (bits, bitfield.from_indices(further)))
    return told


def _bundle(data: bytes) -> object:
    sizes = {_CONTENT: 700, ContentId(bytes(32)): 0}
    return [bytes(member.data) for member in bundle.members(memoryview(data), sizes)]


def _chunk_request(data: bytes) -> object:
    found = chunk_request.parse(data)
    if found is not None and chunk_request.goes_on(data):
        raise NotTheSame("whole, and yet it goes on")
    return found


def _head(data: bytes) -> object:
    head = response.parse_head(data)
    response.parse_chunks(head.fields.get("panal-chunks", ""))
    return head.content_length


def _journal(data: bytes) -> object:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        bits = journal.said(Path(file.name), _CONTENT, _CHUNKS)
    if bits >> _CHUNKS:
        raise NotTheSame("a chunk beyond the last")
    return bits


def _settings(data: bytes) -> object:
    @click.group()
    def group() -> None: ...

    @group.command("peer")
    @click.option("--tracker")
    def peer(tracker: str) -> None: ...

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return settings_for(group, Path(file.name))


def _upload_record(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        files = UploadFiles(Path(folder), "0" * 32)
        (Path(folder) / f"{'0' * 32}.json").write_bytes(data)
        (Path(folder) / f"{'0' * 32}.durable").write_bytes(data)
        files.data.write_bytes(b"1234")
        if not 0 <= files.here_bytes() <= 4:
            raise NotTheSame("more than is there")
        return files.read_record()


def _message(kind: type, read: Callable[[object], object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        try:
            message = kind.FromString(data)  # type: ignore[attr-defined]
        except Exception as error:  # the library's own refusal
            raise IntegrityError(str(error)) from None
        return read(message)

    return parse


_MANIFESTS = tuple(
    manifest.manifest_of(size, bytes(32), [bytes(32)] * manifest.chunk_count_for(size)).encode()
    for size in (0, 1, manifest.MIN_CHUNK_BYTES, 5 * manifest.MIN_CHUNK_BYTES + 1)
)
_ENTRIES = [
    CollectionEntry(names.safe_path("a/b ü.txt"), EntryType.FILE, _CONTENT, 7, 1),
    CollectionEntry(names.safe_path("a/c"), EntryType.EXECUTABLE, _CONTENT, 7, -5),
]
_TAR = b"".join((bundle.header(_CONTENT, 700), b"x" * 700, bundle.padding(700), bundle.END))
_CALLER = tracker_pb2.Caller(name="one", secret=bytes(32), epoch=3)
_NAMED = tracker_pb2.NamedBy(peer="one", path="a/b")
_ENTRY = tracker_pb2.Entry(path="a/b", content=bytes(32), size_bytes=5)
_HEAD = chunk_request.head(
    "GET",
    f"/content/{_DIGITS.decode()}",
    "127.0.0.1:5000",
    chunk_request.range_fields(ranges.ByteRange(5, 10)),
)
_CHOICE = chunk_request.head(
    "POST",
    f"/content/{_DIGITS.decode()}/next?max=4",
    "127.0.0.1:5000",
    chunk_request.choice_fields(b"\xff" * 10),
)
_LINK = str(links.Link(_CONTENT, names.safe_path("año 1.txt"), 77, "10.0.0.1:50051"))
_JOIN_LINE = (
    f"panal-join:{_DIGITS.decode()}?at=10.0.0.1:50051&at=t:1"
    f"&secret={_DIGITS[:32].decode()}&until=2026-11-27T08:00:00Z"
)
_OPENING = have.opening(5, _CHUNKS) + have.index_frame(9) + have.index_frame(have.HEARTBEAT)
_JOURNAL = (
    journal_records.MAGIC
    + _CONTENT
    + b"".join(
        record.to_bytes(4, "little")
        for record in (1, 2, journal_records.BATCH, 3, journal_records.DURABLE, 76)
    )
)
_ADDRESSES = (b"127.0.0.1", b"::1", b"fe80::1%eth0", b"::ffff:10.0.0.1", b"169.254.169.254", b"x")


def _address(text: str) -> object:
    address.place_of(text) if address.is_loopback(text) else None
    return (
        address.dialling_problem(text, 80),
        address.naming_problem(text, 5000, "10.0.0.1"),
        address.hearsay_problem(text, 5000, "10.0.0.1"),
    )


PARSERS = (
    Parser("manifest", _manifest, _MANIFESTS),
    Parser("collection", _collection, (collection.encode(_ENTRIES), collection.encode([]))),
    Parser("link", _text(_link), (_LINK.encode(), b"sha256:" + _DIGITS, _DIGITS + b"/a/b", b"a b")),
    Parser("join line", _text(_join_line), (_JOIN_LINE.encode(), b"panal-join:")),
    Parser("name", _text(_path), (b"a/b.txt", b".panal/x", b"../x", b"CON", "é/ü".encode())),
    Parser("peer name", _text(ids.parse_peer_name), (b"peer_1", b"a.b-c", b"-x")),
    Parser("content id", _text(ids.parse_content_id), (_DIGITS, b"x")),
    Parser("range", _text(_range), (b"bytes=0-0", b"bytes=-5", b"bytes=1-2,5-,-1", b'"x", W/"y"')),
    Parser(
        "bitfield", lambda data: bitfield.from_bytes(data, _CHUNKS), (b"\xff" * 9 + b"\x1f", b"")
    ),
    Parser("have", _have, (_OPENING,)),
    Parser("bundle", _bundle, (_TAR, bundle.END), (PanalError, bundle.WrongMember)),
    Parser("bundle request", bundle.parse_request, (bundle.encode_request([_CONTENT]),)),
    Parser("chunk request", _chunk_request, (_HEAD, _CHOICE + b"\xff" * 10)),
    Parser(
        "answer's head",
        _head,
        (b"HTTP/1.1 206 OK\r\nContent-Length: 5\r\nPanal-Chunks: 3-9\r\n\r\n",),
    ),
    Parser("address", _text(_address), _ADDRESSES),
    Parser("capability", _text(capability.serial_of), (b"a" * 80, b"x.y")),
    Parser(
        "revocations",
        lambda data: membership.revocations_of(1, [data]),
        (bytes(20), b"\x01"),
    ),
    Parser("tus metadata", _text(tus.metadata), (b"path d29ybGQ=,size MQ==", b"a b,a c")),
    Parser("tus length", _text(lambda text: tus.length(text, "Upload-Length")), (b"5", b"-5")),
    Parser(
        "query words",
        _text(parse_query),
        (b'holiday "new year" -draft ext:jpg,png kind:image size:>1M peer:a', b'size:>=0 -"x y'),
    ),
    Parser(
        "announcement",
        _message(
            tracker_pb2.AnnounceRequest,
            tracker_catalogue.announcement_from,  # type: ignore[arg-type]
        ),
        (
            tracker_pb2.AnnounceRequest(
                caller=_CALLER, sequence=4, entries=[_ENTRY], removed_paths=["x/y"]
            ).SerializeToString(),
        ),
    ),
    Parser(
        "registration",
        _message(tracker_pb2.RegisterRequest, tracker.registration_from),  # type: ignore[arg-type]
        (
            tracker_pb2.RegisterRequest(
                caller=_CALLER, http_port=5000, digest=bytes(32), bound=["127.0.0.1", "10.0.0.1"]
            ).SerializeToString(),
        ),
    ),
    Parser(
        "search",
        _message(tracker_pb2.SearchRequest, tracker_searches.query_from),  # type: ignore[arg-type]
        (tracker_pb2.SearchRequest(words="a b", page_size=5).SerializeToString(),),
    ),
    Parser(
        "search's answer",
        _message(tracker_pb2.SearchResponse, tracker_searches.page_from),  # type: ignore[arg-type]
        (
            tracker_pb2.SearchResponse(
                hits=[tracker_pb2.Hit(content=bytes(32), names=[_NAMED], size_bytes=4)]
            ).SerializeToString(),
        ),
    ),
    Parser("journal", _journal, (_JOURNAL, b"")),
    Parser(
        "settings",
        _settings,
        (b'tracker = "a:1"\n[peer]\ntracker = "b:2"\n', b"peer = 5\n", b"[peer.x]\ny = [1, {}]\n"),
    ),
    Parser(
        "upload record",
        _upload_record,
        (b'{"path":"a","size_bytes":4,"conflict":"ask"}', b"boot 4\n", b"- 9999999999"),
    ),
)
BY_NAME = {parser.name: parser for parser in PARSERS}
