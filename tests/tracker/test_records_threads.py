import asyncio
import threading
from functools import partial

import pytest

from panal.tracker.records_threads import RecordsThreads, Urgency


class Refusal(Exception):
    pass


def _refuse() -> None:
    raise Refusal


async def test_what_somebody_waits_for_goes_first_and_each_in_its_turn() -> None:
    threads = RecordsThreads()
    may_begin = threading.Event()
    done: list[str] = []
    first = threads.run(may_begin.wait)
    asked = [
        threads.run(partial(done.append, name), urgency)
        for name, urgency in (
            ("merge 1", Urgency.LEISURE),
            ("announce 1", Urgency.CHANGE),
            ("announce 2", Urgency.CHANGE),
            ("search 1", Urgency.QUESTION),
            ("search 2", Urgency.QUESTION),
        )
    ]
    may_begin.set()
    await asyncio.gather(first, *asked)
    assert done == ["search 1", "search 2", "announce 1", "announce 2", "merge 1"]
    await threads.close()


async def test_results_and_errors_come_back_to_whoever_asked() -> None:
    threads = RecordsThreads(2)
    refused = threads.run(_refuse)
    squares = await asyncio.gather(*(threads.run(partial(pow, n, 2)) for n in range(100)))
    assert squares == [n * n for n in range(100)]
    with pytest.raises(Refusal):
        await refused
    await threads.close()


async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    threads = RecordsThreads()
    may_begin = threading.Event()
    done: list[int] = []
    first = threads.run(may_begin.wait)
    second = threads.run(partial(done.append, 2))
    third = threads.run(partial(done.append, 3))
    second.cancel()
    may_begin.set()
    await first
    await third
    assert done == [3]
    await threads.close()


async def test_closing_waits_for_what_was_asked_before() -> None:
    threads = RecordsThreads()
    asked = [threads.run(partial(abs, n)) for n in range(10)]
    await threads.close()
    assert [one.result() for one in asked] == list(range(10))


async def test_a_short_question_is_answered_here_but_never_beside_the_thread() -> None:
    here = threading.get_ident()
    async with RecordsThreads(may_answer_here=True) as threads:
        assert await threads.ask(threading.get_ident) == here
        has_begun, may_end = threading.Event(), threading.Event()

        def work() -> None:
            has_begun.set()
            may_end.wait()

        busy = threads.run(work)
        await asyncio.to_thread(has_begun.wait)
        asked = asyncio.ensure_future(threads.ask(threading.get_ident))
        await asyncio.sleep(0)
        was_done = asked.done()
        may_end.set()
        assert not was_done
        assert await asked != here
        await busy
        with pytest.raises(Refusal):
            await threads.ask(_refuse)
        assert await threads.ask(threading.get_ident) == here
    async with RecordsThreads() as threads:
        assert await threads.ask(threading.get_ident) != here
