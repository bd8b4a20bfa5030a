"""Each chunk of a download as a person sees it: what it is, from whom, how many others have it.

Taken at a moment as a few large integers, and spelled out as a byte a chunk only for whoever
looks: a download pays next to nothing for being watched, and nothing while it is not.
"""

from dataclasses import dataclass
from enum import IntEnum

from panal.swarm.origins import HERE_BEFORE
from panal.swarm.state import DownloadState
from panal.wire import bitfield

MOST_COPIES = 255
"""As many, or more."""


class ChunkLook(IntEnum):
    """What a chunk is; the numbers are those of the API."""

    MISSING = 0
    ASKED = 1
    """A source is asked for it."""
    WRITTEN = 2
    """Here and verified."""
    CAME_WRONG = 3
    """It came once with other bytes, and is missing."""


@dataclass(frozen=True, slots=True)
class ChunkPicture:
    """All chunks of one content at one moment."""

    chunk_count: int
    written: int
    wrong: int = 0
    """Those that once came wrong, written ones too."""
    asked: tuple[tuple[int, int], ...] = ()
    """What each source is asked for: its number, the chunks."""
    origins: bytes = b""
    """Of each chunk, the number of the source that it came from; empty where that is not known."""
    sources: tuple[str, ...] = ()
    """Names, by number."""
    by_copies: tuple[int, ...] = ()
    """At position n, the chunks that n connected sources have."""

    def looks(self) -> bytes:
        """A ChunkLook a chunk."""
        table = bytes.maketrans(b"01", bytes([ChunkLook.MISSING, ChunkLook.WRITTEN]))
        looks = bytearray(_spelled(self.written, self.chunk_count).translate(table))
        for first, last in bitfield.runs(self.wrong & ~self.written):
            looks[first : last + 1] = bytes([ChunkLook.CAME_WRONG]) * (last - first + 1)
        for _, chunks in self.asked:
            for first, last in bitfield.runs(chunks & ~self.written):
                looks[first : last + 1] = bytes([ChunkLook.ASKED]) * (last - first + 1)
        return bytes(looks)

    def numbers(self) -> bytes:
        """The number of a chunk's source a chunk; of one that is being asked for, whom."""
        numbers = bytearray(self.origins or bytes([HERE_BEFORE]) * self.chunk_count)
        for number, chunks in self.asked:
            for first, last in bitfield.runs(chunks & ~self.written):
                numbers[first : last + 1] = bytes([number]) * (last - first + 1)
        return bytes(numbers)

    def copies(self) -> bytes:
        """How many connected sources have it, a byte a chunk."""
        sum_of_planes = 0
        for power in range(MOST_COPIES.bit_length()):
            plane = 0
            for copies, chunks in enumerate(self.by_copies):
                if min(copies, MOST_COPIES) >> power & 1:
                    plane |= chunks
            if plane:
                table = bytes.maketrans(b"01", bytes([0, 1 << power]))
                spelled = _spelled(plane, self.chunk_count).translate(table)
                sum_of_planes |= int.from_bytes(spelled, "little")
        return sum_of_planes.to_bytes(self.chunk_count, "little")

    def changed(self, before: "ChunkPicture") -> int:
        """Chunks that look otherwise than before, or come from another."""
        changed = (self.written ^ before.written) | (self.wrong ^ before.wrong)
        was, now = dict(before.asked), dict(self.asked)
        for number in was.keys() | now.keys():
            changed |= was.get(number, 0) ^ now.get(number, 0)
        return changed


def picture_of(state: DownloadState, *, is_running: bool) -> ChunkPicture:
    """A download's chunks; of one that runs no more, nobody is asked for any."""
    origins = state.origins
    asked: list[tuple[int, int]] = []
    if is_running:
        for source in state.neighbours.near.values():
            if source.fetch is not None and source.fetch.claimed:
                asked.append((origins.number(source.peer), source.fetch.claimed))
    return ChunkPicture(
        chunk_count=state.chunk_count,
        written=state.written,
        wrong=origins.wrong,
        asked=tuple(asked),
        origins=bytes(origins.of),
        sources=tuple(origins.peers),
        by_copies=state.neighbours.rarity.by_copies() if is_running else (),
    )


def whole_picture(chunk_count: int) -> ChunkPicture:
    """A content that is here, however it came."""
    return ChunkPicture(chunk_count, bitfield.full(chunk_count))


def _spelled(bits: int, count: int) -> bytes:
    """A character a chunk, 0 or 1, the first chunk first."""
    return format(bits, f"0{count}b").encode("ascii")[::-1] if count else b""
