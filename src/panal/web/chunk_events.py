"""From two pictures of a download's chunks to what is told of the change; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from msgspec import UNSET, UnsetType

from panal.answers import ChunksEvent
from panal.swarm.chunk_picture import ChunkPicture
from panal.wire import bitfield

CHUNKS_A_RUN = 7
"""A run has about as many bytes on the wire as so many chunks told one by one have."""


@dataclass(frozen=True, slots=True)
class WatchedContent:
    """A content whose chunks are watched, at one moment."""

    download: str
    path: str
    size_bytes: int
    chunk_bytes: int
    picture: ChunkPicture

    def goes_on(self, before: "WatchedContent") -> bool:
        """Whether a listener that was told of that can be told of the change alone."""
        now, was = self.picture, before.picture
        return (
            (self.download, self.path, self.size_bytes)
            == (before.download, before.path, before.size_bytes)
            and now.sources[: len(was.sources)] == was.sources
            and was.written & ~now.written == 0
            and bool(now.origins) == bool(was.origins)
        )


def chunks_event(
    now: WatchedContent,
    before: WatchedContent | None,
    copies_told: tuple[int, ...] | None = None,
) -> ChunksEvent | None:
    """What a listener is told that was told `before`; None where there is nothing to tell.

    All of it where nothing was told before, or where that takes less than telling the change.
    `copies_told`, as in a picture, where it is time to tell of other copies.
    """
    if before is None or not now.goes_on(before):
        return _whole(now)
    picture, was = now.picture, before.picture
    copies: bytes | UnsetType = UNSET
    if copies_told is not None and picture.by_copies != copies_told:
        copies = picture.copies()
    changed = picture.changed(was)
    if not changed and copies is UNSET:
        return None
    runs = list(_runs(picture, changed))
    if len(runs) * CHUNKS_A_RUN > picture.chunk_count:
        return _whole(now)
    more = picture.sources != was.sources
    return ChunksEvent(
        download=now.download,
        whole=False,
        sources=list(picture.sources) if more else UNSET,
        copies=copies,
        runs=runs,
    )


def _whole(now: WatchedContent) -> ChunksEvent:
    picture = now.picture
    return ChunksEvent(
        download=now.download,
        whole=True,
        path=now.path,
        size_bytes=now.size_bytes,
        chunk_size=now.chunk_bytes,
        chunk_count=picture.chunk_count,
        sources=list(picture.sources),
        states=picture.looks(),
        origins=picture.numbers(),
        copies=picture.copies(),
    )


def _runs(picture: ChunkPicture, changed: int) -> Iterator[tuple[int, int, int, int]]:
    if not changed:
        return
    looks, numbers = picture.looks(), picture.numbers()
    for first, last in bitfield.runs(changed):
        part = slice(first, last + 1)
        for (look, number), alike in groupby(zip(looks[part], numbers[part], strict=True)):
            count = sum(1 for _ in alike)
            yield first, first + count - 1, look, number
            first += count
