"""Shared files re-read and compared with what the index says they are; rotten ones repaired."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from itertools import chain

import msgspec

from panal.errors import ContentChanged, NotFound, PanalError, RootOffline
from panal.peer import damage
from panal.peer.damage import Damage
from panal.peer.sharing import Sharing
from panal.store.damage_records import DamagedFile
from panal.store.hashing import Stopping
from panal.store.index import Index
from panal.store.rereading import wrong_chunks_of
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

TELL_S = 0.2
"""How often it is told how far it has come."""


class Verified(msgspec.Struct):
    """What re-reading found."""

    files: int = 0
    size_bytes: int = 0
    """What was read of them."""
    offline: int = 0
    """Files whose folder or disk is not there now: not read, and not withdrawn."""
    differing: dict[SafePath, str] = msgspec.field(default_factory=dict)
    """Why each path that is not what it was is not, in words."""
    repaired: list[SafePath] = msgspec.field(default_factory=list)
    """Damaged ones that are whole again."""
    of_files: int = 0
    of_bytes: int = 0
    """How much there is to read."""
    reading_bytes: int = 0
    """What was read of the file that is read now."""
    is_over: bool = False


class Verifying:
    """Re-reads one file after the other, and withdraws what differs."""

    def __init__(
        self,
        root: Root,
        index: Index,
        sharing: Sharing,
        damage: Damage,
        repair: Callable[[DamagedFile], Awaitable[None]],
    ) -> None:
        """`repair` makes a damaged file whole, or raises PanalError."""
        self._root = root
        self._index = index
        self._sharing = sharing
        self._damage = damage
        self._repair = repair
        self._stopping = Stopping()

    def stop(self) -> None:
        """End reading soon, in whatever thread."""
        self._stopping.set()

    async def verify(
        self, paths: list[SafePath], *, repair: bool = False
    ) -> AsyncGenerator[Verified, None]:
        """Re-read these files and folders, everything where none is named; NotFound.

        Tells how far it has come, in one struct that grows, now and then and when it is over.
        Closed before, it ends reading soon. What is damaged is named again each time, and made
        whole with `repair`.
        """
        found = Verified()
        files = self._named(paths, found) if paths else self._all(found)
        work = asyncio.create_task(self._verify(files, paths, found, repair=repair))
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

    async def _verify(
        self,
        files: Iterable[SharedFile],
        paths: list[SafePath],
        found: Verified,
        *,
        repair: bool,
    ) -> None:
        known = set(self._damaged(paths))
        found.of_files += len(known)
        found.of_bytes += sum(file.manifest.size_bytes for file in known)
        for shared in files:
            await self._verify_file(shared, found)
        for file in self._damaged(paths):
            if not await asyncio.to_thread(self._is_still_so, file):
                self._damage.end(file.path)
                continue
            if file in known and await self._reads_right_again(file, found):
                continue
            if repair:
                found.differing[file.path] = damage.words(file)
                await self._mend(file, found)
            else:
                await asyncio.to_thread(self._damage.look, file)
                found.differing[file.path] = self._damage.words(file)

    async def _reads_right_again(self, file: DamagedFile, found: Verified) -> bool:
        """Whether the disk gives by now what was shared, as after a loose cable: so it is again."""
        found.files += 1
        try:
            wrong = await self._read(file, file.manifest, found)
            found.size_bytes += file.manifest.size_bytes
            if wrong:
                return False
            await self._sharing.share_again(file)
        except PanalError:
            return False
        found.repaired.append(file.path)
        return True

    async def _mend(self, file: DamagedFile, found: Verified) -> None:
        try:
            await self._repair(file)
        except PanalError as error:
            found.differing[file.path] += f"; not repaired: {error}"
        else:
            del found.differing[file.path]
            found.repaired.append(file.path)

    def _damaged(self, paths: list[SafePath]) -> list[DamagedFile]:
        if not paths:
            return self._damage.all()
        below = {file.path: file for path in paths for file in self._damage.below(path)}
        return list(below.values())

    def _is_still_so(self, file: DamagedFile) -> bool:
        """Whether a damaged file is there as it was found, or cannot be looked for."""
        if not self._root.shows(file.path):
            return True
        return self._root.fingerprint(file.path) == file.fingerprint

    def _all(self, found: Verified) -> Iterator[SharedFile]:
        found.of_files, found.of_bytes = self._index.totals()
        return chain.from_iterable(self._index.pages_below())

    def _named(self, paths: list[SafePath], found: Verified) -> list[SharedFile]:
        files: list[SharedFile] = []
        for path in paths:
            one = self._index.by_path(path)
            below = [one] if one is not None else self._index.files_below(f"{path}/")
            if not below and not self._damage.below(path):
                raise NotFound(f"{printable(path)} is not shared here.")
            files += below
        found.of_files = len(files)
        found.of_bytes = sum(shared.fingerprint.size_bytes for shared in files)
        return files

    async def _verify_file(self, shared: SharedFile, found: Verified) -> None:
        found.files += 1
        manifest = await asyncio.to_thread(self._index.manifest, shared.content)
        if manifest is None:
            return  # shared no more meanwhile
        try:
            wrong = await self._read(shared, manifest, found)
        except RootOffline:
            found.offline += 1
            return
        except ContentChanged:
            if self._index.by_path(shared.path) == shared:
                found.differing[shared.path] = (
                    "edited since it was shared; it is read and shared anew by itself"
                )
                self._sharing.withdraw(shared)
            return
        except PanalError as error:
            if self._stopping.is_set:
                raise
            found.differing[shared.path] = str(error)  # it says nothing of the file
            return
        found.size_bytes += manifest.size_bytes
        if wrong and self._index.by_path(shared.path) == shared:
            self._damage.note(shared, manifest, wrong)

    async def _read(
        self, shared: SharedFile | DamagedFile, manifest: Manifest, found: Verified
    ) -> int:
        given_up = Stopping()

        def progress(read_bytes: int) -> None:
            self._stopping(read_bytes)
            given_up(read_bytes)
            found.reading_bytes = read_bytes

        try:
            return await asyncio.to_thread(
                wrong_chunks_of,
                self._root,
                shared.path,
                shared.fingerprint,
                manifest,
                range(manifest.chunk_count),
                progress,
            )
        finally:
            given_up.set()  # where this is cancelled, the thread still reads
            found.reading_bytes = 0
