"""A resumable upload on the disk: its bytes so far, what it is, and how much of it is durable.

In a directory of them, `<id>.data` has the bytes, `<id>.json` says what they are to become. What
the file has is what came, as long as the machine has not gone down; after that only what a sync
was waited for counts, which `<id>.durable` says. It is never ahead of the bytes.
"""

import contextlib
import os
import re
from pathlib import Path

import msgspec

from panal.errors import NotFound, PanalError, RootOffline
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint
from panal.store.own_files import clear, names_of
from panal.store.space import allocated_bytes
from panal.trust.files import write_private
from panal.wire.names import printable

_NAME = re.compile(r"([0-9a-f]{32})\.(json|data|durable|new|json\.new)")
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NO_BOOT = "-"
"""Equals none: then the durable part alone counts."""


class UploadRecord(msgspec.Struct):
    """What an upload is to become."""

    path: str
    size_bytes: int
    conflict: str
    stored_as: str = ""
    """Where it is, once it is in place."""
    content: str = ""
    """Its id then; empty where it was skipped."""
    inode: int = 0
    """Of its bytes, before they get their name: by it and their time they are known there."""
    mtime_ns: int = 0
    stood: Fingerprint | None = None
    """The file under its path when it began: the only one that it may replace."""
    is_refused: bool = False
    """Its sender was told that it is not stored: that is for somebody to ask for."""


class UploadFiles(msgspec.Struct, frozen=True):
    """The files of one upload."""

    folder: Path
    id: str

    @property
    def data(self) -> Path:
        """The bytes."""
        return self.folder / f"{self.id}.data"

    @property
    def _record(self) -> Path:
        return self.folder / f"{self.id}.json"

    @property
    def _durable(self) -> Path:
        return self.folder / f"{self.id}.durable"

    def create(self, record: UploadRecord) -> None:
        """Begin it, empty and durable as such; PanalError, RootOffline where its folder is gone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            # Not what is above it: that goes away with its disk.
            self.folder.mkdir(mode=0o700, exist_ok=True)
            os.close(os.open(self.data, flags, 0o666))
            self._say_durable(0)
            self.write_record(record)
        except FileNotFoundError:
            place = printable(str(self.folder.parent))
            raise RootOffline(f"The folder {place} for uploads is not there now.") from None
        except OSError as error:
            self.remove()
            raise disk_error(error, "begin the upload") from None

    def write_record(self, record: UploadRecord) -> None:
        """What it is, from now on; OSError."""
        write_private(self._record, msgspec.json.encode(record))

    def read_record(self) -> UploadRecord:
        """What it is; NotFound where that cannot be read."""
        try:
            return msgspec.json.decode(self._record.read_bytes(), type=UploadRecord)
        except (OSError, ValueError):  # what is no JSON, and what is no UTF-8
            raise NotFound("There is no such upload.") from None

    def modified_s(self) -> float:
        """When any of it was last written; seconds since 1970."""
        times = [0.0]
        for path in (self.data, self._record):
            with contextlib.suppress(FileNotFoundError):
                times.append(path.lstat().st_mtime)
        return max(times)

    def fingerprint(self) -> Fingerprint:
        """Which file the bytes are; OSError."""
        return Fingerprint.of(self.data.lstat())

    def disk_bytes(self) -> int:
        """What the disk gives to it."""
        return allocated_bytes(self.data)

    def here_bytes(self) -> int:
        """How many bytes are here, as far as they can be trusted; what is beyond is cut off."""
        try:
            size_bytes = self.data.lstat().st_size
        except FileNotFoundError:
            return 0
        boot, durable_bytes = self._read_durable()
        if boot != boot_id() and durable_bytes < size_bytes:
            os.truncate(self.data, durable_bytes)
            return durable_bytes
        return size_bytes

    def durable_bytes(self) -> int:
        """How many of them a sync was waited for."""
        return self._read_durable()[1]

    def open(self) -> int:
        """A descriptor of the bytes, to read and write; NotFound, PanalError."""
        try:
            return os.open(self.data, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound("The bytes of this upload are gone; begin it anew.") from None
        except OSError as error:
            raise disk_error(error, "go on with the upload") from None

    @staticmethod
    def size_bytes(descriptor: int) -> int | None:
        """Of an open one; None where its file was removed since; OSError."""
        found = os.fstat(descriptor)
        return found.st_size if found.st_nlink else None

    def sync(self, descriptor: int, offset: int) -> None:
        """Make the first bytes durable, then say so; OSError."""
        os.fdatasync(descriptor)
        self._say_durable(offset)

    def cut_to_durable(self, descriptor: int) -> int:
        """After a sync that failed: back to what an earlier one had made durable; how much."""
        _, durable_bytes = self._read_durable()
        os.ftruncate(descriptor, durable_bytes)
        return durable_bytes

    def _say_durable(self, offset: int) -> None:
        fresh = self._durable.with_suffix(".new")
        fresh.write_text(f"{boot_id() or _NO_BOOT} {offset}\n", "ascii")
        fresh.replace(self._durable)  # whole or not at all, should this peer be killed now

    def drop_data(self) -> None:
        """Remove the bytes; what it became is remembered."""
        for path in (self.data, self._durable):
            path.unlink(missing_ok=True)

    def drop_named(self) -> None:
        """Remove the bytes where they have their name already, by a hard link.

        Then a kill came between that and the end of this name; they are the owner's now, who may
        have written to them.
        """
        with contextlib.suppress(FileNotFoundError):
            if self.data.lstat().st_nlink > 1:
                self.drop_data()

    def remove(self) -> None:
        """Remove all of it."""
        for path in (self._record, self.data, self._durable):
            path.unlink(missing_ok=True)

    def _read_durable(self) -> tuple[str, int]:
        try:
            boot, _, digits = self._durable.read_text("ascii").strip().partition(" ")
            return boot, max(0, int(digits))
        except (OSError, ValueError):
            return _NO_BOOT, 0


def upload_ids(folder: Path) -> list[str]:
    """The uploads of a directory, those begun first first; files of uploads without record go.

    PanalError; Refused where it is a link.
    """
    try:
        found = names_of(folder, _NAME)
        ids = {name[:32]: found[name] for name in found if name.endswith(".json")}
        clear(folder, _NAME, ids)
    except OSError as error:
        raise PanalError(f"{folder} cannot be read: {error.strerror}.") from None
    return sorted(ids, key=lambda identity: ids[identity])


def boot_id() -> str:
    """Which start of the machine this is; empty where it does not tell."""
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
