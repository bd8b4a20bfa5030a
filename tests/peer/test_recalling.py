"""Folders that are as they were are recalled: quick, and never in place of the truth."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from panal.peer import comparing
from panal.peer.comparing import Comparing, Difference
from panal.store import walking
from panal.store.ignoring import Ignoring
from panal.store.index import Index
from panal.store.mounts import FurtherRoot
from panal.store.seen_folders import FolderLook
from panal.wire.names import MAX_DEPTH, safe_path
from tests.peer.test_comparing import NAMES, Place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr(comparing, "PAGE", 3)
    place = Place(tmp_path)
    yield place
    place.index.close()


def seen(place: Place) -> set[str]:
    return {str(folder) for (folder,) in place.index.rows("SELECT folder FROM seen_folders", ())}


def look(place: Place) -> Difference:
    """A look by another process than the last one."""
    place.comparing = Comparing(place.root, place.index, lambda: None)
    return place.comparing.everything(time.time)


def plainly(place: Place) -> Difference:
    """A look that can recall nothing."""
    place.index.write("DELETE FROM seen_folders", ())
    return look(place)


def told(difference: Difference) -> tuple[object, ...]:
    return (
        sorted(difference.fresh),
        sorted(difference.gone),
        sorted((move.path, move.twin) for move in difference.moved),
        difference.unsettled,
        difference.skipped.counts,
        difference.skipped.folders,
    )


def fill(place: Place) -> None:
    names = ["a", "c", "k.txt", "b/inner", "b/d/deep", "e/one", "more/a", "more/m/b"]
    for name in names:
        place.write(name, name.encode())
    place.remember(*names)
    assert told(look(place)) == ([], [], [], [], {}, {})


def test_what_is_as_it_was_is_neither_read_from_the_index_nor_judged_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(place)
    assert seen(place) == {"", "b", "b/d", "e", "more", "more/m"}
    rows_read: list[object] = []
    real = Index.file_rows

    def file_rows(self: Index, after: str, before: str, limit: int) -> list[walking.FileRow]:
        rows = real(self, after, before, limit)
        rows_read.extend(rows)
        return rows

    monkeypatch.setattr(Index, "file_rows", file_rows)
    monkeypatch.setattr(Ignoring, "has_no_say", lambda *given: pytest.fail("judged again"))
    assert told(look(place)) == ([], [], [], [], {}, {})
    assert rows_read == []


def edited(place: Place) -> None:
    was = os.stat(place.path("b/inner"))
    place.path("b/inner").write_bytes(b"B/INNER")
    os.utime(place.path("b/inner"), ns=(0, was.st_mtime_ns + 1_000))


def other_inode(place: Place) -> None:
    was = os.stat(place.path("b/inner"))
    place.path("b/other").write_bytes(b"B/INNER")
    place.path("b/other").replace(place.path("b/inner"))
    os.utime(place.path("b/inner"), ns=(0, was.st_mtime_ns))


def grown(place: Place) -> None:
    was = os.stat(place.path("b/inner"))
    place.path("b/inner").write_bytes(b"longer than before")
    os.utime(place.path("b/inner"), ns=(0, was.st_mtime_ns))


def removed(place: Place) -> None:
    place.path("b/inner").unlink()


def came(place: Place) -> None:
    place.write("b/new", b"new")


def file_is_a_link(place: Place) -> None:
    place.path("a").unlink()
    place.path("a").symlink_to("c")


def folder_removed(place: Place) -> None:
    shutil.rmtree(place.path("b/d"))


def folder_is_a_file(place: Place) -> None:
    shutil.rmtree(place.path("b/d"))
    place.write("b/d", b"a file now")


def folder_is_a_link(place: Place) -> None:
    place.path("b/d").rename(place.folder.parent / "elsewhere")
    place.path("b/d").symlink_to(place.folder.parent / "elsewhere")


def folder_swapped(place: Place) -> None:
    place.path("e").rename(place.path("f"))
    place.path("b/d").rename(place.path("e"))


def rule_came(place: Place) -> None:
    (place.folder / ".panalignore").write_text("deep\n")


def rule_came_deep(place: Place) -> None:
    (place.folder / "b/d/.panalignore").write_text("deep\n")


def rule_of_a_further_root(place: Place) -> None:
    (place.more / ".panalignore").write_text("m/\n")


def unshared(place: Place) -> None:
    place.root.leave_out({"b/d", "more/a"})


def further_root_hides(place: Place) -> None:
    shutil.rmtree(place.folder / "more", ignore_errors=True)
    (place.folder / "more").mkdir()


def in_a_further_root(place: Place) -> None:
    place.write("more/m/b", b"other")


def row_gone(place: Place) -> None:
    known = place.index.by_path("b/inner")
    assert known is not None
    place.index.forget([(known.path, known.fingerprint)])


def row_came(place: Place) -> None:
    # Between two files of the top folder, whose own listing is as before.
    place.write("b0/x", b"x")
    place.remember("b0/x")
    shutil.rmtree(place.path("b0"))


def row_came_deep(place: Place) -> None:
    place.write("b/d/z/x", b"x")
    place.remember("b/d/z/x")
    shutil.rmtree(place.path("b/d/z"))


CHANGES = [
    edited, other_inode, grown, removed, came, file_is_a_link, folder_removed, folder_is_a_file,
    folder_is_a_link, folder_swapped, rule_came, rule_came_deep, rule_of_a_further_root, unshared,
    further_root_hides, in_a_further_root, row_gone, row_came, row_came_deep,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_found_as_without_recalling(
    place: Place, change: Callable[[Place], None]
) -> None:
    fill(place)
    change(place)
    found = told(look(place))
    assert found == told(plainly(place))
    assert found != ([], [], [], [], {}, {})


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_kept_of_a_folder_that_differs(
    place: Place, change: Callable[[Place], None]
) -> None:
    fill(place)
    change(place)
    first = told(look(place))
    assert told(look(place)) == first


def test_a_rule_that_changed_while_nobody_looked_shares_again_what_it_left_out(
    place: Place,
) -> None:
    (place.folder / ".panalignore").write_text("*.log\nb/\n")
    for name in ("a", "x.log", "b/inner", "c/y.log", "c/z"):
        place.write(name, name.encode())
    place.remember("a", "c/z")
    expected = {"hidden": 1, "ignored": 3}
    assert look(place).skipped.counts == expected
    again = look(place)  # counted though it was not looked at
    assert (again.skipped.counts, again.skipped.folders) == (expected, {"ignored": 1})
    assert again.skipped.examples["ignored"] == ["'x.log'", "'b/'", "'c/y.log'"]
    (place.folder / ".panalignore").write_text("*.txt\n")
    assert {path for path, _ in look(place).fresh} == {"x.log", "b/inner", "c/y.log"}


def test_names_that_a_later_panal_accepts_are_found(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a", b"a")
    place.write("server.key", b"key")
    place.remember("a")
    assert look(place).skipped.counts == {"a secret by its name": 1}
    monkeypatch.setattr(Ignoring, "reason", lambda *given, **named: None)
    assert look(place).fresh == []
    monkeypatch.setattr(walking, "_RULES", walking._RULES + 1)
    assert [path for path, _ in look(place).fresh] == ["server.key"]


def test_what_was_recalled_is_shared_no_more_where_it_is_panals_state(place: Place) -> None:
    for name in ("a", "b/inner", "b/deep/more"):
        place.write(name, b"a")
    place.remember("a", "b/deep/more", "b/inner")
    look(place)
    place.write("b/owner-token", b"token")
    found = look(place)
    assert {path for path, *_ in found.gone} == {"b/inner", "b/deep/more"}
    assert found.skipped.folders == {"Panal's state": 1}


def test_what_changes_during_a_look_is_not_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b/inner", "e/one"):
        place.write(name, name.encode())
    place.remember("a", "b/inner", "e/one")
    real = FolderLook.keep

    def keep(self: FolderLook, found: Sequence[tuple[str, bytes]]) -> None:
        row_gone(place) if place.index.by_path("b/inner") else None
        real(self, found)

    with monkeypatch.context() as patched:
        patched.setattr(FolderLook, "keep", keep)
        assert look(place).gone == []
    assert seen(place) == {"e"}
    assert [path for path, _ in look(place).fresh] == ["b/inner"]


@pytest.mark.parametrize("number", range(20))
def test_any_two_states_differ_as_without_recalling(place: Place, number: int) -> None:
    chance = Random(number)
    names = [*NAMES, "z/.hidden", "z/x.key", "a/x.log", "more/x.log"]

    def change() -> None:
        for name in chance.sample(names, 3):
            if chance.random() < 0.4 and place.path(name).exists():
                place.path(name).unlink()
            else:
                place.write(name, bytes(chance.randrange(1, 9)))
        for top in (place.folder, place.more):
            if chance.random() < 0.3:
                (top / ".panalignore").write_text(chance.choice(["*.log\n", "b!\n", "z/\n", "\n"]))
        place.root.leave_out(chance.sample(["a", "a-/b", "z", "more/a"], chance.randrange(3)))

    kept = 0
    for _ in range(6):
        change()
        found = look(place)
        assert told(found) == told(plainly(place))
        place.index.forget(found.gone)
        chosen = [path for path, _ in found.fresh if chance.random() < 0.9]
        place.remember(*chosen, *[move.path for move in found.moved])
        look(place)
        kept += len(seen(place))
    assert kept > 0


def test_a_full_disk_keeps_nothing_and_hinders_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write("a", b"a")
    place.remember("a")
    (used,) = place.index._database.execute("PRAGMA page_count").fetchone()
    place.index._database.execute(f"PRAGMA max_page_count={used}")
    for number in range(200):
        (place.folder / f"folder {number}").mkdir()
    assert told(look(place)) == ([], [], [], [], {}, {})


def test_nothing_is_kept_of_folders_that_are_gone(place: Place) -> None:
    fill(place)
    place.path("empty/hidden").mkdir(parents=True)
    shutil.rmtree(place.path("b"))
    place.index.forget(look(place).gone)
    look(place)
    assert seen(place) == {"", "e", "more", "more/m"}


def test_some_paths_are_recalled_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place)
    monkeypatch.setattr(Ignoring, "has_no_say", lambda *given: pytest.fail("judged again"))
    found = place.comparing.some({"b", safe_path("more/m")}, time.time)
    assert told(found)[:4] == ([], [], [], [])


def test_a_further_root_hides_a_folder_that_is_as_it_was(place: Place) -> None:
    place.write("late/x", b"x")
    place.remember("late/x")
    look(place)
    (place.folder.parent / "elsewhere").mkdir()
    place.root.mount(FurtherRoot("late", place.folder.parent / "elsewhere", is_folder=True))
    place.root.refresh_all(lambda name: True)
    found = told(look(place))
    assert found == told(plainly(place))
    assert [path for path, _ in look(place).gone] == ["late/x"]
    assert look(place).skipped.counts == {"hidden by a further root of that name": 1}
    place.root.unmount("late")
    assert told(look(place)) == ([], [], [], [], {}, {})


def test_what_is_unsafe_below_a_further_roots_name_is_counted_again(place: Place) -> None:
    place.write("more/" + "d/" * (MAX_DEPTH - 1) + "f", b"deep")
    for _ in range(3):
        assert look(place).skipped.counts == {"unsafe name": 1}
