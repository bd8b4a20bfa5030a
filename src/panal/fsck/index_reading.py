"""Rows of an index that nobody else has open, a few at a time."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from panal.errors import IntegrityError
from panal.fsck.facts import ContentRow, GuestRow, RootRow
from panal.store.fingerprints import Fingerprint
from panal.wire.catalogue import CatalogueDigest, Entry
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest, decode

PAGE = 1_000


class SharedRow(msgspec.Struct, frozen=True):
    """One row of the table `shared`, with its content's manifest where that is right."""

    path: str
    fingerprint: Fingerprint
    manifest: Manifest | None
    sha256_checked: bool


class FolderRow(msgspec.Struct, frozen=True):
    """One row of the table `snapshots`."""

    path: str
    base: str
    content: bytes
    encoded_manifest: bytes


class IndexReading:
    """Questions to one index; sqlite3.DatabaseError where it is damaged."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._run = database.execute
        rows = self._run("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {str(name) for (name,) in rows}
        self._manifest: tuple[bytes, Manifest | None] = b"", None
        """The last one: copies of a content often lie side by side."""

    def damages(self) -> Iterator[str]:
        """What SQLite finds wrong in its own structure, in its words."""
        for (verdict,) in self._run("PRAGMA integrity_check(100)"):
            if verdict != "ok":
                yield str(verdict)

    def lost_references(self) -> Iterator[tuple[str, str]]:
        """Tables that have rows which refer to nothing, and to which table."""
        seen = set()
        for table, _, parent, _ in self._run("PRAGMA foreign_key_check"):
            if (table, parent) not in seen:
                seen.add((table, parent))
                yield str(table), str(parent)

    def columns(self) -> dict[str, set[str]]:
        """The names of each table's columns."""
        return {
            table: {str(row[1]) for row in self._run(f"PRAGMA table_info({table})")}
            for table in self._tables
        }

    # Files --------------------------------------------------------------------------------

    def contents(self) -> Iterator[ContentRow]:
        """Every content's row."""
        used = "EXISTS (SELECT 1 FROM shared WHERE content = contents.id)"
        if "placed" in self._tables:
            used += " OR EXISTS (SELECT 1 FROM placed WHERE content = contents.id)"
        question = f"SELECT id, kind, size_bytes, sha256, manifest, {used} FROM contents"  # noqa: S608
        for content, kind, size_bytes, sha256, manifest, is_used in self._run(question):
            yield ContentRow(content, kind, size_bytes, sha256, manifest, bool(is_used))

    def shared(self) -> Iterator[SharedRow]:
        """Every shared path's row, in path order."""
        after = ""
        while rows := self._page(after):
            for path, content, device, inode, size_bytes, mtime_ns, checked in rows:
                fingerprint = Fingerprint(device, inode, size_bytes, mtime_ns)
                yield SharedRow(path, fingerprint, self.manifest(content), checked == 1)
            after = rows[-1][0]

    def _page(self, after: str) -> list[Any]:
        return self._run(
            "SELECT path, content, device, inode, shared.size_bytes, mtime_ns, sha256_checked "
            "FROM shared LEFT JOIN contents ON contents.id = shared.content "
            "WHERE path > ? ORDER BY path LIMIT ?",
            (after, PAGE),
        ).fetchall()

    def manifest(self, content: bytes) -> Manifest | None:
        """A content's manifest, where the index has it and it is that."""
        if self._manifest[0] != content:
            row = self._run("SELECT manifest FROM contents WHERE id = ?", (content,)).fetchone()
            self._manifest = content, None if row is None else _decoded(row[0], content)
        return self._manifest[1]

    def has_path(self, path: str) -> bool:
        """Whether a path is shared."""
        return self._run("SELECT 1 FROM shared WHERE path = ?", (path,)).fetchone() is not None

    def has_below(self, root_name: str) -> bool:
        """Whether any file of a further root is shared, or it is one itself."""
        question = "SELECT 1 FROM shared WHERE path = ?1 OR path > ?2 AND path < ?3 LIMIT 1"
        values = root_name, root_name + "/", root_name + "0"  # the next character in order
        return self._run(question, values).fetchone() is not None

    def totals(self) -> tuple[bytes | None, bytes]:
        """The digest of all that is shared: as it is kept, if it is, and added up now."""
        total = CatalogueDigest()
        for path, content, size_bytes, sha256 in self._run(
            "SELECT path, content, shared.size_bytes, iif(sha256_checked = 1, sha256, NULL) "
            "FROM shared JOIN contents ON contents.id = shared.content"
        ):
            total.add(Entry(path, content, size_bytes, sha256=sha256))
        kept = None
        if "catalogue_total" in self._tables:
            row = self._run("SELECT digest FROM catalogue_total").fetchone()
            kept = None if row is None else bytes(row[0])
        return kept, total.value()

    def seen_folder(self, folder: str) -> bytes | None:
        """What was found of a folder when its files were last found to be as they are here."""
        if "seen_folders" not in self._tables:
            return None
        row = self._run("SELECT seen FROM seen_folders WHERE folder = ?", (folder,)).fetchone()
        return None if row is None else bytes(row[0])

    # What is beside them ---------------------------------------------------------------------

    def further_roots(self) -> list[tuple[RootRow, bool]]:
        """The folders (True) and files from elsewhere."""
        rows = self._rows("roots", "name, place, is_folder")
        return [(RootRow(str(name), str(place)), bool(kind)) for name, place, kind in rows]

    def left_out(self) -> list[str]:
        """Paths that the owner leaves out."""
        return [str(path) for (path,) in self._rows("unshared", "path")]

    def folders(self) -> list[FolderRow]:
        """The folders that are shared as one content."""
        return [FolderRow(*row) for row in self._rows("snapshots", "path, base, content, manifest")]

    def files_of_folder(self, path: str) -> frozenset[tuple[str, bytes]]:
        """Where each file of such a folder lies, and its content."""
        question = "SELECT path, content FROM snapshot_files WHERE snapshot = ?"
        return frozenset(self._run(question, (path,)))

    def downloads(self) -> list[tuple[Any, ...]]:
        """Every download: id, path, state, content, size, and the error's stable word."""
        return self._rows("downloads", "id, path, state, content, size_bytes, error_slug")

    def guests(self) -> list[GuestRow]:
        """Every link for guests."""
        return [GuestRow(*row) for row in self._rows("guest_links", "serial, content, kind, name")]

    def damaged(self) -> dict[str, Fingerprint]:
        """Files that are known to have rotted, as they were found: few."""
        rows = self._rows("damaged", "path, device, inode, size_bytes, mtime_ns, ctime_ns")
        return {str(path): Fingerprint(*numbers) for path, *numbers in rows}

    def is_of_a_get(self) -> bool:
        """Whether a stand-alone get keeps it, which shares only what it has fetched."""
        return bool(self._rows("run", "began_ns"))

    def _rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        if table not in self._tables:
            return []
        return self._run(f"SELECT {columns} FROM {table}").fetchall()  # noqa: S608 (ours)


def _decoded(encoded: bytes, content: bytes) -> Manifest | None:
    try:
        return decode(encoded, ContentId(content))
    except IntegrityError:
        return None  # told with its own row
