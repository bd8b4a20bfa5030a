"""A rotten file made into an unfinished one: what of it is right stays, the rest is missing.

The bytes go first, then the journal that names them; a kill between the two leaves an unfinished
file of which nothing counts. The rotten file itself is only read.
"""

import errno
import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path

from panal.errors import NoSpace
from panal.store.disk_errors import disk_error
from panal.store.journal import Journal, open_private
from panal.store.space import check_space
from panal.wire import bitfield
from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest

_FICLONE = 0x40049409
"""ioctl_ficlone(2): share the blocks of another file until one of them is written."""
_COPY_BYTES = 16 * 1024 * 1024


def salvage(folder: Path, content: ContentId, manifest: Manifest, rotten: int, good: int) -> None:
    """Make `<id>.part` and its journal in `folder` of an open file's good chunks (a bitfield).

    What an earlier repair or download has left of the content is kept as it is. StateInUse where
    somebody fetches it, NoSpace, PanalError.
    """
    part = folder / f"{content.hex()}.part"
    is_ours = False
    try:
        with ExitStack() as opened:
            folder.mkdir(mode=0o700, exist_ok=True)
            journal = Journal(part.with_suffix(".journal"), content)
            opened.callback(journal.close)
            durable, written = journal.read(manifest.chunk_count)
            if part.exists() and durable | written:
                return
            journal.restart()
            is_ours = True
            part.unlink(missing_ok=True)
            descriptor = open_private(part, os.O_EXCL)
            opened.callback(os.close, descriptor)
            if not _clone(rotten, descriptor):
                check_space(folder, manifest.size_bytes)
                _copy_chunks(rotten, descriptor, manifest, good)
            os.ftruncate(descriptor, manifest.size_bytes)
            journal.append(*bitfield.indices(good))
    except (OSError, NoSpace) as error:
        if is_ours:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, NoSpace):
            raise
        raise disk_error(error, "prepare the repair") from None


def _clone(source: int, target: int) -> bool:
    """Whether the file system let both share their blocks: then no room is taken twice."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _copy_chunks(source: int, target: int, manifest: Manifest, chunks: int) -> None:
    for first, last in bitfield.runs(chunks):
        start = first * manifest.chunk_bytes
        _copy(source, target, start, min(manifest.size_bytes, (last + 1) * manifest.chunk_bytes))


def _copy(source: int, target: int, start: int, stop: int) -> None:
    while start < stop:
        block = os.pread(source, min(stop - start, _COPY_BYTES), start)
        if not block:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        view = memoryview(block)
        while view:
            written = os.pwrite(target, view, start)
            view, start = view[written:], start + written
