"""How many sources are asked at once: enough to keep a downlink full, and few for each uplink.

Where many download and ask every neighbour, each is also waited for by every neighbour, and what
waits in its queue is claimed: nobody else brings it. Who keeps silent does not count, so many that
never answer keep nobody out. Who is awaited is kept up with each request and its bytes, for the
question comes with each word of a neighbour; who has fallen silent is seen when bytes are counted.
"""

from collections.abc import Iterable

from panal.swarm.messages import SourceId
from panal.swarm.sources import Source

AT_ONCE = 20
"""A little more than a peer sends to at a time: so hardly any slot is free while it has chunks."""
SILENT_S = 0.5
"""Who is silent for so long is not counted any more."""


class Awaited:
    """Those of one download's sources that were asked and are not silent."""

    def __init__(self) -> None:
        self.sources: set[SourceId] = set()

    def hears(self, source: Source) -> None:
        """It is asked, or bytes came from it."""
        if source.fetch is not None:
            self.sources.add(source.id)

    def ended(self, source: Source) -> None:
        """Nothing is asked of it any more."""
        self.sources.discard(source.id)

    def counted(self, near: Iterable[Source], now_s: float) -> None:
        """The bytes of all neighbours are counted now."""
        self.sources = {
            source.id
            for source in near
            if (fetch := source.fetch) is not None and fetch.silence_s(now_s) < SILENT_S
        }

    def more_to_ask(self, downloading: int) -> int:
        """How many more may be asked, where so many neighbours are not whole themselves.

        Who is whole competes with nobody for others' uplinks: where few download from many, all
        are asked.
        """
        return max(0, AT_ONCE - len(self.sources)) if downloading > AT_ONCE else AT_ONCE
