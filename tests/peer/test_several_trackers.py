"""A peer with several trackers: real ones, which go and come back; nothing it told is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import panal
from panal.peer import tracker_channel, tracker_choice
from panal.peer.tracker_channel import _OPTIONS
from panal.peer.tracker_choice import TrackerChoice
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import SearchQuery
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.replicas import Trackers
from tests.tracker.makers import announcement, caller, registration

LOST = "127.0.0.1:9"
"""Where nobody listens."""


async def paths(address: str) -> set[str]:
    """What one tracker finds."""
    client = TrackerClient([address])
    try:
        page = await client.search(SearchQuery())
        return {named.path for hit in page.hits for named in hit.names}
    finally:
        await client.close()


@pytest.fixture(params=[True, False], ids=["replicas", "each its own"])
async def trackers(request: pytest.FixtureRequest) -> AsyncIterator[Trackers]:
    async with Trackers(2, are_replicas=request.param) as made:
        yield made


@pytest.fixture
async def peer(trackers: Trackers, tmp_path: Path) -> AsyncIterator[RunningPeer]:
    async with Network(tmp_path) as network:
        yield await network.peer("one", trackers=trackers.addresses)


def asked(peer: RunningPeer) -> str:
    return peer.app.client.address


async def test_a_peer_goes_to_another_tracker_and_all_of_it_is_found_there(
    trackers: Trackers, peer: RunningPeer
) -> None:
    await peer.upload("a.txt", b"a")
    first = asked(peer)
    assert peer.node.status().tracker == first
    await trackers.stop(trackers.at(first))
    (other,) = set(trackers.addresses) - {first}
    await until(lambda: asked(peer) == other, "the peer asks the other one")
    await until(lambda: peer.app.lease.problem == "", "registered")
    assert await peer.app.announcer.announced(PATIENCE_S)
    await until_found(other, {"a.txt"})
    assert peer.node.status().tracker == other
    await peer.upload("b.txt", b"b")
    assert await paths(other) == {"a.txt", "b.txt"}


async def until_found(address: str, wanted: set[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await paths(address) != wanted:
            await asyncio.sleep(0.01)


async def test_among_replicas_only_the_lease_moves(tmp_path: Path) -> None:
    async with Trackers(2, are_replicas=True) as trackers, Network(tmp_path) as network:
        peer = await network.peer("one", trackers=trackers.addresses)
        await peer.upload("a.txt", b"a")
        told = peer.app.announcer.times_told_everything
        first = asked(peer)
        await trackers.stop(trackers.at(first))
        await until(lambda: asked(peer) != first, "the peer asks the other one")
        assert await paths(asked(peer)) == {"a.txt"}
        assert peer.app.lease.registrations == 1
        assert peer.app.announcer.times_told_everything == told


def names_at(address: str, trackers: Trackers, count: int) -> list[str]:
    """The first names whose peers ask that tracker: which these are depends on the ports."""
    found = []
    for name in map("peer_{}".format, range(200)):
        choice = TrackerChoice(trackers.addresses, name)
        choice.learn(are_replicas=True)
        if choice.current == address:
            found.append(name)
    assert len(found) > 50
    return found[:count]


async def test_peers_spread_over_replicas_and_find_each_other(tmp_path: Path) -> None:
    async with Trackers(2, are_replicas=True) as trackers, Network(tmp_path) as network:
        names = [name for address in trackers.addresses for name in names_at(address, trackers, 3)]
        peers = [await network.peer(name, trackers=trackers.addresses) for name in names]
        assert {asked(peer) for peer in peers} == set(trackers.addresses)
        await peers[0].upload("a.txt", b"a")
        for peer in peers:
            assert [hit.name for hit in (await peer.node.search("a.txt")).hits] == ["a.txt"]
            assert len(await peer.node.peers()) == 6


async def test_where_each_has_its_own_records_all_peers_meet_at_the_first(tmp_path: Path) -> None:
    async with Trackers(2, are_replicas=False) as trackers, Network(tmp_path) as network:
        peers = [await network.peer(f"peer_{n}", trackers=trackers.addresses) for n in range(6)]
        peer = peers[0]
        assert {asked(each) for each in peers} == {trackers.addresses[0]}
        assert len(await peer.node.peers()) == 6
        await trackers.stop(0)
        second = {trackers.addresses[1]}
        await until(lambda: {asked(each) for each in peers} == second, "all ask the second")
        async with asyncio.timeout(PATIENCE_S):
            while len(await peer.node.peers()) < 6:
                await asyncio.sleep(0.01)


async def test_a_peer_comes_back_to_its_tracker(
    trackers: Trackers, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_choice, "TRY_AGAIN_S", 0.05)
    monkeypatch.setattr(tracker_choice, "LONGEST_TRY_AGAIN_S", 0.1)
    await peer.upload("a.txt", b"a")
    first = asked(peer)
    await trackers.stop(trackers.at(first))
    await until(lambda: asked(peer) != first, "the peer asks the other one")
    await trackers.start(trackers.at(first))
    await until(lambda: asked(peer) == first, "the peer is back")
    await until_found(first, {"a.txt"})


async def test_an_announcement_under_way_when_its_tracker_goes_is_told_again(
    trackers: Trackers, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await peer.upload("a.txt", b"a")
    first = asked(peer)
    number = trackers.at(first)
    under_way, held = hold_announcements(trackers, number, monkeypatch)
    uploading = asyncio.create_task(peer.upload("b.txt", b"b"))
    await asyncio.wait_for(under_way.wait(), PATIENCE_S)
    await trackers.stop(number)
    held.set()
    answer = await asyncio.wait_for(uploading, PATIENCE_S)
    assert answer["path"] == "b.txt"
    (other,) = set(trackers.addresses) - {first}
    await until_found(other, {"a.txt", "b.txt"})
    assert await peer.app.announcer.announced(PATIENCE_S)


def hold_announcements(
    trackers: Trackers, number: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[asyncio.Event, asyncio.Event]:
    """Announcements come to a tracker and are not recorded: set once one is there; lets go."""
    records = trackers.running[number]._records
    assert records is not None
    under_way, held = asyncio.Event(), asyncio.Event()
    real: Callable[..., Any] = records.announce

    async def holding(*given: Any) -> Any:
        under_way.set()
        await held.wait()
        return await real(*given)

    monkeypatch.setattr(records, "announce", holding)
    return under_way, held


async def test_what_was_under_way_is_told_without_the_rest_where_the_records_are_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Trackers(2, are_replicas=True) as trackers, Network(tmp_path) as network:
        peer = await network.peer("one", trackers=trackers.addresses)
        await peer.upload("a.txt", b"a")
        told, number = peer.app.announcer.times_told_everything, trackers.at(asked(peer))
        under_way, held = hold_announcements(trackers, number, monkeypatch)
        uploading = asyncio.create_task(peer.upload("b.txt", b"b"))
        await asyncio.wait_for(under_way.wait(), PATIENCE_S)
        await trackers.stop(number)
        held.set()
        await asyncio.wait_for(uploading, PATIENCE_S)
        assert await peer.app.announcer.announced(PATIENCE_S)
        assert await paths(asked(peer)) == {"a.txt", "b.txt"}
        assert peer.app.announcer.times_told_everything == told


async def test_who_leaves_leaves_every_tracker_that_it_told(tmp_path: Path) -> None:
    async with Trackers(2, are_replicas=False) as trackers:
        client = TrackerClient(trackers.addresses, asker="one")
        try:
            await client.register(registration("one"))
            await trackers.stop(0)
            await client.register(registration("one"))
            await trackers.start(0)
            await registered_at(trackers.addresses[0])
            assert await client.leave(caller("one"), 5.0)
        finally:
            await client.close()
        for address in trackers.addresses:
            async with panal.Tracker([address]) as tracker:
                assert await tracker.peers() == []


async def registered_at(address: str) -> None:
    """As if the tracker had kept what it was told before."""
    client = TrackerClient([address])
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(panal.PanalError):
                    await client.register(registration("one"))
                    return
    finally:
        await client.close()


async def test_questions_without_a_peer_go_to_whoever_answers(trackers: Trackers) -> None:
    async with panal.Tracker([LOST, *trackers.addresses]) as tracker:
        assert await tracker.peers() == []
        assert await tracker.address() in trackers.addresses
    with pytest.raises(panal.PanalError, match="None of the 2 trackers") as caught:
        async with panal.Tracker([LOST, "127.0.0.1:1"]) as tracker:
            await tracker.peers()
    assert caught.value.exit_code == 4


async def test_a_refusal_is_an_answer(trackers: Trackers) -> None:
    client = TrackerClient(trackers.addresses, asker="x")
    try:
        asked_first = client.address
        with pytest.raises(panal.PanalError, match="register"):
            await client.renew(caller("nobody"), bytes(32))
        if client.store:
            assert client.address == asked_first
        assert not client.has_moved_on()
    finally:
        await client.close()


async def test_a_stream_that_a_tracker_takes_no_more_makes_the_client_move_on(
    trackers: Trackers,
) -> None:
    client = TrackerClient([*trackers.addresses], asker="x")
    try:
        await client.register(registration("x"))
        first = client.address
        await trackers.stop(trackers.at(first))

        async def told() -> AsyncIterator[Any]:
            yield announcement()

        with pytest.raises(panal.PanalError) as caught:
            await client.announce(caller("x"), told())
        assert caught.value.exit_code == 4
        assert client.address != first
        assert client.has_moved_on()
        assert not client.has_moved_on()
    finally:
        await client.close()


@asynccontextmanager
async def silencing_way_to(address: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Another address that leads there until, once the event is cleared, nothing passes any more;
    and no connection ends, as where a machine loses its power."""
    passes = asyncio.Event()
    passes.set()
    pumps: list[asyncio.Task[None]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65_536):
            await passes.wait()
            writer.write(block)

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = address.rpartition(":")
        onward_reader, onward_writer = await asyncio.open_connection(host, int(port))
        pumps.append(asyncio.create_task(pump(reader, onward_writer)))
        pumps.append(asyncio.create_task(pump(onward_reader, writer)))

    way = await asyncio.start_server(lead, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{way.sockets[0].getsockname()[1]}", passes
    finally:
        way.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def test_an_announcement_to_a_machine_that_vanished_is_given_up_and_told_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sooner = {"grpc.keepalive_time_ms": 500, "grpc.http2.ping_timeout_ms": 300}
    assert sooner.keys() <= dict(_OPTIONS).keys()
    monkeypatch.setattr(tracker_channel, "_OPTIONS", [*(dict(_OPTIONS) | sooner).items()])
    async with (
        Trackers(2, are_replicas=False, renew_s=20.0) as trackers,
        silencing_way_to(trackers.addresses[0]) as (first, passes),
        Network(tmp_path) as network,
    ):
        peer = await network.peer("one", trackers=(first, trackers.addresses[1]))
        await peer.upload("a.txt", b"a")
        assert asked(peer) == first
        passes.clear()
        await peer.upload("b.txt", b"b")
        await until_found(trackers.addresses[1], {"a.txt", "b.txt"})
