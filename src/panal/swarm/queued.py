"""Claims that wait in a queue, and when one is asked of another in a crowd.

Whoever has a new chunk first is asked for it by all its neighbours, and sends it to some of them:
the others would still wait in that queue when those have the chunk and nobody to send it to. So
where more download than are asked at once, a claim moves soon. Who waits is kept up with each
request and its first bytes, for the question comes with each word of a neighbour.
"""

from panal.swarm.messages import SourceId
from panal.swarm.sources import Source

CROWDED_PATIENCE_S = 0.05
"""How long a claim waits for its first byte in a crowd, before another holder may have it."""
REST_AFTER_QUEUE_S = 3.0
"""How long a source rests whose queue was left then: each that is left costs a connection, and two
thirds as many bring as much as with a rest of 1 s."""


class Queued:
    """Those of one download's sources that were asked for certain chunks and sent nothing since."""

    def __init__(self) -> None:
        self.sources: dict[SourceId, Source] = {}
        """Who was asked first comes first."""
        self.claimed = 0
        """What is asked of them, and perhaps some of what was."""

    def asked(self, source: Source) -> None:
        """It is asked for what it claims."""
        if source.fetch is not None and not source.fetch.is_choice:
            self.sources[source.id] = source
            self.claimed |= source.fetch.claimed

    def left(self, source: Source) -> None:
        """Bytes came from it, or nothing is asked of it any more."""
        if self.sources.pop(source.id, None) is None:
            return
        self.claimed = 0
        for other in self.sources.values():
            if other.fetch is not None:
                self.claimed |= other.fetch.claimed

    def late(self, chunks: int, now_s: float) -> list[Source]:
        """Those that anybody at all may have some of the chunks from, in a crowd."""
        if not self.claimed & chunks:
            return []
        return [
            source
            for source in self.sources.values()
            if (fetch := source.fetch) is not None
            and fetch.claimed & chunks
            and now_s - fetch.asked_at_s > CROWDED_PATIENCE_S
            and not fetch.ending
        ]
