"""Threads that carry out fetches: an executor without results, which nobody here awaits.

A chunk is one piece of work, and a future with its lock and condition costs as much as deciding
what to fetch.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue


class Workers:
    """As many threads as work runs at once, each begun when first needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle: list[None] = []
        """One for each thread that waits and that no work is meant for yet."""

    def submit(self, work: Callable[[], None]) -> None:
        """Have something done, which raises nothing; from one thread only."""
        try:
            self._idle.pop()
        except IndexError:
            if len(self._threads) < self._most:
                self._begin()
        self._work.put(work)

    def stop(self) -> None:
        """Drop what has not begun, and wait for what has."""
        try:
            while True:
                self._work.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _begin(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # else it would live until the next comes
            self._idle.append(None)
