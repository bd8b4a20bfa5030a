"""Empty folders made, many together."""

import os
from collections.abc import Sequence
from functools import partial

from panal.store.disk_errors import disk_error
from panal.store.entering import mkdir_if_missing
from panal.store.parents import Parents
from panal.store.roots import Root
from panal.store.staging import sync_folders
from panal.wire.collection import CollectionEntry
from panal.wire.names import printable


def make_folders(root: Root, folders: Sequence[CollectionEntry]) -> None:
    """Make empty folders, durably, with their times; what is there stays as it is."""
    if not folders:
        return
    enter = partial(root.parent_for_writing, sync=False)
    with enter(folders[0].path) as (descriptor, _):
        with Parents(enter) as parents:
            for entry in folders:
                try:
                    _make(entry, *parents.of(entry.path))
                except OSError as error:
                    what = f"make the folder {printable(entry.path)}"
                    raise disk_error(error, what) from None
        try:
            sync_folders(root, descriptor, [entry.path for entry in folders])
        except OSError as error:
            raise disk_error(error, "make the new folders durable") from None


def _make(entry: CollectionEntry, parent: int, name: str) -> None:
    if mkdir_if_missing(name, parent) and entry.mtime_ns:
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
