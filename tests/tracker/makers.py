"""Values that the tracker's tests are made of."""

import itertools
from collections import Counter
from collections.abc import Collection, Mapping

from panal.tracker.registry import PeerRecord, Reach, admit
from panal.wire.catalogue import (
    Announcement,
    Caller,
    CatalogueDigest,
    Entry,
    Holding,
    Registration,
)
from panal.wire.ids import NO_ZONE, ContentId, PeerName, Zone

REACHED = Reach(True, "ok")
UNREACHED = Reach(False, "closed")
_sequences = itertools.count(1)


def content(number: int) -> ContentId:
    return ContentId(number.to_bytes(32, "big"))


def caller(name: str = "peer_1", *, secret: bytes = b"s" * 32, epoch: int = 1) -> Caller:
    return Caller(PeerName(name), secret, epoch)


def registration(
    name: str = "peer_1",
    *,
    secret: bytes = b"s" * 32,
    epoch: int = 1,
    port: int = 5000,
    bound: tuple[str, ...] = ("127.0.0.1",),
    digest: bytes = b"",
    zone: Zone = NO_ZONE,
) -> Registration:
    return Registration(caller(name, secret=secret, epoch=epoch), port, bound, digest, zone)


def record(
    name: str = "peer_1",
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    bound: tuple[str, ...] = ("127.0.0.1",),
    now_s: float = 0.0,
    lease_s: float = 60.0,
    reach: Reach = REACHED,
    epoch: int = 1,
    zone: Zone = NO_ZONE,
) -> PeerRecord:
    wanted = registration(name, port=port, bound=bound, epoch=epoch, zone=zone)
    return admit(None, [], wanted, host, reach, now_s, lease_s).record


def announcement(
    *entries: Entry,
    removed: tuple[str, ...] = (),
    holdings: tuple[Holding, ...] = (),
    removed_holdings: tuple[ContentId, ...] = (),
    sequence: int | None = None,
    replace_all: bool = False,
    all_told: bool = False,
) -> Announcement:
    return Announcement(
        sequence=next(_sequences) if sequence is None else sequence,
        replace_all=replace_all,
        all_told=all_told,
        entries=entries,
        removed_paths=removed,
        holdings=holdings,
        removed_holdings=removed_holdings,
    )


def entry(path: str, number: int = 1, size_bytes: int = 10, sha256: bytes | None = None) -> Entry:
    return Entry(path, content(number), size_bytes, sha256=sha256)


def digest_of(*items: Entry | Holding) -> bytes:
    digest = CatalogueDigest()
    for item in items:
        digest.add(item)
    return digest.value()


def parts_of(ways: Mapping[str, Collection[str]]) -> list[int]:
    """How many are in each part of a swarm whose members know these."""
    part = {name: name for name in ways}

    def first(name: str) -> str:
        while part[name] != name:
            name = part[name]
        return name

    for name, known in ways.items():
        for other in known:
            part[first(name)] = first(other)
    return sorted(Counter(map(first, part)).values())
