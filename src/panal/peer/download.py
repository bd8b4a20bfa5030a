"""One download as its owner sees it: what was asked for, where it stands, and why."""

import asyncio
from collections import Counter
from enum import Enum

import msgspec

from panal.peer.queueing import Lack
from panal.peer.transfer import Transfer
from panal.store.download_records import DownloadRecord


class State(Enum):
    """Where a download stands; the values are those of the API."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """In a record: for room on the disk. To its owner also: running, and getting nothing."""
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


ENDED = {State.DONE, State.FAILED}


class Earlier(msgspec.Struct):
    """What a download's tries have brought before it waited for its disk, or was paused."""

    fetched_bytes: int = 0
    copied_bytes: int = 0
    by_peer: Counter[str] = msgspec.field(default_factory=Counter)
    spent_s: float = 0.0


class Download(msgspec.Struct):
    """One download, as its owner sees it."""

    record: DownloadRecord
    transfer: Transfer = msgspec.field(default_factory=Transfer)
    earlier: Earlier = msgspec.field(default_factory=Earlier)
    transfer_s: float = 0.0
    """From the first request until the final name exists, without what it waited for its disk."""
    waiting_for: str = ""
    """What it waits for before anything can be fetched, in words."""
    lack: Lack | None = None
    """The room that it waits for, or when it tries a disk again."""
    disk_failures: int = 0
    """How often the disk has failed, one time soon after the other."""
    began_s: float = 0.0
    """When it began to run the last time."""
    rotted: str = ""
    """What has happened since to what is done, in words."""
    told: str = ""
    """What the log said last of why it waits."""
    task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """What it is called."""
        return self.record.id

    @property
    def state(self) -> State:
        """Where it stands: a running one that gets nothing is waiting."""
        state = State(self.record.state)
        return State.WAITING if state is State.RUNNING and self.reason else state

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return State(self.record.state) in ENDED

    @property
    def bytes_resumed(self) -> int:
        """What was here before it began: not what it has brought itself."""
        brought = self.earlier.fetched_bytes + self.earlier.copied_bytes
        return max(0, self.transfer.bytes_resumed - brought)

    def bytes_by_peer(self) -> Counter[str]:
        """What each has sent, in all tries."""
        sent = self.earlier.by_peer.copy()
        for source in () if self.transfer.progress is None else self.transfer.progress.sources:
            sent[source.source.partition("@")[0]] += source.bytes
        return sent

    def begin_again(self) -> None:
        """One more try begins: what the last one brought is kept apart from what was here."""
        last, earlier = self.transfer, self.earlier
        last.look()
        fetched = last.bytes_done - last.bytes_resumed - last.bytes_copied
        earlier.fetched_bytes += max(0, fetched)
        earlier.copied_bytes += last.bytes_copied
        earlier.by_peer = self.bytes_by_peer()
        self.transfer = Transfer(
            bytes_done=last.bytes_done, bytes_resumed=last.bytes_done, banned=last.banned
        )

    @property
    def reason(self) -> str:
        """Why it does not move, how it failed, or that it has rotted since, in words."""
        if self.record.error_text:
            return self.record.error_text
        if State(self.record.state) is State.DONE:
            return self.rotted
        if State(self.record.state) is not State.RUNNING:
            return ""
        return self.waiting_for or self.transfer.reason


async def stop(download: Download) -> None:
    """End a download's work, keeping what is there."""
    if download.task is not None:
        download.task.cancel()
        await asyncio.gather(download.task, return_exceptions=True)
        download.task = None
