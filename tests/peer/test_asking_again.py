"""A get that is asked again for a folder: what is there is believed where nothing has changed."""

import os
from pathlib import Path

import pytest

from panal.peer import folder_check
from panal.store.hashing import HashedFile, hash_file
from panal.store.roots import Root
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.names import SafePath
from tests.fsck.place import overwrite
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

OLD_NS = 1_234_567_890_123_456_789
FILES = {"a.txt": b"a" * 100, "deep/b.txt": b"b" * 200, "large": b"c" * (MIN_CHUNK_BYTES + 1)}


class Again:
    """A folder that one peer shares, and gets of it, each asked anew."""

    def __init__(self, network: Network, one: RunningPeer, link: str, read: list[str]) -> None:
        self.network, self.one, self.link = network, one, link
        self.read = read
        """What was hashed to compare it."""
        self.folder = network.place / "get" / "tree"

    async def start(self, *, ends_with_download: bool = True) -> RunningPeer:
        self.read.clear()
        return await self.network.peer(
            "get",
            registered=False,
            shares_folder=False,
            asked_anew=True,
            ends_with_download=ends_with_download,
        )

    async def get(self, what: str | None = None, name: str | None = None) -> tuple[str, int]:
        """How a get ended, and the bytes that came."""
        getter = await self.start()
        answer = await getter.fetched(what or self.link, name)
        await self.network.stop_peer("get")
        return answer.error or "", sum(source.bytes for source in answer.sources)


@pytest.fixture
async def again(network: Network, monkeypatch: pytest.MonkeyPatch) -> Again:
    for name, data in FILES.items():
        path = network.place / "one/tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(OLD_NS, OLD_NS))
    one = await network.peer("one")
    link = (await one.node.add_folder("tree")).link
    read: list[str] = []

    def noted(root: Root, path: SafePath) -> HashedFile:
        read.append(path)
        return hash_file(root, path)

    monkeypatch.setattr(folder_check, "hash_file", noted)
    return Again(network, one, link, read)


async def test_a_get_adds_up_no_total_that_it_forgets(again: Again) -> None:
    getter = await again.start()
    assert (await getter.fetched(again.link)).error is None
    assert getter.app.index.total.value() is None
    assert getter.app.index.totals()[0] == len(FILES)


async def test_neither_the_list_nor_a_file_is_fetched_or_read_again(again: Again) -> None:
    assert await again.get() == ("", sum(map(len, FILES.values())))
    await again.network.stop_peer("one")
    for _ in range(2):
        assert await again.get() == ("", 0)
        assert again.read == []


async def test_nobody_is_told_of_a_folder_that_is_there(again: Again) -> None:
    await again.get()
    getter = await again.start()
    await getter.fetched(again.link)
    assert getter.app.index.totals() == (0, 0)
    assert getter.app.collections.offering.entries() == []


@pytest.mark.parametrize("inside", ["deep", "a.txt"])
async def test_a_part_of_a_folder(again: Again, inside: str) -> None:
    what = f"{again.link.partition('?')[0]}/{inside}"
    assert (await again.get(what, "part"))[0] == ""
    await again.network.stop_peer("one")
    assert (await again.get(what, "part"), again.read) == (("", 0), [])


async def test_what_differs_in_anything_is_read(again: Again) -> None:
    await again.get()
    a = again.folder / "a.txt"
    os.utime(a, ns=(OLD_NS, OLD_NS + 1))
    for read in (["tree/a.txt"], []):  # what was read is known from then on
        assert (await again.get(), again.read) == (("", 0), read)
    copy = a.with_name("copy")
    copy.write_bytes(a.read_bytes())
    os.utime(copy, ns=(OLD_NS, OLD_NS + 1))
    copy.rename(a)  # another inode
    assert (await again.get(), again.read) == (("", 0), ["tree/a.txt"])
    a.write_bytes(b"x" * 100)
    os.utime(a, ns=(OLD_NS, OLD_NS + 2))
    for _ in range(2):
        assert (await again.get(), again.read) == (("target-taken", 0), ["tree/a.txt"])
    assert a.read_bytes() == b"x" * 100


@pytest.mark.parametrize("runs", [1, 2])
async def test_an_edit_whose_time_was_set_back_is_found(again: Again, runs: int) -> None:
    for _ in range(runs):
        await again.get()
    overwrite(again.folder / "a.txt", 0, b"mine")
    assert (await again.get(), again.read) == (("target-taken", 0), ["tree/a.txt"])
    assert (again.folder / "a.txt").read_bytes()[:4] == b"mine"


async def test_one_that_stays_shares_an_edit_no_longer_as_what_it_was(again: Again) -> None:
    await again.get()
    getter = await again.start(ends_with_download=False)
    assert (await getter.fetched(again.link)).state == "done"
    was = {(file.path, file.id) for file in getter.node.files().files}
    overwrite(again.folder / "a.txt", 0, b"mine")
    assert (await getter.fetched(again.link)).error == "target-taken"
    assert again.read == ["tree/a.txt"]
    left = was & {(file.path, file.id) for file in getter.node.files().files}
    assert {path for path, _ in was - left} == {"tree/a.txt"}


async def test_what_is_missing_is_fetched_and_all_of_it_shared_meanwhile(again: Again) -> None:
    await again.get()
    (again.folder / "a.txt").unlink()
    getter = await again.start()
    answer = await getter.fetched(again.link)
    assert (answer.state, sum(source.bytes for source in answer.sources)) == ("done", 100)
    assert (getter.app.index.totals()[0], again.read) == (len(FILES), [])
    await again.network.stop_peer("get")
    assert (await again.get(), again.read) == (("", 0), [])


async def test_one_that_stays_shares_what_was_there(again: Again) -> None:
    await again.get()
    await again.network.stop_peer("one")
    getter = await again.start(ends_with_download=False)
    assert (await getter.fetched(again.link)).state == "done"
    assert again.read == []
    await until(lambda: getter.app.collections.offering.entries() != [], "offered")
    other = await again.network.peer("other", shares_folder=False)
    assert (await other.fetched(again.link)).state == "done"
    assert (other.folder / "tree/a.txt").read_bytes() == FILES["a.txt"]


@pytest.mark.parametrize("ends", [True, False])
async def test_of_small_files_the_tracker_hears_from_those_that_stay(
    again: Again, ends: bool
) -> None:
    getter = await again.start(ends_with_download=ends)
    await until(lambda: getter.app.lease.problem == "", "registered")
    assert (await getter.fetched(again.link)).state == "done"
    assert getter.app.index.totals()[0] == len(FILES)
    told = ["tree/large"] if ends else sorted(f"tree/{name}" for name in FILES)
    announcer = getter.app.announcer

    async def named() -> list[str]:
        hits = (await again.one.node.search("")).hits
        return sorted(n.path for hit in hits for n in hit.names if n.peer == "get" and n.path != "")

    assert await announcer.announced(PATIENCE_S)
    assert [path for path in await named() if path != "tree"] == told
    # All afresh, as to a tracker that has lost everything: the same, and the digests agree.
    await announcer.tell_everything()
    assert [path for path in await named() if path != "tree"] == told
    caller = announcer._caller
    assert (await getter.app.client.renew(caller, announcer._digest.value())).in_step


async def test_one_that_was_stopped_is_asked_anew(again: Again, tmp_path: Path) -> None:
    getter = await again.start()
    await again.network.stop_peer("one")
    begun = getter.node.get("f" * 64, wait=True)
    await until(lambda: getter.node.download(begun.id).state == "running", "running")
    await again.network.stop_peer("get")
    assert (await again.start()).node.downloads() == []
