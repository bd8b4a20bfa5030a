"""Programs of another user of this machine, as real processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NOBODY = 65_534
# Debian's own: a virtual environment may lie where other users cannot read it.
PYTHON = "/usr/bin/python3"

needs_another_user = pytest.mark.skipif(
    os.getuid() != 0 or not Path(PYTHON).exists(),
    reason="only root can act as another user, with a Python that other users may run",
)


def words_as(uid: int, script: str, *arguments: str) -> list[str]:
    """Give the words of a command that runs `script` as the user `uid`.

    It changes its user by itself: subprocess, told of a user, forks this process while threads of
    gRPC's run in it, and once in a while nothing came of the child.
    """
    become = f"import os; os.setgroups([]); os.setgid({uid}); os.setuid({uid})\n"
    return [PYTHON, "-c", become + script, *arguments]
