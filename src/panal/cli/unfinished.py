"""Unfinished files: those of one's own running peer, listed; those of old gets, removed."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import click

from panal.answers import UnfinishedAnswer, UnfinishedFilesAnswer
from panal.cli.output import name_words, print_json
from panal.cli.remote import RemotePeer
from panal.clock import SystemClock
from panal.errors import PanalError
from panal.peer.ageing import KEPT_S
from panal.peer.config import PeerSettings
from panal.peer.unfinished import remove_old_of_nobody
from panal.store.texts import FOLDER as TEXTS
from panal.trust.files import private_folder
from panal.wire.amounts import size_words

_WHERE = "partials"
"""In the state of a get: the directory that its unfinished file is in."""
_INDEX = "index.sqlite"
KNOWN_KEPT_S = 30 * 24 * 3600.0
"""What a get knows of a folder that it has fetched, unless it is asked for again."""


def list_unfinished(peer_url: str, *, as_json: bool) -> None:
    """Print every unfinished file of the peer."""

    async def run() -> list[UnfinishedAnswer]:
        async with RemotePeer(peer_url) as remote:
            return await remote.unfinished()

    found = asyncio.run(run())
    if as_json:
        print_json(UnfinishedFilesAnswer(found))
        return
    now_s = SystemClock().wall_s()
    for file in found:
        done = f"{size_words(file.bytes_there)} of {size_words(file.size)}"
        click.echo(f"{file.id}  {done}  {_fate(file, now_s)}  {name_words(file.name or '?')}")
    if not found:
        click.echo("No unfinished files.", err=True)


def _fate(file: UnfinishedAnswer, now_s: float) -> str:
    whose = "" if file.download is None else f"download {file.download}, "
    if file.expires is None:
        return f"{whose}kept"
    left_s = max(0.0, file.expires - now_s)
    return f"{whose}removed {'soon' if left_s == 0 else 'in ' + _hours(left_s)}"


def left_behind_words(found: Sequence[UnfinishedAnswer], now_s: float) -> str:
    """What no download needs, in a line; empty where there is nothing."""
    nobodys = [file for file in found if file.expires is not None]
    if not nobodys:
        return ""
    count = "1 unfinished file" if len(nobodys) == 1 else f"{len(nobodys)} unfinished files"
    size = size_words(sum(file.bytes_on_disk for file in nobodys))
    oldest_s = max(0.0, now_s - min(file.modified for file in nobodys))
    return (
        f"{count} that no download needs, {size}, none older than {_hours(oldest_s)}; "
        f"removed after {KEPT_S / 3600:.0f} h"
    )


def _hours(duration_s: float) -> str:
    if duration_s <= 3600:
        return f"{-(-duration_s // 60):.0f} min"
    return f"{-(-duration_s // 3600):.0f} h"


# What gets leave behind --------------------------------------------------------------------


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
                if state != own and age_s >= KEPT_S and not _is_in_use(state):
                    _remove_unfinished(state, wall_s)
                    if age_s >= KNOWN_KEPT_S or not _knows_folder(state):
                        shutil.rmtree(state)


def keep_known_folder(state: Path) -> None:
    """Remove a get's state, except what makes it quick to ask for the same folder again.

    Left alone where another get uses it: then this one was refused.
    """
    if _is_in_use(state):
        return
    if not _knows_folder(state):
        shutil.rmtree(state, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        for path in state.iterdir():
            if path.name != TEXTS and not path.name.startswith(_INDEX):
                path.unlink(missing_ok=True)


def _knows_folder(state: Path) -> bool:
    lists = state / TEXTS
    return lists.is_dir() and any(lists.iterdir())


def _modified_s(state: Path) -> float:
    return max(path.lstat().st_mtime for path in (state, *state.iterdir()))


def _is_in_use(state: Path) -> bool:
    index = state / _INDEX
    if not index.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{index.as_uri()}?mode=rw", 0, uri=True)) as asked:
            asked.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return False


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
    """Remove a get's own directories in a destination where nothing is in them."""
    kept = partials.parent
    for folder in (partials, kept / "uploads", kept):
        with contextlib.suppress(OSError):
            folder.rmdir()
