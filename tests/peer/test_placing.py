"""Verified files are put in place many together, and work is not broken off by a cancel."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from panal.errors import NoSpace, PanalError
from panal.peer import placing
from panal.peer.placing import GATHERED_S, Placing, to_end
from panal.peer.sharing import Sharing
from panal.peer.small_files import manifest_of_small
from panal.store.hashing import HashedFile
from panal.store.roots import Root
from panal.store.staging import Staging
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.manifest import content_id
from panal.wire.names import safe_path
from tests.support.clock import VirtualClock

pytestmark = pytest.mark.p2


class Shared:
    """What of `Sharing` is needed here: who is busy, and what was indexed together."""

    def __init__(self) -> None:
        self.busy: set[str] = set()
        self.remembered: list[list[str]] = []
        self.news: asyncio.Queue[list[str]] = asyncio.Queue()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.failure: Exception | None = None

    async def remember(self, files: list[HashedFile]) -> None:
        assert {file.path for file in files} <= self.busy
        paths: list[str] = [file.path for file in files]
        self.news.put_nowait(paths)
        await self.may_end.wait()
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        self.remembered.append(paths)


class Places:
    """A folder that batches of one file each are put into."""

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "staged").mkdir()
        self.root, self._staged = Root(tmp_path / "root"), tmp_path / "staged"
        self.shared, self.clock = Shared(), VirtualClock()
        self.placing = Placing(cast(Sharing, self.shared), self.clock)

    async def add(self, path: str) -> None:
        batch = Staging(self._staged, self.root)
        manifest = manifest_of_small(path.encode())
        content = content_id(manifest.encode())
        entry = CollectionEntry(safe_path(path), EntryType.FILE, content, len(path), 0)
        batch.write(path.encode(), entry, manifest)
        await self.placing.add(batch)

    async def begin(self, path: str) -> None:
        """Put it in place, which does not end before `may_end` is set."""
        self.shared.may_end.clear()
        self.clock.advance(GATHERED_S)
        await self.add(path)
        await self.shared.news.get()

    def there(self) -> list[str]:
        return sorted(path.name for path in self.root.path.iterdir())


async def test_what_comes_quickly_is_put_in_place_together(tmp_path: Path) -> None:
    places = Places(tmp_path)
    for name in ("a", "b"):
        await places.add(name)
    assert places.there() == []
    await places.placing.flush()
    assert places.there() == ["a", "b"]
    assert places.shared.remembered == [["a", "b"]]
    assert places.shared.busy == set()


async def test_what_comes_slowly_does_not_wait_for_more(tmp_path: Path) -> None:
    places = Places(tmp_path)
    for name in ("a", "b"):
        places.clock.advance(GATHERED_S)
        await places.add(name)
        assert await places.shared.news.get() == [name]
        assert name in places.there()
    await places.placing.flush()


@pytest.mark.parametrize("limit", ["GATHERED_FILES", "GATHERED_BYTES"])
async def test_much_does_not_wait_either(
    tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(tmp_path)
    monkeypatch.setattr(placing, limit, 3)
    for name in ("a", "b"):
        await places.add(name)
    assert places.there() == []
    await places.add("c")
    assert await places.shared.news.get() == ["a", "b", "c"]
    assert places.there() == ["a", "b", "c"]
    await places.placing.flush()


async def test_no_set_is_forgotten_that_begins_as_another_ends(tmp_path: Path) -> None:
    """Two come in the turn of the loop in which the one ends that a third waits for."""
    places = Places(tmp_path)
    await places.begin("a")
    has_ended = asyncio.Event()

    async def then_add(name: str) -> None:
        await has_ended.wait()
        await places.add(name)

    coming = [asyncio.create_task(then_add(name)) for name in ("c", "d")]
    await asyncio.sleep(0)
    running = places.placing._running
    assert running is not None
    running.add_done_callback(lambda _: has_ended.set())
    places.clock.advance(GATHERED_S)
    coming.append(asyncio.create_task(places.add("b")))
    await asyncio.sleep(0)
    places.shared.may_end.set()
    await running
    places.shared.failure = NoSpace("full")  # for whichever set comes next
    told = await asyncio.gather(*coming, return_exceptions=True)
    try:
        await places.placing.flush()
    except NoSpace as error:
        told.append(error)
    assert [one for one in told if one is not None]
    assert places.placing._running is None
    assert places.shared.busy == set()


async def test_one_set_is_put_in_place_while_the_next_comes(tmp_path: Path) -> None:
    places = Places(tmp_path)
    await places.begin("a")
    await places.add("b")  # not due: it waits for nobody
    places.clock.advance(GATHERED_S)
    third = asyncio.create_task(places.add("c"))
    await asyncio.sleep(0)
    assert not third.done()  # two sets at once would take twice the memory
    places.shared.may_end.set()
    await third
    await places.placing.flush()
    assert places.shared.remembered == [["a"], ["b", "c"]]
    assert places.shared.busy == set()


async def test_what_fails_beside_others_is_told_and_the_rest_is_put_in_place(
    tmp_path: Path,
) -> None:
    places = Places(tmp_path)
    places.shared.failure = PanalError("the disk")
    places.clock.advance(GATHERED_S)
    await places.add("a")
    await places.add("b")
    with pytest.raises(PanalError, match="the disk"):
        await places.placing.flush()
    assert places.shared.remembered == [["b"]]
    await places.placing.flush()  # told once
    assert places.shared.busy == set()


async def test_a_name_that_was_taken_is_told(tmp_path: Path) -> None:
    places = Places(tmp_path)
    (tmp_path / "root/b").write_bytes(b"another")
    for name in ("a", "b"):
        await places.add(name)
    await places.placing.flush()
    assert [entry.path for entry in places.placing.taken] == ["b"]
    assert places.shared.remembered == [["a"]]


async def test_a_cancel_counts_when_the_work_is_done_however_often_it_comes() -> None:
    release = asyncio.Event()
    done: list[bool] = []
    cancels: list[bool] = []

    async def work() -> None:
        await release.wait()
        done.append(True)

    task = asyncio.create_task(to_end(work(), lambda: cancels.append(True)))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [True]
    assert cancels


async def test_what_fails_is_told() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await to_end(work())
