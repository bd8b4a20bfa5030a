"""The folder: nothing but its own regular files is ever opened, read, made or counted."""

import contextlib
import ctypes
import errno
import itertools
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from panal.errors import ContentChanged, NoSpace, NotFound, PanalError, Refused, RootOffline
from panal.store.disk_errors import disk_error
from panal.store.fingerprints import Fingerprint, Skipped
from panal.store.roots import Root
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath
from tests.store.makers import alarmed, fail, fingerprint_of, noted_syncs, sp
from tests.support.at_length import AT_LENGTH

pytestmark = pytest.mark.p2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def root(folder: Path) -> Root:
    return Root(folder)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_bytes(b"secret")
    return tmp_path / "outside"


def read(root: Root, path: str) -> bytes:
    descriptor, _ = root.open_file(sp(path))
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def inside(*_: object, **named: object) -> bool:
    """Whether a call is for something in the folder, which itself can be opened."""
    return "dir_fd" in named


def anywhere(*_: object, **named: object) -> bool:
    return True


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# Reading ----------------------------------------------------------------------------------


def test_a_regular_file_is_opened_with_its_fingerprint(root: Root, folder: Path) -> None:
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c").write_bytes(b"bytes")
    descriptor, found = root.open_file(sp("a/b/c"))
    os.close(descriptor)
    assert read(root, "a/b/c") == b"bytes"
    assert found == fingerprint_of(folder / "a/b/c") == root.fingerprint(sp("a/b/c"))
    assert found.size_bytes == 5


def make_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "key")


def make_link_to_own(path: Path, outside: Path) -> None:
    (path.parent / "own").write_bytes(b"own")
    path.symlink_to("own")


def make_dangling_link(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "no such")


