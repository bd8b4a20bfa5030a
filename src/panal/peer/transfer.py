"""How far one content has come; filled by what fetches it, read by what shows it."""

from collections.abc import Sequence

import msgspec

from panal.store.partial import PartialFile
from panal.swarm.engine import Engine
from panal.swarm.messages import Progress
from panal.swarm.snapshot import SwarmFacts
from panal.swarm.state import DownloadState
from panal.wire.catalogue import Provider
from panal.wire.manifest import Manifest


class Swarm(msgspec.Struct, frozen=True):
    """What works on one content at a moment."""

    path: str
    """Which of a folder's files it is."""
    state: DownloadState
    manifest: Manifest


class Transfer(msgspec.Struct):
    """How far one content has come; read by others while it runs."""

    path: str = ""
    """Which of a folder's files it is."""
    bytes_resumed: int = 0
    """Here before it began."""
    bytes_copied: int = 0
    """Of a folder's files: copied from others here that have the same content."""
    _engine: Engine | None = None
    _partial: PartialFile | None = None
    progress: Progress | None = None
    bytes_done: int = 0
    waiting_for: str = ""
    """Why it has not begun, in words."""
    named: Sequence[Provider] = ()
    """Whom the tracker named when it was asked for the manifest, until the swarm begins."""
    banned: dict[str, str] = msgspec.field(default_factory=dict)
    """Why each banned peer was, by name."""
    is_held: bool = False
    """It waits for our own rate limit before it asks."""
    is_of_list: bool = False
    """A folder's list is fetched: its bytes are none of the folder's."""

    def follow(self, engine: Engine, partial: PartialFile) -> None:
        """A swarm works on it from now on."""
        self._engine, self._partial = engine, partial

    def look(self) -> None:
        """Bring what is told up to now."""
        if self._engine is not None and self._partial is not None:
            self.progress = self._engine.progress()
            if not self.is_of_list:
                self.bytes_resumed = self._partial.bytes_in(self._partial.resumed)
                self.bytes_done = self._partial.bytes_in(self._partial.written)

    def facts(self) -> SwarmFacts | None:
        """What there is to say of the swarm at this moment, while one is at work."""
        return None if self._engine is None else self._engine.facts()

    def swarms(self) -> list[Swarm]:
        """What is at work on it at this moment, with chunks to be looked at."""
        if self._engine is None or self._partial is None:
            return []
        return [Swarm(self.path, self._engine.state, self._partial.manifest)]

    @property
    def asks(self) -> bool:
        """Whether it comes from others, and nothing is left here to be looked at first."""
        return any(not swarm.state.chunks.unsure for swarm in self.swarms())

    def unfollow(self) -> None:
        """The swarm's work is over; what it came to stays."""
        self.look()
        self._engine = self._partial = None

    @property
    def held_back(self) -> bool:
        """Whether our own rate limit is what holds it back."""
        return self.is_held or (self.progress is not None and self.progress.held_back)

    @property
    def reason(self) -> str:
        """Why nothing moves, in words; empty while something does."""
        if self._engine is None:
            return self.waiting_for
        return "" if self.progress is None else self.progress.reason
