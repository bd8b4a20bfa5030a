"""Which peer takes uploads into a folder: one at a time, for it clears away what broken ones left.

Nothing in the folder is kept open for it: that would keep a disk busy that is to be taken out. Its
queue's mark names the peer's state, whose own lock tells whether that peer runs. A path means
another directory on another host and in another container: so the state has an id, and where the
one with that id cannot be seen from here, only its peer, as it stops, can say that it has.
"""

import fcntl
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from panal.errors import StateInUse
from panal.peer.unfinished import queue_mark
from panal.store.disk_errors import disk_error
from panal.store.index_file import is_in_use
from panal.store.upload_files import boot_id
from panal.trust.files import private_folder, write_private
from panal.wire.names import STATE_DIRECTORY, printable

log = logging.getLogger(__name__)

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_BYTES = 8192
_ID_FILE = "claim-id"
_ID = re.compile(r"[0-9a-f]{32}")
_BESIDE = "."
"""The state is the directory of the mark: both may be moved or copied with their folder."""


class Claim(msgspec.Struct, frozen=True):
    """What a mark says; those of earlier versions have the path alone."""

    state: str = ""
    """Its path for the peer that wrote this; empty: nobody's."""
    id: str = ""
    """Of that state; empty: not known."""
    tree: str = ""
    """Where paths mean the same; empty: not known."""
    host: str = ""


def claim(partials: Path, state: Path) -> bool:
    """Say that the peer of this state, which it has locked, takes uploads beside `partials`.

    StateInUse where another has said so, unless it is known to have stopped. False where the disk
    fails: then nothing there is this peer's to clear away.
    """
    mark = queue_mark(partials)
    try:
        private_folder(mark.parent)
        with _opened(mark, os.O_CREAT) as descriptor:
            own = _own(mark, state)
            _refuse_another(_read(descriptor), own, mark, state)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _encoded(own), 0)
    except OSError as error:  # what is there can be shared all the same
        log.warning("%s", disk_error(error, f"mark {mark} as this peer's"))
        return False
    return True


def release(partials: Path, state: Path) -> None:
    """Say that this peer takes uploads no more, unless the mark is away or another's by now."""
    mark = queue_mark(partials)
    with suppress(OSError), _opened(mark) as descriptor:
        if _read(descriptor) == _own(mark, state):
            os.ftruncate(descriptor, 0)


@contextmanager
def _opened(mark: Path, more: int = 0) -> Iterator[int]:
    descriptor = os.open(mark, _FLAGS | more, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # for this moment: two may start together
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Claim:
    said = [os.fsdecode(field) for field in os.read(descriptor, _MOST_BYTES).split(b"\0")]
    path, more = said[0], said[1:4]
    if not more and path.endswith(f"/{STATE_DIRECTORY}"):  # of an earlier version: it came along
        return Claim(_BESIDE)
    return Claim(path, *more) if path == _BESIDE or Path(path).is_absolute() else Claim()


def _encoded(said: Claim) -> bytes:
    return b"\0".join(os.fsencode(field) for field in msgspec.structs.astuple(said))


def _own(mark: Path, state: Path) -> Claim:
    here = _file_tree(), os.uname().nodename
    if state.samefile(mark.parent):
        return Claim(_BESIDE, "", *here)
    identity = _id_of(state)
    if not identity:
        identity = secrets.token_hex(16)
        write_private(state / _ID_FILE, identity.encode())
    return Claim(str(state.resolve()), identity, *here)


def _id_of(state: Path) -> str:
    """The id of the state at a path; empty where none is seen."""
    try:
        said = (state / _ID_FILE).read_text("ascii")
    except (OSError, ValueError):
        return ""
    return said if _ID.fullmatch(said) else ""


def _file_tree() -> str:
    """Changes with the machine, its start and the mounts that a process sees: never two at once."""
    try:
        mounts = str(Path("/proc/self/ns/mnt").readlink())
    except OSError:
        return ""
    boot = boot_id()
    return f"{boot} {mounts}" if boot else ""


def _refuse_another(said: Claim, own: Claim, mark: Path, state: Path) -> None:
    if not said.state:
        return
    named = mark.parent if said.state == _BESIDE else Path(said.state)
    if not said.id or _id_of(named) == said.id:
        if not _is_same(named, state) and is_in_use(named):
            raise StateInUse(_RUNS.format(**_words(named, said, mark)))
        return
    is_moved = said.id == own.id
    is_removed = said.tree == own.tree != ""
    if not (is_moved or is_removed):
        raise StateInUse(_MAY_RUN.format(**_words(named, said, mark)))


def _is_same(named: Path, state: Path) -> bool:
    with suppress(FileNotFoundError, NotADirectoryError):
        return named.samefile(state)
    return False


_RUNS = (
    "Another Panal peer, whose state is {state}, shares {folder}; stop it, or give this one "
    "another folder."
)
_MAY_RUN = (
    "Another Panal peer, on the host {host} with the state {state}, shares {folder} and has not "
    "said that it stopped. Where it runs, stop it, or give this one another folder; where it is "
    "gone, remove {mark} and start again."
)


def _words(named: Path, said: Claim, mark: Path) -> dict[str, str]:
    words = {"state": named, "folder": mark.parent.parent, "mark": mark, "host": said.host}
    return {name: printable(str(word)) for name, word in words.items()}
