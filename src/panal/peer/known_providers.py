"""Who is said to hold one content, by source: what is believed, and how many; pure.

A tracker has dialled whom it names. All else is hearsay: bounded, by host too, and it binds no
name. Who is banned is so at its address, whatever it calls itself there next.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence

from panal.swarm.messages import SourceId
from panal.wire.address import authority, place_of
from panal.wire.catalogue import Provider

MOST_HEARD = 500
MOST_HEARD_OF_HOST = 4
"""Of one address, or one IPv6 network; whom it was banned for counts among them for good."""


class KnownProviders:
    """The providers of one download."""

    def __init__(self, own_name: str, is_in_use: Callable[[SourceId], bool]) -> None:
        """`is_in_use` says of a source that it is neither unknown nor away nor banned."""
        self._own_name = own_name
        self._is_in_use = is_in_use
        self._all: dict[SourceId, Provider] = {}
        self._heard: dict[SourceId, str] = {}
        """Those that no tracker has named, and their places."""
        self._banned: dict[tuple[str, int], str] = {}
        """Addresses, and their places."""
        self._settled: set[SourceId] = set()
        """Whoever was there when it was last asked who may be forgotten, and not named since."""

    def __getitem__(self, source: SourceId) -> Provider:
        return self._all[source]

    def __len__(self) -> int:
        return len(self._all)

    def named(self, found: Iterable[Provider]) -> list[SourceId]:
        """A tracker names these: the sources of those that are new or may be tried."""
        # It has dialled them itself: what others say of the same names does not count.
        dialled = self._all.keys() - self._heard.keys()
        sources = []
        for provider in found:
            source = _source_id(provider)
            if self._is_banned(provider) or self._is_known_elsewhere(provider, dialled):
                continue
            self._heard.pop(source, None)
            self._take(source, provider)
            sources.append(source)
        return sources

    def heard(self, provider: Provider) -> SourceId | None:
        """A peer names this one, or it came by itself: its source, if that is believed."""
        source = _source_id(provider)
        if provider.peer == self._own_name or self._is_banned(provider):
            return None
        if self._is_known_elsewhere(provider, self._all):
            return None
        if source not in self._all:
            place = place_of(provider.host)
            of_host = Counter((*self._heard.values(), *self._banned.values()))[place]
            if of_host >= MOST_HEARD_OF_HOST or len(self._heard) >= MOST_HEARD:
                return None
            self._heard[source] = place
        self._take(source, self._all.get(source, provider))
        return source

    def ban(self, source: SourceId) -> Provider:
        """Never again, under whatever name at this address."""
        provider = self._all[source]
        self._heard.pop(source, None)
        self._banned[provider.host, provider.port] = place_of(provider.host)
        return provider

    def forget(self, known: Container[SourceId]) -> None:
        """Let those go that the download no longer knows, and knew of before the last call."""
        for source in [s for s in self._settled if s not in known]:
            self._all.pop(source, None)
            self._heard.pop(source, None)
        self._settled = set(self._all)

    def _take(self, source: SourceId, provider: Provider) -> None:
        self._all[source] = provider
        self._settled.discard(source)

    def _is_banned(self, provider: Provider) -> bool:
        return (provider.host, provider.port) in self._banned

    def _is_known_elsewhere(self, provider: Provider, among: Iterable[SourceId]) -> bool:
        """One peer at two addresses is one source, unless the other does not answer."""
        own = _source_id(provider)
        return any(
            source != own and self._all[source].peer == provider.peer and self._is_in_use(source)
            for source in among
        )

    def names(self, sources: Sequence[SourceId]) -> list[str]:
        """The names that a tracker knows these by."""
        return [self._all[source].peer for source in sources]


def _source_id(provider: Provider) -> SourceId:
    return SourceId(f"{provider.peer}@{authority(provider.host, provider.port)}")
