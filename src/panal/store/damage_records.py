"""Files that have rotted, as the index keeps them: what they were, and which chunks are wrong.

While such a file stays as it was found it is neither served nor shared anew as what it has become.
"""

from collections.abc import Iterable
from typing import cast

import msgspec

from panal.store.fingerprints import Fingerprint
from panal.store.index import Index
from panal.store.withheld import DAMAGED_COLUMNS, Line
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, decode
from panal.wire.names import SafePath


class DamagedFile(msgspec.Struct, frozen=True):
    """One file whose bytes have changed by themselves."""

    path: SafePath
    content: ContentId
    manifest: Manifest
    fingerprint: Fingerprint
    wrong: int
    """The chunks that have other bytes or cannot be read, as a bitfield."""


class DamageRecords:
    """The table `damaged`; what it has outlives the index."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def all(self) -> list[DamagedFile]:
        """Every one, in path order."""
        rows = self._index.rows(f"SELECT {DAMAGED_COLUMNS} FROM damaged ORDER BY path", ())  # noqa: S608
        return [_file(row) for row in rows]

    def add(self, file: DamagedFile) -> None:
        """Keep one, in place of what its path had; NoSpace."""
        size = (file.wrong.bit_length() + 7) // 8
        values = (
            file.path,
            file.content,
            file.manifest.encode(),
            *file.fingerprint.numbers(),
            file.fingerprint.ctime_ns,
            file.wrong.to_bytes(size, "little"),
        )
        self._index.withheld.note([Line(damaged=values)])
        self._index.write(
            "INSERT OR REPLACE INTO damaged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )

    def remove(self, paths: Iterable[str]) -> None:
        """These are damaged no more."""
        paths = list(paths)
        for path in paths:
            self._index.write("DELETE FROM damaged WHERE path = ?", (path,))
        self._index.withheld.note(Line(whole=path) for path in paths)


def _file(row: tuple[object, ...]) -> DamagedFile:
    path, content, manifest, device, inode, size_bytes, mtime_ns, ctime_ns, wrong = row
    numbers = cast(tuple[int, int, int, int, int], (device, inode, size_bytes, mtime_ns, ctime_ns))
    identity = ContentId(cast(bytes, content))
    return DamagedFile(
        SafePath(cast(str, path)),
        identity,
        decode(cast(bytes, manifest), identity),
        Fingerprint(*numbers),
        int.from_bytes(cast(bytes, wrong), "little"),
    )
