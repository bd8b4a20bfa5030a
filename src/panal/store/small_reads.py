"""Many small files read one after the other, each compared with what it was when hashed."""

import os
import stat
from collections.abc import Iterable, Iterator

from panal.errors import ContentChanged, NotFound, PanalError, RootOffline
from panal.store.disk_errors import disk_error
from panal.store.entering import absent
from panal.store.fingerprints import Fingerprint
from panal.store.parents import Parents
from panal.store.roots import Root
from panal.store.shared_files import SharedFile
from panal.wire.names import printable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_all(
    root: Root, files: Iterable[SharedFile]
) -> Iterator[tuple[SharedFile, bytes | PanalError]]:
    """The bytes of each, or why there are none; quickest in path order.

    ContentChanged is told of a file that is no longer what was shared.
    """
    with Parents(root.parent_for_reading) as parents:
        for file in files:
            try:
                yield file, _read(root, parents, file)
            except PanalError as error:
                yield file, error


def _read(root: Root, parents: Parents, file: SharedFile) -> bytes:
    try:
        folder, name = parents.of(file.path)
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=folder)
        except OSError as error:
            raise absent(file.path, error) from None
    except RootOffline:
        raise
    except NotFound:
        raise ContentChanged(f"{printable(file.path)} is no longer shared.") from None
    device, size_bytes = root.device_at(file.path), file.fingerprint.size_bytes
    try:
        # What else may stand there by now is not even read: a device would notice.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            data = os.read(descriptor, size_bytes + 1)
            found = Fingerprint.of(os.fstat(descriptor), device)
            if len(data) == size_bytes and found == file.fingerprint:
                return data
    except OSError as error:
        raise disk_error(error, f"read {printable(file.path)}") from None
    finally:
        os.close(descriptor)
    raise ContentChanged(f"{printable(file.path)} has changed since it was shared.")
