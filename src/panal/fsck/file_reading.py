"""The user's files, as the index speaks of them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from panal.errors import ContentChanged, PanalError, RootOffline
from panal.fsck import findings as f
from panal.fsck.facts import SharedFile, Stands
from panal.fsck.findings import Finding
from panal.fsck.index_reading import IndexReading, SharedRow
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.hashing import hash_file
from panal.store.mounts import FurtherRoot, Mounts
from panal.store.rereading import forget_cached
from panal.wire.manifest import Manifest
from panal.wire.names import SafePath, path_problem

Progress = Callable[[int], None]
MOST_NOT_INDEXED = 10_000
"""So many are looked at more closely."""


def roots_of(folder: Path, index: IndexReading, *, state_is_inside: bool) -> Mounts:
    """The folder and every further root, as far as each is there."""
    root = Mounts(folder)
    for row, is_folder in index.further_roots():
        root.mount(FurtherRoot(row.name, Path(row.place), is_folder))
    root.leave_out(index.left_out())

    def may_be_empty(name: str) -> bool:
        return state_is_inside if name == "" else not index.has_below(name)

    root.refresh_all(may_be_empty)
    return root


def _on_disk(root: Mounts, path: SafePath, progress: Progress) -> Manifest:
    """The manifest of the bytes on the disk, as far as the kernel lets go of its copy of them."""
    descriptor, _ = root.open_file(path)
    try:
        forget_cached(descriptor)
    finally:
        os.close(descriptor)
    return hash_file(root, path, progress).manifest


def look_at_file(root: Mounts, row: SharedRow, progress: Progress) -> SharedFile:
    """What stands under a shared path; its bytes are read where it seems unchanged."""
    stands, found, problem = Stands.NOTHING, None, ""
    if path_problem(row.path) is None:
        path = SafePath(row.path)
        there = root.fingerprint(path)
        if not root.shows(path):
            stands = Stands.OFFLINE
        elif there is not None and there != row.fingerprint:
            stands = Stands.OTHER
        elif there is not None:
            try:
                stands, found = Stands.SAME, _on_disk(root, path, progress)
            except RootOffline:
                stands = Stands.OFFLINE
            except ContentChanged:
                stands = Stands.OTHER
            except PanalError as error:
                stands, problem = Stands.UNREADABLE, str(error)
    return SharedFile(
        row.path,
        row.fingerprint.size_bytes,
        row.sha256_checked,
        row.manifest,
        stands,
        found,
        problem,
    )


def not_indexed(index: IndexReading, root: Mounts) -> Iterator[Finding]:
    """Files that are to be shared and are not; and those among them that no scan would find."""
    missing: set[str] = set()
    damaged = index.damaged()
    for path, found in root.walk(Skipped()):
        known = damaged.get(path)
        if known is not None and known == found:
            yield _damaged(root, path, known).at(path)
        elif not index.has_path(path):
            yield f.NOT_INDEXED.at(path)
            if len(missing) < MOST_NOT_INDEXED:
                missing.add(path)
    if not missing:
        return
    for piece in root.pieces(Skipped(), recall=index.seen_folder):
        if isinstance(piece, list):
            missing -= {row[0] for row in piece}
    for hidden in sorted(missing):
        yield f.SEEN_WRONG.at(hidden)


def _damaged(root: Mounts, path: SafePath, known: Fingerprint) -> f.Kind:
    """Which kind of damage it is: what a repair would refuse is not to be repaired."""
    if root.root_name(path):
        return f.DAMAGED_ELSEWHERE
    found = root.fingerprint(path)  # a walk does not ask for all of it
    return f.DAMAGED if found is None or known.is_untouched(found) else f.DAMAGED_TOUCHED


def is_there(root: Mounts, path: str | None) -> bool:
    """Whether anything stands under a path, or that cannot be known now."""
    if path is None or path_problem(path) is not None:
        return False
    return not root.shows(path) or os.path.lexists(root.path / path)
