"""What the owner adds and leaves out: further roots in place, copies, paths not shared.

Nothing here ever deletes, moves or writes a file of the user's.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import msgspec

from panal.errors import NotFound, Refused, TargetTaken, UsageError
from panal.peer.config import refuse_any_state, refuse_own_state, refuse_whole_home
from panal.peer.placing import to_end
from panal.peer.sharing import Placed
from panal.peer.uploads import BATCH_BYTES, Uploads
from panal.peer.watching import Watching
from panal.store.disk_errors import disk_error
from panal.store.file_systems import is_the_kernels
from panal.store.fingerprints import Skipped
from panal.store.mounts import FurtherRoot, Mounts
from panal.store.root_records import RootRecords
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.wire.names import SafePath, printable, safe_path, visible_path


class Added(msgspec.Struct):
    """What came of adding."""

    in_place: list[FurtherRoot] = msgspec.field(default_factory=list)
    again: list[str] = msgspec.field(default_factory=list)
    """Paths below the folder or a root: shared again where they were left out, else as before."""
    copied: list[SharedFile] = msgspec.field(default_factory=list)


class Adding:
    """The owner's hand on what is shared."""

    def __init__(
        self,
        root: Mounts,
        records: RootRecords,
        watching: Watching,
        uploads: Uploads,
        state: Path,
    ) -> None:
        self._root = root
        self._records = records
        self._watching = watching
        self._uploads = uploads
        self._state = state

    async def add(self, paths: Sequence[str], *, copy: bool) -> Added:
        """Share files and folders from anywhere on this machine, in place or as copies.

        All are checked before the first is added.
        """
        wanted = await asyncio.to_thread(lambda: [self._checked(path, paths) for path in paths])
        if copy:
            return await self._copy(place for place, _ in wanted)
        for place, name in wanted:
            self._refuse_unaddable(place, name)
        added = Added()
        for place, name in wanted:
            self._refuse_unaddable(place, name)  # one that was added with it may be in the way
            inside = self._path_inside(place)
            if inside is None:
                added.in_place.append(self._mount(FurtherRoot(name, place, place.is_dir())))
            else:
                added.again.append(inside)
        await to_end(asyncio.to_thread(self._records.share_again, added.again))
        self._see_to(added.again)
        return added

    def take_back(self, folder: SafePath) -> None:
        """Leave a folder of the shared one out no more; Refused where more than that does."""
        self._refuse_left_out(folder, is_folder=True)
        self._records.share_again([folder])
        self._see_to([folder])

    async def unshare(self, paths: Sequence[str]) -> list[str]:
        """Share these no more, until they are added again; their files stay as they are."""
        names = await asyncio.to_thread(lambda: [self._shared_path(path) for path in paths])
        whole_roots = self._root.further_names().intersection(names)
        below = [name for name in names if name not in whole_roots]
        await to_end(asyncio.to_thread(self._records.leave_out, below))
        for name in whole_roots:
            await self._unmount(SafePath(name))
        self._see_to(names)
        return list(names)

    def _see_to(self, changed: Sequence[str]) -> None:
        self._root.leave_out(self._records.unshared())
        self._watching.look_for_roots()
        self._watching.watch_below(changed)
        self._watching.hint(changed, 0.0)

    async def _unmount(self, name: SafePath) -> None:
        self._records.remove_root(name)
        if not self._root.shows(name):  # withdrawn already: nobody is to be told
            await asyncio.to_thread(self._records.forget_below, name)
        self._root.unmount(name)

    # Which paths ----------------------------------------------------------------------------

    def _shared_path(self, text: str) -> SafePath:
        """A path as it is shared, from itself or from where it lies on the disk."""
        if text.startswith("/"):
            inside = self._path_inside(Path(os.path.realpath(text)))
            if inside is None:
                raise NotFound(f"{printable(text)} is not shared here.")
            text = inside
        path = safe_path(text)
        if not (self._root.is_taken(path) or path in self._root.further_names()):
            raise NotFound(f"{printable(text)} is not shared here.")
        return path

    def _checked(self, text: str, others: Sequence[str]) -> tuple[Path, SafePath]:
        typed = Path(text)
        if not typed.is_absolute():
            raise UsageError(f"{printable(text)} is not an absolute path; write it from / on.")
        name = visible_path(Path(os.path.normpath(text)).name or "/")
        try:
            place = typed.resolve(strict=True)
        except OSError as error:
            raise NotFound(f"{printable(text)} cannot be added: {error.strerror}.") from None
        if not (place.is_dir() or place.is_file()):
            raise Refused(f"{printable(text)} is neither a file nor a folder.")
        with contextlib.suppress(OSError):  # what cannot be read is told of where it is read
            if is_the_kernels(place if place.is_dir() else place.parent):
                raise Refused(f"{printable(text)} is the kernel's, made as it is read: no file.")
        self._refuse_dangerous(place)
        if place.is_file() and place.name != name:
            raise Refused(f"{printable(text)} is a link; add the file itself: {place}.")
        return place, name

    def _refuse_dangerous(self, place: Path) -> None:
        refuse_whole_home(place)
        if place == self._root.path.resolve():
            raise Refused(f"{place} is the folder that this peer shares already.")
        refuse_own_state(place, self._state)
        if place.is_relative_to(self._state.resolve()):
            raise Refused(f"{place} is part of Panal's own state; it is never shared.")
        refuse_any_state(place)

    def _path_inside(self, place: Path) -> str | None:
        """The path under which a place is shared already; None outside of all roots."""
        for name, root in self._root.places().items():
            top = root.resolve()
            if place.is_relative_to(top):
                below = place.relative_to(top).as_posix()
                return "/".join(part for part in (name, below) if part not in {"", "."})
        return None

    # Sharing in place -----------------------------------------------------------------------

    def _refuse_unaddable(self, place: Path, name: SafePath) -> None:
        """Refused or TargetTaken where it cannot be shared, as what is shared now stands."""
        inside = self._path_inside(place)
        if inside is None:
            self._refuse_root(FurtherRoot(name, place, place.is_dir()))
        else:
            self._refuse_left_out(inside, is_folder=place.is_dir())

    def _mount(self, further: FurtherRoot) -> FurtherRoot:
        self._records.add_root(further)
        self._root.mount(further)
        return further

    def _refuse_root(self, further: FurtherRoot) -> None:
        for name, place in self._root.places().items():
            if place.resolve().is_relative_to(further.place):
                what = printable(name) if name else "the shared folder"
                raise Refused(
                    f"{further.place} holds {what}, which is shared already; a root inside a "
                    "root would be shared twice."
                )
        if self._root.is_taken(SafePath(further.name)):
            raise TargetTaken(
                f"{printable(further.name)} is the name of something shared already. Rename one "
                "of them, or upload it under another name."
            )

    def _refuse_left_out(self, path: str, *, is_folder: bool) -> None:
        if path == "" or path in self._root.further_names():
            return
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            some = "/".join(parts[:count])
            reason = self._root.left_out(some, is_folder=is_folder or count < len(parts))
            if reason and not (reason == "unshared" and some == path):
                raise Refused(_left_out_words(path, some, reason))

    # Copying in -----------------------------------------------------------------------------

    async def _copy(self, places: Iterable[Path]) -> Added:
        added = Added()
        for place in places:
            source = Root(place if place.is_dir() else place.parent)
            if place.is_file():
                found = [SafePath(place.name)]
            else:
                found = await asyncio.to_thread(
                    lambda source=source: [path for path, _ in source.walk(Skipped())]  # type: ignore[misc]
                )
            for path in found:
                target = path if place.is_file() else safe_path(f"{place.name}/{path}")
                added.copied.append((await self._copy_one(source, path, target)).file)
        return added

    async def _copy_one(self, source: Root, path: SafePath, target: SafePath) -> Placed:
        descriptor, found = await asyncio.to_thread(source.open_file, path)
        try:
            return await self._uploads.store(
                target,
                _blocks(descriptor),
                found.size_bytes,
                exact=True,
                replace=False,
                like=os.fstat(descriptor),
            )
        finally:
            os.close(descriptor)


def _left_out_words(path: str, part: str, reason: str) -> str:
    what = "it" if part == path else printable(part)
    advice = f" Add {what} first." if reason == "unshared" else ""
    return f"{printable(path)} is in the shared folder, but {what} is left out: {reason}.{advice}"


async def _blocks(descriptor: int) -> AsyncIterator[bytes]:
    offset = 0
    while True:
        try:
            block = await asyncio.to_thread(os.pread, descriptor, BATCH_BYTES, offset)
        except OSError as error:
            raise disk_error(error, "read what is copied") from None
        if not block:
            return
        yield block
        offset += len(block)
