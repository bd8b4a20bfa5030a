"""Every file below a folder, in the order of paths, a run of neighbours at a time.

Names and rules are looked at for a whole folder together where nothing in it is unusual:
a hundred thousand files are walked again and again.
"""

import os
import re
from collections.abc import Callable, Iterator

from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.ignoring import Ignoring
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import MAX_DEPTH, MAX_PATH_BYTES, STATE_DIRECTORY, path_problem, printable

FileRow = tuple[str, int, int, int, int]
"""Path, and the numbers of its fingerprint: as the index has it."""
Run = list[FileRow]

# Safe below any folder, by the rules of `names`, without asking them one by one.
_PLAIN = re.compile(r"[ !-\-0-~][ -.0-~]{0,254}")
_LONGEST_PLAIN_BYTES = 255


class Walk:
    """One walk; what is left out is counted in `skipped`."""

    def __init__(
        self,
        open_folder: Callable[[str, Skipped], int | None],
        ignoring: Ignoring,
        hides: Callable[[str], str | None],
        device: int,
        skipped: Skipped,
    ) -> None:
        """`hides` says why a name of the top folder is not its own, or None."""
        self._open_folder = open_folder
        self._ignoring = ignoring
        self._hides = hides
        self._device = device
        self._skipped = skipped

    def runs(self, below: str) -> Iterator[Run]:
        """The files, in the order of their paths; PanalError where a folder cannot be read."""
        pending: list[str | Run] = [below]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                pending.extend(reversed(self._read(item)))
            else:
                yield item

    def _read(self, folder: str) -> list[str | Run]:
        """A folder's runs of files, and its folders, in order."""
        descriptor = self._open_folder(folder, self._skipped)
        if descriptor is None:
            return []
        found: list[tuple[str, FileRow | None]] = []
        try:
            self._ignoring.enter(folder, descriptor)
            with os.scandir(descriptor) as listed:
                entries = list(listed)
            is_usual = self._is_usual(folder, entries)
            above = folder + "/" if folder else ""
            for entry in entries:
                if (file := self._file(above, entry, is_usual=is_usual)) is not None:
                    found.append(file)
        except OSError as error:
            raise disk_error(error, f"read the folder {printable(folder)}") from None
        finally:
            os.close(descriptor)
        found.sort()
        return _in_runs(found)

    def _is_usual(self, folder: str, entries: list[os.DirEntry[str]]) -> bool:
        """Whether no name here can be left out or unsafe."""
        names = [entry.name for entry in entries]
        return (
            len(folder.encode("utf-8", "replace")) + 1 + _LONGEST_PLAIN_BYTES <= MAX_PATH_BYTES
            and folder.count("/") + 2 <= MAX_DEPTH
            and all(map(_PLAIN.fullmatch, names))
            and self._ignoring.has_no_say(names)
        )

    def _file(
        self, above: str, entry: os.DirEntry[str], *, is_usual: bool
    ) -> tuple[str, FileRow | None] | None:
        """What an entry is ordered by, and its row unless it is a folder; None: left out."""
        path = above + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if not above and (reason := self._hides(path)):
            self._skipped.add(reason, path, is_folder=is_folder)
            return None
        if not is_usual and (reason := self._left_out(path, entry, is_folder=is_folder)):
            if entry.name != STATE_DIRECTORY:
                self._skipped.add(reason, path, is_folder=is_folder)
            return None
        if is_folder:
            return path + "/", None
        if not entry.is_file(follow_symlinks=False):
            self._skipped.add("symbolic link" if entry.is_symlink() else "special file", path)
            return None
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            return None
        if status.st_size > MAX_CONTENT_BYTES:
            self._skipped.add("too large", path)
            return None
        return path, (path, *Fingerprint.numbers(status, self._device))

    def _left_out(self, path: str, entry: os.DirEntry[str], *, is_folder: bool) -> str | None:
        if reason := name_problem(path):
            return reason
        if entry.is_symlink():
            return "symbolic link"
        return self._ignoring.reason(path, is_folder=is_folder)


def name_problem(path: str) -> str | None:
    """Why nothing of that name is shared anywhere, or None."""
    if path.rpartition("/")[2].startswith("."):
        return "hidden"
    return "unsafe name" if path_problem(path) is not None else None


def _in_runs(found: list[tuple[str, FileRow | None]]) -> list[str | Run]:
    result: list[str | Run] = []
    run: Run = []
    for order, row in found:
        if row is not None:
            run.append(row)
            continue
        if run:
            result.append(run)
            run = []
        result.append(order[:-1])
    if run:
        result.append(run)
    return result
