"""Shared files re-read in the background, slowly, while nothing else is to be done.

Disks lose bits without a word. A pass goes over all files in the order of their paths, a few
chunks at a time; where it stands is kept, so that a restart goes on there.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from msgspec.structs import replace

from panal.clock import Clock
from panal.errors import ContentChanged, PanalError
from panal.peer.damage import Damage
from panal.peer.sharing import Sharing
from panal.store.index import Index
from panal.store.rereading import read_when_idle, wrong_chunks_of
from panal.store.roots import Root
from panal.store.scrub_records import Position, ScrubRecords
from panal.store.shared_files import SharedFile
from panal.wire.manifest import Manifest

log = logging.getLogger(__name__)

DEFAULT_RATE_BYTES_S = 4_000_000
"""A terabyte in three days."""
PASS_EVERY_S = 14 * 24 * 3600.0
"""From one pass's beginning to the next one's."""
LOOK_S = 5.0
"""How often it is looked whether there is nothing else to do."""
STEP_BYTES = 4 * 1024 * 1024
"""What is read between two looks, or one chunk."""
FILES_A_STEP = 64
SAVE_S = 60.0


class Scrubbing:
    """One pass after the other, until cancelled."""

    def __init__(
        self,
        root: Root,
        index: Index,
        sharing: Sharing,
        damage: Damage,
        records: ScrubRecords,
        is_idle: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._root = root
        self._index = index
        self._sharing = sharing
        self._damage = damage
        self._records = records
        self._is_idle = is_idle
        self._clock = clock
        self.rate_bytes_s = DEFAULT_RATE_BYTES_S
        """0: not at all."""
        self.at = records.read()
        self._saved_s = clock.now_s()
        self._thread = ThreadPoolExecutor(1, "scrub", initializer=read_when_idle)

    async def run(self) -> None:
        """Read a little, wait so long that the rate is kept, again and again."""
        try:
            while True:
                self._damage.write_down()
                if not self.rate_bytes_s or not self._is_due() or not self._is_idle():
                    await self._clock.sleep(LOOK_S)
                    continue
                read_bytes = await self.step()
                if self._clock.now_s() - self._saved_s >= SAVE_S:
                    self._save()
                await self._clock.sleep(read_bytes / (self.rate_bytes_s or STEP_BYTES))
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)
            self._save()

    def _is_due(self) -> bool:
        since_s = self._clock.wall_s() - self.at.began_s
        # A clock that was set back must not keep it waiting for ever.
        return not self.at.is_over or not 0 <= since_s < PASS_EVERY_S

    async def step(self) -> int:
        """Read the next few chunks; how many bytes those were."""
        if self.at.is_over:
            self.at = Position(began_s=self._clock.wall_s(), is_over=False)
            self._save()
        read_bytes = 0
        for _ in range(FILES_A_STEP):
            shared = self._next()
            if shared is None:
                self.at = replace(self.at, is_over=True)
                self._save()
                break
            try:
                read_bytes += await self._read(shared)
            except PanalError as error:
                log.info("What differs is not withdrawn for now: %s", error)
            if read_bytes >= STEP_BYTES:
                break
        return read_bytes

    def _next(self) -> SharedFile | None:
        """The file that is next, or that one again of which there is more."""
        if self.at.chunk:
            if (same := self._index.by_path(self.at.path)) is not None:
                return same
            self.at = replace(self.at, chunk=0)
        return next(iter(self._index.files_after(self.at.path, 1)), None)

    async def _read(self, shared: SharedFile) -> int:
        """Some chunks of a file; the position is behind them then, whatever comes."""
        first = self.at.chunk
        self.at = replace(self.at, path=shared.path, chunk=0)
        manifest = await asyncio.to_thread(self._index.manifest, shared.content)
        if manifest is None or not self._root.shows(shared.path):
            return 0
        whole = range(manifest.chunk_count)
        chunks = whole[first : first + max(1, STEP_BYTES // manifest.chunk_bytes)]
        try:
            wrong = await self._wrong(shared, manifest, chunks)
            if wrong:  # a repair needs to know all that is
                wrong |= await self._wrong(shared, manifest, whole)
        except ContentChanged:
            self._sharing.withdraw(shared)
            return 0
        except PanalError as error:
            log.info("A file was not read again: %s", error)
            return 0
        if wrong and self._index.by_path(shared.path) == shared:
            self._damage.note(shared, manifest, wrong)
        elif not wrong and chunks.stop < manifest.chunk_count:
            self.at = replace(self.at, chunk=chunks.stop)
        return sum(manifest.chunk_range(index)[1] for index in chunks)

    async def _wrong(self, shared: SharedFile, manifest: Manifest, chunks: range) -> int:
        loop = asyncio.get_running_loop()
        path, fingerprint = shared.path, shared.fingerprint
        look = partial(wrong_chunks_of, self._root, path, fingerprint, manifest, chunks)
        return await loop.run_in_executor(self._thread, look)

    def _save(self) -> None:
        self._saved_s = self._clock.now_s()
        try:
            self._records.save(self.at)
        except PanalError as error:
            log.info("How far files were read again is not written down: %s", error)
