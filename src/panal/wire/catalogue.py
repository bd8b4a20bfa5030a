"""What a peer tells its tracker: entries, holdings, and the digest that compares them.

The digest of a catalogue is the sum, modulo 2**256, of the BLAKE3-256 of each item's
canonical bytes: the order in which items came and went leaves no trace in it, and one item
more or less costs one hash.

::

    entry    "e", id (32), kind (1), size (8, little-endian),
             SHA-256 (32; zeros: not vouched for), path (UTF-8)
    holding  "h", id (32), state (1: 1 complete, 0 partial)
"""

from collections.abc import Sequence
from struct import Struct

import msgspec
from blake3 import blake3

from panal.wire.ids import NO_ZONE, ContentId, PeerName, Zone
from panal.wire.manifest import Kind
from panal.wire.membership import Revocations

DIGEST_BYTES = 32
_MODULUS = 1 << (8 * DIGEST_BYTES)
FACTS = Struct("<32sBQ32s")
"""Content, kind, size and SHA-256 of an entry; zeros where it is not vouched for."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A path in a peer's folder and the whole content under it."""

    path: str
    content: ContentId
    size_bytes: int
    kind: Kind = Kind.FILE
    sha256: bytes | None = None
    """Only where this peer has computed it itself."""

    def facts(self) -> bytes:
        """The 73 canonical bytes between the "e" and the path."""
        return FACTS.pack(self.content, self.kind, self.size_bytes, self.sha256 or b"")

    def digest(self) -> int:
        """This item's summand in the catalogue's digest."""
        return _summand(b"e" + self.facts() + self.path.encode("utf-8"))


class Holding(msgspec.Struct, frozen=True):
    """A content that a peer can serve, whole or in part, without a path of its own.

    Every entry is a complete holding besides; only what has no entry is told apart, such as
    a download in progress.
    """

    content: ContentId
    complete: bool

    def digest(self) -> int:
        """This item's summand in the catalogue's digest."""
        return _summand(b"h" + self.content + bytes([self.complete]))


def _summand(canonical: bytes) -> int:
    return int.from_bytes(blake3(canonical).digest(), "little")


class CatalogueDigest:
    """The running digest of one peer's catalogue."""

    def __init__(self, value: bytes = bytes(DIGEST_BYTES)) -> None:
        self._sum = int.from_bytes(value, "little")

    def add(self, item: Entry | Holding) -> None:
        """Count an item in."""
        self._sum += item.digest()

    def remove(self, item: Entry | Holding) -> None:
        """Count an item out that was counted in before."""
        self._sum -= item.digest()

    def add_entry(self, facts: bytes, path: str) -> None:
        """Count an entry in, given by `Entry.facts` and its path."""
        self._sum += _summand(b"e" + facts + path.encode("utf-8"))

    def add_entries(self, facts: Sequence[bytes], paths: Sequence[str]) -> None:
        """Count many in: that of each path in its place."""
        hashes = [
            blake3(b"e" + about + path.encode()).digest()
            for about, path in zip(facts, paths, strict=True)
        ]
        self._sum += sum([int.from_bytes(hash_, "little") for hash_ in hashes])

    def remove_entry(self, facts: bytes, path: str) -> None:
        """Count an entry out, given in the same way."""
        self._sum -= _summand(b"e" + facts + path.encode("utf-8"))

    def value(self) -> bytes:
        """The 32 bytes that the tracker and the peer compare."""
        return (self._sum % _MODULUS).to_bytes(DIGEST_BYTES, "little")


class Caller(msgspec.Struct, frozen=True):
    """Who a peer says it is on each call that changes its records."""

    name: PeerName
    secret: bytes
    epoch: int
    """Which start of this peer: later starts have larger numbers."""


class Registration(msgspec.Struct, frozen=True):
    """What a peer says of itself when it joins."""

    caller: Caller
    port: int
    bound: tuple[str, ...]
    """IP literals that it listens on; 0.0.0.0 or :: stands for all of that family."""
    digest: bytes = b""
    """Of all that it shares; empty where it does not say."""
    zone: Zone = NO_ZONE


