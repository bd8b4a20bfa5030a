"""Where any Panal peer or tracker keeps its state: known by the secrets in it."""

import os
import stat
from pathlib import Path

from panal.trust.owner_files import FOLDER as NETWORK

REASON = "Panal's state"
_SIGNS = ("owner-token", "owner-secret", f"{NETWORK}/owner-token", f"{NETWORK}/member.json")


def is_state(folder: int) -> bool:
    """Whether an open directory is one."""
    return any(_has(sign, folder) for sign in _SIGNS)


def state_around(place: Path) -> Path | None:
    """The one that a path is or lies in; None where there is none."""
    around = (place, *place.parents)
    return next((at for at in around if any(_has(str(at / sign)) for sign in _SIGNS)), None)


def is_secret_part(place: Path) -> bool:
    """Whether a directory is a state, or where one keeps a membership.

    Another within one may be its user's: a peer's folder, its state above it.
    """
    state = state_around(place)
    return state is not None and place in {state, state / NETWORK}


def _has(path: str, folder: int | None = None) -> bool:
    try:
        return stat.S_ISREG(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
