"""One chunk on its way to a partial file: hashed as its bytes go to their offset."""

from typing import Protocol

from blake3 import blake3

from panal.wire.manifest import Manifest


class ChunkPlace(Protocol):
    """The file that a chunk goes to."""

    manifest: Manifest

    def write_at(self, data: memoryview, offset: int) -> None:
        """Put bytes at their offset, all of them."""
        ...

    def close_writer(self, index: int, *, written: bool) -> None:
        """End a chunk's writer."""
        ...


class ChunkWriter:
    """One chunk on its way in: bytes go to their offset while they are hashed.

    There is at most one writer a chunk, and none for a chunk that is written already, so
    no later sender can touch bytes that were verified.
    """

    def __init__(self, partial: ChunkPlace, index: int) -> None:
        self._partial = partial
        self._index = index
        self._offset, self.remaining_bytes = partial.manifest.chunk_range(index)
        self._hash = blake3()

    def write(self, data: memoryview) -> None:
        """Take the next bytes of the chunk; ValueError for more than remain."""
        if len(data) > self.remaining_bytes:
            raise ValueError("These bytes would run into the next chunk.")
        self._hash.update(data)
        self._partial.write_at(data, self._offset)
        self._offset += len(data)
        self.remaining_bytes -= len(data)

    def finish(self) -> bool:
        """Whether the chunk is whole and right; then it is written."""
        expected = self._partial.manifest.chunk_hash(self._index)
        right = self.remaining_bytes == 0 and self._hash.digest() == expected
        self._end(written=right)
        return right

    def abandon(self) -> None:
        """Give the chunk up; its bytes mean nothing."""
        self._end(written=False)

    def _end(self, *, written: bool) -> None:
        self.remaining_bytes = 0  # the offset may be another writer's from now on
        self._partial.close_writer(self._index, written=written)
