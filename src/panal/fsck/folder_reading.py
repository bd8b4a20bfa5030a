"""Names and modes: what lies where it should not, and what others may read."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from panal.fsck import findings as f
from panal.fsck.findings import Finding
from panal.store.file_systems import keeps_modes
from panal.store.placeholders import NOTE
from panal.wire.names import STATE_DIRECTORY

_OWN_NAME = re.compile(r"[0-9a-f]{64}(\.(part|journal|folder|names|new)|-[0-9a-f]{16}-[0-9]+)")
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_UPLOAD = re.compile(r"([0-9a-f]{32})\.(json|data|durable|new|json\.new)")
_KNOWN = {
    "partial": re.compile(r"[0-9a-f]{64}\.(part|journal|folder|names)"),
    "collections": re.compile(r"[0-9a-f]{64}(\.(part|journal|new))?"),
    "resumable": _UPLOAD,
}
"""What may lie in each directory of Panal's own."""
UPLOADS = "uploads"
RESUMABLE = "resumable"


def misplaced(folder: Path) -> Iterator[Finding]:
    """Temporary files that lie among the user's; links are not followed."""
    for above, folders, files in os.walk(folder):
        if Path(above) == folder and STATE_DIRECTORY in folders:
            folders.remove(STATE_DIRECTORY)
        for name in (*files, *folders):
            if _OWN_NAME.fullmatch(name) is not None and not _is_users(Path(above, name)):
                yield f.TEMPORARY_VISIBLE.at(str(Path(above, name).relative_to(folder)))


def _is_users(path: Path) -> bool:
    """A user may call a file so too; Panal's own ones are for nobody else to read."""
    return path.suffix in {".part", ".journal"} and bool(path.lstat().st_mode & _FOR_OTHERS)


def state_problems(state: Path, folder: Path) -> Iterator[Finding]:
    """What others may read of the state, and what belongs to nothing in it."""
    inside = folder / STATE_DIRECTORY
    if _is_open(inside):
        yield f.STATE_OPEN.at(str(inside))
    for path in _in(state):
        if _is_open(path):
            yield f.STATE_OPEN.at(str(path))
        if path.name.endswith(".new"):
            yield f.TEMPORARY_LEFT.at(str(path))
    for place in {inside, state}:
        for name, known in _KNOWN.items():
            for path in _in(place / name):
                is_note = path.name.endswith(NOTE)
                if not is_note and known.fullmatch(path.name) is None:
                    yield f.STRAY.at(str(path))
                elif is_note or path.name.endswith(".new"):
                    yield f.TEMPORARY_LEFT.at(str(path))


def _is_open(path: Path) -> bool:
    """Whether others may read it, though it could be kept from them."""
    if path.is_symlink() or not path.exists():
        return False
    return bool(path.lstat().st_mode & _FOR_OTHERS) and keeps_modes(path.parent)


def uploads_left(place: Path) -> Iterator[Finding]:
    """What plain uploads have left, which nothing goes on with; and bytes of tus without record."""
    for path in _in(place / UPLOADS):
        yield f.UPLOAD_LEFT.at(path.name)
    ids = set(upload_ids(place))
    for path in _in(place / RESUMABLE):
        match = _UPLOAD.fullmatch(path.name)
        if match is not None and match[1] not in ids:
            yield f.UPLOAD_LEFT.at(path.name)


def upload_ids(place: Path) -> list[str]:
    """The uploads by tus that have a record."""
    return [path.stem for path in _in(place / RESUMABLE) if path.suffix == ".json"]


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
