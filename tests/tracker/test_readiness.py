"""The probe of the records: one at a time, with a deadline, and words for what is wrong."""

import asyncio
import logging
import sqlite3

import pytest

from panal.errors import NoSpace
from panal.tracker.readiness import (
    BEHIND,
    COUNTS_FOR_S,
    DEADLINE_S,
    NO_ROOM,
    STOPPING,
    Look,
    Readiness,
)
from panal.tracker.storage import Totals
from tests.support.clock import VirtualClock

TOTALS = Totals(1, 1, 2, 3)


class Store:
    """Records that answer when the test lets them."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.failure: Exception | None = None
        self.is_full = False

    def lacks_room(self) -> bool:
        return self.is_full

    async def totals(self) -> Totals:
        self.asked += 1
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return TOTALS


async def test_one_question_serves_all_who_ask_and_for_a_second() -> None:
    store, clock = Store(), VirtualClock()
    readiness = Readiness(store.totals, store.lacks_room, clock)
    looks = [asyncio.create_task(readiness.look()) for _ in range(5)]
    await clock.run_for(0.5)
    store.may_answer.set()
    found = await asyncio.gather(*looks)
    assert {look.problem for look in found} == {""}
    assert found[0].totals == TOTALS
    assert found[0].answer_s == 0.5
    assert (await readiness.look()).totals == TOTALS
    assert store.asked == 1
    clock.advance(COUNTS_FOR_S + 0.1)
    await readiness.look()
    assert store.asked == 2


async def test_records_that_do_not_answer_are_not_asked_more_and_more() -> None:
    store, clock = Store(), VirtualClock()
    readiness = Readiness(store.totals, store.lacks_room, clock)
    for _ in range(3):
        look = asyncio.create_task(readiness.look())
        await clock.run_for(DEADLINE_S)
        assert "not answered for 5 s" in (await look).problem
    assert store.asked == 1
    store.may_answer.set()
    assert (await readiness.look()).problem == ""
    await readiness.close()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (NoSpace("No space is left."), "No space is left."),
        (sqlite3.DatabaseError("secret/path"), "the tracker's log says why"),
    ],
)
async def test_records_that_fail_are_said_in_words(
    failure: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "panal.tracker")
    store, clock = Store(), VirtualClock()
    store.may_answer.set()
    store.failure = failure
    readiness = Readiness(store.totals, store.lacks_room, clock)
    problem = (await readiness.look()).problem
    assert words in problem
    assert "secret" not in problem
    store.failure = None
    clock.advance(COUNTS_FOR_S + 0.1)
    assert (await readiness.look()).problem == ""
    assert [r.getMessage() for r in caplog.records if "ready" in r.getMessage()] == [
        f"not ready: {problem}",
        "ready again",
    ]


async def test_a_tracker_that_stops_is_not_ready_and_asks_nothing() -> None:
    store, clock = Store(), VirtualClock()
    readiness = Readiness(store.totals, store.lacks_room, clock)
    readiness.is_stopping = True
    assert (await readiness.look()).problem == STOPPING
    assert store.asked == 0


async def test_leases_that_stood_still_are_seen_to_before_they_are_counted() -> None:
    store, clock = Store(), VirtualClock()
    store.may_answer.set()
    readiness = Readiness(store.totals, store.lacks_room, clock)
    assert (await readiness.look()).problem == ""
    readiness.fall_behind()
    assert await readiness.look() == Look(BEHIND)
    readiness.catch_up()
    assert await readiness.look() == Look("", TOTALS)


async def test_what_was_asked_before_there_was_news_is_asked_again() -> None:
    store, clock = Store(), VirtualClock()
    readiness = Readiness(store.totals, store.lacks_room, clock)
    look = asyncio.create_task(readiness.look())
    while not store.asked:
        await asyncio.sleep(0)
    readiness.fall_behind()
    readiness.catch_up()
    store.may_answer.set()
    assert (await look).problem == ""
    assert store.asked == 2


async def test_records_without_room_are_counted_and_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = Store(), VirtualClock()
    store.may_answer.set()
    store.is_full = True
    readiness = Readiness(store.totals, store.lacks_room, clock)
    for _ in range(2):
        assert await readiness.look() == Look(NO_ROOM, TOTALS)
        clock.advance(COUNTS_FOR_S + 0.1)
    assert caplog.text.count("not ready: No space is left") == 1
    store.is_full = False
    assert (await readiness.look()).problem == ""