class Welcome(msgspec.Struct, frozen=True):
    """What the tracker answers to a registration."""

    observed_host: str
    lease_s: float
    renew_s: float
    reachable: bool
    reachability: str
    """In words: how the peer can be reached, or why it cannot and what to do."""
    digest: bytes
    revocations: Revocations | None = None
    """In a network: which certificates count no more."""


class Renewal(msgspec.Struct, frozen=True):
    """What the tracker answers to a renewal."""

    in_step: bool
    """False: it has recorded something else than the peer shares."""
    reachable: bool
    reachability: str
    revocations: Revocations | None = None
    """In a network, and only where they are news."""


class Announcement(msgspec.Struct, frozen=True):
    """One message of changes; several in a row make an announce."""

    sequence: int
    replace_all: bool = False
    """This stream names everything that the peer shares."""
    all_told: bool = False
    """It has done so: what it did not name is dropped. Without it nothing is, because a
    stream that breaks off looks like one that ends."""
    entries: tuple[Entry, ...] = ()
    removed_paths: tuple[str, ...] = ()
    holdings: tuple[Holding, ...] = ()
    removed_holdings: tuple[ContentId, ...] = ()


class Provider(msgspec.Struct, frozen=True):
    """A live peer that holds a content, and where it answers."""

    peer: PeerName
    host: str
    port: int
    complete: bool
    zone: Zone = NO_ZONE


class NamedBy(msgspec.Struct, frozen=True):
    """One name of a found content, and whose name it is."""

    peer: PeerName
    path: str


class Hit(msgspec.Struct, frozen=True):
    """One content that a search found, under all the names that matched; a listing's, under one."""

    content: ContentId
    size_bytes: int
    kind: Kind
    sha256: bytes | None
    names: tuple[NamedBy, ...]
    names_total: int
    """How many there are: the tracker names only the best of many."""
    providers: int


class SearchPage(msgspec.Struct, frozen=True):
    """One page of hits."""

    hits: tuple[Hit, ...]
    next_page: str
    """Ask with it for the next page; empty after the last."""
    capped: bool
    """More matched than were ranked; never so in a listing."""


class FolderItem(msgspec.Struct, frozen=True):
    """One file or folder in a folder of a peer."""

    name: str
    is_folder: bool
    content: ContentId | None
    """Of a folder only where it is shared as one content."""
    size_bytes: int
    """Of a folder: of all files below it."""
    files: int = 1
    """Of a folder: how many are below it."""
    is_uncounted: bool = False
    """Of a folder: there are more than were counted."""
    sha256: bytes | None = None
    content_bytes: int = 0
    """Of a folder that is shared as one content: of its list."""


class FolderPage(msgspec.Struct, frozen=True):
    """One page of a folder."""

    items: tuple[FolderItem, ...]
    next_page: str
    """Ask with it for the next page; empty after the last."""


class FolderQuery(msgspec.Struct, frozen=True):
    """Which folder of which peer."""

    peer: PeerName
    folder: str = ""
    """Empty for all that it shares."""
    page: str = ""
    page_size: int = 100


class SearchQuery(msgspec.Struct, frozen=True):
    """What is searched for; every part left empty restricts nothing."""

    words: str = ""
    literal: bool = False
    """The words are a name: nothing in them is a filter or has another meaning."""
    content: ContentId | None = None
    sha256: bytes | None = None
    peer: str = ""
    kind: Kind | None = None
    min_size_bytes: int = 0
    max_size_bytes: int = 0
    page: str = ""
    page_size: int = 100


class Watched(msgspec.Struct, frozen=True):
    """What news is wanted of."""

    peers: bool = False
    """Who joins and who leaves."""
    names: tuple[str, ...] = ()
    """What comes under such a path, or under one whose last part is such a name."""
    contents: tuple[ContentId, ...] = ()
    sha256s: tuple[bytes, ...] = ()


class News(msgspec.Struct, frozen=True):
    """What has happened since it was last told."""

    joined: tuple[PeerName, ...] = ()
    left: tuple[PeerName, ...] = ()
    came: bool = False
    """Something that is waited for, or perhaps."""
    missed: bool = False
    """Not everything is told: ask anew."""


class PeerInfo(msgspec.Struct, frozen=True):
    """One live peer as the tracker sees it."""

    name: PeerName
    host: str
    port: int
    reachable: bool
    entries: int
    joined_s_ago: float
    renewed_s_ago: float
