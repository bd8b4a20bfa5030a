"""A peer's records at the tracker stay right, whatever happens to either."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from panal.errors import NameTaken, StoreUnavailable, Superseded
from panal.peer import announcer, upload_routes
from panal.peer.tracker_client import TrackerClient
from panal.tracker.records import Records
from panal.wire.catalogue import Announcement, Caller, Entry
from panal.wire.ids import ContentId, PeerName
from panal.wire.manifest import Kind
from panal.wire.names import SafePath
from panal.wire.tracker_catalogue import MAX_TOLD
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.p8


async def names(peer: RunningPeer) -> list[str]:
    return sorted(hit.name for hit in (await peer.node.search("")).hits)


async def test_a_tracker_that_lost_everything_has_it_back_within_one_renewal(
    tmp_path: Path,
) -> None:
    async with Network(tmp_path, renew_s=0.2) as network:
        peer = await network.peer("one")
        for name in ("a.txt", "b.txt"):
            await peer.upload(name, name.encode())
        await network.stop_tracker()
        counted = peer.app.announcer.times_told_everything
        await network.start_tracker()
        await until(lambda: peer.app.lease.registrations == 2, "registered again")
        await until(lambda: peer.app.announcer.times_told_everything > counted, "told afresh")
        assert await names(peer) == ["a.txt", "b.txt"]


async def test_a_renewal_is_tried_again_and_needs_no_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "panal")
    renew, tries = Records.renew, 0

    async def away_at_first(*given: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise StoreUnavailable("The database is away.")
        return await renew(*given)

    monkeypatch.setattr(Records, "renew", away_at_first)
    async with Network(tmp_path, renew_s=0.2) as network:
        told = (await network.peer("one")).app.lease
        await until(lambda: "away" in told.problem, "it is said")
        await until(lambda: told.problem == "" and tries > 2, "renewed")
        said = [record.getMessage() for record in caplog.records if "again" in record.getMessage()]
        assert ["Trying again" in words for words in said] == [True, False]
        assert told.registrations == 1


async def test_a_row_the_tracker_lost_comes_back_by_the_digest(tmp_path: Path) -> None:
    async with Network(tmp_path, renew_s=0.2) as network:
        peer = await network.peer("one")
        await peer.upload("a.txt", b"a")
        await peer.upload("b.txt", b"b")
        client = TrackerClient([network.tracker_address])

        async def loss() -> AsyncIterator[Announcement]:
            yield Announcement(1_000, removed_paths=("a.txt",))

        await client.announce(peer.app.announcer._caller, loss())
        await client.close()
        peer.app.announcer._sequence = 1_000
        assert await names(peer) == ["b.txt"]
        counted = peer.app.announcer.times_told_everything

        def again() -> bool:
            return peer.app.announcer.times_told_everything > counted

        await until(again, "announced afresh")
        await peer.upload("c.txt", b"c")
        assert await names(peer) == ["a.txt", "b.txt", "c.txt"]


async def test_what_changed_while_the_tracker_was_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_routes, "ANNOUNCED_WITHIN_S", 0.05)
    async with Network(tmp_path, renew_s=0.2) as network:
        peer = await network.peer("one")
        await peer.upload("before.txt", b"1")
        await network.stop_tracker()
        answer = await peer.request("PUT", "/upload/meanwhile.txt", data=b"2")
        assert (answer.status, answer.json()["announced"]) == (201, False)
        (peer.folder / "before.txt").unlink()
        await peer.app.scanning.scan()
        await network.start_tracker()
        assert await peer.app.announcer.announced(PATIENCE_S)
        assert await names(peer) == ["meanwhile.txt"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The paths that the tracker has been told, by stream."""
    streams: list[list[str]] = []
    real = TrackerClient.announce

    async def noting(
        client: TrackerClient, who: Caller, messages: AsyncIterator[Announcement]
    ) -> bytes:
        paths: list[str] = []

        async def noted() -> AsyncIterator[Announcement]:
            async for message in messages:
                paths.extend(entry.path for entry in message.entries)
                yield message

        digest = await real(client, who, noted())
        streams.append(paths)
        return digest

    monkeypatch.setattr(TrackerClient, "announce", noting)
    return streams


