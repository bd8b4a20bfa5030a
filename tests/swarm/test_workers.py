"""Threads for fetches: no more than are needed, and none left behind."""

import threading

from panal.swarm.workers import Workers
from tests.support.patience import PATIENCE_S


def test_work_runs_side_by_side_and_never_more_than_may() -> None:
    workers, release = Workers(2, "test"), threading.Event()
    began = threading.Semaphore(0)

    def work() -> None:
        began.release()
        assert release.wait(PATIENCE_S)

    for _ in range(3):
        workers.submit(work)
    assert began.acquire(timeout=PATIENCE_S)
    assert began.acquire(timeout=PATIENCE_S)
    assert not began.acquire(blocking=False)
    release.set()
    assert began.acquire(timeout=PATIENCE_S)
    workers.stop()


def test_a_thread_that_waits_is_used_again() -> None:
    workers, used = Workers(40, "test"), set[int]()
    for _ in range(20):
        done = threading.Event()

        def work(done: threading.Event = done) -> None:
            used.add(threading.get_ident())
            done.set()

        workers.submit(work)
        assert done.wait(PATIENCE_S)
        while not workers._idle:
            pass
    workers.stop()
    assert len(used) == 1


def test_what_has_not_begun_is_dropped_and_what_has_is_waited_for() -> None:
    workers, release = Workers(2, "test"), threading.Event()
    began, done = threading.Semaphore(0), list[str]()

    def work() -> None:
        began.release()
        assert release.wait(PATIENCE_S)
        done.append("begun")

    workers.submit(work)
    workers.submit(work)
    workers.submit(lambda: done.append("waiting"))
    assert began.acquire(timeout=PATIENCE_S)
    assert began.acquire(timeout=PATIENCE_S)
    stopping = threading.Thread(target=workers.stop)
    stopping.start()
    while workers._work.qsize() != 2:  # a word to end for each, and no work
        pass
    release.set()
    stopping.join(PATIENCE_S)
    assert done == ["begun", "begun"]
