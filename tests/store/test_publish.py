"""Publishing: whole under the final name or not at all, and never over what is there."""

import ctypes
import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from panal.errors import ContentChanged, NoSpace, PanalError, Refused, TargetTaken
from panal.store import publish as publishing
from panal.store.fingerprints import Fingerprint
from panal.store.publish import exchange, make_durable, publish, publish_at, refuse_touched
from panal.store.roots import Root
from panal.wire.names import SafePath
from tests.store.makers import fail, sp

pytestmark = [pytest.mark.p1, pytest.mark.p2]

DATA = b"whole and verified"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def root(folder: Path) -> Root:
    return Root(folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "temporary").write_bytes(DATA)
    (tmp_path / "temporary").chmod(0o640)
    return tmp_path / "temporary"


class Unsupported:
    """Stands for the C library where `renameat2` fails with an errno."""

    def __init__(self, number: int) -> None:
        self.number = number

    def renameat2(self, *_: object) -> int:
        ctypes.set_errno(self.number)
        return -1


class Old:
    """Stands for a C library without `renameat2`."""


def by_rename(patch: pytest.MonkeyPatch) -> None:
    fail(patch, "link", errno.EPERM)
    fail(patch, "rename", errno.EPERM)


def by_link(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publishing, "_libc", Unsupported(errno.EINVAL))
    fail(patch, "rename", errno.EPERM)


def by_link_on_an_old_system(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publishing, "_libc", Old())
    fail(patch, "rename", errno.EPERM)


def by_placeholder(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publishing, "_libc", Unsupported(errno.ENOSYS))
    fail(patch, "link", errno.EPERM)


