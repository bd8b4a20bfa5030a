"""What gets leave behind, and unfinished files in words."""

import os
import sqlite3
from pathlib import Path

import pytest

from panal.answers import UnfinishedAnswer
from panal.cli.old_gets import (
    KNOWN_KEPT_S,
    keep_known_folder,
    remember_where,
    remove_old_gets,
)
from panal.cli.unfinished import left_behind_words
from panal.peer.ageing import KEPT_S
from panal.peer.config import PeerSettings

NOW_S = 1_700_000_000.0
PART = "ab" * 32 + ".part"


def settings(place: Path, key: str = "one") -> PeerSettings:
    return PeerSettings(
        "get-x",
        0,
        place / "into",
        state_dir=place / "states" / key,
        partial_dir=place / "into/.panal/partial",
        shares_folder=False,
    )


def left(place: Path, age_s: float) -> PeerSettings:
    """A get that was killed so long ago."""
    made = settings(place)
    made.partials.mkdir(parents=True)
    (made.partials / PART).write_bytes(b"x")
    remember_where(made)
    for path in (made.partials / PART, made.state / "partials", made.state):
        os.utime(path, (NOW_S - age_s,) * 2)
    return made


def sweep(made: PeerSettings, own: str = "own") -> None:
    remove_old_gets(made.state.parent, made.state.parent / own, NOW_S)


def test_old_gets_go_with_what_they_left(tmp_path: Path) -> None:
    made = left(tmp_path, KEPT_S)
    (made.folder / "kept").touch()
    sweep(made)
    assert not made.state.exists()
    assert list(made.folder.iterdir()) == [made.folder / "kept"]


def test_young_ones_and_ones_own_stay(tmp_path: Path) -> None:
    young = left(tmp_path / "young", KEPT_S - 1)
    sweep(young)
    own = left(tmp_path / "own", KEPT_S)
    sweep(own, own="one")
    for made in (young, own):
        assert made.state.exists()
        assert (made.partials / PART).exists()


def test_one_that_runs_stays(tmp_path: Path) -> None:
    made = left(tmp_path, KEPT_S)
    index = made.state / "index.sqlite"
    running = sqlite3.connect(index, isolation_level=None)
    running.execute("PRAGMA locking_mode=EXCLUSIVE")
    running.execute("CREATE TABLE t (x)")
    for path in (*made.state.iterdir(), made.state):
        os.utime(path, (NOW_S - KEPT_S,) * 2)
    sweep(made)
    assert index.exists()
    keep_known_folder(made.state)  # one more like it was refused, and has left nothing
    assert index.exists()
    running.close()
    os.utime(made.state, (NOW_S - KEPT_S,) * 2)
    sweep(made)
    assert not made.state.exists()


def known_folder(place: Path) -> PeerSettings:
    """The state of a get of a folder."""
    made = settings(place)
    (made.state / "collections").mkdir(parents=True)
    for name in ("index.sqlite", "secret", "collections/" + "ab" * 32):
        (made.state / name).touch()
    return made


def test_what_is_known_of_a_folder_stays_longer(tmp_path: Path) -> None:
    made = known_folder(tmp_path)
    keep_known_folder(made.state)
    assert {path.name for path in made.state.iterdir()} == {"index.sqlite", "collections"}
    made.partials.mkdir(parents=True)
    (made.partials / PART).touch()
    remember_where(made)
    for age_s, is_known in ((KNOWN_KEPT_S - 1, True), (KNOWN_KEPT_S, False)):
        for path in (*made.partials.glob("*"), *made.state.iterdir(), made.state):
            os.utime(path, (NOW_S - age_s,) * 2)
        sweep(made)
        assert made.state.exists() == is_known
        assert not made.folder.joinpath(".panal").exists()


def test_nothing_is_known_of_a_file(tmp_path: Path) -> None:
    made = known_folder(tmp_path)
    next((made.state / "collections").iterdir()).unlink()
    keep_known_folder(made.state)
    assert not made.state.exists()


def file(modified_s: float, size: int, expires: float | None) -> UnfinishedAnswer:
    return UnfinishedAnswer("0" * 64, None, size, 0, size, modified_s, None, expires)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], ""),
        ([file(NOW_S, 1, None)], ""),
        (
            [file(NOW_S - 60, 1024, NOW_S + 1)],
            "1 unfinished file that no download needs, 1.0 KiB, none older than 1 min; "
            "removed after 24 h",
        ),
        (
            [file(NOW_S - 60, 1024, NOW_S + 1), file(NOW_S - 4 * 3600 - 1, 1024, NOW_S + 1)],
            "2 unfinished files that no download needs, 2.0 KiB, none older than 5 h; "
            "removed after 24 h",
        ),
    ],
)
def test_what_is_left_behind_in_a_line(found: list[UnfinishedAnswer], words: str) -> None:
    assert left_behind_words(found, NOW_S) == words
