"""A provider without a network: its chunks come from memory, when the test lets them."""

import asyncio
import threading
from collections.abc import Callable

from blake3 import blake3

from panal.store.partial import PartialFile
from panal.swarm.chunk_source import CorruptChunk, SourceFailure
from panal.swarm.messages import Failure
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import MIN_CHUNK_BYTES, Manifest, content_id, manifest_of
from tests.support.patience import PATIENCE_S

"""A test that waits longer than this has failed."""


class Content:
    """Bytes that differ in every chunk, and their manifest; the last chunk is short."""

    def __init__(self, chunk_count: int) -> None:
        size_bytes = max(0, chunk_count * MIN_CHUNK_BYTES - 1_000)
        seed = blake3(b"panal test content").digest(MIN_CHUNK_BYTES)
        whole = b"".join(index.to_bytes(4, "big") + seed[4:] for index in range(chunk_count))
        self.data = whole[:size_bytes]
        hashes = [blake3(self.chunk(index)).digest() for index in range(chunk_count)]
        self.manifest: Manifest = manifest_of(size_bytes, b"\x00" * 32, hashes)
        self.id: ContentId = content_id(self.manifest.encode())

    def chunk(self, index: int) -> bytes:
        return self.data[index * MIN_CHUNK_BYTES : (index + 1) * MIN_CHUNK_BYTES]


class FakeSource:
    """One provider; a fetch passes `gates[index]` before that chunk, if there is one."""

    def __init__(self, content: Content, has: int | None = None) -> None:
        self.bytes_received = 0
        self.held_s = 0.0
        self.asked: list[tuple[int, int]] = []
        self.gave_way: list[bool] = []
        self.gates: dict[int, threading.Event] = {}
        self.at_gate = threading.Event()
        self.wrong: set[int] = set()
        self.failures: list[BaseException] = []
        """What the next fetches end with before their first byte."""
        self.stream_error: BaseException | None = None
        """What the availability stream ends with as soon as it is open."""
        self.is_stubborn = False
        """It does not end when it is cancelled, only when its gate opens."""
        self.is_followed = False
        self.was_cancelled = False
        self.is_stuck = False
        """Nobody opened its gate or cancelled it in time."""
        self._content = content
        self._has = bitfield.full(content.manifest.chunk_count) if has is None else has
        self._cancelled = threading.Event()
        self._chosen = 0

    def hold(self, index: int) -> threading.Event:
        """Let no fetch past the beginning of this chunk until the event is set."""
        return self.gates.setdefault(index, threading.Event())

    async def follow(self, tell: Callable[[int, bool], None]) -> None:
        self.is_followed = True
        try:
            if self.stream_error is not None:
                raise self.stream_error
            tell(self._has, True)
            await asyncio.get_running_loop().create_future()
        finally:
            self.is_followed = False

    def fetch(
        self,
        first: int,
        count: int,
        into: PartialFile,
        wrote: Callable[[int], None],
        *,
        gives_way: bool,
    ) -> None:
        self.asked.append((first, count))
        self.gave_way.append(gives_way)
        try:
            if self.failures:
                raise self.failures.pop(0)
            for index in range(first, first + count):
                self._wait(index)
                self._send(index, into)
                wrote(index)
        finally:
            self._cancelled.clear()

    def fetch_any(
        self,
        among: int,
        most: int,
        into: PartialFile,
        granted: Callable[[int, int], None],
        wrote: Callable[[int], None],
        *,
        gives_way: bool,
    ) -> None:
        """Sends the first of them, one chunk a request; nothing twice."""
        if not (left := among & ~self._chosen):
            raise SourceFailure(Failure.NOTHING_UNSENT, "answered 204")
        first = (left & -left).bit_length() - 1
        self._chosen |= 1 << first
        granted(first, 1)
        self.fetch(first, 1, into, wrote, gives_way=gives_way)

    def cancel(self) -> None:
        self._cancelled.set()
        self.was_cancelled = True
        if not self.is_stubborn:
            for gate in self.gates.values():
                gate.set()

    def _wait(self, index: int) -> None:
        if (gate := self.gates.get(index)) is not None:
            self.at_gate.set()
            self.is_stuck = not gate.wait(PATIENCE_S)
        if self._cancelled.is_set():
            raise SourceFailure(Failure.CANCELLED, "cancelled")

    def _send(self, index: int, into: PartialFile) -> None:
        chunk = bytearray(self._content.chunk(index))
        if index in self.wrong:
            chunk[-1] ^= 1
        writer = into.begin_chunk(index)
        try:
            for start in range(0, len(chunk), 100_000):
                writer.write(memoryview(chunk)[start : start + 100_000])
                self.bytes_received += len(chunk[start : start + 100_000])
        except BaseException:
            writer.abandon()
            raise
        if not writer.finish():
            raise CorruptChunk(index)
