"""Several real trackers in this process: on one store, as replicas are, or each on its own."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from panal.clock import Clock, SystemClock
from panal.tracker import opening
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.tracker.sqlite import SqliteStorage

OPENING = "open_store_when_it_is_there"
"""How a tracker opens its store."""


class SharedStorage:
    """One SQLite store behind a lock, for trackers that each have a thread of their own."""

    shared_as = "one for all"

    def __init__(self, clock: Clock) -> None:
        self.storage = SqliteStorage(None, clock.now_s())
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        with self._turn, self.storage.transaction():
            yield

    def close(self) -> None:
        """The trackers come and go; what they know stays."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)


class Trackers:
    """Some trackers, each on a port that it keeps; an async context."""

    def __init__(
        self, count: int, *, are_replicas: bool, renew_s: float = 0.2, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self.shared = SharedStorage(self._clock) if are_replicas else None
        self._settings = [TrackerSettings(port=0, renew_s=renew_s) for _ in range(count)]
        self.running: dict[int, TrackerServer] = {}
        self.addresses: tuple[str, ...] = ()

    async def __aenter__(self) -> "Trackers":
        for number in range(len(self._settings)):
            await self.start(number)
        self.addresses = tuple(f"127.0.0.1:{s.port}" for s in self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        for number in list(self.running):
            await self.stop(number)
        if self.shared is not None:
            self.shared.storage.close()

    async def start(self, number: int) -> None:
        """Start one, or start it again where it was; one that shares nothing knows nothing."""
        server = TrackerServer(self._settings[number], self._clock)
        with contextlib.ExitStack() as stack:
            if self.shared is not None:
                stack.enter_context(patch.object(opening, OPENING, self._opened))
            await server.start()
        kept = self._settings[number]
        self._settings[number] = TrackerSettings(port=server.port, renew_s=kept.renew_s)
        self.running[number] = server

    async def _opened(self, *_: Any) -> tuple[Any, Clock]:
        return self.shared, self._clock

    async def stop(self, number: int) -> None:
        await self.running.pop(number).stop(0)

    def at(self, address: str) -> int:
        return self.addresses.index(address)
