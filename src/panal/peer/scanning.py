"""The folder compared with the index: what is new is hashed on all cores, in batches.

A scan compares by fingerprint (device, inode, size, mtime); only what differs is hashed,
and only when it has been left alone for a moment, so that a file still being written is
not shared half.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from panal.clock import Clock
from panal.errors import ContentChanged, NotFound, PanalError
from panal.peer.sharing import Sharing
from panal.store.hashing import HashedFile, hash_file
from panal.store.index import Index
from panal.store.roots import Fingerprint, Root, Skipped
from panal.wire.names import SafePath

log = logging.getLogger(__name__)

SCAN_EVERY_S = 1.0
SCAN_SHARE = 20
"""A scan may use one part in so many of the time: a large folder is scanned less often."""
SETTLED_S = 0.5
"""A file modified more recently waits for the next scan."""
BATCH_FILES = 256
BATCH_BYTES = 64 * 1024 * 1024
"""What is hashed before it is indexed and announced together; a larger file goes alone."""


@dataclass(slots=True)
class Difference:
    """What a scan found otherwise than the index has it."""

    fresh: list[tuple[SafePath, Fingerprint]] = field(default_factory=list)
    gone: list[tuple[SafePath, Fingerprint]] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)


class Scanning:
    """Keeps the index equal to the folder."""

    def __init__(self, root: Root, index: Index, sharing: Sharing, clock: Clock) -> None:
        self._root = root
        self._index = index
        self._sharing = sharing
        self._clock = clock
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hash")
        self.skipped = Skipped()
        self.to_hash = 0
        """How many files wait for their hash."""
        self._failed_before = ""
        self._is_stopping = False

    def close(self) -> None:
        """Stop hashing, in the middle of a file too."""
        self._is_stopping = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def run(self) -> None:
        """Scan again and again, until cancelled."""
        while True:
            began_s = self._clock.now_s()
            try:
                await self.scan()
                self._failed_before = ""
            except PanalError as error:
                if str(error) != self._failed_before:
                    log.warning("The folder could not be scanned: %s", error)
                self._failed_before = str(error)
            spent_s = self._clock.now_s() - began_s
            await self._clock.sleep(max(SCAN_EVERY_S, SCAN_SHARE * spent_s))

    async def scan(self) -> None:
        """Bring index and announcements up to the folder as it is now."""
        wall_s = self._clock.wall_s()
        found = await asyncio.to_thread(self._compare, wall_s)
        self.skipped = found.skipped
        await self._sharing.forget([item for item in found.gone if not self._is_busy(item[0])])
        await self._share([item for item in found.fresh if not self._is_busy(item[0])])

    def _is_busy(self, path: SafePath) -> bool:
        return path in self._sharing.busy

    def _compare(self, wall_s: float) -> Difference:
        difference = Difference()
        known = self._index.fingerprints()
        for path, found in self._root.walk(difference.skipped):
            if known.get(path) == found:
                del known[path]
            elif abs(wall_s - found.mtime_ns / 1e9) >= SETTLED_S:
                known.pop(path, None)
                difference.fresh.append((path, found))
        # What is left is gone, or was edited a moment ago: then it is withdrawn until it rests.
        difference.gone = list(known.items())
        return difference

    async def _share(self, fresh: list[tuple[SafePath, Fingerprint]]) -> None:
        self.to_hash = len(fresh)
        loop = asyncio.get_running_loop()
        under_way: set[asyncio.Future[list[HashedFile]]] = set()
        try:
            for batch in batches(fresh):
                under_way.add(loop.run_in_executor(self._threads, self._hash_all, batch))
                if len(under_way) > (os.cpu_count() or 1):
                    under_way = await self._take_first(under_way)
            while under_way:
                under_way = await self._take_first(under_way)
        finally:
            self.to_hash = 0
            for future in under_way:
                future.cancel()

    async def _take_first(
        self, under_way: set[asyncio.Future[list[HashedFile]]]
    ) -> set[asyncio.Future[list[HashedFile]]]:
        done, rest = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            hashed = future.result()
            self.to_hash = max(0, self.to_hash - len(hashed))
            still_so = await asyncio.to_thread(self._still_so, hashed)
            await self._sharing.remember([f for f in still_so if not self._is_busy(f.path)])
        return rest

    def _still_so(self, hashed: list[HashedFile]) -> list[HashedFile]:
        """Those that nobody has changed since: a later hash may be indexed already."""
        return [f for f in hashed if self._root.fingerprint(f.path) == f.fingerprint]

    def _hash_all(self, paths: list[SafePath]) -> list[HashedFile]:
        hashed = []
        for path in paths:
            try:
                hashed.append(hash_file(self._root, path, self._go_on))
            except (NotFound, ContentChanged):
                continue  # it is looked at again by the next scan
            except PanalError as error:
                if self._is_stopping:
                    break
                self.skipped.add("unreadable", path)
                log.debug("%s", error)
        return hashed

    def _go_on(self, _: int) -> None:
        if self._is_stopping:
            raise PanalError("The peer is stopping.")


def batches(fresh: list[tuple[SafePath, Fingerprint]]) -> Iterator[list[SafePath]]:
    """Files in groups worth a transaction, none larger than one thread should keep alone."""
    batch: list[SafePath] = []
    size_bytes = 0
    for path, fingerprint in fresh:
        if batch and (len(batch) == BATCH_FILES or size_bytes >= BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(path)
        size_bytes += fingerprint.size_bytes
    if batch:
        yield batch
