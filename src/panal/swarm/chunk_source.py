"""What the engine needs of others: who they are, what each has, and to fetch from it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from panal.store.partial import PartialFile
from panal.swarm.messages import Ban, Failure, NewsHeard, SourceId
from panal.wire.ids import Zone


class SourceFailure(Exception):
    """A fetch or stream failed by its source's fault, or was cancelled."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


class CorruptChunk(Exception):
    """A source sent a chunk that is not what its hash says."""

    def __init__(self, index: int) -> None:
        super().__init__(f"wrong chunk {index}")
        self.index = index


class ChunkSource(Protocol):
    """One provider of one content."""

    @property
    def bytes_received(self) -> int:
        """Bytes of chunks since it was made; read from another thread."""
        ...

    @property
    def held_s(self) -> float:
        """How long our own rate limit made it wait since then; read from another thread."""
        ...

    async def follow(self, tell: Callable[[int, bool], None]) -> None:
        """Tell which chunks it has, first all (True), then further ones, until it ends.

        SourceFailure says why it ended.
        """
        ...

    def fetch(
        self,
        first: int,
        count: int,
        into: PartialFile,
        wrote: Callable[[int], None],
        *,
        gives_way: bool,
    ) -> None:
        """Fetch consecutive chunks in the calling thread; `wrote` follows each right one.

        `gives_way` lets those go first who have less. SourceFailure, CorruptChunk, or the disk's
        PanalError.
        """
        ...

    def fetch_any(
        self,
        among: int,
        most: int,
        into: PartialFile,
        granted: Callable[[int, int], None],
        wrote: Callable[[int], None],
        *,
        gives_way: bool,
    ) -> None:
        """Fetch consecutive chunks of the source's choice; `granted` says which, before any.

        Raises as `fetch` does.
        """
        ...

    def cancel(self) -> None:
        """Make a running fetch end soon, from any thread."""
        ...


class Others(Protocol):
    """Whoever shares one content, as the engine sees them."""

    def connect(self, source: SourceId) -> ChunkSource:
        """A provider to fetch from; nothing is opened yet."""
        ...

    def zone_of(self, source: SourceId) -> Zone:
        """Where it is, as far as it says."""
        ...

    async def locate(self, suspects: Sequence[SourceId]) -> list[SourceId]:
        """Whom a tracker names; it is told who did not answer. PanalError."""
        ...

    async def known_to(self, source: SourceId) -> list[SourceId]:
        """Who else fetches it, as this source says; none where it does not answer."""
        ...

    def news(self) -> AsyncGenerator[NewsHeard, None]:
        """A tracker's news of sources, for as long as they are listened to."""
        ...

    def ban(self, ban: Ban) -> None:
        """Keep this one out for the rest of the download."""
        ...

    def serve_few(self, is_so: bool) -> None:
        """Send this content to few at a time from now on, or again to many."""
        ...