Force = Callable[[pytest.MonkeyPatch], None]
WAYS: list[Force] = [by_rename, by_link, by_link_on_an_old_system, by_placeholder]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def one_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Force:
    """Only one of the three ways is possible."""
    force: Force = request.param
    force(monkeypatch)
    return force


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """What is in a folder: kind and mode, and what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = os.stat(path, follow_symlinks=False).st_mode
        held = b""
        if stat.S_ISLNK(mode):
            held = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(mode):
            held = path.read_bytes()
        found[str(path.relative_to(folder))] = (mode, held)
    return found


@pytest.mark.parametrize("path", ["file", "new/folders/file", "-rf", "ñ/ü"])
def test_a_file_appears_whole_and_its_temporary_name_goes(
    path: str, one_way: Force, source: Path, root: Root, folder: Path
) -> None:
    inode = source.stat().st_ino
    publish(source, root, sp(path))
    assert (folder / path).read_bytes() == DATA
    assert (folder / path).stat().st_ino == inode
    assert stat.S_IMODE((folder / path).stat().st_mode) == 0o640
    assert not source.exists()


def test_the_name_is_durable_before_it_counts(
    one_way: Force, source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").mkdir()
    synced = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, (folder / "a/file").exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    publish(source, root, sp("a/file"))
    assert synced[-1] == ((folder / "a").stat().st_ino, True)


def put_file(path: Path) -> None:
    path.write_bytes(b"the user's own")


def put_same(path: Path) -> None:
    path.write_bytes(DATA)


def put_link(path: Path) -> None:
    (path.parent / "own").write_bytes(b"the user's own")
    path.symlink_to("own")


def put_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def put_folder(path: Path) -> None:
    path.mkdir()


def put_full_folder(path: Path) -> None:
    path.mkdir()
    (path / "own").write_bytes(b"the user's own")


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


THINGS = [put_file, put_same, put_link, put_dangling_link, put_folder, put_full_folder, put_fifo]


@pytest.mark.parametrize("put", THINGS)
def test_what_is_there_stays_as_it_is(
    put: Callable[[Path], None], one_way: Force, source: Path, root: Root, folder: Path
) -> None:
    put(folder / "name")
    before = snapshot(folder)
    with pytest.raises(TargetTaken, match="'name' is already there"):
        publish(source, root, sp("name"))
    assert snapshot(folder) == before
    assert source.read_bytes() == DATA


@pytest.mark.parametrize("put", [put_file, put_link, put_dangling_link, put_fifo])
def test_what_is_there_is_replaced_where_that_was_asked(
    put: Callable[[Path], None], source: Path, root: Root, folder: Path
) -> None:
    put(folder / "name")
    before = snapshot(folder)
    publish(source, root, sp("name"), replace=True)
    assert not (folder / "name").is_symlink()
    assert (folder / "name").read_bytes() == DATA
    assert not source.exists()
    if put is put_link:
        assert snapshot(folder)["own"] == before["own"]
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize("put", [put_folder, put_full_folder])
def test_a_folder_is_never_replaced(
    put: Callable[[Path], None], source: Path, root: Root, folder: Path
) -> None:
    put(folder / "name")
    before = snapshot(folder)
    with pytest.raises(TargetTaken):
        publish(source, root, sp("name"), replace=True)
    assert snapshot(folder) == before
    assert source.read_bytes() == DATA


@pytest.mark.parametrize("put", [put_file, put_link, put_dangling_link, put_fifo])
@pytest.mark.parametrize("replace", [False, True])
def test_nothing_is_put_below_what_is_no_folder(
    put: Callable[[Path], None], replace: bool, source: Path, root: Root, folder: Path
) -> None:
    put(folder / "name")
    before = snapshot(folder)
    with pytest.raises(Refused, match="'name' is not a folder"):
        publish(source, root, sp("name/file"), replace=replace)
    assert snapshot(folder) == before
    assert source.read_bytes() == DATA


def test_a_link_to_a_folder_outside_is_not_entered(
    one_way: Force, source: Path, root: Root, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (folder / "name").symlink_to(tmp_path / "outside")
    with pytest.raises(Refused):
        publish(source, root, sp("name/file"))
    assert snapshot(tmp_path / "outside") == {}


def test_a_link_in_the_place_of_the_source_gives_no_name_to_what_it_leads_to(
    one_way: Force, source: Path, root: Root, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(source)
    publish(tmp_path / "link", root, sp("file"))
    assert (folder / "file").is_symlink()
    assert source.stat().st_nlink == 1


# The next way, or a named end -------------------------------------------------------------

UNSUPPORTED = [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM]


@pytest.mark.parametrize("number", UNSUPPORTED)
def test_a_way_that_the_file_system_does_not_know_gives_way_to_the_next(
    number: int, source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_libc", Unsupported(number))
    fail(monkeypatch, "link", errno.EMLINK if number == errno.EPERM else number)
    publish(source, root, sp("file"))
    assert (folder / "file").read_bytes() == DATA


ENDS = [
    (errno.EXDEV, Refused, "it is on another file system"),
    (errno.EACCES, Refused, "Permission denied"),
    (errno.EROFS, Refused, "Read-only"),
    (errno.ENOSPC, NoSpace, "the disk is full"),
    (errno.EDQUOT, NoSpace, "the quota is used up"),
    (errno.ENAMETOOLONG, PanalError, "File name too long"),
    (errno.EIO, PanalError, "Input/output error"),
]


@pytest.mark.parametrize(("number", "kind", "words"), ENDS)
@pytest.mark.parametrize("way", ["renameat2", "link", "placeholder", "rename", "replace"])
def test_another_failure_is_a_named_end_and_leaves_nothing(
    way: str,
    number: int,
    kind: type[PanalError],
    words: str,
    source: Path,
    root: Root,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = number if way == "renameat2" else errno.ENOSYS
    monkeypatch.setattr(publishing, "_libc", Unsupported(first))
    fail(monkeypatch, "link", number if way == "link" else errno.EPERM)
    if way == "placeholder":
        fail(monkeypatch, "open", number, lambda name, *_, **__: name == "file")
    elif way in {"rename", "replace"}:
        fail(monkeypatch, "rename", number)
    with pytest.raises(PanalError, match=f"Could not put 'file' in place: {words}") as caught:
        publish(source, root, sp("file"), replace=way == "replace")
    assert type(caught.value) is kind
    assert snapshot(folder) == {}
    assert source.read_bytes() == DATA


def test_a_name_that_is_too_long_for_the_file_system_is_a_named_end(
    source: Path, root: Root, folder: Path
) -> None:
    with pytest.raises(PanalError, match="File name too long"):
        publish(source, root, SafePath("x" * 256))
    assert source.read_bytes() == DATA


def test_a_taken_name_is_found_at_the_first_way_and_the_next_is_not_tried(
    source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_file(folder / "name")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(publishing, "link_and_unlink", never)
    monkeypatch.setattr(publishing, "placeholder_and_rename", never)
    with pytest.raises(TargetTaken):
        publish(source, root, sp("name"))


def test_a_name_that_is_not_durable_is_not_reported_as_done(
    source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(PanalError, match="Could not put 'file' in place"):
        publish(source, root, sp("file"))


def test_a_missing_source_is_a_named_end(root: Root, folder: Path, tmp_path: Path) -> None:
    for replace in (False, True):
        with pytest.raises(PanalError, match="No such file"):
            publish(tmp_path / "none", root, sp("file"), replace=replace)
    assert snapshot(folder) == {}


def test_a_relative_source_is_meant_from_the_working_folder(
    one_way: Force, source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source.parent)
    publish(Path(source.name), root, sp("file"))
    assert (folder / "file").read_bytes() == DATA


def test_two_that_publish_one_name_do_not_both_win(
    one_way: Force, source: Path, root: Root, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").write_bytes(b"other")
    publish(source, root, sp("file"))
    with pytest.raises(TargetTaken):
        publish(tmp_path / "other", root, sp("file"))
    assert (folder / "file").read_bytes() == DATA
    assert (tmp_path / "other").read_bytes() == b"other"


# Two files exchanged --------------------------------------------------------------------------


def rotten(root: Root, folder: Path) -> Fingerprint:
    (folder / "file").write_bytes(b"rotten")
    return Fingerprint.of((folder / "file").stat(), root.device)


def test_two_files_change_their_names(source: Path, root: Root, folder: Path) -> None:
    exchange(source, root, sp("file"), rotten(root, folder))
    assert ((folder / "file").read_bytes(), source.read_bytes()) == (DATA, b"rotten")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_they_cannot_be_exchanged_the_old_one_is_not_lost(
    number: int, source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rotten(root, folder)
    monkeypatch.setattr(publishing, "_libc", Unsupported(number))
    with pytest.raises(Refused, match="remove the damaged one"):
        exchange(source, root, sp("file"), expected)
    assert ((folder / "file").read_bytes(), source.read_bytes()) == (b"rotten", DATA)


def test_a_file_that_is_open_for_writing_is_not_exchanged(
    source: Path, root: Root, folder: Path
) -> None:
    expected = rotten(root, folder)
    with (folder / "file").open("r+b"), pytest.raises(ContentChanged, match="open for writing"):
        exchange(source, root, sp("file"), expected)
    assert (folder / "file").read_bytes() == b"rotten"


def test_who_opens_it_for_writing_at_that_moment_has_the_file_that_keeps_the_name(
    source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its open waits until the two have their own names again."""
    expected = rotten(root, folder)
    inode, real = (folder / "file").stat().st_ino, publishing._exchange_at
    opened: list[int] = []
    writer = threading.Thread(target=lambda: opened.append(os.open(folder / "file", os.O_WRONLY)))

    def begun(*given: Any) -> None:
        if not writer.ident:
            writer.start()
            while not is_waited_for(folder / "file"):
                pass
        real(*given)

    monkeypatch.setattr(publishing, "_exchange_at", begun)
    with pytest.raises(ContentChanged, match="open for writing"):
        exchange(source, root, sp("file"), expected)
    writer.join()
    assert os.fstat(opened[0]).st_ino == inode == (folder / "file").stat().st_ino
    os.close(opened[0])


