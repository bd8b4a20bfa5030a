"""What was fetched is read again for its SHA-256, which is vouched for from then on."""

import asyncio
import logging
import os

from panal.errors import ContentChanged, PanalError
from panal.peer.announcer import Announcer
from panal.store.hashing import Stopping, sha256_of_descriptor
from panal.store.index import Index
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.wire.ids import ContentId
from panal.wire.names import printable

log = logging.getLogger(__name__)


class Vouching:
    """Checks what manifests say, and tells the tracker what is right."""

    def __init__(self, root: Root, index: Index, announcer: Announcer) -> None:
        self._root = root
        self._index = index
        self._announcer = announcer
        self._stopping = Stopping()

    async def check_unchecked(self) -> None:
        """Check each content that has not been checked yet, one after the other."""
        checked: set[ContentId] = set()
        for shared in await asyncio.to_thread(self._index.unchecked):
            if shared.content in checked:  # under another name
                continue
            try:
                is_right = await self.check(shared)
            except (PanalError, OSError) as error:
                log.info("The SHA-256 of %s was not checked: %s", printable(shared.path), error)
                continue
            checked.add(shared.content)
            if not is_right:
                log.error(
                    "The manifest of %s names a wrong SHA-256; whoever shared it first made it "
                    "wrong. The bytes are those of its content id.",
                    printable(shared.path),
                )

    def stop(self) -> None:
        """End reading soon, in whatever thread."""
        self._stopping.set()

    async def check(self, shared: SharedFile) -> bool:
        """Whether its manifest told a file's SHA-256 right.

        ContentChanged where the file does not keep still; PanalError where it cannot be read.
        """
        is_right = await asyncio.to_thread(self._sha256, shared) == shared.sha256
        copies = self._index.by_content(shared.content)
        await asyncio.to_thread(lambda: self._index.mark_sha256(shared.content, right=is_right))
        for before in copies:
            after = self._index.by_path(before.path)
            is_told = after is not None and self._root.shows(after.path)
            if is_told and after is not None and after.content == before.content:
                self._announcer.change_entry(before.entry(), after.entry())
        return is_right

    def _sha256(self, shared: SharedFile) -> bytes:
        descriptor = self._root.open_unchanged(shared.path, shared.fingerprint)
        try:
            found = sha256_of_descriptor(descriptor, self._stopping)
            if not shared.fingerprint.is_of(descriptor):
                raise ContentChanged(f"{printable(shared.path)} changed while it was read.")
        finally:
            os.close(descriptor)
        return found
