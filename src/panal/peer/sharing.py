"""What this peer shares: every change goes to the index and to the announcer, together."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from panal.clock import Clock
from panal.errors import PanalError, Refused, TargetTaken
from panal.peer.announcer import Announcer
from panal.peer.contents import Contents
from panal.peer.telling import Telling
from panal.store.damage_records import DamagedFile
from panal.store.file_systems import mounted_at
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile, Stopping, hash_file
from panal.store.index import Index, Moved
from panal.store.publish import exchange, make_durable, publish
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, bears, printable

log = logging.getLogger(__name__)

FORGOTTEN_AT_ONCE = 1_000


class Placed(msgspec.Struct, frozen=True):
    """A file under its name, and whether it was put there just now."""

    file: SharedFile
    is_new: bool


class Sharing:
    """Keeps the announcements equal to the index."""

    def __init__(
        self, root: Root, index: Index, announcer: Announcer, contents: Contents, clock: Clock
    ) -> None:
        self._root = root
        self._index = index
        self._announcer = announcer
        self._contents = contents
        self._clock = clock
        self._came, self._went = Telling("Sharing"), Telling("No longer sharing")
        self.busy: set[SafePath] = set()
        """Paths that an upload or download is putting in place: scans keep away."""
        self._places: WeakValueDictionary[SafePath, asyncio.Lock] = WeakValueDictionary()
        self.displacing: Callable[[list[SafePath]], None] = lambda paths: None
        """Told of paths that become files before they are announced."""
        self.lost: Callable[[list[SafePath]], None] = lambda paths: None
        """Told of paths that are shared no more."""
        self.came: Callable[[SafePath], None] = lambda path: None
        """Told of each path that is shared from now on as it is now."""
        self._stopping = Stopping()

    async def remember(self, files: Sequence[HashedFile]) -> list[SharedFile]:
        """Index files of the folder and queue their announcement.

        What the folder's rules leave out is there for its owner alone: neither is done.
        """
        wanted = await asyncio.to_thread(self._not_left_out, files)
        if not wanted:
            return [_as_if_shared(file) for file in files]
        changes = await asyncio.to_thread(self._index.remember, wanted)
        self._announce(changes)
        remembered = {after.path: after for _, after in changes}
        return [remembered.get(file.path) or _as_if_shared(file) for file in files]

    async def room(self) -> None:
        """Wait while the tracker is being told more than enough."""
        await self._announcer.room()

    async def remember_moved(self, moves: Sequence[Moved]) -> set[SafePath]:
        """As `remember`, for files known under another name; those that are not any more."""
        changes = await asyncio.to_thread(self._index.remember_moved, moves)
        self._announce(changes)
        return {move.path for move in moves} - {after.path for _, after in changes}

    def _announce(self, changes: Sequence[tuple[SharedFile | None, SharedFile]]) -> None:
        self.displacing([after.path for _, after in changes])
        for before, after in changes:
            self.came(after.path)
            self._announcer.change_entry(before.entry() if before else None, after.entry())
            if before is not None and before.content != after.content:
                self._contents.taken_back(before.content)
        if changes:
            self._tell(self._came, [after for _, after in changes])

    def _tell(self, telling: Telling, files: Sequence[SharedFile]) -> None:
        for line in telling.told(files, self._clock.now_s()):
            log.info("%s", line)

    def tell_rest(self) -> None:
        """Log what came and went and was not told yet, once that has ended; call it often."""
        for telling in (self._came, self._went):
            for line in telling.rest(self._clock.now_s()):
                log.info("%s", line)

    def _not_left_out(self, files: Sequence[HashedFile]) -> list[HashedFile]:
        one_a_folder = {file.path.rpartition("/")[0]: file.path for file in files}
        try:
            self._root.read_rules(one_a_folder.values())  # no scan may have seen them yet
        except PanalError as error:
            log.warning("%d files are not shared for now: %s", len(files), error)
            return []
        folders = {
            folder
            for folder in one_a_folder
            if folder and self._root.left_out_with(folder, is_folder=True) is not None
        }
        if not folders and self._root.leaves_out_none([file.path for file in files]):
            return list(files)
        return [
            file
            for file in files
            if file.path.rpartition("/")[0] not in folders
            and self._root.left_out(file.path, is_folder=False) is None
        ]

    async def forget(self, gone: Sequence[tuple[SafePath, Fingerprint]]) -> None:
        """Share these paths no more, where they are indexed as they were seen."""
        # A root that has just gone away has lost nothing.
        gone = [item for item in gone if self._root.shows(item[0])]
        for at in range(0, len(gone), FORGOTTEN_AT_ONCE):
            forgotten = await asyncio.to_thread(
                self._index.forget, gone[at : at + FORGOTTEN_AT_ONCE]
            )
            for shared in forgotten:
                self._announcer.change_entry(shared.entry(), None)
                self._contents.taken_back(shared.content)
            self.lost([shared.path for shared in forgotten])
            if forgotten:
                self._tell(self._went, forgotten)

    def withdraw(self, shared: SharedFile) -> None:
        """A shared file was found changed while it was served; the next scan looks again."""
        if self._root.shows(shared.path) and self._index.by_path(shared.path) == shared:
            self._index.forget([(shared.path, shared.fingerprint)])
            self._announcer.change_entry(shared.entry(), None)
            self._contents.taken_back(shared.content)
            self.lost([shared.path])
            log.warning("%s has changed: no longer served as it was.", printable(shared.path))

    def withdraw_edited(self, hashed: HashedFile) -> None:
        """Withdraw a file that was edited and its time set back, which hashing it has shown.

        Where nobody is known to have touched it, its disk may be to blame: re-reading tells.
        """
        shared, found = self._index.by_path(hashed.path), hashed.fingerprint
        if shared is None or shared.fingerprint != found or shared.content == hashed.content:
            return
        if shared.fingerprint.ctime_ns not in {0, found.ctime_ns}:
            self.withdraw(shared)

    def refuse_left_out(self, path: SafePath) -> None:
        """Refused where the folder's rules leave a path out: it could not be shared there."""
        if (found := self._root.left_out_with(path)) is not None:
            reason, part = found
            raise Refused(
                f"{printable(path)} would not be shared here ({reason}: {printable(part)}). "
                "Choose another name, or change what is left out."
            )

    async def refuse_unplaceable(
        self, path: SafePath, source: Path, *, replace: bool = False
    ) -> None:
        """Refused or TargetTaken where nothing from `source` could be put, whatever its bytes."""
        await asyncio.to_thread(
            lambda: self._root.refuse_unplaceable(path, mounted_at(source), replace=replace)
        )

    async def refuse_offline(self) -> None:
        """RootOffline where the folder is not there now."""
        await asyncio.to_thread(self._root.refuse_offline)

    async def make_own_place(self, place: Path) -> None:
        """Make Panal's own directory where it is missing; RootOffline, PanalError."""
        await asyncio.to_thread(self._root.make_own_place, place)

    # Putting in place ---------------------------------------------------------------------

    async def put_in_place(
        self,
        source: Path,
        path: SafePath,
        content: ContentId,
        manifest: Manifest,
        *,
        replace: bool | Fingerprint = False,
        sha256_checked: bool,
    ) -> Placed:
        """Publish a durable temporary file under its final name, index it, queue its news.

        The same content there already is kept. TargetTaken where other content is there and
        `replace` was not asked for, or names another file than that.
        """
        async with self._placing(path):
            there = await self._whats_there(path, content, replace=replace)
            if there is not None:
                return Placed(there, is_new=False)
            if isinstance(replace, Fingerprint):  # what stood there was hashed meanwhile
                now = await asyncio.to_thread(self.stands, path)
                replace = now is not None and replace.is_the_same(now)
            fingerprint = await asyncio.to_thread(
                publish, source, self._root, path, replace=replace
            )
            hashed = HashedFile(path, fingerprint, content, manifest, sha256_checked)
            return Placed((await self.remember([hashed]))[0], is_new=True)

    async def put_back(self, source: Path, file: DamagedFile) -> SharedFile:
        """Give a durable file the name of the damaged one that it is to replace, and share it.

        ContentChanged, and nothing is done, where another stands there by now.
        """
        async with self._placing(file.path):
            fingerprint = await asyncio.to_thread(
                exchange, source, self._root, file.path, file.fingerprint
            )
            whole = HashedFile(file.path, fingerprint, file.content, file.manifest, False)
            return (await self.remember([whole]))[0]

    async def share_again(self, file: DamagedFile) -> None:
        """A damaged file reads right again; it is shared as it was."""
        whole = HashedFile(file.path, file.fingerprint, file.content, file.manifest, False)
        async with self._placing(file.path):
            await self.remember([whole])
        # Its SHA-256 is checked at the next start.

    async def already_there(self, path: SafePath, content: ContentId) -> SharedFile | None:
        """The content under its wanted name; None where nothing is.

        TargetTaken where something else is there.
        """
        async with self._placing(path):
            return await self._whats_there(path, content, replace=False)

    async def place_of(self, content: ContentId, name: str | None = None) -> SafePath | None:
        """Where a file that is shared here has this content, and the name; None where none stands.

        Of several, one that lies in the fewest folders. What may have been edited is hashed.
        """
        shared = await asyncio.to_thread(self._index.by_content, content)
        files = [file for file in shared if bears(file.path, name)]
        for file in sorted(files, key=lambda file: file.path.count("/")):
            if await asyncio.to_thread(self.stands, file.path) != file.fingerprint:
                continue
            with contextlib.suppress(PanalError):  # another by now, or it cannot be read
                if await self.already_there(file.path, content) is not None:
                    return file.path
        return None

    def stands(self, path: SafePath) -> Fingerprint | None:
        """The file that stands under a path, shared or not; None where none does."""
        return self._root.fingerprint(path)

    async def is_taken(self, path: SafePath) -> bool:
        """Whether anything stands under a path."""
        return await asyncio.to_thread(self._root.is_taken, path)

    @contextlib.asynccontextmanager
    async def _placing(self, path: SafePath) -> AsyncIterator[None]:
        """One at a time under a name, and scans keep away."""
        async with self._places.setdefault(path, asyncio.Lock()):
            self.busy.add(path)
            try:
                yield
            finally:
                self.busy.discard(path)

    async def _whats_there(
        self, path: SafePath, content: ContentId, *, replace: bool | Fingerprint
    ) -> SharedFile | None:
        """What is there may be so by a try whose last sync failed, or by another program."""
        found = await asyncio.to_thread(self._root.fingerprint, path)
        if found is None:
            if await asyncio.to_thread(self._root.is_taken, path):
                raise TargetTaken(f"{printable(path)} is there and is no file.")
            return None
        shared = self._index.by_path(path)
        is_known = shared is not None and shared.fingerprint.is_believed(found)
        if shared is not None and is_known and shared.content == content:
            await asyncio.to_thread(make_durable, self._root, path, found)
            return shared
        hashed = await asyncio.to_thread(hash_file, self._root, path, self._stopping)
        if hashed.content == content:
            await asyncio.to_thread(make_durable, self._root, path, hashed.fingerprint)
            return (await self.remember([hashed]))[0]
        self.withdraw_edited(hashed)
        if replace is True or (replace and replace.is_the_same(found)):
            return None
        raise TargetTaken(
            f"{printable(path)} is already there with other content; it was left as it is."
        )

    def stop(self) -> None:
        """End hashing soon, in whatever thread."""
        self._stopping.set()


def _as_if_shared(file: HashedFile) -> SharedFile:
    sha256 = file.manifest.sha256
    return SharedFile(file.path, file.content, file.fingerprint, sha256, file.sha256_checked)