def is_waited_for(path: Path) -> bool:
    """Whether somebody waits for the lease on a file (/proc/locks)."""
    status = path.stat()
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    lines = Path("/proc/locks").read_text("ascii").splitlines()
    return any("BREAKING" in line and wanted in line for line in lines)


def test_without_leases_an_exchange_goes_its_way(
    source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's file system, or another user's file."""
    expected = rotten(root, folder)

    def none(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(fcntl, "fcntl", none)
    exchange(source, root, sp("file"), expected)
    assert (folder / "file").read_bytes() == DATA


# What it was, and in the place of another ----------------------------------------------------


def standing(path: Path, root: Root) -> tuple[Fingerprint, int]:
    """What stands there, and when it was last changed at all, which is not compared."""
    found = Fingerprint.of(path.lstat(), root.device)
    return found, found.ctime_ns


def test_the_fingerprint_is_that_of_the_file_under_its_name(
    one_way: Force, source: Path, root: Root, folder: Path
) -> None:
    found = publish(source, root, sp("a/file"))
    assert (found, found.ctime_ns) == standing(folder / "a/file", root)
    assert found.device == 0


@pytest.mark.parametrize("what", ["edited", "removed"])
def test_what_somebody_does_at_once_is_not_taken_for_what_was_published(
    what: str, source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = standing(source, root)

    def quick(descriptor: int) -> None:
        (folder / "file").write_bytes(b"mine") if what == "edited" else (folder / "file").unlink()

    monkeypatch.setattr(os, "fsync", quick)
    found = publish(source, root, sp("file"))
    assert (found, found.ctime_ns) == was


@pytest.fixture
def old(folder: Path) -> Path:
    (folder / "a").mkdir()
    (folder / "a" / "film").write_bytes(b"rotten")
    return folder / "a" / "film"


def test_two_files_change_places_durably(
    source: Path, old: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda it: synced.append((os.fstat(it).st_ino, old.read_bytes()))
    )
    found = exchange(source, root, sp("a/film"), standing(old, root)[0])
    assert (old.read_bytes(), source.read_bytes()) == (DATA, b"rotten")
    assert (found, found.ctime_ns) == standing(old, root)
    assert synced[-1] == (old.parent.stat().st_ino, DATA)


def edit(path: Path) -> None:
    path.write_bytes(b"edited")
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize("change", [edit, put_same])
def test_a_file_that_is_not_as_expected_keeps_its_place(
    change: Callable[[Path], None], source: Path, old: Path, root: Root
) -> None:
    expected, _ = standing(old, root)
    change(old)
    refused(source, old, root, expected, "changed meanwhile")


@pytest.mark.parametrize("is_folder_gone", [False, True])
def test_for_what_is_gone_nothing_is_put_in_place_and_no_folder_made_again(
    source: Path, old: Path, root: Root, is_folder_gone: bool
) -> None:
    expected, _ = standing(old, root)
    old.unlink()
    if is_folder_gone:
        old.parent.rmdir()
    with pytest.raises(ContentChanged, match="not there any more"):
        exchange(source, root, sp("a/film"), expected)
    assert old.parent.exists() is not is_folder_gone
    assert not old.exists()
    assert source.read_bytes() == DATA


@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_that_may_have_been_edited_keeps_its_place(
    is_known: bool, source: Path, old: Path, root: Root
) -> None:
    """It was changed since, though its time does not say so; or when is not known."""
    expected, ctime_ns = standing(old, root)
    earlier = structs.replace(expected, ctime_ns=ctime_ns - 1 if is_known else 0)
    refused(source, old, root, earlier, "set back.*; touch it to share it so, or remove it and")


def test_a_clock_of_whole_seconds_does_not_tell_that_nobody_has_edited_it(
    source: Path, old: Path, root: Root
) -> None:
    """What is written in one second has one time."""
    found = structs.replace(standing(old, root)[0], ctime_ns=1_700_000_000_000_000_000)
    with pytest.raises(ContentChanged, match="may have been edited"):
        refuse_touched(found, found, sp("a/film"))


def refused(source: Path, old: Path, root: Root, expected: Fingerprint, words: str) -> None:
    before = snapshot(old.parent)
    with pytest.raises(ContentChanged, match=rf"'a/film' .*{words}"):
        exchange(source, root, sp("a/film"), expected)
    assert snapshot(old.parent) == before
    assert source.read_bytes() == DATA


def test_a_link_in_its_place_is_not_taken_for_the_file_that_it_leads_to(
    source: Path, old: Path, root: Root
) -> None:
    kept = old.rename(old.parent / "kept")
    old.symlink_to("kept")
    refused(source, old, root, standing(kept, root)[0], "changed meanwhile")


def test_a_placeholder_is_for_nobody_else(
    source: Path, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_placeholder(monkeypatch)
    modes = []
    real = os.rename

    def rename(*given: Any, **named: Any) -> None:
        modes.append(stat.S_IMODE((folder / "file").stat().st_mode))
        real(*given, **named)

    monkeypatch.setattr(os, "rename", rename)
    umask = os.umask(0)
    try:
        publish(source, root, sp("file"))
    finally:
        os.umask(umask)
    assert modes == [0o600]


def test_a_file_that_came_at_the_last_moment_gets_its_place_back(
    source: Path, old: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = standing(old, root)
    real = publishing._renameat2

    def just_before(*given: Any) -> None:
        monkeypatch.setattr(publishing, "_renameat2", real)
        old.unlink()
        old.write_bytes(b"mine")
        real(*given)

    monkeypatch.setattr(publishing, "_renameat2", just_before)
    with pytest.raises(ContentChanged, match="changed meanwhile"):
        exchange(source, root, sp("a/film"), expected)
    assert (old.read_bytes(), source.read_bytes()) == (b"mine", DATA)


@pytest.mark.parametrize("call", ["renameat2", "fsync"])
def test_an_exchange_that_fails_is_a_named_end(
    call: str, source: Path, old: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = standing(old, root)
    if call == "renameat2":
        monkeypatch.setattr(publishing, "_libc", Unsupported(errno.EIO))
    else:
        fail(monkeypatch, call, errno.EIO)
    with pytest.raises(PanalError, match="Could not put 'a/film' in place: Input/output error"):
        exchange(source, root, sp("a/film"), expected)
    assert {old.read_bytes(), source.read_bytes()} == {DATA, b"rotten"}


def test_a_name_in_an_open_folder_is_not_taken_over_unless_asked(
    source: Path, folder: Path
) -> None:
    put_file(folder / "name")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(TargetTaken):
        publish_at(str(source), descriptor, "name", sp("name"))
    os.close(descriptor)
    assert (folder / "name").read_bytes() == b"the user's own"


def test_only_what_was_hashed_is_made_durable(folder: Path) -> None:
    """A pipe in its place would never be opened."""
    root = Root(folder)
    (folder / "a").write_bytes(DATA)
    known = root.fingerprint(sp("a"))
    assert known is not None
    make_durable(root, sp("a"), known)
    (folder / "a").unlink()
    os.mkfifo(folder / "a")
    with pytest.raises(ContentChanged):
        make_durable(root, sp("a"), known)


def test_what_cannot_be_written_to_need_not_be_synced(
    source: Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file of an image, whose sync is no call that it knows."""
    found = publish(source, root, sp("file"))
    fail(monkeypatch, "fsync", errno.EINVAL)
    make_durable(root, sp("file"), found)
    fail(monkeypatch, "fsync", errno.EIO)
    with pytest.raises(PanalError, match="durable"):
        make_durable(root, sp("file"), found)
