"""From a temporary name to the final one: atomically, durably, never over another file.

Three ways, in this order: renameat2 with RENAME_NOREPLACE; link and unlink; an exclusive
empty placeholder and rename. The first that the file system knows is used.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from panal.errors import ContentChanged, NotFound, Refused, TargetTaken
from panal.store.disk_errors import disk_error
from panal.store.durable import MANY, sync_file_system, syncs_whole
from panal.store.fingerprints import Fingerprint
from panal.store.leases import OpenForWriting, read_lease
from panal.store.placeholders import MODE, noted
from panal.store.roots import Root
from panal.wire.names import SafePath, printable

_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK}
_libc = ctypes.CDLL(None, use_errno=True)


def publish(
    source: Path,
    root: Root,
    path: SafePath,
    *,
    replace: bool = False,
) -> Fingerprint:
    """Make the durable file `source` appear as `path`; return when the name is durable too.

    The fingerprint is that of the source, all of which publishing keeps: a file that somebody
    edits as soon as it is there has another. TargetTaken where something stands there, unless
    `replace`. The source must be synced and lie on the root's file system.
    """
    with root.parent_for_writing(path) as (folder, name):
        try:
            fingerprint = Fingerprint.of(source.stat(), root.device)
            publish_at(os.fspath(source), folder, name, path, replace=replace)
            os.fsync(folder)
            return as_named(fingerprint, name, folder, root.device)
        except OSError as error:
            raise disk_error(error, f"put {printable(path)} in place") from None


def make_durable(root: Root, path: SafePath, expected: Fingerprint) -> None:
    """Put a file that stands there, its name and its folders' on the disk, if nobody has yet.

    ContentChanged where it is another now.
    """
    descriptor = root.open_unchanged(path, expected)
    try:
        _sync(descriptor)
        parts = path.split("/")
        for count in range(len(parts), 0, -1):
            with root.parent_for_reading(SafePath("/".join(parts[:count]))) as (folder, _):
                _sync(folder)
    except OSError as error:
        raise disk_error(error, f"make {printable(path)} durable") from None
    finally:
        os.close(descriptor)


def make_all_durable(root: Root, paths: Sequence[SafePath]) -> None:
    """As `make_durable`, for files of one file system that stand there, whatever they are now."""
    if len(paths) >= MANY:
        with root.parent_for_reading(paths[0]) as (folder, _):
            if syncs_whole(folder):
                try:
                    sync_file_system(folder)
                except OSError as error:
                    raise disk_error(error, "make the folder's files durable") from None
                return
    for path in paths:
        fingerprint = root.fingerprint(path)
        if fingerprint is not None:
            with suppress(ContentChanged):
                make_durable(root, path, fingerprint)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # it cannot be written to, as an image: it is durable
            raise


def exchange(source: Path, root: Root, path: SafePath, expected: Fingerprint) -> Fingerprint:
    """Put the durable file `source` in the place of the one that is known to stand under `path`.

    Each has the other's name then, durably. The fingerprint is that of the source. Nothing is done
    where it raises: ContentChanged where another file than the expected one stands there or none,
    or that one and somebody has touched it or wants to write to it; Refused where the file system
    cannot exchange two files.
    """
    try:
        with root.parent_for_writing(path, makes=False) as (folder, name):
            return _exchange_in(folder, name, source, root, path, expected)
    except ContentChanged:
        raise
    except NotFound:  # its folder
        raise ContentChanged(_gone(path)) from None


def _exchange_in(
    folder: int, name: str, source: Path, root: Root, path: SafePath, expected: Fingerprint
) -> Fingerprint:
    try:
        fingerprint = Fingerprint.of(source.stat(), root.device)
        found = Fingerprint.of(_standing(name, folder, path), root.device)
        _refuse_other(found, expected, path)
        with read_lease(name, folder) as is_untouched:
            refuse_touched(Fingerprint.of(_standing(name, folder, path)), expected, path)
            _exchange_at(source, folder, name)
            try:
                _refuse_other(Fingerprint.of(source.stat(), root.device), expected, path)
                if not is_untouched():
                    raise OpenForWriting
            except (ContentChanged, OpenForWriting):
                _exchange_at(source, folder, name)  # somebody put it there just now
                raise
        os.fsync(folder)
        return as_named(fingerprint, name, folder, root.device)
    except OpenForWriting:
        raise ContentChanged(
            f"{printable(path)} is open for writing in another program; it was left as it is."
        ) from None
    except OSError as error:
        raise disk_error(error, f"put {printable(path)} in place") from None


def _standing(name: str, folder: int, path: SafePath) -> os.stat_result:
    try:
        return _status(name, folder)
    except FileNotFoundError:
        raise ContentChanged(_gone(path)) from None


def _gone(path: SafePath) -> str:
    return f"{printable(path)} is not there any more; nothing was put in its place."


def as_named(published: Fingerprint, name: str, folder: int, device: int) -> Fingerprint:
    """A published file's fingerprint, with the time that its new name has left on it."""
    try:
        found = Fingerprint.of(_status(name, folder), device)
    except FileNotFoundError:  # somebody was quick
        return published
    return found if found == published else published


