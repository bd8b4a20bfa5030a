"""Files that rot: found, withdrawn, told of, and repaired from others."""

import asyncio
import errno
import mmap
import os
import stat
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.errors import NoSpace, PanalError
from panal.peer import repairing, scrubbing, sharing
from panal.peer.transfer import Transfer
from panal.store import file_systems, publish
from panal.store.file_systems import Mounted
from panal.store.index import Index
from panal.store.local_chunks import LocalChunks
from panal.store.partial import PartialFile
from panal.store.scrub_records import Position, ScrubRecords
from panal.wire.manifest import MIN_CHUNK_BYTES, content_id
from panal.wire.names import SafePath
from tests.fsck.place import overwrite
from tests.store.makers import fail, manifest_by_hand
from tests.support.checker import assert_settled, assert_sound
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.p1

DATA = Random(1).randbytes(MIN_CHUNK_BYTES * 3 + 5)
MANIFEST = manifest_by_hand(DATA)
ROT_AT = MIN_CHUNK_BYTES + 7

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


@pytest.fixture(autouse=True)
def on_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of tests may lie in memory, where nothing is repaired."""
    monkeypatch.setattr(repairing, "shows_writers", lambda _: True)


async def holding(network: Network, name: str, path: str = "film.bin") -> RunningPeer:
    """A peer that shares the file, which rests: a look at the folder would take it for new."""
    peer = await network.peer(name)
    await peer.upload(path, DATA)
    os.utime(peer.folder / path, ns=(1, 10**18 + 1))
    await peer.app.scanning.scan()

    def rests() -> bool:
        # A look of the peer's own may have found it first, and read it still when ours is over.
        shared = peer.app.index.by_path(SafePath(path))
        return shared is not None and shared.fingerprint.mtime_ns == 10**18 + 1

    await until(rests, "it is shared as it rests")
    return peer


def rot(peer: RunningPeer, path: str = "film.bin") -> None:
    """Change bytes as a failing disk does: the time of change stays too, which no program can."""
    overwrite(peer.folder / path, ROT_AT, b"rot")
    ctime_ns = (peer.folder / path).stat().st_ctime_ns
    peer.app.index.write("UPDATE shared SET ctime_ns = ? WHERE path = ?", (ctime_ns, path))


async def content_of(peer: RunningPeer) -> str:
    (file,) = peer.node.files().files
    return file.id


@pytest.mark.parametrize("again", ["running", "started again"])
async def test_what_has_rotted_is_withdrawn_and_never_shared_as_anything(
    network: Network, again: str
) -> None:
    peer = await holding(network, "one")
    content = await content_of(peer)
    overwrite(peer.folder / "film.bin", ROT_AT, b"rot")
    answer = await peer.node.verify()
    assert list(answer.differing) == ["film.bin"]
    assert "1 of 4 chunks (1)" in answer.differing["film.bin"]
    if again == "started again":
        await network.stop_peer("one")
        found = {one.kind.slug for one in assert_sound(peer.folder)}
        assert found == {"damaged-touched"}  # here by a program, and not by the disk
        peer = await network.peer("one")
    await peer.app.scanning.scan()
    await until(lambda: peer.app.scanning.to_hash == 0, "what a look of the peer's own has found")
    assert peer.node.files().files == []
    assert (await peer.request("GET", f"/content/{content}")).status == 404
    assert peer.node.status().damaged == {"film.bin": answer.differing["film.bin"]}
    assert list((await peer.node.verify(["film.bin"])).differing) == ["film.bin"]


async def test_what_has_rotted_is_not_shared_as_new_when_the_index_is_lost(
    network: Network,
) -> None:
    peer = await holding(network, "one")
    rot(peer)
    wrong = (await peer.node.verify()).differing
    await network.stop_peer("one")
    (peer.app.settings.state / "index.sqlite").write_bytes(b"")
    peer = await network.peer("one")
    (peer.folder / "other.bin").write_bytes(b"other")
    await peer.app.scanning.scan()
    await until(lambda: len(peer.node.files().files) > 0, "another file is shared")
    assert [file.path for file in peer.node.files().files] == ["other.bin"]
    assert peer.node.status().damaged == wrong
    other = await holding(network, "other")
    assert (await peer.node.verify(repair=True)).repaired == ["film.bin"]
    assert (peer.folder / "film.bin").read_bytes() == (other.folder / "film.bin").read_bytes()


async def test_a_second_name_of_the_same_rotten_file_is_not_shared_as_moved(
    network: Network,
) -> None:
    peer = await holding(network, "one")
    os.link(peer.folder / "film.bin", peer.folder / "twin.bin")
    await peer.app.scanning.scan()
    assert len(peer.node.files().files) == 2
    overwrite(peer.folder / "film.bin", ROT_AT, b"rot")
    assert list((await peer.node.verify(["film.bin"])).differing) == ["film.bin"]
    await peer.app.scanning.scan()
    assert "film.bin" not in {file.path for file in peer.node.files().files}
    assert sorted((await peer.node.verify()).differing) == ["film.bin", "twin.bin"]


async def test_once_it_was_touched_it_is_shared_as_what_it_is(network: Network) -> None:
    peer = await holding(network, "one")
    before = await content_of(peer)
    overwrite(peer.folder / "film.bin", ROT_AT, b"rot")
    await peer.node.verify()
    os.utime(peer.folder / "film.bin", ns=(1, 10**17))
    await peer.app.scanning.scan()
    assert await content_of(peer) != before
    assert peer.node.status().damaged == {}
    assert (await peer.node.verify()).differing == {}


async def test_a_repair_fetches_the_wrong_chunk_alone(network: Network) -> None:
    peer, other = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    path.chmod(0o640)
    content = await content_of(peer)
    rot(peer)
    answer = await peer.node.verify(repair=True)
    assert (answer.differing, answer.repaired) == ({}, ["film.bin"])
    assert path.read_bytes() == DATA
    assert other.app.traffic.up_bytes == MIN_CHUNK_BYTES
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime_ns) == (0o640, 10**18 + 1)
    assert await content_of(peer) == content
    assert peer.node.status().damaged == {}
    assert (await peer.request("GET", f"/content/{content}")).body == DATA
    await network.stop_peer("one")
    assert_settled(peer.folder, whole={"film.bin": DATA})


async def test_where_something_is_mounted_a_repair_is_refused_before_the_first_byte(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, other = await holding(network, "one"), await holding(network, "two")
    rot(peer)
    monkeypatch.setattr(sharing, "mounted_at", lambda _: Mounted(0, 0))
    answer = await peer.node.verify(repair=True)
    assert "on another file system" in answer.differing["film.bin"]
    assert other.app.traffic.up_bytes == 0


async def test_a_repaired_file_keeps_its_extended_attributes(network: Network) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    try:
        os.setxattr(path, "user.album", b"holiday")
    except OSError:
        pytest.skip("this file system has none")
    rot(peer)
    assert (await peer.node.verify(repair=True)).repaired == ["film.bin"]
    assert os.getxattr(path, "user.album") == b"holiday"


@needs_root
async def test_a_repaired_file_keeps_its_owner(network: Network) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    os.chown(path, 1000, 1001)
    path.chmod(0o4600)  # a new owner would take away the first of them
    rot(peer)
    assert (await peer.node.verify(repair=True)).repaired == ["film.bin"]
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1000, 1001, 0o4600)
    assert path.read_bytes() == DATA


@needs_root
async def test_what_cannot_be_given_to_its_owner_again_is_left_alone(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    os.chown(path, 1000, 1001)
    rot(peer)
    rotten, inode = path.read_bytes(), path.stat().st_ino
    with monkeypatch.context() as patch:
        fail(patch, "fchown", errno.EPERM)
        answer = await peer.node.verify(repair=True)
    assert "it belongs to user 1000, group 1001, to whom" in answer.differing["film.bin"]
    assert (path.read_bytes(), path.stat().st_ino) == (rotten, inode)
    assert (await peer.node.verify(repair=True)).repaired == ["film.bin"]


async def test_without_anybody_who_has_it_nothing_is_touched(network: Network) -> None:
    peer = await holding(network, "one")
    path = peer.folder / "film.bin"
    rot(peer)
    rotten = path.read_bytes()
    answer = await peer.node.verify(repair=True)
    assert "not repaired: nobody else" in answer.differing["film.bin"]
    assert path.read_bytes() == rotten


async def test_a_source_that_sends_nothing_ends_a_repair_in_words(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, other = await holding(network, "one"), await holding(network, "two")
    rot(peer)
    overwrite(other.folder / "film.bin", ROT_AT, b"rot")
    monkeypatch.setattr(repairing, "PATIENCE_S", 0.2)
    monkeypatch.setattr(repairing, "LOOK_S", 0.05)
    answer = await peer.node.verify(repair=True)
    assert "not repaired" in answer.differing["film.bin"]
    await network.stop_peer("one")
    assert_sound(peer.folder)


async def test_what_lies_in_a_further_root_is_only_read(network: Network, tmp_path: Path) -> None:
    await holding(network, "two")
    peer = await network.peer("one")
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "film.bin").write_bytes(DATA)
    os.utime(tmp_path / "music" / "film.bin", ns=(1, 10**18 + 1))
    await peer.node.add([str(tmp_path / "music")])
    await until(lambda: len(peer.node.files().files) == 1, "shared")
    overwrite(tmp_path / "music" / "film.bin", ROT_AT, b"rot")
    answer = await peer.node.verify(repair=True)
    assert "only reads" in answer.differing["music/film.bin"]


async def test_a_chunk_that_cannot_be_read_is_a_wrong_one(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    inode = (peer.folder / "film.bin").stat().st_ino

    def is_bad(descriptor: int, _: object, offset: int) -> bool:
        in_chunk = MIN_CHUNK_BYTES <= offset < 2 * MIN_CHUNK_BYTES
        return in_chunk and os.fstat(descriptor).st_ino == inode

    fail(monkeypatch, "preadv", errno.EIO, is_bad)
    fail(monkeypatch, "pread", errno.EIO, lambda fd, _, offset: is_bad(fd, None, offset))
    answer = await peer.node.verify(repair=True)
    assert (answer.differing, answer.repaired) == ({}, ["film.bin"])
    assert (peer.folder / "film.bin").read_bytes() == DATA


async def test_what_reads_right_again_is_shared_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await holding(network, "one")
    content = await content_of(peer)
    inode = (peer.folder / "film.bin").stat().st_ino
    with monkeypatch.context() as patch:
        fail(patch, "preadv", errno.EIO, lambda fd, *_: os.fstat(fd).st_ino == inode)
        assert list((await peer.node.verify()).differing) == ["film.bin"]
        assert list((await peer.node.verify()).differing) == ["film.bin"]
    answer = await peer.node.verify()
    assert (answer.differing, answer.repaired) == ({}, ["film.bin"])
    assert peer.node.status().damaged == {}
    assert await content_of(peer) == content
    assert (await peer.request("GET", f"/content/{content}")).body == DATA


async def test_a_disk_that_is_away_says_nothing_of_its_files(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await holding(network, "one")
    inode = (peer.folder / "film.bin").stat().st_ino
    fail(monkeypatch, "preadv", errno.ENOTCONN, lambda fd, *_: os.fstat(fd).st_ino == inode)
    answer = await peer.node.verify()
    assert "Could not read" in answer.differing["film.bin"]
    await peer.app.scrubbing.step()
    assert peer.node.status().damaged == {}
    assert len(peer.node.files().files) == 1


async def test_a_full_disk_of_the_index_ends_no_peer_that_finds_a_changed_file(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("film.bin", DATA)
    (peer.folder / "film.bin").write_bytes(b"mine")

    def full(*_: object) -> None:
        raise NoSpace("The index cannot grow.")

    with monkeypatch.context() as patch:
        patch.setattr(Index, "forget", full)
        await peer.app.scrubbing.step()
    assert peer.app.scrubbing.at.path == "film.bin"


async def test_what_has_rotted_is_not_served_though_the_index_cannot_be_written(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as there is room it is written down; killed in between, the next start does it."""
    peer = await holding(network, "one")
    content = await content_of(peer)
    rot(peer)
    real, is_full = Index.writing, True

    def writing(index: Index) -> Any:
        if is_full:
            raise NoSpace("The index cannot grow.")
        return real(index)

    monkeypatch.setattr(Index, "writing", writing)
    assert list((await peer.node.verify()).differing) == ["film.bin"]
    for url in (f"/content/{content}", "/files/film.bin"):
        assert (await peer.request("GET", url)).status in {404, 409, 410}, url
    await peer.app.scrubbing.step()
    assert peer.app.damage.write_down() == "The index cannot grow."
    is_full = False
    assert peer.app.damage.write_down() == ""
    assert peer.node.files().files == []
    await network.stop_peer("one")
    assert {one.kind.slug for one in assert_sound(peer.folder)} == {"damaged"}


