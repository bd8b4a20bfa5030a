"""What was fetched is checked when nothing is fetched any more, in virtual time."""

import asyncio

from panal.peer.checking import AT_LATEST_S, LOOK_S, Checking
from tests.support.clock import VirtualClock


class Place:
    """A queue that fetches as long as a test says, and what was checked when."""

    def __init__(self) -> None:
        self.clock = VirtualClock(now_s=0.0)
        self.is_fetching = True
        self.sent_bytes = 0
        self.checked_at_s: list[float] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.checking = Checking(
            self._check, lambda: self.is_fetching, lambda: self.sent_bytes, self.clock
        )

    async def _check(self) -> None:
        self.checked_at_s.append(self.clock.now_s())
        await self.may_end.wait()


async def test_it_waits_for_the_last_download_and_is_done_once() -> None:
    place = Place()
    for _ in range(3):
        place.checking.soon()
        await place.clock.run_for(5.0)
    assert place.checked_at_s == []
    place.is_fetching = False
    await place.clock.run_for(5.0)
    assert place.checked_at_s == [15.0 + LOOK_S]


async def test_it_begins_soon_where_nothing_is_fetched() -> None:
    place = Place()
    place.is_fetching = False
    place.checking.soon()
    await place.clock.run_for(LOOK_S)
    assert place.checked_at_s == [LOOK_S]


async def test_it_waits_while_others_are_sent_something() -> None:
    place = Place()
    place.is_fetching = False
    place.checking.soon()
    for _ in range(10):
        await place.clock.run_for(LOOK_S / 2)
        place.sent_bytes += 1
        await place.clock.run_for(LOOK_S / 2)
    assert place.checked_at_s == []
    await place.clock.run_for(LOOK_S)
    assert place.checked_at_s == [11 * LOOK_S]


async def test_a_queue_that_never_ends_does_not_put_it_off_for_ever() -> None:
    place = Place()
    place.checking.soon()
    await place.clock.run_for(10 * AT_LATEST_S)
    assert place.checked_at_s == [AT_LATEST_S]


async def test_what_is_done_while_others_are_checked_is_checked_after_them() -> None:
    place = Place()
    place.is_fetching = False
    place.may_end.clear()
    place.checking.soon()
    await place.clock.run_for(1.0)
    place.checking.soon()
    await place.clock.run_for(1.0)
    assert place.checked_at_s == [LOOK_S]
    place.may_end.set()
    await place.clock.run_for(1.0)
    assert place.checked_at_s == [LOOK_S, 2.0 + LOOK_S]


async def test_closing_ends_a_check() -> None:
    place = Place()
    place.is_fetching = False
    place.may_end.clear()
    place.checking.soon()
    await place.clock.run_for(LOOK_S)
    await place.checking.close()
    place.may_end.set()
    await place.clock.run_for(1.0)
    assert place.checked_at_s == [LOOK_S]
