"""Shared files that have rotted: withdrawn when they are found, and remembered until that ends.

It ends when the file is repaired, edited or removed. Until then a look at the folder does not take
it for a new file, and so it is shared neither as what it was nor as what it has become.
"""

import logging
from collections.abc import Callable

from panal.errors import PanalError
from panal.store.damage_records import DamagedFile, DamageRecords
from panal.store.fingerprints import Fingerprint, Seen
from panal.store.mounts import Mounts
from panal.store.shared_files import SharedFile
from panal.wire import bitfield
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

_NAMED = 4
"""So many numbers of chunks are named."""


class Damage:
    """What is damaged of one peer's files; the loop's own, but for `holds`."""

    def __init__(
        self, records: DamageRecords, withdraw: Callable[[SharedFile], None], root: Mounts
    ) -> None:
        self._records = records
        self._withdraw = withdraw
        self._root = root
        self._files = {file.path: file for file in records.all()}
        self._next_steps = {file.path: self._next_step(file) for file in self._files.values()}
        self._unwritten: dict[SafePath, SharedFile] = {}
        """What the index still calls shared: it could not be written, or not in time."""

    def restore(self, shared_at: Callable[[SafePath], SharedFile | None]) -> None:
        """Withdraw what a kill or a full disk has left in the index."""
        for file in self.all():
            shared = shared_at(file.path)
            if shared is not None and shared.fingerprint == file.fingerprint:
                self._unwritten[file.path] = shared
        self.write_down()

    def all(self) -> list[DamagedFile]:
        """Every one, in path order."""
        return [self._files[path] for path in sorted(self._files)]

    def below(self, path: str) -> list[DamagedFile]:
        """Those under a path: a file, or all that lie in a folder."""
        below = (f for f in self._files.values() if f.path == path or f.path.startswith(path + "/"))
        return sorted(below, key=lambda file: file.path)

    def holds(self, item: Seen) -> bool:
        """Whether a file that was seen is a damaged one, as it was found; in whatever thread."""
        known = self._files.get(item[0])
        return known is not None and known.fingerprint == item[1]

    def note(self, shared: SharedFile, manifest: Manifest, wrong: int) -> DamagedFile:
        """A shared file has rotted: it is served no more, now and after the next start.

        Now also where the disk of the index is full; that is written down later.
        """
        file = DamagedFile(shared.path, shared.content, manifest, shared.fingerprint, wrong)
        self._files = {**self._files, file.path: file}
        self.look(file)
        log.error(
            "%s is damaged: %s. It is served no more; %s.",
            printable(file.path),
            words(file),
            self._next_steps[file.path],
        )
        self._unwritten[file.path] = shared
        if problem := self.write_down():
            log.warning("That is not written down yet: %s", problem)
        return file

    def look(self, file: DamagedFile) -> None:
        """See what can be done about a file, which may have changed; in whatever thread."""
        self._next_steps[file.path] = self._next_step(file)

    def _next_step(self, file: DamagedFile) -> str:
        name = self._root.root_name(file.path)
        place = str(self._root.places()[name]) if name else ""
        return next_step(file, self._root.fingerprint(file.path), place)

    def words(self, file: DamagedFile) -> str:
        """What is wrong with a file, and what to do about it."""
        return f"{words(file)}; {self._next_steps[file.path]}"

    def words_below(self, path: SafePath) -> str:
        """What has rotted of a file or in a folder; empty where nothing has."""
        rotten = self.below(path) if self._files else []
        if not rotten:
            return ""
        more = f" So are {len(rotten) - 1} more of its files." if rotten[1:] else ""
        return f"{printable(rotten[0].path)} is damaged: {self.words(rotten[0])}.{more}"

    def write_down(self) -> str:
        """Bring the index up to what is known, where that failed; why it fails again."""
        for path, shared in list(self._unwritten.items()):
            try:
                self._records.add(self._files[path])
                self._withdraw(shared)
            except PanalError as error:
                return str(error)
            del self._unwritten[path]
        return ""

    def end(self, path: SafePath) -> None:
        """A file is damaged no more, or another by now."""
        self._unwritten.pop(path, None)
        if path in self._files:
            self._files = {kept: file for kept, file in self._files.items() if kept != path}
            self._next_steps.pop(path, None)
            try:
                self._records.remove([path])
            except PanalError as error:
                log.warning("That a file is repaired is not written down: %s", error)


def words(file: DamagedFile) -> str:
    """What is wrong with a file."""
    chunks = bitfield.indices(file.wrong)
    named = ", ".join(map(str, chunks[:_NAMED])) + ("…" if len(chunks) > _NAMED else "")
    of = f"{len(chunks)} of {file.manifest.chunk_count} chunks"
    return f"other bytes than were shared in {of} ({named}), though size and time are the same"


def next_step(file: DamagedFile, found: Fingerprint | None, place: str) -> str:
    """What its owner can do about a file that stands so now, in a further root's place or in "".

    The same that a repair would refuse is not to be repaired.
    """
    if place:
        return f"put it right in {printable(place)}, where Panal only reads, or 'panal unshare' it"
    if found is not None and not file.fingerprint.is_untouched(found):
        return (
            "it may have been edited and its time set back, so no repair touches it: touch it to "
            "share it as it is, or remove it and get it again"
        )
    return "'panal verify --repair' fetches what is wrong from others"
