"""A pause ends with the news, where a tracker tells; else, and beside that, with the time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from panal.errors import PanalError, Unreachable
from panal.peer import news
from panal.peer.news import WATCH_AGAIN_LATER_S, WATCH_AGAIN_S, WHILE_TOLD_S, News, about
from panal.peer.tracker_client import TrackerClient
from panal.wire.catalogue import News as Told
from panal.wire.catalogue import Watched
from panal.wire.ids import PeerName
from tests.support.clock import VirtualClock
from tests.support.network import Network, until
from tests.tracker.older import older_tracker


class Scripted(TrackerClient):
    """Tells what a test says, or fails as it says."""

    def __init__(self) -> None:
        self.watches = 0
        self.says: asyncio.Queue[Told | PanalError | None] = asyncio.Queue()

    async def watch(self, wanted: Watched) -> AsyncGenerator[Told, None]:
        self.watches += 1
        while (said := await self.says.get()) is not None:
            if isinstance(said, PanalError):
                raise said
            yield said


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def client() -> Scripted:
    return Scripted()


@pytest.fixture
async def feed(client: Scripted, clock: VirtualClock) -> AsyncIterator[News]:
    async with News(client, Watched(), clock) as made:
        yield made


def pausing(feed: News, most_s: float = 5.0) -> "asyncio.Task[None]":
    return asyncio.create_task(feed.pause(most_s))


async def test_news_ends_a_pause_and_silence_makes_it_longer(
    client: Scripted, feed: News, clock: VirtualClock
) -> None:
    pause = pausing(feed)
    client.says.put_nowait(Told(missed=True))
    await pause
    pause = pausing(feed)
    await clock.run_for(WHILE_TOLD_S - 1)
    assert not pause.done()
    client.says.put_nowait(Told(came=True))
    await pause
    pause = pausing(feed)
    await clock.run_for(WHILE_TOLD_S + 1)
    assert pause.done()


async def test_where_no_tracker_tells_pauses_are_as_long_as_they_were(
    client: Scripted, feed: News, clock: VirtualClock
) -> None:
    client.says.put_nowait(PanalError("The tracker says: unknown"))
    pause = pausing(feed)
    await clock.run_for(5.1)
    assert pause.done()
    await clock.run_for(WATCH_AGAIN_LATER_S - 6)
    assert client.watches == 1
    await clock.run_for(6)
    assert client.watches == 2


async def test_one_that_went_away_is_watched_again_soon(
    client: Scripted, feed: News, clock: VirtualClock
) -> None:
    pause = pausing(feed)
    client.says.put_nowait(Told(missed=True))
    await pause
    pause = pausing(feed)
    await clock.run_for(0)
    client.says.put_nowait(Unreachable("gone"))
    await pause  # it was to be a long one
    pause = pausing(feed)
    await clock.run_for(5.1)
    assert pause.done()
    await clock.run_for(WATCH_AGAIN_S)
    assert client.watches == 2


async def test_news_of_others_end_no_pause(client: Scripted, clock: VirtualClock) -> None:
    async with News(client, Watched(), clock, about({"one"})) as feed:
        pause = pausing(feed)
        for told in (Told(joined=(PeerName("two"),)), Told(left=(PeerName("one"),))):
            client.says.put_nowait(told)
        await clock.run_for(1.0)
        assert not pause.done()
        client.says.put_nowait(Told(joined=(PeerName("two"), PeerName("one"))))
        await pause


async def test_a_get_that_waits_begins_when_the_file_comes(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.peer.download_way.LOOK_AGAIN_S", 3_600.0)
    monkeypatch.setattr("panal.peer.download_way.LONGEST_LOOK_AGAIN_S", 3_600.0)
    monkeypatch.setattr(news, "WHILE_TOLD_S", 3_600.0)
    one, two = await network.peer("one"), await network.peer("two")
    waiting = two.node.get("late.txt", wait=True).id
    assert network.tracker is not None
    room = network.tracker._newsroom
    await until(lambda: "late.txt" in room._by_key, "the tracker is watched")
    await until(lambda: "waited for" in two.node.download(waiting).reason, "it was asked")
    await one.upload("late.txt", b"late")
    await until(lambda: two.node.download(waiting).state == "done", "fetched")
    await until(lambda: not room._watchers, "nobody watches any more")


async def test_a_get_that_waits_does_so_at_an_older_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.peer.download_way.LOOK_AGAIN_S", 0.05)
    async with (
        Network(tmp_path) as network,
        older_tracker(network.tracker_address) as (address, asked_in_vain),
    ):
        one = await network.peer("one", trackers=(address,))
        two = await network.peer("two", trackers=(address,))
        waiting = two.node.get("late.txt", wait=True).id
        await until(lambda: any("Watch" in name for name in asked_in_vain), "it was asked to tell")
        await one.upload("late.txt", b"late")
        await until(lambda: two.node.download(waiting).state == "done", "fetched")
