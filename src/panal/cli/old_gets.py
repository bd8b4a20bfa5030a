"""What gets leave behind: unfinished files and what they know of folders, and when those go."""

import contextlib
import os
import shutil
from pathlib import Path

from panal.errors import PanalError
from panal.peer.ageing import KEPT_S
from panal.peer.config import PeerSettings
from panal.peer.unfinished import queue_mark, remove_old_of_nobody
from panal.store.index_file import NAME as INDEX
from panal.store.index_file import is_in_use
from panal.store.texts import FOLDER as TEXTS
from panal.trust.files import private_folder

_WHERE = "partials"
"""In the state of a get: the directory that its unfinished file is in."""
KNOWN_KEPT_S = 30 * 24 * 3600.0
"""What a get knows of a folder that it has fetched, unless it is asked for again."""


def remember_where(settings: PeerSettings) -> None:
    """Note where a get's unfinished file lies, so that it can be removed when it is old."""
    with contextlib.suppress(OSError):  # then it stays there; the get itself may go well
        private_folder(settings.state)
        (settings.state / _WHERE).write_bytes(os.fsencode(settings.partials))


def remove_old_gets(states: Path, own: Path, wall_s: float) -> None:
    """Remove what gets that were stopped a day ago or before have left, unless they run.

    `own` is the state of the get that begins: it goes on from what it has, however old.
    """
    with contextlib.suppress(OSError):
        for state in states.iterdir():
            with contextlib.suppress(OSError, PanalError):
                age_s = wall_s - _modified_s(state)
                if state != own and age_s >= KEPT_S and not is_in_use(state):
                    _remove_unfinished(state, wall_s)
                    if age_s >= KNOWN_KEPT_S or not _knows_folder(state):
                        shutil.rmtree(state)


def keep_known_folder(state: Path) -> None:
    """Remove a get's state, except what makes it quick to ask for the same folder again.

    Left alone where another get uses it: then this one was refused.
    """
    if is_in_use(state):
        return
    if not _knows_folder(state):
        shutil.rmtree(state, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        for path in state.iterdir():
            if path.name != TEXTS and not path.name.startswith(INDEX):
                path.unlink(missing_ok=True)


def _knows_folder(state: Path) -> bool:
    lists = state / TEXTS
    return lists.is_dir() and any(lists.iterdir())


def _modified_s(state: Path) -> float:
    return max(path.lstat().st_mtime for path in (state, *state.iterdir()))


def _remove_unfinished(state: Path, wall_s: float) -> None:
    note = state / _WHERE
    with contextlib.suppress(FileNotFoundError):
        partials = Path(os.fsdecode(note.read_bytes()))
        remove_old_of_nobody(partials, wall_s)
        remove_empty(partials)
        modified_s = state.stat().st_mtime
        note.unlink()
        os.utime(state, (modified_s, modified_s))  # it has not been asked for again


def remove_empty(partials: Path) -> None:
    """Remove a get's own directories in a destination where nothing is in them.

    None where a peer shares that: it may be about to write there.
    """
    kept = partials.parent
    if queue_mark(partials).exists():
        return
    for folder in (partials, kept / "uploads", kept):
        with contextlib.suppress(OSError):
            folder.rmdir()
