"""Small secrets in files that only their user can read."""

import os
import stat
from pathlib import Path

from panal.store.roots import disk_error

MOST_CHARACTERS = 1_000


def read_private(path: Path) -> str | None:
    """What stands in a file that is this user's alone; None where there is none such."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        found = os.fstat(descriptor)
        is_private = not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if not (stat.S_ISREG(found.st_mode) and is_private and found.st_uid == os.getuid()):
            return None
        return file.read(MOST_CHARACTERS).strip()


def write_private(path: Path, text: str) -> None:
    """Put a file of this user's alone in the place of whatever is there, durably."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise disk_error(error, f"keep a secret in {path.parent}") from None
