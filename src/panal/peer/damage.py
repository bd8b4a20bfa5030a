"""Shared files that have rotted: withdrawn when they are found, and remembered until that ends.

It ends when the file is repaired, edited or removed. Until then a look at the folder does not take
it for a new file, and so it is shared neither as what it was nor as what it has become.
"""

import logging
from collections.abc import Callable

from panal.errors import NoSpace
from panal.store.damage_records import DamagedFile, DamageRecords
from panal.store.fingerprints import Seen
from panal.store.index import SharedFile
from panal.wire import bitfield
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

_NAMED = 4
"""So many numbers of chunks are named."""


class Damage:
    """What is damaged of one peer's files; the loop's own, but for `holds`."""

    def __init__(self, records: DamageRecords, withdraw: Callable[[SharedFile], None]) -> None:
        self._records = records
        self._withdraw = withdraw
        self._files = {file.path: file for file in records.all()}

    def all(self) -> list[DamagedFile]:
        """Every one, in path order."""
        return [self._files[path] for path in sorted(self._files)]

    def below(self, path: str) -> list[DamagedFile]:
        """Those under a path: a file, or all that lie in a folder."""
        return [f for f in self.all() if f.path == path or f.path.startswith(path + "/")]

    def holds(self, item: Seen) -> bool:
        """Whether a file that was seen is a damaged one, as it was found; in whatever thread."""
        known = self._files.get(item[0])
        return known is not None and known.fingerprint == item[1]

    def note(self, shared: SharedFile, manifest: Manifest, wrong: int) -> DamagedFile:
        """A shared file has rotted: it is served no more, now and after the next start."""
        file = DamagedFile(shared.path, shared.content, manifest, shared.fingerprint, wrong)
        self._files = {**self._files, file.path: file}
        self._withdraw(shared)
        log.error(
            "%s is damaged: %s. It is served no more; 'panal verify --repair' fetches what is "
            "wrong from others.",
            printable(file.path),
            words(file),
        )
        try:
            self._records.add(file)
        except NoSpace as error:
            log.warning("That is not written down: %s", error)
        return file

    def end(self, path: SafePath) -> None:
        """A file is damaged no more, or another by now."""
        if path in self._files:
            self._files = {kept: file for kept, file in self._files.items() if kept != path}
            try:
                self._records.remove([path])
            except NoSpace as error:
                log.warning("That a file is repaired is not written down: %s", error)


def words(file: DamagedFile) -> str:
    """What is wrong with a file."""
    chunks = bitfield.indices(file.wrong)
    named = ", ".join(map(str, chunks[:_NAMED])) + ("…" if len(chunks) > _NAMED else "")
    of = f"{len(chunks)} of {file.manifest.chunk_count} chunks"
    return f"other bytes than were shared in {of} ({named}), though size and time are the same"
