"""Which of the records' work waits for which."""

import asyncio
import threading

import pytest

from panal.tracker.records import Records
from panal.tracker.records_threads import RecordsThreads, Urgency
from panal.tracker.sqlite import SqliteStorage
from tests.support.clock import VirtualClock


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
