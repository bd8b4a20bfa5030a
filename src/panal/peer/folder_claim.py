"""Which peer takes uploads into a folder: one at a time, for it clears away what broken ones left.

Nothing in the folder is kept open for it: that would keep a disk busy that is to be taken out. Its
queue's mark names the peer's state, whose own lock tells whether that peer runs.
"""

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from panal.errors import StateInUse
from panal.peer.unfinished import queue_mark
from panal.store.disk_errors import disk_error
from panal.store.index_file import is_in_use
from panal.trust.files import private_folder
from panal.wire.names import printable

log = logging.getLogger(__name__)

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES = 4096


def claim(partials: Path, state: Path) -> None:
    """Say that the peer of this state, which it has locked, takes uploads beside `partials`.

    StateInUse where another that runs has said so.
    """
    mark = queue_mark(partials)
    try:
        private_folder(mark.parent)
        descriptor = os.open(mark, _FLAGS, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # for this moment: two may start together
            named = Path(os.fsdecode(os.read(descriptor, _MOST_BYTES)))
            _refuse_another(named, state, mark.parent.parent)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, os.fsencode(state.resolve()), 0)
        finally:
            os.close(descriptor)
    except OSError as error:  # what is there can be shared all the same
        log.warning("%s", disk_error(error, f"mark {mark} as this peer's"))


def _refuse_another(named: Path, state: Path, folder: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):  # gone, or no name at all
        if named.is_absolute() and not named.samefile(state) and is_in_use(named):
            raise StateInUse(
                f"Another Panal peer, whose state is {printable(str(named))}, shares "
                f"{printable(str(folder))}; stop it, or give this one another folder."
            )