async def test_an_upload_is_announced_before_thousands_that_wait(
    network: Network, monkeypatch: pytest.MonkeyPatch, told: list[list[str]]
) -> None:
    monkeypatch.setattr(announcer, "SLICE_ITEMS", 2)
    is_uploaded = asyncio.Event()
    real = TrackerClient.announce

    async def later(*said: Any) -> bytes:
        await is_uploaded.wait()
        return await real(*said)

    monkeypatch.setattr(TrackerClient, "announce", later)
    peer = await network.peer("one")
    for number in range(40):
        entry = Entry(f"many/{number}", ContentId(bytes([number]) * 32), 1)
        peer.app.announcer.change_entry(None, entry)
    upload = asyncio.create_task(peer.request("PUT", "/upload/one.txt", data=b"1"))
    await until(lambda: len(peer.node.files().files) == 1, "the upload")
    is_uploaded.set()
    assert (await upload).json()["announced"]
    assert await peer.app.announcer.announced(PATIENCE_S)
    paths = [path for stream in told for path in stream]
    assert len(paths) == 41
    assert paths.index("one.txt") < 20


async def test_the_first_change_is_told_at_once_and_the_next_together(
    tmp_path: Path, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.2345)
    clock = VirtualClock()
    async with Network(tmp_path, clock=clock) as network:
        peer = await network.peer("one")
        before = await _first_change_told(peer, told)
        _change(peer, "b")
        await until(lambda: _gathers(clock), "more is waited for")
        _change(peer, "c")
        clock.advance(announcer.GATHERED_S)
        await until(lambda: len(told) > before + 1, "the next are told")
        assert [sorted(stream) for stream in told[before:]] == [["a"], ["b", "c"]]


async def test_nothing_is_held_back_from_whoever_waits_for_it(
    tmp_path: Path, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.2345)
    clock = VirtualClock()
    async with Network(tmp_path, clock=clock) as network:
        peer = await network.peer("one")
        before = await _first_change_told(peer, told)
        _change(peer, "b")
        await until(lambda: _gathers(clock), "more is waited for")
        assert await peer.app.announcer.announced(PATIENCE_S)  # no time passes
        assert told[before:] == [["a"], ["b"]]


async def test_who_waits_is_told_of_all_slices_without_a_pause(
    tmp_path: Path, told: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "SLICE_ITEMS", 4)
    clock = VirtualClock()
    async with Network(tmp_path, clock=clock) as network:
        peer = await network.peer("one")
        before = await _first_change_told(peer, told)
        for name in "bcdefg":
            _change(peer, name)
        assert await peer.app.announcer.announced(PATIENCE_S)  # no time passes
        assert [len(stream) for stream in told[before:]] == [1, 4, 2]


async def _first_change_told(peer: RunningPeer, told: list[list[str]]) -> int:
    """How many streams there were before it."""
    await until(lambda: not peer.app.lease.problem, "registered")
    before = len(told)
    _change(peer, "a")
    await until(lambda: len(told) > before, "the first is told; no time passes")
    return before


def _change(peer: RunningPeer, name: str) -> None:
    peer.app.announcer.change_entry(None, Entry(name, ContentId(bytes(32)), 1))


def _gathers(clock: VirtualClock) -> bool:
    """Whether the announcer waits: nobody else does for just so long."""
    return clock.sleepers((announcer.GATHERED_S - 1e-6, announcer.GATHERED_S + 1e-6)) > 0


async def test_who_shares_much_waits_while_the_tracker_takes_it_and_not_without_one(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcer, "ENOUGH_UNTOLD", 3)
    monkeypatch.setattr(announcer, "SLICE_ITEMS", 1)
    monkeypatch.setattr(announcer, "ROOM_WITHIN_S", 30.0)
    tell = (await network.peer("one")).app.announcer
    for number in range(9):
        tell.change_entry(None, Entry(str(number), ContentId(bytes([number]) * 32), 1))
    assert len(tell._untold) == 9
    await tell.room()
    assert len(tell._untold) == 2
    for number in range(9):
        tell.change_entry(None, Entry(f"x{number}", ContentId(bytes([number]) * 32), 1))
    tell.is_heard = False
    await tell.room()
    assert len(tell._untold) > 2


