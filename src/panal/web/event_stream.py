"""What moves, looked at while somebody listens, as events that each listener is told once."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Protocol

import msgspec

from panal.answers import DownloadsEvent, PeersEvent, UploadsEvent
from panal.clock import Clock
from panal.errors import Busy
from panal.peer.limits import LISTENERS
from panal.web.board import Board

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
"""What changes in between is told once."""
_ROWS = {"downloads": DownloadsEvent, "uploads": UploadsEvent, "peers": PeersEvent}


class Facts(Protocol):
    """Where what is told comes from."""

    def look(self, board: Board) -> None:
        """Put what changes often on the board, as it is now."""
        ...

    def follow_peers(self, board: Board) -> Coroutine[None, None, None]:
        """Put everybody who is here on the board, again and again, until cancelled."""
        ...


class EventStream:
    """Looks while somebody listens, and not at all while nobody does."""

    def __init__(self, facts: Facts, clock: Clock, stopping: asyncio.Event) -> None:
        """It ends when `stopping` is set."""
        self.board = Board()
        self.epoch = secrets.token_hex(4)
        self.listeners = 0
        self._facts = facts
        self._clock = clock
        self._stopping = stopping
        self._looked = asyncio.Event()
        self._told: tuple[int, dict[int, bytes]] = 0, {}
        """What listeners were told at a number of the board, by what they had been told until."""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Look, and go on looking; Busy where there are too many already."""
        if self.listeners >= LISTENERS:
            raise Busy("So many pages listen to this peer already. Close one of them.")
        self.listeners += 1
        try:
            if self.listeners == 1:
                self._begin()
            self._facts.look(self.board)
            yield
        finally:
            self.listeners -= 1
            if self.listeners == 0:
                await self._end()

    def _begin(self) -> None:
        works = (
            self._look_again(),
            self._facts.follow_peers(self.board),
            self._wake_at_the_end(),
        )
        self._tasks = [asyncio.ensure_future(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(_note_fault)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look_again(self) -> None:
        try:
            while True:
                await self._clock.sleep(LOOK_EVERY_S)
                self._facts.look(self.board)
                self._wake()
        finally:
            self._wake()  # nobody waits for ever for what has failed

    async def _wake_at_the_end(self) -> None:
        await self._stopping.wait()
        self._wake()

    def _wake(self) -> None:
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def next_look(self) -> bool:
        """Wait until it was looked again; whether that goes on."""
        if not self._stopping.is_set():
            await self._looked.wait()
        return not (self._stopping.is_set() or self._tasks[0].done())

    def since(self, number: int) -> bytes:
        """What changed after a number of the board, as events."""
        board = self.board
        if self._told[0] != board.number:
            self._told = board.number, {}
        known = self._told[1].get(number)
        if known is None:
            known = self._told[1][number] = b"".join(_events_since(board, number))
        return known


def _events_since(board: Board, number: int) -> Iterator[bytes]:
    for kind, value in board.values_since(number):
        yield event(kind, value)
    for kind, make in _ROWS.items():
        if (changes := board.rows_since(kind, number)) is not None:
            yield event(kind, make(changes.whole, changes.rows, changes.removed))
    for kind, line in board.lines_since(number):
        yield event(kind, line)


def event(kind: str, data: msgspec.Struct) -> bytes:
    """One event as it is sent; JSON has no line break of its own."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode("ascii"), msgspec.json.encode(data))


def _note_fault(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("What moves is told no more.", exc_info=error)