async def test_what_a_kill_left_in_the_index_is_withdrawn_at_the_next_start(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is noted as damaged first, and then shared no more."""
    peer = await holding(network, "one")
    rot(peer)
    with monkeypatch.context() as patch:
        patch.setattr(Index, "forget", broken)
        await peer.node.verify()
        await network.stop_peer("one")
    peer = await network.peer("one")
    assert peer.node.files().files == []
    assert list(peer.node.status().damaged) == ["film.bin"]


async def test_however_long_it_takes_to_copy_what_is_right_that_is_not_silence(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    rot(peer)
    looked, looks, look = threading.Event(), 0, Transfer.look
    look_here = LocalChunks.look_at_some

    def counted(transfer: Transfer) -> None:
        nonlocal looks
        looks += 1
        look(transfer)
        if looks == 3:
            monkeypatch.setattr(repairing, "PATIENCE_S", 60.0)
            looked.set()

    def slowly(local: LocalChunks) -> tuple[int, int]:
        looked.wait(10)
        return look_here(local)

    monkeypatch.setattr(repairing, "PATIENCE_S", 0.0)
    monkeypatch.setattr(repairing, "LOOK_S", 0.001)
    monkeypatch.setattr(Transfer, "look", counted)
    monkeypatch.setattr(LocalChunks, "look_at_some", slowly)
    answer = await peer.node.verify(repair=True)
    assert (answer.differing, answer.repaired) == ({}, ["film.bin"])


def broken(*_: object, **__: object) -> None:
    raise PanalError("killed here")


@pytest.mark.parametrize("when", ["make_publishable", "forget_journal", "discard"])
async def test_broken_off_at_any_step_the_state_is_sound_and_the_next_repair_succeeds(
    network: Network, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """What is called at that step fails, and nothing after it is done: as a kill would have it."""
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    rot(peer)
    rotten = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(PartialFile, when, broken)
        answer = await peer.node.verify(repair=True)
    assert path.read_bytes() in {rotten, DATA}
    assert (path.read_bytes() == DATA) == (when == "discard")
    await network.stop_peer("one")
    assert_sound(peer.folder, whole={"film.bin": path.read_bytes()}, manifests=[MANIFEST])
    peer = await network.peer("one")
    if when != "discard":
        answer = await peer.node.verify(repair=True)
        assert answer.repaired == ["film.bin"]
    assert (await peer.node.verify()).differing == {}
    assert path.read_bytes() == DATA


async def test_a_file_that_was_edited_meanwhile_is_left_as_it_is(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    rot(peer)
    real = publish._exchange_at

    def edited_just_before(*named: object) -> None:
        (peer.folder / "saved").write_bytes(b"mine")
        os.replace(peer.folder / "saved", path)  # as editors save
        monkeypatch.setattr(publish, "_exchange_at", real)
        real(*named)  # type: ignore[arg-type]

    monkeypatch.setattr(publish, "_exchange_at", edited_just_before)
    answer = await peer.node.verify(repair=True)
    assert "changed meanwhile" in answer.differing["film.bin"]
    assert path.read_bytes() == b"mine"


async def test_a_file_that_a_program_has_open_for_writing_is_left_to_it(network: Network) -> None:
    """Whatever that program writes later lands in the file that has the name."""
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    rot(peer)
    with path.open("r+b") as held:
        answer = await peer.node.verify(repair=True)
        assert "open for writing in another program" in answer.differing["film.bin"]
        held.write(b"mine")
    assert path.read_bytes()[:4] == b"mine"


async def test_what_a_program_writes_to_a_mapped_page_once_more_is_an_edit(
    network: Network, tmp_path: Path
) -> None:
    """The second write to a page that is not on the disk yet changes no time of the file."""
    with (tmp_path / "any").open("wb") as any_file:
        if not file_systems.shows_writers(any_file.fileno()):
            pytest.skip("the folder of this test lies where no time tells of it")
    peer, _ = await network.peer("one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    path.write_bytes(bytes(len(DATA)))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = DATA
        os.utime(path, ns=(1, 10**18 + 1))
        await peer.app.scanning.scan()
        await until(lambda: [*peer.node.files().files] != [], "it is shared")
        mapped[ROT_AT : ROT_AT + 4] = b"mine"
    await peer.node.verify(repair=True)
    assert path.read_bytes()[ROT_AT : ROT_AT + 4] == b"mine"
    os.utime(path, ns=(1, 10**18 + 2))
    await peer.app.scanning.scan()
    await until(lambda: peer.app.scanning.to_hash == 0, "what a look of the peer's own has found")
    assert await content_of(peer) == content_id(manifest_by_hand(path.read_bytes()).encode()).hex()
    assert (await peer.node.verify()).differing == {}


async def test_where_no_time_tells_of_an_edit_nothing_is_repaired(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(file_systems, "kind_of", lambda _: 0x01021994)  # tmpfs
    peer, other = await holding(network, "one"), await holding(network, "two")
    rot(peer)
    rotten = (peer.folder / "film.bin").read_bytes()
    answer = await peer.node.verify(repair=True)
    assert "a program may have edited it" in answer.differing["film.bin"]
    assert (peer.folder / "film.bin").read_bytes() == rotten
    assert other.app.traffic.up_bytes == 0


async def test_where_two_files_cannot_be_exchanged_nothing_is_replaced(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    rot(peer)
    rotten = path.read_bytes()

    def unsupported(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(publish, "_renameat2", unsupported)
    answer = await peer.node.verify(repair=True)
    assert "cannot exchange two files: remove the damaged one" in answer.differing["film.bin"]
    assert path.read_bytes() == rotten


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_an_edit_whose_time_was_set_back_is_never_undone(
    network: Network, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    peer, _ = await holding(network, "one"), await holding(network, "two")
    path = peer.folder / "film.bin"
    rot(peer)
    if when == "before":
        overwrite(path, 0, b"mine")
    else:
        real = PartialFile.make_publishable

        def edited_first(*given: object, **named: object) -> None:
            overwrite(path, 0, b"mine")
            real(*given, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(PartialFile, "make_publishable", edited_first)
    answer = await peer.node.verify(repair=True)
    assert "may have been edited" in answer.differing["film.bin"]
    assert path.read_bytes()[:4] == b"mine"
    assert peer.node.files().files == []
    await network.stop_peer("one")
    assert_sound(peer.folder)


@pytest.mark.parametrize("what", ["film.bin", "reel", "album"])
async def test_what_was_downloaded_counts_as_untouched(network: Network, what: str) -> None:
    """The names that Panal gave it after it was hashed are nobody's touch."""
    other, peer = await network.peer("two"), await network.peer("one")
    await other.upload("film.bin", DATA)
    for name in ("reel/large.bin", "album/small.txt"):
        await other.upload(name, DATA if "large" in name else b"small")
    if what != "film.bin":
        what = (await other.node.add_folder(what)).link
    assert (await peer.fetched(what)).state == "done"
    (shared,) = peer.app.index.files_after("", 2)
    assert shared.fingerprint.ctime_ns == (peer.folder / shared.path).stat().st_ctime_ns


@pytest.mark.parametrize("what", ["film.bin", "reel"])
async def test_a_download_that_was_done_says_so_until_it_is_repaired(
    network: Network, what: str
) -> None:
    other, peer = await network.peer("two"), await network.peer("one")
    path = what if what == "film.bin" else "reel/film.bin"
    await other.upload(path, DATA)
    link = (await other.node.add_folder(what)).link if what == "reel" else what
    identity = (await peer.fetched(link)).id
    assert peer.node.download(identity).reason == ""
    rot(peer, path)
    await peer.node.verify()
    (listed,) = peer.node.downloads()
    assert (listed.state, f"'{path}' is damaged: " in listed.reason) == ("done", True)
    why = peer.node.why(identity)
    assert why.why == f"It was done, but {listed.reason}"
    assert "'panal verify --repair'" in why.why
    await peer.node.verify(repair=True)
    assert peer.node.download(identity).reason == ""
    assert "whole, verified" in peer.node.why(identity).why


# In the background --------------------------------------------------------------------------


async def test_a_pass_goes_on_where_a_restart_left_it_and_finds_what_rotted(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "STEP_BYTES", MIN_CHUNK_BYTES)
    peer = await network.peer("one", shares_folder=False)
    for name in ("a.bin", "b.bin"):
        await peer.upload(name, DATA + name.encode())
    scrub = peer.app.scrubbing
    assert await scrub.step() == MIN_CHUNK_BYTES
    assert (scrub.at.path, scrub.at.chunk, scrub.at.is_over) == ("a.bin", 1, False)
    scrub._save()
    await network.stop_peer("one")
    overwrite(peer.folder / "b.bin", 2 * ROT_AT, b"rot")
    peer = await network.peer("one", shares_folder=False)
    scrub = peer.app.scrubbing
    assert (scrub.at.path, scrub.at.chunk) == ("a.bin", 1)
    seen = []
    while not scrub.at.is_over:
        seen.append((scrub.at.path, scrub.at.chunk))
        await scrub.step()
    assert seen[:4] == [("a.bin", 1), ("a.bin", 2), ("a.bin", 3), ("b.bin", 1)]
    assert list(peer.node.status().damaged) == ["b.bin"]
    assert [file.path for file in peer.node.files().files] == ["a.bin"]
    assert not scrub._is_due()


class Still(scrubbing.Scrubbing):
    """It only counts its steps."""

    def __init__(self, peer: RunningPeer, clock: VirtualClock, *, idle: bool) -> None:
        app = peer.app
        records = ScrubRecords(app.index)
        super().__init__(app.root, app.index, app.sharing, app.damage, records, lambda: idle, clock)
        self.rate_bytes_s = 1_000_000
        self.steps = 0

    async def step(self) -> int:
        self.steps += 1
        return 4_000_000


@pytest.mark.parametrize(
    ("idle", "rate_bytes_s", "over_since_s", "steps"),
    [
        (True, 1_000_000, None, 26),
        (True, 2_000_000, None, 51),
        (False, 1_000_000, None, 0),
        (True, 0, None, 0),
        (True, 1_000_000, scrubbing.PASS_EVERY_S - 1_000, 0),
        (True, 1_000_000, scrubbing.PASS_EVERY_S, 26),
        (True, 1_000_000, -1_000, 26),  # the clock was set back
    ],
)
async def test_it_keeps_to_its_rate_and_waits_while_there_is_else_to_do(
    network: Network, idle: bool, rate_bytes_s: int, over_since_s: float | None, steps: int
) -> None:
    clock = VirtualClock()
    scrub = Still(await network.peer("one"), clock, idle=idle)
    scrub.rate_bytes_s = rate_bytes_s
    if over_since_s is not None:
        scrub.at = Position(began_s=clock.wall_s() - over_since_s)
    running = asyncio.create_task(scrub.run())
    await clock.run_for(100.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert scrub.steps == steps
