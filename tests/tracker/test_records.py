"""Which of the records' work waits for which."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import pytest

from panal.errors import NoSpace
from panal.tracker.handout import Asker, Handout, Holder
from panal.tracker.indexing import GATHER_NAMES, MOST_NAMES_BEHIND
from panal.tracker.records import LEFTOVER_SLICES, Records
from panal.tracker.records_threads import RecordsThreads, Urgency
from panal.tracker.sqlite import SqliteStorage
from panal.wire.catalogue import SearchQuery
from panal.wire.ids import ContentId
from tests.support.clock import VirtualClock
from tests.tracker.makers import announcement, caller, digest_of, entry, record


async def test_what_dropped_peers_left_is_cleared_in_turn_with_announcements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    storage = SqliteStorage(None, now_s=0.0)
    monkeypatch.setattr(storage, "clear_leftovers", lambda limit: done.append("a slice"))
    async with RecordsThreads() as threads:
        may_go_on = threading.Event()
        under_way = threads.run(may_go_on.wait, Urgency.CHANGE)
        clearing = asyncio.create_task(Records(storage, threads, VirtualClock()).clear_leftovers())
        await asyncio.sleep(0)  # the task has asked then
        announcement = threads.run(lambda: done.append("an announcement"), Urgency.CHANGE)
        may_go_on.set()
        await asyncio.gather(under_way, clearing, announcement)
    storage.close()
    assert done == ["a slice", "an announcement"]


async def test_what_very_many_files_left_goes_in_several_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slices: list[int] = []
    storage = SqliteStorage(None, now_s=0.0)

    def clear(limit: int) -> bool:
        slices.append(limit)
        return True

    monkeypatch.setattr(storage, "clear_leftovers", clear)
    async with RecordsThreads() as threads:
        await Records(storage, threads, VirtualClock()).clear_leftovers()
    storage.close()
    assert len(slices) == LEFTOVER_SLICES


@pytest.mark.parametrize("words", ["ext:py kind:document", "lib ext:py kind:document", "lib -lib"])
async def test_what_no_name_can_meet_is_asked_of_no_store(
    words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = SqliteStorage(None, now_s=0.0)
    monkeypatch.setattr(storage, "transaction", None)
    async with RecordsThreads() as threads:
        found = await Records(storage, threads, VirtualClock()).search(SearchQuery(words))
    storage.close()
    assert (found.page.hits, found.page.next_page, found.capped) == ((), "", False)


async def test_few_names_wait_for_more_before_they_go_to_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panal.tracker.indexing.GATHER_S", 3_600.0)
    monkeypatch.setattr("panal.tracker.indexing.GATHER_NAMES", 3)
    clock = VirtualClock()
    storage = SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(now_s=clock.now_s()))
    async with RecordsThreads() as threads:
        records = Records(storage, threads, clock)
        indexing = asyncio.create_task(records.index.follow_for_ever())
        for number in range(3):
            for _ in range(9):  # time enough for the index to ask, too
                assert (await records.totals()).unsearchable == number
            await records.announce(caller(), announcement(entry(f"{number}", number)))
        while (await records.totals()).unsearchable:
            pass
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
    storage.close()


class _Noting(RecordsThreads):
    """Knows how urgent what it was asked was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Urgency] = []

    def run(self, work: Callable[[], Any], urgency: Urgency = Urgency.QUESTION) -> Any:
        self.asked.append(urgency)
        return super().run(work, urgency)


async def test_an_index_takes_its_turn_and_goes_first_where_it_is_far_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = iter((MOST_NAMES_BEHIND, MOST_NAMES_BEHIND - 1, 0))
    storage = SqliteStorage(None, now_s=0.0)
    monkeypatch.setattr(storage, "index_names", lambda _: next(left))

    async with _Noting() as threads:
        asked = threads.asked
        await Records(storage, threads, VirtualClock()).index._follow()
    storage.close()
    assert asked == [Urgency.CHANGE, Urgency.QUESTION, Urgency.CHANGE]


