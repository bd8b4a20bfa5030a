"""The folder, shared in place: what is in it is hashed once, indexed and announced.

A scan compares the folder with the index by fingerprint (device, inode, size, mtime); only
what differs is hashed, and only when it has been left alone for a moment, so that a file
still being written is not shared half.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from panal.clock import Clock
from panal.errors import ContentChanged, NotFound, PanalError
from panal.peer.announcer import Announcer
from panal.peer.contents import Contents
from panal.store.hashing import hash_descriptor, sha256_of_descriptor
from panal.store.index import Index, SharedFile
from panal.store.publish import publish
from panal.store.roots import Fingerprint, Root, Skipped
from panal.wire.catalogue import Entry
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, content_id
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

SCAN_EVERY_S = 1.0
SCAN_SHARE = 20
"""A scan may use one part in so many of the time: a large folder is scanned less often."""
SETTLED_S = 0.5
"""A file modified more recently waits for the next scan."""
PAGE = 1_000


def entry_pages(index: Index) -> Iterator[list[Entry]]:
    """Every entry that the index remembers, a page at a time."""
    after = ""
    while page := index.files_after(after, PAGE):
        yield [shared.entry() for shared in page]
        after = page[-1].path


class Sharing:
    """Keeps the index and the announcements equal to the folder."""

    def __init__(
        self, root: Root, index: Index, announcer: Announcer, contents: Contents, clock: Clock
    ) -> None:
        self._root = root
        self._index = index
        self._announcer = announcer
        self._contents = contents
        self._clock = clock
        self.skipped = Skipped()
        self.hashing: str = ""
        """The file that is being hashed, for people; empty when none is."""
        self._busy: set[SafePath] = set()
        """Paths that an upload or download is putting in place: scans keep away."""

    async def run(self) -> None:
        """Scan again and again, until cancelled."""
        while True:
            began_s = self._clock.now_s()
            try:
                await self.scan()
            except PanalError as error:
                log.warning("The folder could not be scanned: %s", error)
            spent_s = self._clock.now_s() - began_s
            await self._clock.sleep(max(SCAN_EVERY_S, SCAN_SHARE * spent_s))

    async def scan(self) -> None:
        """Bring index and announcements up to the folder as it is now."""
        wall_s = self._clock.wall_s()
        fresh, gone, self.skipped = await asyncio.to_thread(self._compare, wall_s)
        for path in gone:
            if path not in self._busy:
                await self._forget(path)
        for path in fresh:
            if path not in self._busy:
                await self._share(path)

    def _compare(self, wall_s: float) -> tuple[list[SafePath], list[SafePath], Skipped]:
        skipped = Skipped()
        known = self._index.fingerprints()
        fresh = []
        for path, found in self._root.walk(skipped):
            if known.get(path) == found:
                del known[path]
            elif abs(wall_s - found.mtime_ns / 1e9) >= SETTLED_S:
                known.pop(path, None)
                fresh.append(path)
        # What is left is gone, or was edited a moment ago: then it is withdrawn until it rests.
        return fresh, list(known), skipped

    async def _share(self, path: SafePath) -> None:
        self.hashing = path
        try:
            fingerprint, manifest, content = await asyncio.to_thread(self._hash, path)
        except (NotFound, ContentChanged):
            return
        except OSError as error:
            log.warning("%s could not be read: %s.", printable(path), error.strerror)
            return
        finally:
            self.hashing = ""
        if path not in self._busy:
            await self.remember(path, fingerprint, content, manifest, sha256_checked=True)

    def _hash(self, path: SafePath) -> tuple[Fingerprint, Manifest, ContentId]:
        descriptor, before = self._root.open_file(path)
        try:
            manifest = hash_descriptor(descriptor, before.size_bytes)
            if Fingerprint.of(os.fstat(descriptor)) != before:
                raise ContentChanged(f"{printable(path)} changed while it was hashed.")
        finally:
            os.close(descriptor)
        return before, manifest, content_id(manifest.encode())

    async def remember(
        self,
        path: SafePath,
        fingerprint: Fingerprint,
        content: ContentId,
        manifest: Manifest,
        *,
        sha256_checked: bool,
    ) -> SharedFile:
        """Index a file of the folder and queue its announcement."""
        before = self._index.by_path(path)
        shared = await asyncio.to_thread(
            lambda: self._index.remember(
                path, fingerprint, content, manifest, sha256_checked=sha256_checked
            )
        )
        self._announcer.change_entry(before.entry() if before else None, shared.entry())
        if before is not None and before.content != content:
            self._contents.taken_back(before.content)
        log.info("Sharing %s (%d bytes).", printable(path), fingerprint.size_bytes)
        return shared

    async def _forget(self, path: SafePath) -> None:
        shared = self._index.by_path(path)
        if shared is not None:
            await asyncio.to_thread(self._index.forget, path)
            self._announcer.change_entry(shared.entry(), None)
            self._contents.taken_back(shared.content)
            log.info("No longer sharing %s.", printable(path))

    def withdraw(self, shared: SharedFile) -> None:
        """A shared file was found changed while it was served; the next scan looks again."""
        if self._index.by_path(shared.path) == shared:
            self._index.forget(shared.path)
            self._announcer.change_entry(shared.entry(), None)
            self._contents.taken_back(shared.content)
            log.warning("%s has changed: no longer served as it was.", printable(shared.path))

    async def put_in_place(
        self,
        source: Path,
        path: SafePath,
        content: ContentId,
        manifest: Manifest,
        *,
        replace: bool = False,
        sha256_checked: bool,
    ) -> SharedFile:
        """Publish a durable temporary file under its final name, index it, queue its news.

        TargetTaken where other content is there and `replace` was not asked for.
        """
        self._busy.add(path)
        try:
            await asyncio.to_thread(publish, source, self._root, path, replace=replace)
            fingerprint = await asyncio.to_thread(self._root.fingerprint, path)
            if fingerprint is None or fingerprint.size_bytes != manifest.size_bytes:
                raise ContentChanged(f"{printable(path)} was changed as soon as it was in place.")
            return await self.remember(
                path, fingerprint, content, manifest, sha256_checked=sha256_checked
            )
        finally:
            self._busy.discard(path)

    def known(self, path: SafePath) -> SharedFile | None:
        """The file as it is indexed."""
        return self._index.by_path(path)

    async def what_is_there(self, path: SafePath) -> ContentId | None:
        """The content under a path of the folder, hashed now if need be; None where nothing is.

        NotFound where something stands there that is no readable file.
        """
        shared = self._index.by_path(path)
        found = await asyncio.to_thread(self._root.fingerprint, path)
        if shared is not None and shared.fingerprint == found:
            return shared.content
        if found is None:
            if await asyncio.to_thread(self._root.is_taken, path):
                raise NotFound(f"{printable(path)} is there and is no file.")
            return None
        _, _, content = await asyncio.to_thread(self._hash, path)
        return content

    async def check_sha256(self, shared: SharedFile) -> bool:
        """Read a downloaded file once more for its SHA-256; whether its manifest told it right."""

        def digest() -> bytes:
            descriptor = self._root.open_unchanged(shared.path, shared.fingerprint)
            try:
                return sha256_of_descriptor(descriptor)
            finally:
                os.close(descriptor)

        right = await asyncio.to_thread(digest) == shared.sha256
        copies = self._index.by_content(shared.content)
        await asyncio.to_thread(lambda: self._index.mark_sha256(shared.content, right=right))
        for before in copies:
            after = self._index.by_path(before.path)
            if after is not None and after.content == before.content:
                self._announcer.change_entry(before.entry(), after.entry())
        return right
