"""The folder and further roots brought into the index: what is new is hashed on all cores.

What was only moved is indexed under its new name without being read. Batches, so that much
is indexed and announced together; large files go a way of their own, so that small ones do
not wait behind them.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from panal.clock import Clock
from panal.errors import ContentChanged, NotFound, PanalError
from panal.peer.comparing import PAGE, Comparing, Difference, Settled
from panal.peer.sharing import Sharing
from panal.store.fingerprints import Seen, Skipped
from panal.store.hashing import HashedFile, Stopping, hash_file
from panal.store.index import Index, Moved
from panal.store.mounts import Mounts
from panal.wire.amounts import left_out_words
from panal.wire.names import SafePath

log = logging.getLogger(__name__)

BATCH_FILES = 256
BATCH_BYTES = 64 * 1024 * 1024
"""What is hashed before it is indexed and announced together; a larger file goes alone."""
MOVED_AT_ONCE = 1_000
Known = TypeVar("Known", HashedFile, Moved)


class Scanning:
    """Keeps the index equal to the roots."""

    def __init__(
        self,
        root: Mounts,
        index: Index,
        sharing: Sharing,
        look_for_roots: Callable[[], object],
        clock: Clock,
    ) -> None:
        self._root = root
        self._sharing = sharing
        self._clock = clock
        self._comparing = Comparing(root, index, look_for_roots)
        cores = os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(cores, thread_name_prefix="hash")
        self._threads_for_large = ThreadPoolExecutor(
            max(1, cores // 2), thread_name_prefix="hash-large"
        )
        self._one_look, self._one_full_look = asyncio.Lock(), asyncio.Lock()
        self._looking = 0
        self._under_way: set[Seen] = set()
        self._twins_wanted: list[set[str]] = []
        """Names whose contents go to further names first: until then they are not forgotten."""
        self._done: set[Seen] = set()
        """What has been hashed while somebody looked, who may not have seen that."""
        self._large_moves = 0
        self.skipped = Skipped()
        self._told_left_out: set[str] = set()
        self.times_compared = 0
        """How often everything has been compared with the index."""
        self.compared = asyncio.Event()
        """Set once that has been done."""
        self._again: set[str] = set()
        self._stopping = Stopping()
        self.is_damaged: Callable[[Seen], bool] = lambda item: False
        """Whether a file is known to have rotted: it is not new, whatever its bytes are now."""

    @property
    def to_hash(self) -> int:
        """How many files were found and are not indexed yet."""
        return len(self._under_way)

    @property
    def is_moving(self) -> bool:
        """Whether many moved or deleted files are being taken in: a look at everything would
        find them again."""
        return self._large_moves > 0

    def take_again(self) -> set[str]:
        """Paths that were not settled, or changed while they were read: look at them soon."""
        taken, self._again = self._again, set()
        return taken

    def tell_rest(self) -> None:
        """Log what is shared now, unless there is more to come."""
        if not self._under_way:
            self._sharing.tell_rest()

    def close(self) -> None:
        """Stop hashing, in the middle of a file too."""
        self._stopping.set()
        for threads in (self._threads, self._threads_for_large):
            threads.shutdown(wait=True, cancel_futures=True)

    async def scan(self, paths: Collection[str] | None = None) -> None:
        """Bring index and announcements up to some paths, or all, as they are now, hashes
        included."""
        await self.take_in(await self.look(paths))

    async def look(self, paths: Collection[str] | None) -> Difference:
        """Compare some paths, or all; what is to be taken in and no look before has found."""
        # Who looks at some does not wait for a look at everything.
        async with self._one_full_look if paths is None else self._one_look:
            found = await self._compare(paths)
            if paths is None:
                self.skipped = found.skipped
                self.times_compared += 1
                self._tell_left_out()
            self._again.update(found.unsettled)
            found.fresh = [item for item in found.fresh if self._is_new(item)]
            found.moved = [move for move in found.moved if self._is_new(move.seen())]
            self._under_way.update(found.fresh, (move.seen() for move in found.moved))
            if paths is None:
                self.compared.set()
        return found

    async def _compare(self, paths: Collection[str] | None) -> Difference:
        wall_s = self._clock.wall_s
        if not self._looking:
            self._done.clear()
        self._looking += 1
        try:
            if paths is None:
                return await asyncio.to_thread(self._comparing.everything, wall_s, self._is_new)
            return await asyncio.to_thread(self._comparing.some, paths, wall_s)
        finally:
            self._looking -= 1

    def _is_new(self, item: Seen) -> bool:
        is_known = item in self._under_way or item in self._done or self.is_damaged(item)
        return not is_known

    def _tell_left_out(self) -> None:
        """Log what is not shared and why, each reason once."""
        for reason, count in sorted(self.skipped.counts.items()):
            if reason not in self._told_left_out:
                self._told_left_out.add(reason)
                words = left_out_words(count, self.skipped.folders.get(reason, 0), reason)
                examples = ", ".join(self.skipped.examples[reason])
                log.info("Left out: %s, as %s.", words, examples)

    def _is_busy(self, path: SafePath) -> bool:
        if path in self._sharing.busy:
            self._again.add(path)
            return True
        return False

    def _is_wanted(self, path: SafePath) -> bool:
        """Whether what is indexed there goes to another name first; never asked of moves, which
        may go round in a circle."""
        if any(path in wanted for wanted in self._twins_wanted):
            self._again.add(path)
            return True
        return self._is_busy(path)

    async def take_in(self, found: Difference) -> None:
        """Index and announce what a look has found, hashing what is new.

        What one look has found may be taken in beside another's, a part of each in turn: a
        new file does not wait for thousands that were moved before.
        """
        await asyncio.gather(self._take_in_known(found), self._hash(found.fresh))

    async def _take_in_known(self, found: Difference) -> None:
        is_large = len(found.moved) + len(found.gone) >= MOVED_AT_ONCE
        self._large_moves += is_large
        try:
            await self._take_in_moves(found)
        finally:
            self._large_moves -= is_large

    async def _take_in_moves(self, found: Difference) -> None:
        wanted = {move.twin for move in found.moved}
        self._twins_wanted.append(wanted)
        try:
            while found.moved:
                moved = found.moved[:MOVED_AT_ONCE]
                del found.moved[:MOVED_AT_ONCE]
                await self._sharing.room()
                await self._take_in_moved(moved)
        finally:
            self._twins_wanted.remove(wanted)
            self._under_way.difference_update(move.seen() for move in found.moved)
        while found.gone:
            gone = await asyncio.to_thread(self._comparing.still_gone, found.gone[:PAGE])
            del found.gone[:PAGE]
            await self._sharing.room()
            await self._sharing.forget([item for item in gone if not self._is_wanted(item[0])])

    async def _hash(self, fresh: Sequence[Seen]) -> None:
        small = [item for item in fresh if item[1].size_bytes <= BATCH_BYTES]
        large = [item for item in fresh if item[1].size_bytes > BATCH_BYTES]
        try:
            await asyncio.gather(
                self._hash_in(self._threads, small), self._hash_in(self._threads_for_large, large)
            )
        finally:
            self._under_way.difference_update(fresh)
            self._tell_left_out()  # what could not be read among it

    async def _hash_in(self, threads: ThreadPoolExecutor, fresh: list[Seen]) -> None:
        loop = asyncio.get_running_loop()
        under_way: set[asyncio.Future[list[HashedFile]]] = set()
        try:
            for batch in batches(fresh):
                under_way.add(loop.run_in_executor(threads, self._hash_all, batch))
                if len(under_way) > (os.cpu_count() or 1):
                    under_way = await self._take_first(under_way)
            while under_way:
                under_way = await self._take_first(under_way)
        finally:
            for future in under_way:
                future.cancel()

    async def _take_first(
        self, under_way: set[asyncio.Future[list[HashedFile]]]
    ) -> set[asyncio.Future[list[HashedFile]]]:
        done, rest = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            hashed = future.result()
            taken_in = await self._take_in(hashed)
            self._done.update((f.path, f.fingerprint) for f in taken_in)
            self._under_way.difference_update((f.path, f.fingerprint) for f in hashed)
        return rest

    async def _take_in(self, known: list[HashedFile]) -> list[HashedFile]:
        await self._sharing.room()
        still_so = await asyncio.to_thread(self._still_so, known)
        free = [f for f in still_so if not self._is_wanted(f.path)]
        await self._sharing.remember(free)
        return free

    async def _take_in_moved(self, moved: list[Moved]) -> None:
        still_so = await asyncio.to_thread(self._still_so, moved)
        wanted = [f for f in still_so if not self._is_busy(f.path)]
        again = await self._sharing.remember_moved(wanted)
        self._again |= again
        self._done.update(move.seen() for move in wanted if move.path not in again)
        self._under_way.difference_update(move.seen() for move in moved)

    def _still_so(self, known: list[Known]) -> list[Known]:
        """Those that nobody has changed since: a later hash may be indexed already."""
        there = self._root.fingerprints([f.path for f in known])
        still_so = [f for f in known if there.get(f.path) == f.fingerprint]
        if len(still_so) < len(known):
            self._again.update(f.path for f in known)
        return still_so

    def _hash_all(self, paths: list[SafePath]) -> list[HashedFile]:
        hashed = []
        for path in paths:
            is_settled = Settled(self._clock.wall_s)
            try:
                found = hash_file(self._root, path, self._stopping)
                # It may be long since it was looked at, and somebody writes to it by now.
                if is_settled(found.fingerprint):
                    hashed.append(found)
                else:
                    self._again.add(path)
            except ContentChanged:
                self._again.add(path)
            except NotFound:
                if self._root.fingerprint(path) is not None:
                    self.skipped.add("unreadable", path)
            except PanalError as error:
                if self._stopping.is_set:
                    break
                self.skipped.add("unreadable", path)
                log.debug("%s", error)
        return hashed


def batches(fresh: list[Seen]) -> Iterator[list[SafePath]]:
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