async def test_pieces_are_merged_at_leisure_and_beside_others_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panal.tracker.indexing.MOST_PIECES", 2)
    left = iter((3, 2, 1, 0))
    merged = iter((True, False, True, False))
    storage = SqliteStorage(None, now_s=0.0)
    monkeypatch.setattr(storage, "index_names", lambda _: next(left))
    monkeypatch.setattr(storage, "merge_index", lambda _: next(merged))

    async with _Noting() as threads:
        asked = threads.asked
        index = Records(storage, threads, VirtualClock()).index
        merging = asyncio.create_task(index.merge_for_ever())
        while len(asked) < 2 or index._transactions.waiting:  # an earlier run may have left some
            await asyncio.sleep(0)
        assert asked == [Urgency.LEISURE, Urgency.LEISURE]
        merging.cancel()
        await asyncio.gather(merging, return_exceptions=True)
        await index._follow()
    storage.close()
    # Of four slices the third is one too many; after it there was more, after the fourth not.
    assert asked[2:] == [Urgency.CHANGE] * 6


async def test_an_index_without_room_is_told_as_that_and_not_as_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = threading.Event()
    storage = SqliteStorage(None, now_s=0.0)

    def fail(_: int) -> int:
        asked.set()
        raise NoSpace("No space is left.")

    monkeypatch.setattr(storage, "index_names", fail)
    async with RecordsThreads() as threads:
        records = Records(storage, threads, VirtualClock())
        records.index.note_told(GATHER_NAMES)
        indexing = asyncio.create_task(records.index.follow_for_ever())
        while not asked.is_set():
            await asyncio.sleep(0)
        await records.totals()  # behind it: its failure is known
        assert not indexing.done()
        assert records.lacks_room
        await records.find_room()
        assert not records.lacks_room
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
    storage.close()
    assert all(record.levelno < logging.WARNING for record in caplog.records)


async def test_what_a_replacement_left_out_goes_with_the_message_that_says_all_is_told() -> None:
    clock, storage = VirtualClock(), SqliteStorage(None, now_s=0.0)
    with storage.transaction():
        storage.put_peer(record(now_s=clock.now_s()))
    async with RecordsThreads() as threads:
        records = Records(storage, threads, clock)
        await records.announce(caller(), announcement(entry("old")))
        _, begun = await records.announce(caller(), announcement(replace_all=True))
        told, _ = await records.announce(caller(), announcement(entry("new")), begun)
        assert told == digest_of(entry("old"), entry("new"))
        last = announcement(all_told=True)
        assert (await records.announce(caller(), last))[0] == told  # of a stream that began none
        again, _ = await records.announce(caller(), last, begun)  # a replay ends it all the same
        assert again == digest_of(entry("new"))
    storage.close()


async def test_what_very_many_hold_is_not_read_by_the_event_loop_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("panal.tracker.records.FEW_HOLDERS", 2)
    content = ContentId(bytes(32))
    holders = [Holder(record(f"peer-{number}"), complete=True) for number in range(3)]
    read_by: list[int] = []
    storage = SqliteStorage(None, now_s=0.0)

    def locate(contents: Iterable[ContentId], _: float) -> dict[ContentId, list[Holder]]:
        read_by.append(threading.get_ident())
        return dict.fromkeys(contents, holders)

    monkeypatch.setattr(storage, "locate", locate)
    async with RecordsThreads(may_answer_here=True) as threads:
        records = Records(storage, threads, VirtualClock())
        handout = Handout(Asker("127.0.0.1"), 50, Random(1))
        for still in (3, 3, 2, 2):
            del holders[still:]
            ((_, named),) = await records.locate([content], handout)
            assert len(named) == still
    storage.close()
    here = threading.get_ident()
    assert [thread == here for thread in read_by] == [True, False, False, True]
