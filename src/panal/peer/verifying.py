"""Shared files re-read and compared with what the index says they are."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field

from panal.errors import NotFound, PanalError, RootOffline
from panal.peer.sharing import PAGE, Sharing
from panal.store.hashing import HashedFile, Stopping, hash_file
from panal.store.index import Index, SharedFile
from panal.store.roots import Root
from panal.wire.names import SafePath, printable

TELL_S = 0.2
"""How often it is told how far it has come."""


@dataclass(slots=True)
class Verified:
    """What re-reading found."""

    files: int = 0
    size_bytes: int = 0
    """What was read of them."""
    offline: int = 0
    """Files whose folder or disk is not there now: not read, and not withdrawn."""
    differing: dict[SafePath, str] = field(default_factory=dict)
    """Why each path that is not what it was is not, in words."""
    of_files: int = 0
    of_bytes: int = 0
    """How much there is to read."""
    reading_bytes: int = 0
    """What was read of the file that is read now."""
    is_over: bool = False


class Verifying:
    """Re-reads one file after the other, and withdraws what differs."""

    def __init__(self, root: Root, index: Index, sharing: Sharing) -> None:
        self._root = root
        self._index = index
        self._sharing = sharing
        self._stopping = Stopping()

    def stop(self) -> None:
        """End reading soon, in whatever thread."""
        self._stopping.set()

    async def verify(self, paths: list[SafePath]) -> AsyncGenerator[Verified, None]:
        """Re-read these files and folders, everything where none is named; NotFound.

        Tells how far it has come, in one struct that grows, now and then and when it is over.
        Closed before, it ends reading soon.
        """
        found = Verified()
        files = self._named(paths, found) if paths else self._all(found)
        work = asyncio.create_task(self._verify(files, found))
        try:
            while not work.done():
                await asyncio.wait([work], timeout=TELL_S)
                if not work.done():
                    yield found
            work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        found.is_over = True
        yield found

    async def _verify(self, files: Iterable[SharedFile], found: Verified) -> None:
        for shared in files:
            await self._verify_file(shared, found)

    def _all(self, found: Verified) -> Iterator[SharedFile]:
        found.of_files, found.of_bytes = self._index.totals()
        return self._pages()

    def _pages(self) -> Iterator[SharedFile]:
        after = ""
        while page := self._index.files_after(after, PAGE):
            yield from page
            after = page[-1].path

    def _named(self, paths: list[SafePath], found: Verified) -> list[SharedFile]:
        files: list[SharedFile] = []
        for path in paths:
            one = self._index.by_path(path)
            below = [one] if one is not None else self._index.files_below(f"{path}/")
            if not below:
                raise NotFound(f"{printable(path)} is not shared here.")
            files += below
        found.of_files = len(files)
        found.of_bytes = sum(shared.fingerprint.size_bytes for shared in files)
        return files

    async def _verify_file(self, shared: SharedFile, found: Verified) -> None:
        found.files += 1
        try:
            hashed = await self._hash(shared.path, found)
        except RootOffline:
            found.offline += 1
            return
        except PanalError as error:
            if self._stopping.is_set:
                raise
            problem = str(error)
        else:
            found.size_bytes += hashed.fingerprint.size_bytes
            if hashed.content == shared.content:
                return
            edited = hashed.fingerprint != shared.fingerprint
            problem = "edited since it was shared" if edited else "other bytes than were shared"
        if self._index.by_path(shared.path) == shared:
            found.differing[shared.path] = problem
            self._sharing.withdraw(shared)

    async def _hash(self, path: SafePath, found: Verified) -> HashedFile:
        given_up = Stopping()

        def progress(read_bytes: int) -> None:
            self._stopping(read_bytes)
            given_up(read_bytes)
            found.reading_bytes = read_bytes

        try:
            return await asyncio.to_thread(hash_file, self._root, path, progress)
        finally:
            given_up.set()  # where this is cancelled, the thread still reads
            found.reading_bytes = 0
