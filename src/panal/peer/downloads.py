"""The downloads of a peer: a queue that survives restarts.

A few run at once; the others wait in order of priority, then of coming. What is
paused, or was under way when the peer stopped, goes on from the chunks that are there. What
meets a full disk leaves its place to others and goes on when there is room. What meets a disk that
fails, is read-only or is away does too, and is tried again now and then.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from panal import request_ids
from panal.back_off import doubled
from panal.clock import Clock
from panal.errors import NoSpace, NotFound, PanalError, RootOffline, UsageError
from panal.peer.checking import Checking
from panal.peer.download import Download, State, stop
from panal.peer.download_list import DownloadList
from panal.peer.download_way import DownloadWay
from panal.peer.queueing import (
    LONGEST_PAUSE_S,
    TRY_AGAIN_S,
    Lack,
    Turn,
    Waiting,
    failures_in_a_row,
    lack_words,
    to_start,
    to_try_again,
    turn_of,
    waited_words,
)
from panal.store.disk_errors import disk_error
from panal.store.download_records import DownloadRecord, DownloadRecords
from panal.store.space import Room, room_at
from panal.wire.links import parse_what
from panal.wire.names import SafePath, printable

log = logging.getLogger(__name__)

ACTIVE_AT_ONCE = 4
"""How many run at once until the owner says otherwise."""
LOOK_FOR_ROOM_S = 5.0


class Downloads:
    """Runs downloads and remembers how they went."""

    def __init__(
        self,
        way: DownloadWay,
        records: DownloadRecords,
        clock: Clock,
        *,
        state: Path,
        waits_for_room: bool,
        let_go: Callable[[DownloadRecord], Awaitable[None]],
        check: Callable[[], Awaitable[None]],
        sent_bytes: Callable[[], int],
        refuse_offline: Callable[[], Awaitable[None]],
        rotted: Callable[[SafePath], str],
    ) -> None:
        """`state` is where the index lies; `refuse_offline` raises where the folder has gone.

        Without `waits_for_room` only downloads with `wait` do; others fail. `let_go` is told
        of those that failed or were cancelled, `check` runs when some are done and nothing is sent,
        `rotted` says what has rotted of a path.
        """
        self._way = way
        self.place_of = way.place_of
        self._clock = clock
        self._state = state
        self._waits_for_room = waits_for_room
        self._let_go = let_go
        self._active_at_once = ACTIVE_AT_ONCE
        self._list = DownloadList(records)
        self._checking = Checking(check, self.are_running, sent_bytes, clock)
        self._refuse_offline = refuse_offline
        self._rotted = rotted

    # What the owner does ------------------------------------------------------------------

    def restore(self) -> None:
        """Take up what was left when the peer stopped."""
        self._list.restore()
        self._start_queued()
        self._checking.soon()

    def start(
        self, what: str, path: SafePath | None = None, *, priority: int = 0, wait: bool = False
    ) -> Download:
        """Queue a download, or give the one that is under way; UsageError for a bad `what`.

        With `wait`, a name that nobody shares yet is waited for. NoSpace where not even the
        wish can be written down.
        """
        parse_what(what)
        for known in self._list:
            same_name = path is None or known.record.path == path
            if known.record.what == what and same_name and not known.has_ended:
                return known
        record = DownloadRecord(secrets.token_hex(8), what, path, priority, wait)
        download = self._list.add(record)
        self._start_queued()
        return download

    def all(self) -> list[Download]:
        """Every download, the newest last."""
        return [self.get(download.id) for download in self._list]

    def get(self, download_id: str) -> Download:
        """One download, its progress brought up to now; NotFound."""
        download = self._list.get(download_id)
        if download is None:
            raise NotFound("There is no such download.")
        download.transfer.look()
        if State(download.record.state) is State.DONE and download.record.path is not None:
            download.rotted = self._rotted(download.record.path)
        return download

    async def wait(self, download_id: str, most_s: float) -> None:
        """Until a running download has come to its end, and so long at most; NotFound."""
        task = self.get(download_id).task
        if task is None or task.done():
            await self._clock.sleep(most_s)
        else:
            await asyncio.wait({task}, timeout=most_s)

    def are_running(self) -> bool:
        """Whether any is under way."""
        return bool(self._list.in_state(State.RUNNING))

    def count(self) -> dict[str, int]:
        """How many there are in each state."""
        counts = {state.value: 0 for state in State}
        for download in self._list:
            download.transfer.look()
            counts[download.state.value] += 1
        return counts

    def turn(self, download_id: str) -> Turn | None:
        """Its place in the queue, if it is there."""
        return turn_of(download_id, self._list.queued(), self._active_at_once)

    async def pause(self, download_id: str) -> Download:
        """Stop a download, keeping what is there; UsageError once it has ended."""
        download = self._changeable(download_id)
        self._list.set_state(download, State.PAUSED)
        await stop(download)
        self._start_queued()
        return download

    def resume(self, download_id: str) -> Download:
        """Queue a paused download again, or one that waits for room.

        UsageError once it has ended.
        """
        download = self._changeable(download_id)
        if State(download.record.state) in {State.PAUSED, State.WAITING}:
            self._list.set_state(download, State.QUEUED)
            self._start_queued()
        return download

    def set_priority(self, download_id: str, priority: int) -> Download:
        """Let a download go before those of a lower priority."""
        download = self._changeable(download_id)
        download.record.priority = priority
        self._list.save(download.record)
        return download

    def set_active_at_once(self, count: int) -> None:
        """Let so many run at once; those that run already go on."""
        self._active_at_once = count
        self._start_queued()

    async def remove(self, download_id: str) -> Download:
        """Cancel a download if it runs, and take it off the list.

        What is there of it is kept for a day: asked for again, it goes on from there.
        """
        download = self.get(download_id)
        self._list.strike_off(download_id)
        await stop(download)
        self._start_queued()
        if not download.has_ended:
            await self._let_go(download.record)
        return download

    async def close(self) -> None:
        """Stop all, keeping what is there for the next start."""
        self._list.is_closing = True
        for download in self._list:
            await stop(download)
        await self._checking.close()

    def _changeable(self, download_id: str) -> Download:
        download = self.get(download_id)
        if download.has_ended:
            raise UsageError("That download has ended.")
        return download

    # The queue ----------------------------------------------------------------------------

    def _start_queued(self) -> None:
        if self._list.is_closing:
            return
        queued = self._list.queued()
        running = len(self._list.in_state(State.RUNNING))
        for download_id in to_start(queued, running, self._active_at_once):
            download = self.get(download_id)
            self._list.set_state(download, State.RUNNING)
            download.task = asyncio.create_task(self._run(download))

    async def _run(self, download: Download) -> None:
        request_ids.begin(download.id)
        download.began_s = self._clock.now_s()
        try:
            await self._way.fetch(download)
            self._list.set_state(download, State.DONE)
            self._checking.soon()
            log.info("Fetched %s.", printable(download.record.path or ""))
        except PanalError as error:
            await self._end(download, error)
        except OSError as error:  # whoever made the call has not told of it in words
            await self._end(download, disk_error(error, "store the download"))
        except Exception as error:
            self._list.set_state(
                download, State.FAILED, PanalError(f"A fault in Panal: {error!r}.")
            )
            log.exception("The download of %s failed.", printable(download.record.what))
        self._start_queued()
        if State(download.record.state) is State.FAILED:
            await self._let_go(download.record)

    async def _end(self, download: Download, error: PanalError) -> None:
        """It waits where the disk may have room or be well again, else it has failed."""
        may_wait = self._waits_for_room or download.record.wait
        if may_wait and isinstance(error, NoSpace):
            await self._wait_for_room(download, error)
        elif may_wait and error.may_pass:
            self._wait_for_disk(download, error)
        else:
            self._list.set_state(download, State.FAILED, error)
        waits = State(download.record.state) is State.WAITING
        told = f"waits: {waited_words(error)}" if waits else f"failed: {error}"
        ran_s = self._clock.now_s() - download.began_s
        if told != download.told or ran_s > LONGEST_PAUSE_S:  # else each try would say it again
            download.told = told
            log.warning("The download of %s %s", printable(download.record.what), told)

    # Room ---------------------------------------------------------------------------------

    async def _wait_for_room(self, download: Download, error: NoSpace) -> None:
        place = error.place or str(self._state)
        room = await asyncio.to_thread(_room, place)
        lack = Lack(place, error.wanted_bytes, self._clock.now_s() + TRY_AGAIN_S)
        usable_bytes, words = (
            (0, error.cause.rstrip(".")) if room is None else (room.usable_bytes, room.words())
        )
        self._list.set_state(
            download, State.WAITING, NoSpace(lack_words(lack, usable_bytes, words))
        )
        download.lack = lack

    def _wait_for_disk(self, download: Download, error: PanalError) -> None:
        """Until it is tried again: each time later, for what came may have to come once more."""
        ran_s = self._clock.now_s() - download.began_s
        download.disk_failures = failures_in_a_row(download.disk_failures, ran_s)
        pause_s = min(LONGEST_PAUSE_S, doubled(TRY_AGAIN_S, download.disk_failures - 1))
        self._list.set_state(download, State.WAITING, type(error)(waited_words(error)))
        download.lack = Lack(str(self._state), 0, self._clock.now_s() + pause_s)

    async def _look_for_folder(self) -> None:
        """Without it, what is under way waits in words: nothing could be put in its place."""
        running = self._list.in_state(State.RUNNING)
        if not running:
            return
        try:
            await self._refuse_offline()
        except RootOffline as error:
            for download in running:
                await stop(download)
                if State(download.record.state) is State.RUNNING:
                    await self._end(download, error)
                if State(download.record.state) is State.FAILED:
                    await self._let_go(download.record)
            self._start_queued()
        except (PanalError, OSError):  # as no descriptor is left: whoever writes will tell
            return

    async def look_for_room(self) -> None:
        """Let those that wait for room go on when there is some; runs until cancelled."""
        while True:
            await self._clock.sleep(LOOK_FOR_ROOM_S)
            await self._look_for_folder()
            self._list.save_what_is_left()
            lacks = [d.lack for d in self._list.in_state(State.WAITING) if d.lack is not None]
            rooms = {lack.place: await asyncio.to_thread(_room, lack.place) for lack in lacks}
            usable = {place: room.usable_bytes for place, room in rooms.items() if room is not None}
            # Taken now: the owner may have paused or removed some while the disk was asked.
            waiting = [
                Waiting(d.id, d.record.priority, d.lack)
                for d in self._list.in_state(State.WAITING)
                if d.lack is not None
            ]
            for download_id in to_try_again(waiting, usable, self._clock.now_s()):
                self._list.set_state(self.get(download_id), State.QUEUED)
            self._start_queued()


def _room(place: str) -> Room | None:
    try:
        return room_at(Path(place))
    except OSError:
        return None  # a disk that is away has none
