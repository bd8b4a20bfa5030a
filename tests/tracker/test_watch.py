"""`Watch` over real gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from panal.tracker import limits
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Entry
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import TinyPeer, Tracker, running_tracker
from tests.tracker.makers import announcement, caller, content
from tests.tracker.members import member_tracker


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    async with running_tracker() as made:
        yield made


class Watching:
    def __init__(self, call: Any) -> None:
        self.call = call

    async def told(self) -> pb.WatchResponse:
        async with asyncio.timeout(PATIENCE_S):
            answer: pb.WatchResponse = await self.call.read()
        return answer

    async def until(self, is_it: Callable[[pb.WatchResponse], bool]) -> pb.WatchResponse:
        """The next that is so: others may say no more than to ask anew."""
        while not is_it(answer := await self.told()):
            assert answer.missed
        return answer


@asynccontextmanager
async def watching(stub: Any, **wanted: Any) -> AsyncIterator[Watching]:
    call = stub.Watch(pb.WatchRequest(**wanted))
    watch = Watching(call)
    assert (await watch.told()).missed
    try:
        yield watch
    finally:
        call.cancel()


async def test_who_comes_and_who_goes(tracker: Tracker) -> None:
    who = caller("one")
    async with TinyPeer(who) as peer, watching(tracker.stub, peers=True) as watch:
        await tracker.register(who, peer.port)
        assert list((await watch.told()).joined) == ["one"]
        await tracker.leave(who)
        assert list((await watch.told()).left) == ["one"]
        await tracker.register(who, peer.port)
        assert list((await watch.told()).joined) == ["one"]
        tracker.clock.advance(limits.IDLE_S + 1)
        await tracker.server.sweep()
        assert list((await watch.told()).left) == ["one"]


async def test_what_is_waited_for(tracker: Tracker) -> None:
    who = caller("one")
    async with TinyPeer(who) as peer, watching(tracker.stub, names=["wanted"]) as watch:
        await tracker.register(who, peer.port)
        await tracker.announce(who, announcement(Entry("other", content(1), 1)))
        await tracker.announce(who, announcement(Entry("a/wanted", content(2), 1)))
        answer = await watch.told()
        assert answer.came
        assert not answer.missed
        assert (await tracker.paths("wanted")) == {"a/wanted"}


async def test_it_ends_with_the_tracker_and_in_its_time(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.service.WATCH_S", 0.0)
    async with watching(tracker.stub, peers=True) as watch:
        assert await watch.told() == grpc.aio.EOF
    monkeypatch.setattr("panal.tracker.service.WATCH_S", 600.0)
    async with watching(tracker.stub, peers=True) as watch:
        stopping = asyncio.create_task(tracker.server.stop(grace_s=PATIENCE_S))
        assert (await watch.told()).missed
        assert await watch.told() == grpc.aio.EOF
        await stopping


async def test_what_makes_no_sense_is_refused(tracker: Tracker) -> None:
    for wanted in (
        {"names": ["x"] * 101},
        {"names": ["x" * 5_000]},
        {"contents": [b"short"]},
        {"sha256s": [b"short"]},
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tracker.stub.Watch(pb.WatchRequest(**wanted)).read()
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_as_many_as_may(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panal.tracker.news.WATCHES_AT_ONCE", 1)
    async with watching(tracker.stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tracker.stub.Watch(pb.WatchRequest()).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with asyncio.timeout(PATIENCE_S):
        while tracker.server._newsroom._watchers:
            await asyncio.sleep(0.01)
    async with watching(tracker.stub):
        pass


async def test_a_removed_member_is_told_nothing_more(tmp_path: Path) -> None:
    async with member_tracker(tmp_path / "state") as tracker:
        member = await tracker.enrol("one")
        async with watching(member.tracker, peers=True) as watch:
            await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="one"))
            tracker.server._newsroom.missed()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await watch.told()
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_what_happens_at_one_tracker_is_told_by_another_on_the_same_database(
    database: str,
) -> None:
    who = caller("one")
    async with (
        running_tracker(store=database) as here,
        running_tracker(store=database) as there,
        TinyPeer(who) as peer,
        watching(there.stub, peers=True, names=["wanted"]) as watch,
    ):
        await here.register(who, peer.port)
        assert (await watch.until(lambda told: bool(told.joined))).joined == ["one"]
        await here.announce(who, announcement(Entry("wanted", content(1), 1)))
        while not there.server._newsroom._others_announced:
            await asyncio.sleep(0.01)
        await there.server.sweep()
        assert (await watch.until(lambda told: told.came)).came
        assert await there.paths("wanted") == {"wanted"}
        await here.leave(who)
        assert (await watch.until(lambda told: bool(told.left))).left == ["one"]