def make_link_to_folder(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def make_fifo(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path, outside: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


def make_folder(path: Path, outside: Path) -> None:
    path.mkdir()


KINDS = [
    make_link,
    make_link_to_own,
    make_dangling_link,
    make_link_to_folder,
    make_fifo,
    make_socket,
    make_folder,
]
Maker = Callable[[Path, Path], None]


@pytest.mark.parametrize("make", KINDS)
def test_what_is_no_regular_file_is_not_opened_and_does_not_hang(
    make: Maker, root: Root, folder: Path, outside: Path
) -> None:
    make(folder / "thing", outside)
    before = open_descriptors()
    with alarmed(), pytest.raises(NotFound, match="'thing'"):
        root.open_file(sp("thing"))
    assert open_descriptors() == before
    assert root.fingerprint(sp("thing")) is None
    assert root.is_taken(sp("thing"))


@pytest.mark.parametrize("path", ["link/key", "link/deeper/key", "a/link/key"])
def test_a_link_inside_a_path_is_not_followed(
    path: str, root: Root, folder: Path, outside: Path
) -> None:
    (folder / "a").mkdir()
    (outside / "deeper").mkdir()
    (outside / "deeper/key").write_bytes(b"secret")
    (folder / "link").symlink_to(outside)
    (folder / "a/link").symlink_to(outside)
    with pytest.raises(NotFound):
        root.open_file(sp(path))
    assert root.fingerprint(sp(path)) is None
    assert not root.is_taken(sp(path))
    with pytest.raises(Refused, match="'link' is not a folder"), root.parent_for_writing(sp(path)):
        pass


def test_a_file_is_not_a_folder_and_what_is_missing_is_not_there(root: Root, folder: Path) -> None:
    (folder / "file").write_bytes(b"bytes")
    for path in ("file/below", "none", "none/below", "file" + "x" * 251):
        with pytest.raises(NotFound):
            root.open_file(sp(path))
        assert root.fingerprint(sp(path)) is None
        assert not root.is_taken(sp(path))


def test_the_shared_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / "file").write_bytes(b"bytes")
    (tmp_path / "link").symlink_to(folder)
    root = Root(tmp_path / "link")
    assert read(root, "file") == b"bytes"


def test_the_folder_is_the_one_that_was_opened_or_none(
    root: Root, folder: Path, outside: Path
) -> None:
    (folder / "key").write_bytes(b"ours")
    folder.rename(folder.parent / "moved")
    folder.symlink_to(outside)
    with pytest.raises(RootOffline):
        read(root, "key")
    with pytest.raises(RootOffline):
        list(root.walk(Skipped()))
    folder.unlink()
    (folder.parent / "moved").rename(folder)
    assert read(root, "key") == b"ours"


def test_running_out_of_descriptors_does_not_mean_that_a_file_is_gone(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").mkdir()
    (folder / "a/file").write_bytes(b"bytes")
    expected = fingerprint_of(folder / "a/file")
    for number, when in itertools.product((errno.EMFILE, errno.ENFILE), (inside, anywhere)):
        with monkeypatch.context() as patch:
            fail(patch, "open", number, when)
            with pytest.raises(PanalError, match="Too many open files") as caught:
                root.open_unchanged(sp("a/file"), expected)
        assert not isinstance(caught.value, NotFound)


def test_a_file_that_may_not_be_read_is_not_there(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_bytes(b"bytes")
    fail(monkeypatch, "open", errno.EACCES, inside)
    with pytest.raises(NotFound, match="cannot be read: Permission denied"):
        root.open_file(sp("file"))


# The same file still ----------------------------------------------------------------------


def edit(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # the clock of files may be coarse


def replace(path: Path) -> None:
    status = path.stat()
    (path.parent / "other").write_bytes(path.read_bytes())
    os.utime(path.parent / "other", ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace(path.parent / "other", path)


def truncate(path: Path) -> None:
    status = path.stat()
    os.truncate(path, 3)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def grow(path: Path) -> None:
    status = path.stat()
    os.truncate(path, status.st_size + 1)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def replace_by_link(path: Path) -> None:
    path.rename(path.parent / "moved")
    path.symlink_to("moved")


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change", [edit, replace, truncate, grow, replace_by_link, replace_by_fifo, Path.unlink]
)
def test_a_file_that_is_not_what_was_hashed_is_not_opened(
    change: Callable[[Path], None], root: Root, folder: Path
) -> None:
    (folder / "file").write_bytes(b"bytes")
    expected = fingerprint_of(folder / "file")
    os.close(root.open_unchanged(sp("file"), expected))
    change(folder / "file")
    before = open_descriptors()
    with alarmed(), pytest.raises(ContentChanged, match="'file'"):
        root.open_unchanged(sp("file"), expected)
    assert open_descriptors() == before


def test_a_fingerprint_fits_into_the_index_whatever_the_file_system_says() -> None:
    ten_numbers = (stat.S_IFREG, 2**64 - 2, 2**64 - 1, 1, 0, 0, 5, 0, 0, 0)
    status = os.stat_result(ten_numbers, {"st_mtime_ns": 10**19})  # the year 2286
    found = Fingerprint.of(status)
    assert (found.inode, found.device, found.mtime_ns) == (-2, -1, 10**19 - 2**64)
    assert found.size_bytes == 5


# Making folders ---------------------------------------------------------------------------


def test_missing_folders_are_made_and_made_durable(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = noted_syncs(monkeypatch)
    with root.parent_for_writing(sp("a/b/file")) as (parent, name):
        assert name == "file"
        assert os.fstat(parent).st_ino == (folder / "a/b").stat().st_ino
    assert synced == [folder.stat().st_ino, (folder / "a").stat().st_ino]
    with root.parent_for_writing(sp("a/b/other")):
        pass
    assert len(synced) == 2


def test_a_folder_whose_name_could_not_be_made_durable_is_made_anew_by_the_next_try(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail(patch, "fsync", errno.EIO)
        with pytest.raises(PanalError), root.parent_for_writing(sp("a/b/file")):
            pass
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    with root.parent_for_writing(sp("a/b/file")):
        pass
    assert synced == [folder.stat().st_ino, (folder / "a").stat().st_ino]


@pytest.mark.parametrize("make", [*KINDS[:-1], lambda path, _: path.write_bytes(b"bytes")])
def test_nothing_is_made_below_what_is_no_folder(
    make: Maker, root: Root, folder: Path, outside: Path
) -> None:
    make(folder / "thing", outside)
    with (
        alarmed(),
        pytest.raises(Refused, match="'thing' is not a folder"),
        root.parent_for_writing(sp("thing/below/file")),
    ):
        pass
    assert sorted(os.listdir(outside)) == ["key"]


@pytest.mark.parametrize(
    ("name", "number", "kind"),
    [
        ("open", errno.EMFILE, PanalError),
        ("mkdir", errno.ENOSPC, NoSpace),
        ("mkdir", errno.EROFS, Refused),
        ("mkdir", errno.EACCES, Refused),
        ("fsync", errno.EIO, PanalError),
    ],
)
def test_a_folder_that_cannot_be_made_is_told_in_words(
    name: str,
    number: int,
    kind: type[PanalError],
    root: Root,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = open_descriptors()
    with monkeypatch.context() as patch:
        fail(patch, name, number, inside if name == "open" else anywhere)
        with (
            pytest.raises(kind, match="Could not make the folder 'a'") as caught,
            root.parent_for_writing(sp("a/file")),
        ):
            pass
    assert type(caught.value) is kind
    assert open_descriptors() == before


# Races ------------------------------------------------------------------------------------

RENAME_EXCHANGE = 2
_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2


def exchange(one: Path, other: Path) -> None:
    if _renameat2(-100, os.fsencode(one), -100, os.fsencode(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@pytest.fixture
def trap(folder: Path, outside: Path) -> Callable[[], None]:
    """root/a/key is ours, root/trap leads out; calling it swaps the two."""
    (folder / "a").mkdir()
    (folder / "a/key").write_bytes(b"ours")
    (folder / "trap").symlink_to(outside)
    return lambda: exchange(folder / "a", folder / "trap")


def put(root: Root, path: str) -> None:
    with root.parent_for_writing(sp(path)) as (parent, name):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=parent))


def naive_put(folder: Path, path: str) -> None:
    target = folder / path
    if target.resolve().is_relative_to(folder):
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def swapping_before_call(
    monkeypatch: pytest.MonkeyPatch, swap: Callable[[], None], number: int
) -> None:
    """Swap just before file call `number` of what follows."""
    calls = iter(range(1_000))

    def patched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if next(calls) == number:
                swap()
            return real(*args, **named)

        return call

    for name in ("open", "mkdir", "stat", "fsync", "dup"):
        monkeypatch.setattr(os, name, patched(getattr(os, name)))


@pytest.mark.parametrize("number", range(8))
def test_a_folder_swapped_for_a_link_before_any_call_leads_nowhere(
    number: int,
    root: Root,
    outside: Path,
    trap: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        swapping_before_call(patch, trap, number)
        for path in ("a/new", "a/deeper/new"):
            with contextlib.suppress(Refused):
                put(root, path)
        try:
            found = read(root, "a/key")
        except NotFound:
            found = b"ours"
    assert found == b"ours"
    assert sorted(os.listdir(outside)) == ["key"]


def test_a_folder_that_another_makes_at_the_same_moment_will_do(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def make_twice(name: str, *, dir_fd: int) -> None:
        real(name, dir_fd=dir_fd)
        real(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", make_twice)
    put(root, "new/file")
    assert (folder / "new/file").exists()


def test_a_folder_made_and_swapped_at_once_is_refused_in_words(
    root: Root, folder: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.mkdir

    def mkdir_and_swap(name: str, *, dir_fd: int) -> None:
        real(name, dir_fd=dir_fd)
        os.rmdir(name, dir_fd=dir_fd)
        os.symlink(outside, name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", mkdir_and_swap)
    with pytest.raises(Refused, match="'new' is not a folder"):
        put(root, "new/file")
    assert sorted(os.listdir(outside)) == ["key"]


def test_resolving_first_and_opening_then_does_lose_that_race(
    folder: Path, outside: Path, trap: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        real = os.open

        def swap_and_open(*args: Any, **named: Any) -> int:
            trap()
            return real(*args, **named)

        patch.setattr(os, "open", swap_and_open)
        naive_put(folder, "a/new")
    assert sorted(os.listdir(outside)) == ["key", "new"]


SWAP_FOR_EVER = """
import ctypes, os, sys
renameat2 = ctypes.CDLL(None).renameat2
one, other = map(os.fsencode, sys.argv[1:])
print("swapping", flush=True)
while renameat2(-100, one, -100, other, 2) == 0:
    pass
"""


@pytest.mark.slow
def test_a_folder_swapped_all_the_time_leads_nowhere(
    root: Root, folder: Path, outside: Path, trap: Callable[[], None]
) -> None:
    command = [sys.executable, "-c", SWAP_FOR_EVER, str(folder / "a"), str(folder / "trap")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        for number in range(100_000 if AT_LENGTH else 4_000):
            with contextlib.suppress(Refused):
                put(root, f"a/{number}")
            with contextlib.suppress(NotFound):
                assert read(root, "a/key") == b"ours"
        assert swapper.poll() is None
        swapper.kill()
    assert sorted(os.listdir(outside)) == ["key"]


# Walking ----------------------------------------------------------------------------------


def walk(root: Root) -> tuple[dict[SafePath, Fingerprint], Skipped]:
    skipped = Skipped()
    return dict(root.walk(skipped)), skipped


def test_a_walk_finds_every_regular_file_and_counts_the_rest(
    root: Root, folder: Path, outside: Path
) -> None:
    (folder / "a/b").mkdir(parents=True)
    for name in ("top", "a/one", "a/b/two", "-rf", "~", "con", "%2e%2e"):
        (folder / name).write_bytes(b"bytes")
    (folder / ".hidden").write_bytes(b"bytes")
    (folder / ".git").mkdir()
    (folder / ".git/config").write_bytes(b"bytes")
    (folder / ".panal").mkdir()
    (folder / ".panal/index.sqlite").write_bytes(b"bytes")
    (folder / "a/line\nbreak").write_bytes(b"bytes")
    Path(os.fsdecode(os.fsencode(folder) + b"/not \xff UTF-8")).write_bytes(b"bytes")
    for number, make in enumerate(KINDS[:-1]):
        make(folder / f"a/b/thing{number}", outside)
    found, skipped = walk(root)
    names = {"top", "a/one", "a/b/two", "-rf", "~", "con", "%2e%2e", "a/b/own"}
    assert found == {name: fingerprint_of(folder / name) for name in names}
    assert skipped.counts == {
        "hidden": 2,
        "unsafe name": 2,
        "symbolic link": 4,
        "special file": 2,
    }
    assert sorted(skipped.examples["unsafe name"]) == [
        "'a/line\\nbreak'",
        "'not \\xff UTF-8'",
    ]
    assert len(skipped.examples["symbolic link"]) == 3


def test_a_walk_goes_as_deep_as_paths_may(root: Root, folder: Path) -> None:
    deepest = folder.joinpath(*["d"] * 31)
    (deepest / "d").mkdir(parents=True)
    (deepest / "file").write_bytes(b"bytes")
    (deepest / "d/too deep").write_bytes(b"bytes")
    found, skipped = walk(root)
    assert list(found) == ["/".join(["d"] * 31 + ["file"])]
    assert skipped.counts == {"unsafe name": 1}


def test_a_file_larger_than_any_content_is_counted(root: Root, folder: Path) -> None:
    for name, size_bytes in (("most", MAX_CONTENT_BYTES), ("more", MAX_CONTENT_BYTES + 1)):
        (folder / name).touch()
        os.truncate(folder / name, size_bytes)
    found, skipped = walk(root)
    assert list(found) == ["most"]
    assert skipped.examples == {"too large": ["'more'"]}


def test_a_folder_that_vanishes_or_becomes_a_link_during_a_walk_is_not_there(
    root: Root, folder: Path, outside: Path
) -> None:
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
        (folder / name / "file").write_bytes(b"bytes")
    (folder / "0").write_bytes(b"bytes")  # the first in the order of paths
    skipped = Skipped()
    walking = root.walk(skipped)
    first = next(walking)[0]
    assert first == "0"
    (folder / "a/file").unlink()
    (folder / "a").rmdir()
    (folder / "b").rename(folder.parent / "b")
    (folder / "b").symlink_to(outside)
    assert [path for path, _ in walking] == ["c/file"]


def test_a_folder_whose_parent_vanishes_during_a_walk_is_not_there(
    root: Root, folder: Path
) -> None:
    (folder / "a/b").mkdir(parents=True)
    for name in ("a/0", "a/b/file"):
        (folder / name).write_bytes(b"bytes")
    walking = root.walk(Skipped())
    assert next(walking)[0] == "a/0"
    (folder / "a").rename(folder.parent / "a")
    assert list(walking) == []


def test_a_file_that_vanishes_during_a_walk_is_not_there(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (folder / name).write_bytes(b"bytes")
    real = os.scandir

    @contextlib.contextmanager
    def unlinking(descriptor: int) -> Iterator[Any]:  # between the listing and the stats
        with real(descriptor) as listed:
            entries = list(listed)
        (folder / "two").unlink()
        yield entries

    monkeypatch.setattr(os, "scandir", unlinking)
    assert [path for path, _ in root.walk(Skipped())] == ["one"]


def test_files_come_in_the_order_of_their_paths(root: Root, folder: Path) -> None:
    paths = ["a", "a b/x", "a-/x", "a.txt", "a/", "a/b/c", "a0", "b", "ñ/x", "\U0001f41d", "\uffff"]
    paths = [path.replace("a/", "A/") for path in paths if path != "a/"]
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    assert [path for path, _ in root.walk(Skipped())] == sorted(paths, key=str.encode)


def test_a_folder_that_may_not_be_read_is_counted(
    root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "locked").mkdir()
    (folder / "open").mkdir()
    (folder / "open/file").write_bytes(b"bytes")
    fail(monkeypatch, "open", errno.EACCES, lambda name, *_, **__: name == "locked")
    found, skipped = walk(root)
    assert list(found) == ["open/file"]
    assert skipped.examples == {"unreadable folder": ["'locked'"]}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("open", errno.EMFILE),
        ("open", errno.EIO),
        ("scandir", errno.EMFILE),
        ("scandir", errno.EIO),
    ],
)
def test_a_walk_that_cannot_see_says_so_and_does_not_call_the_folder_empty(
    name: str, number: int, root: Root, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").mkdir()
    (folder / "a/file").write_bytes(b"bytes")
    before = open_descriptors()
    with monkeypatch.context() as patch:
        fail(patch, name, number, inside if name == "open" else anywhere)
        with pytest.raises(PanalError, match="Could not"):
            walk(root)
    assert open_descriptors() == before


def test_every_call_gives_its_descriptors_back(root: Root, folder: Path, outside: Path) -> None:
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/file").write_bytes(b"bytes")
    (folder / "a/link").symlink_to(outside)
    before = open_descriptors()
    walk(root)
    read(root, "a/b/file")
    root.fingerprint(sp("a/b/file"))
    root.is_taken(sp("a/b/file"))
    for path in ("a/link/key", "a/link", "a/none"):
        with pytest.raises(NotFound):
            root.open_file(sp(path))
    put(root, "a/b/new")
    assert open_descriptors() == before


# Words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, NoSpace, "the disk is full"),
        (errno.EDQUOT, NoSpace, "the quota is used up"),
        (errno.EFBIG, NoSpace, "the file-size limit is reached"),
        (errno.EACCES, Refused, "Permission denied"),
        (errno.EPERM, Refused, "Operation not permitted"),
        (errno.EROFS, Refused, "Read-only file system"),
        (errno.EIO, PanalError, "Input/output error"),
    ],
)
def test_a_failed_file_call_has_a_sentence(number: int, kind: type[PanalError], words: str) -> None:
    error = disk_error(OSError(number, os.strerror(number)), "do it")
    assert type(error) is kind
    assert str(error).startswith(f"Could not do it: {words}")