def refuse_touched(found: Fingerprint, expected: Fingerprint, path: SafePath) -> None:
    """ContentChanged where a file may have been edited and its time set back."""
    if not expected.is_untouched(found):
        raise ContentChanged(
            f"{printable(path)} may have been edited and its time set back: it, its name, its mode "
            "or its links were changed since it was hashed. It was left as it is; touch it to "
            "share it so, or remove it and get it again."
        )


def _status(name: str, folder: int) -> os.stat_result:
    return os.stat(name, dir_fd=folder, follow_symlinks=False)


def _refuse_other(found: Fingerprint, expected: Fingerprint, path: SafePath) -> None:
    if found != expected:
        raise ContentChanged(f"{printable(path)} has changed meanwhile; it was left as it is.")


def _exchange_at(source: Path, folder: int, name: str) -> None:
    try:
        _renameat2(source, folder, name, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        # To rename over it would lose whatever somebody puts there meanwhile.
        raise Refused(
            "This file system cannot exchange two files: remove the damaged one and get it again."
        ) from None


def publish_at(
    source: str, folder: int, name: str, path: SafePath, *, replace: bool = False
) -> None:
    """As `publish`, into an open folder; the caller makes the name durable."""
    try:
        if replace:
            os.rename(source, name, dst_dir_fd=folder)
        else:
            _place(source, folder, name, path)
    except (FileExistsError, IsADirectoryError):
        raise TargetTaken(
            f"{printable(path)} is already there with other content; it was left as it is."
        ) from None
    except OSError as error:
        raise disk_error(error, f"put {printable(path)} in place") from None


def _place(source: str | Path, folder: int, name: str, path: SafePath) -> None:
    for way in (rename_noreplace, link_and_unlink):
        try:
            way(source, folder, name)
            return
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
    if _is_there(name, folder):
        raise FileExistsError(name)  # before a note says that it may be ours
    with noted(source, path):
        placeholder_and_rename(source, folder, name)


def _is_there(name: str, folder: int) -> bool:
    try:
        _status(name, folder)
    except FileNotFoundError:
        return False
    return True


def rename_noreplace(source: str | Path, folder: int, name: str) -> None:
    """Rename unless the name is taken, in one step (Linux 3.15 and later)."""
    _renameat2(source, folder, name, _NOREPLACE)


def _renameat2(source: str | Path, folder: int, name: str, flag: int) -> None:
    renameat2 = getattr(_libc, "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, "renameat2 is missing")
    at_working_directory = -100
    failed = renameat2(
        at_working_directory,
        os.fsencode(source),
        folder,
        os.fsencode(name),
        flag,
    )
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def link_and_unlink(source: str | Path, folder: int, name: str) -> None:
    """A second name, then the first one away; needs hard links."""
    os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
    os.unlink(source)


def placeholder_and_rename(source: str | Path, folder: int, name: str) -> None:
    """Take the name with an empty file of ours, then rename over it; works everywhere."""
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE, dir_fd=folder))
    try:
        os.rename(source, name, dst_dir_fd=folder)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise
