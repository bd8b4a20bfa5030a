"""A disk that keeps no modes, as FAT: whatever a file is made with, others may read it."""

import os
from typing import Any

import pytest


def without_modes(patch: pytest.MonkeyPatch) -> None:
    """From now on each file looks as on such a disk, mounted without a umask."""
    for name in ("fstat", "stat"):
        real = getattr(os, name)

        def seen(*given: Any, real: Any = real, **named: Any) -> os.stat_result:
            found = real(*given, **named)
            return os.stat_result((found.st_mode | 0o055, *found[1:]))

        patch.setattr(os, name, seen)
