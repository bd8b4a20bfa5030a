"""Shared files re-read and compared with what the index says they are."""

import asyncio
from dataclasses import dataclass, field

from panal.errors import NotFound, PanalError, RootOffline
from panal.peer.sharing import PAGE, Sharing
from panal.store.hashing import Stopping, hash_file
from panal.store.index import Index, SharedFile
from panal.store.roots import Root
from panal.wire.names import SafePath, printable


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

    async def verify(self, paths: list[SafePath]) -> Verified:
        """Re-read these files and folders, everything where none is named; NotFound."""
        found = Verified()
        for path in paths:
            await self._verify_below(path, found)
        after = ""
        while not paths and (page := self._index.files_after(after, PAGE)):
            for shared in page:
                await self._verify_file(shared, found)
            after = page[-1].path
        return found

    async def _verify_below(self, path: SafePath, found: Verified) -> None:
        one = self._index.by_path(path)
        files = [one] if one is not None else self._index.files_below(f"{path}/")
        if not files:
            raise NotFound(f"{printable(path)} is not shared here.")
        for shared in files:
            await self._verify_file(shared, found)

    async def _verify_file(self, shared: SharedFile, found: Verified) -> None:
        found.files += 1
        try:
            hashed = await asyncio.to_thread(hash_file, self._root, shared.path, self._stopping)
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
