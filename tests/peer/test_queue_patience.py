"""A request may wait in a provider's queue while the provider lives, and not for ever."""

import asyncio

import pytest
from aiohttp import web

from panal.peer import bundle_source, queue_patience, small_files
from panal.peer.calling import PLAIN
from panal.peer.queue_patience import ASK_EVERY_S, MOST_ASKED
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId, PeerName
from tests.peer.test_bundles import FILES, LINES, WANTED, found_in, one_by_one
from tests.peer.test_http_source import saying, serving
from tests.support.clock import VirtualClock
from tests.support.folder_peer import FolderPeer, all_of_them, tar, whole
from tests.support.network import Network, until
from tests.support.patience import PATIENCE_S

ANSWER = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
DEAD = Provider(PeerName("dead"), "127.0.0.1", 1, complete=True)


class Watched:
    """One request's patience, and the time that passes."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.given_up = asyncio.Event()

    async def pass_by(self, duration_s: float) -> None:
        """Let it pass, and what was asked then be answered."""
        asked = len(self.clock._sleepers)
        self.clock.advance(duration_s)
        async with asyncio.timeout(PATIENCE_S):
            while not (self.given_up.is_set() or len(self.clock._sleepers) >= asked):
                await asyncio.sleep(0.001)


async def test_a_provider_that_lives_is_waited_for_but_not_for_ever() -> None:
    watched = Watched()
    async with serving(saying(ANSWER)) as provider:
        patience = queue_patience.queue_patience(
            PLAIN, provider, watched.given_up.set, watched.clock
        )
        async with patience:
            await asyncio.sleep(0)
            for _ in range(MOST_ASKED - 1):
                await watched.pass_by(ASK_EVERY_S)
                assert not watched.given_up.is_set()
            await watched.pass_by(ASK_EVERY_S)
            assert watched.given_up.is_set()


async def test_a_dead_provider_is_given_up_at_once_unless_its_answer_has_begun() -> None:
    for has_begun in (False, True):
        watched = Watched()
        patience = queue_patience.queue_patience(PLAIN, DEAD, watched.given_up.set, watched.clock)
        async with patience as answered:
            await asyncio.sleep(0)
            if has_begun:
                answered.set()
                await watched.clock.run_for(ASK_EVERY_S)
            else:
                await watched.pass_by(ASK_EVERY_S)
        assert watched.given_up.is_set() is not has_begun


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is given up at once when it stalls, and a queue is looked at often."""
    monkeypatch.setattr(queue_patience, "ASK_EVERY_S", 0.1)
    monkeypatch.setattr(bundle_source, "STALL_S", 0.5)
    monkeypatch.setattr(small_files, "STALL_S", 0.5)


async def late(
    peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
) -> web.StreamResponse:
    """The bundle, when its turn comes."""
    await peer.release.wait()
    return await all_of_them(peer, request, wanted)


async def late_one(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
    await peer.release.wait()
    return await whole(peer, request, data)


@pytest.mark.usefixtures("quick")
async def test_a_bundle_waits_in_a_living_peers_queue(network: Network) -> None:
    getter = await network.peer("getter")
    busy = FolderPeer("busy", LINES, FILES, bundle=late)
    busy.released_after = 12  # more than twice what a stall may last
    async with busy.running(network.tracker_address):
        assert (await getter.fetched(busy.content.hex(), "tree")).state == "done"
    assert found_in(getter) == WANTED
    assert one_by_one(busy) == 0
    asked = [content for bundle in busy.bundles for content in bundle]
    assert len(asked) == len(set(asked)) == 120  # none was given up and asked for again


@pytest.mark.usefixtures("quick")
async def test_a_small_file_waits_in_a_living_peers_queue(network: Network) -> None:
    getter = await network.peer("getter")
    busy = FolderPeer("busy", LINES[:3], FILES, late_one)
    busy.released_after = 12  # more than twice what a stall may last
    async with busy.running(network.tracker_address):
        assert (await getter.fetched(busy.content.hex(), "tree")).state == "done"
    assert len(busy.asked) == len(set(busy.asked)) == 3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("in_bundles", [True, False])
async def test_whoever_dies_with_a_queue_is_replaced(network: Network, in_bundles: bool) -> None:
    getter = await network.peer("getter")
    dead = FolderPeer("dead", LINES, FILES, late_one, late if in_bundles else None)
    dead.seems_dead = True
    good = FolderPeer("good", LINES, FILES, bundle=all_of_them)
    async with dead.running(network.tracker_address):
        begun = getter.node.get(dead.content.hex(), "tree")
        await until(lambda: bool(dead.bundles or dead.asked), "it is asked")
        async with good.running(network.tracker_address, "t2"):
            await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert found_in(getter) == WANTED


@pytest.mark.usefixtures("quick")
async def test_who_begins_and_stalls_is_given_up_though_it_lives(network: Network) -> None:
    async def stalling(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_length = len(tar(wanted))
        await answer.prepare(request)
        await answer.write(b"")
        await peer.release.wait()
        return answer

    getter = await network.peer("getter")
    slow = FolderPeer("slow", LINES, FILES, bundle=stalling)
    async with slow.running(network.tracker_address):
        assert (await getter.fetched(slow.content.hex(), "tree")).state == "done"
    assert one_by_one(slow) == 120
