"""The limit as senders and receivers meet it: live, per peer, and free where there is none."""

import asyncio
import threading
from pathlib import Path

import pytest

from panal.clock import SystemClock
from panal.peer.http_source import HttpSource
from panal.peer.rate_limit import LOOK_AGAIN_S, PEERS_KEPT, RateLimit
from panal.peer.sending import SENDING_THREADS, Sender
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import SourceFailure
from panal.swarm.messages import Failure
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.ranges import ByteRange
from tests.peer.test_http_source import CONTENT, GOOD, MANIFEST, saying, serving
from tests.peer.test_sending import ENDLESS, SMALL, end, pipe, sparse
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S

RATE = 1_000_000
SLOWEST = 1_000


class NoClock(VirtualClock):
    """Whoever reads it, or takes a lock for it, pays for a limit that is not there."""

    def now_s(self) -> float:
        raise AssertionError("the clock was read")


async def moved(limit: RateLimit, clock: VirtualClock, users: list[str], for_s: float) -> list[int]:
    """How many bytes each of these users, who always want more, could move."""
    counts = [0] * len(users)

    async def use(number: int, peer: str) -> None:
        while True:
            size = limit.piece_bytes(peer, 1 << 20)
            await limit.admit(size, peer)
            counts[number] += size

    tasks = [asyncio.create_task(use(*user)) for user in enumerate(users)]
    await clock.run_for(for_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return counts


async def test_all_together_and_each_peer() -> None:
    clock = VirtualClock()
    limit = RateLimit(clock)
    limit.change(0, RATE)
    a, b, b2 = await moved(limit, clock, ["a", "b", "b"], 10.0)
    assert a == pytest.approx(10 * RATE, rel=0.05)
    assert b + b2 == pytest.approx(10 * RATE, rel=0.05)
    assert b == pytest.approx(b2, rel=0.05)
    limit.change(RATE // 2, RATE)
    a, b = await moved(limit, clock, ["a", "b"], 10.0)
    assert a + b == pytest.approx(5 * RATE, rel=0.05)
    assert a == pytest.approx(b, rel=0.05)
    limit.change(RATE, RATE // 10)
    a, b = await moved(limit, clock, ["a", "b"], 10.0)
    assert [a, b] == pytest.approx([RATE, RATE], rel=0.05)


async def test_a_waiter_follows_a_change_within_a_second() -> None:
    clock = VirtualClock()
    limit = RateLimit(clock)
    for all_s, per_peer_s in ((SLOWEST, 0), (0, SLOWEST)):
        limit.change(all_s, per_peer_s)
        waiting = asyncio.create_task(limit.admit(100 * SLOWEST, "a"))
        await clock.run_for(1.0)
        assert not waiting.done()
        limit.change(0, 0)
        await clock.run_for(LOOK_AGAIN_S)
        assert waiting.done()
    limit.change(SLOWEST, 0)
    waiting = asyncio.create_task(limit.admit(100 * SLOWEST, "a"))
    await clock.run_for(1.0)
    limit.change(1_000_000, 0)
    await clock.run_for(1.0)
    assert waiting.done()


def test_only_another_limit_begins_anew() -> None:
    clock = VirtualClock()
    limit = RateLimit(clock)
    limit.change(RATE, RATE)
    waits = limit.waits(RATE, "a")
    assert next(waits) == LOOK_AGAIN_S
    limit.change(RATE, RATE)
    assert next(waits) == LOOK_AGAIN_S
    limit.change(RATE, 0)
    assert next(waits) == LOOK_AGAIN_S  # its peer's budget is no more; now the common one
    limit.change(RATE // 2, 0)
    with pytest.raises(StopIteration):
        next(waits)


def test_peers_who_have_gone_are_forgotten() -> None:
    limit = RateLimit(VirtualClock())
    limit.change(0, RATE)
    waits = limit.waits(RATE, "waits")
    next(waits)
    for number in range(2 * PEERS_KEPT):
        limit.piece_bytes(str(number), 1)
    assert len(limit._of_peer) <= PEERS_KEPT
    assert "waits" in limit._of_peer
    waits.close()


# Sending ----------------------------------------------------------------------------------


async def test_without_a_limit_no_clock_is_read(tmp_path: Path) -> None:
    sender = Sender(RateLimit(NoClock()))
    async with pipe() as (transport, reader), sparse(tmp_path, ENDLESS) as opened:
        await sender.send(transport, opened, SMALL)
        assert await reader.readexactly(SMALL.length) == bytes(SMALL.length)
    sender.close()


async def test_a_sending_keeps_to_the_limit_and_follows_a_change(tmp_path: Path) -> None:
    clock = VirtualClock()
    limit = RateLimit(clock)
    limit.change(RATE, 0)
    sender = Sender(limit)
    received = 0

    async def read(reader: asyncio.StreamReader) -> None:
        nonlocal received
        while data := await reader.read(1 << 20):
            received += len(data)

    async with pipe() as (transport, reader), sparse(tmp_path, ENDLESS) as opened:
        whole = ByteRange(0, 200 * RATE)
        sending = asyncio.create_task(sender.send(transport, opened, whole))
        reading = asyncio.create_task(read(reader))
        piece = limit.piece_bytes("", 1 << 30)
        for tenth in range(1, 51):
            clock.advance(0.1)
            async with asyncio.timeout(PATIENCE_S):
                while received < tenth * RATE // 10 - piece:
                    await asyncio.sleep(0)
                    clock.advance(0.0)
            assert received <= tenth * RATE // 10
        limit.change(0, 0)
        async with asyncio.timeout(PATIENCE_S):
            while received < whole.length:
                clock.advance(LOOK_AGAIN_S)
                await asyncio.sleep(0.001)
            await sending
        await end([reading])
    sender.close()


async def test_who_waits_for_the_limit_holds_no_thread(tmp_path: Path) -> None:
    limit = RateLimit(VirtualClock())
    sender = Sender(limit)
    async with sparse(tmp_path, ENDLESS) as opened:
        limit.change(SLOWEST, 0)
        waiting = []
        for _ in range(2 * SENDING_THREADS):
            transport, _ = await (made := pipe()).__aenter__()
            task = asyncio.create_task(sender.send(transport, opened, ByteRange(0, ENDLESS)))
            waiting.append((made, task))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not sender._threads._threads  # none was even started
        for made, task in waiting:
            await end([task])
            await made.__aexit__(None, None, None)
    sender.close()


async def test_what_a_slow_receiver_does_not_take_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    limit = RateLimit(clock)
    limit.change(10**9, 0)
    sender = Sender(limit)
    given: list[int] = []
    monkeypatch.setattr(limit, "give_back", lambda size_bytes, peer: given.append(size_bytes))
    async with sparse(tmp_path, ENDLESS) as opened, pipe() as (transport, _):
        task = asyncio.create_task(sender.send(transport, opened, ByteRange(0, ENDLESS)))
        async with asyncio.timeout(PATIENCE_S):
            while not any(given):
                clock.advance(0.1)
                await asyncio.sleep(0.001)
        await end([task])
    sender.close()


# Receiving --------------------------------------------------------------------------------


async def test_a_receiver_that_waits_is_cancelled_at_once_and_says_how_long(
    tmp_path: Path,
) -> None:
    limit = RateLimit(SystemClock())
    limit.change(SLOWEST, 0)
    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    async with serving(saying(GOOD)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, limit)
        running = asyncio.create_task(
            asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: None)
        )
        async with asyncio.timeout(PATIENCE_S):
            while source.held_s == 0:
                await asyncio.sleep(0.001)
            source.cancel()  # 256 KiB would take four minutes
            with pytest.raises(SourceFailure) as caught:
                await running
    assert caught.value.failure is Failure.CANCELLED
    assert 0 < source.bytes_received < MIN_CHUNK_BYTES
    partial.close()


async def test_a_receiver_follows_a_change(tmp_path: Path) -> None:
    limit = RateLimit(SystemClock())
    limit.change(0, SLOWEST)
    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    written = threading.Event()
    async with serving(saying(GOOD)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, limit)
        running = asyncio.create_task(
            asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: written.set())
        )
        async with asyncio.timeout(PATIENCE_S):
            while source.held_s == 0:
                await asyncio.sleep(0.001)
            assert not written.is_set()
            limit.change(0, 0)
            await running
    assert partial.written == 1
    partial.close()


async def test_without_a_limit_a_receiver_reads_no_clock(tmp_path: Path) -> None:
    partial = PartialFile(tmp_path, CONTENT, MANIFEST)
    async with serving(saying(GOOD)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, RateLimit(NoClock()))
        await asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: None)
    assert (partial.written, source.held_s) == (1, 0.0)
    partial.close()