async def test_news_do_not_wait_until_everything_is_told(
    tmp_path: Path, told: list[list[str]]
) -> None:
    async with Network(tmp_path, renew_s=0.2) as network:
        peer = await network.peer("one")
        await peer.upload("a.txt", b"a")
        await network.stop_tracker()
        tell, loop = peer.app.announcer, asyncio.get_running_loop()
        pages, counted = tell._entry_pages, tell.times_told_everything
        news = Entry("news", ContentId(bytes(32)), 1)

        def changing() -> Iterator[list[Entry]]:
            for page in pages():
                if page:
                    loop.call_soon_threadsafe(tell.change_entry, None, news)
                yield page

        tell._entry_pages = changing
        await network.start_tracker()
        await until(lambda: tell.times_told_everything > counted, "told afresh")
        assert told[-1] == ["a.txt", "news"]
        assert await tell.announced(PATIENCE_S)
        assert await names(peer) == ["a.txt", "news"]


async def test_a_live_name_is_not_taken_over(network: Network) -> None:
    await network.peer("one")
    other = await network.peer("ONE", registered=False)
    assert isinstance(await other.app.lease.fatal, NameTaken)


async def test_a_later_start_with_the_same_secret_wins(tmp_path: Path) -> None:
    async with Network(tmp_path, renew_s=0.2) as network:
        first = await network.peer("one")
        secret = (first.folder / ".panal" / "owner-secret").read_bytes()
        copied = tmp_path / "copied-state"
        copied.mkdir()
        (copied / "owner-secret").write_bytes(secret)
        (tmp_path / "elsewhere").mkdir()
        second = await network.peer("one", state_dir=copied, partial_dir=copied / "partial")
        assert isinstance(await first.app.lease.fatal, Superseded)
        assert second.app.lease.problem == ""


async def test_leaving_takes_the_files_along(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    await one.upload("a.txt", b"a")
    assert await names(two) == ["a.txt"]
    await network.stop_peer("one")
    assert await names(two) == []


async def test_a_folder_is_found_once_its_adding_is_answered(tmp_path: Path) -> None:
    clock = VirtualClock()  # no time passes, so what gathers is told for whoever waits alone
    async with Network(tmp_path, clock=clock) as network:
        (network.place / "one/tree").mkdir(parents=True)
        (network.place / "one/tree/a.txt").write_bytes(b"a")
        peer = await network.peer("one")
        await until(lambda: not peer.app.lease.problem, "registered")
        added = await peer.node.add_folder("tree")
        assert added.id in {hit.id for hit in (await peer.node.search("tree")).hits}


async def test_everything_goes_in_messages_that_a_tracker_takes() -> None:
    told: list[Announcement] = []

    class Noting(TrackerClient):
        async def announce(self, caller: Caller, messages: AsyncIterator[Announcement]) -> bytes:
            told.extend([message async for message in messages])
            return b""

    content = [ContentId(number.to_bytes(32, "big")) for number in range(MAX_TOLD + 1)]
    page = [
        Entry(SafePath(f"folder {n}"), one, 1, Kind.COLLECTION) for n, one in enumerate(content)
    ]
    client = Noting(["127.0.0.1:9"])
    caller = Caller(PeerName("many"), b"s" * 32, 1)
    telling = announcer.Announcer(client, caller, lambda: iter([page]), VirtualClock())
    for one in content:
        telling.hold(one, complete=False)
    await telling.tell_everything()
    await client.close()
    assert max(len(message.entries) + len(message.holdings) for message in told) <= MAX_TOLD
    assert [entry for message in told for entry in message.entries] == page
    assert [held.content for message in told for held in message.holdings] == content
    assert [told[0].replace_all, told[-1].all_told] == [True, True]
