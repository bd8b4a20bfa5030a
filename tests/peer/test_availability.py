"""Followers are told at once after a quiet time, else of what gathers; nobody holds a peer up."""

import asyncio
from typing import Any, cast

import pytest

from panal.peer.availability import MOST_UNREAD_BYTES, Availability, Followers
from panal.wire.have import HEARTBEAT, HEARTBEAT_S, index_frame
from tests.support.patience import PATIENCE_S


class Wire:
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unread_bytes = 0
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unread_bytes

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


def begin(one: Availability, wire: Wire, *, chunked: bool = False) -> asyncio.Task[None]:
    return asyncio.create_task(one.stream(cast(Any, wire), chunked=chunked))


async def until(wire: Wire, frames: bytes) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while b"".join(wire.written) != frames:
            await asyncio.sleep(0)


async def test_the_first_word_goes_at_once_and_the_next_ones_together() -> None:
    followers, wire = Followers(), Wire()
    one = Availability(0, 9, None)
    followers.add(one)
    task = begin(one, wire)
    await asyncio.to_thread(followers.tell, 3)
    await until(wire, index_frame(3))
    for index in (5, 6, 7):
        await asyncio.to_thread(followers.tell, index)
    await until(wire, b"".join(map(index_frame, (3, 5, 6, 7))))
    assert wire.written == [index_frame(3), index_frame(5) + index_frame(6) + index_frame(7)]
    followers.end()
    await task


async def test_what_comes_before_the_answer_has_begun_is_told_with_it() -> None:
    one, wire = Availability(0, 9, None), Wire()
    one.tell(index_frame(1))
    one.tell(index_frame(2))
    task = begin(one, wire, chunked=True)
    await until(wire, b"8\r\n" + index_frame(1) + index_frame(2) + b"\r\n")
    one.end()
    await task


async def test_a_heartbeat_comes_only_after_five_seconds_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)
    one, wire = Availability(0, 9, None), Wire()
    task = begin(one, wire)

    async def pass_by(duration_s: float) -> int:
        """How many heartbeats came after that time."""
        nonlocal now_s
        now_s += duration_s
        for _ in range(10):
            await asyncio.sleep(0)
        return wire.written.count(index_frame(HEARTBEAT))

    assert await pass_by(0.0) == 0
    assert await pass_by(HEARTBEAT_S) == 1
    assert await pass_by(HEARTBEAT_S - 1) == 1
    one.tell(index_frame(3))
    assert await pass_by(HEARTBEAT_S - 1) == 1
    assert await pass_by(1.0) == 2
    one.end()
    await task


async def test_a_follower_that_does_not_read_is_cut_off_and_one_that_left_is_let_go() -> None:
    followers = Followers()
    lazy, gone, good = Wire(), Wire(), Wire()
    lazy.unread_bytes = MOST_UNREAD_BYTES + 1
    gone.is_aborted = True
    tasks = []
    for wire in (lazy, gone, good):
        one = Availability(0, 9, None)
        followers.add(one)
        tasks.append(begin(one, wire))
    await asyncio.sleep(0)
    followers.tell(4)
    await until(good, index_frame(4))
    await asyncio.gather(*tasks[:2])
    assert (lazy.is_aborted, lazy.written, gone.written) == (True, [], [])
    followers.end()
    await tasks[2]
