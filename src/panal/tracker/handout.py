"""Which holders of a content are named to whom: a random, bounded, mixed choice.

An asker with a zone gets most of them from there, and always some from outside: were there none,
a zone in which a chunk is lost would never hear of who has it. It never names the asker to itself,
a peer that the tracker could not reach, or an address that nobody may be sent to. Randomness
comes in as an argument.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol, TypeVar

import msgspec

from panal.tracker.registry import PeerRecord, key_of
from panal.wire.address import dialling_problem, host_for_asker, is_loopback
from panal.wire.catalogue import Provider
from panal.wire.ids import NO_ZONE, Zone

FAR_PART = 4
"""One of so many places is for holders outside the asker's zone, as long as there are any."""


_MANY = 4
"""From so many times the holders that may be named on, a random part of each kind is looked at."""
_One = TypeVar("_One")


class Chance(Protocol):
    """What is used of `random.Random`."""

    def sample(self, population: Sequence[_One], k: int) -> list[_One]:
        """`k` different members in random order."""
        ...


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Who asks for providers, as far as the choice depends on it."""

    host: str
    """The IP literal that the question came from."""
    key: str = ""
    """What makes the asking peer's name unique; empty for whoever is none."""
    tracker_host: str | None = None
    """The tracker's own address on the interface that the question came by."""
    zone: Zone = NO_ZONE


class Holder(msgspec.Struct, frozen=True, gc=False):
    """A live peer that has a content, whole or in part."""

    peer: PeerRecord
    complete: bool


class Handout(msgspec.Struct, frozen=True, gc=False):
    """The choice for one question."""

    asker: Asker
    limit: int
    chance: Chance

    def choose(self, holders: Iterable[Holder]) -> tuple[Provider, ...]:
        """At most `limit` of a content's holders in random order, those of the asker's zone first.

        Up to half of the places go to complete holders first, so that a crowd of beginners
        does not hide the one seed that has the rarest chunk.
        """
        own = self.asker.key
        able = []
        for holder in holders:
            peer = holder.peer
            if peer.reachable and (not own or key_of(peer.name) != own):
                able.append(holder)
        looked_at = able if len(able) <= _MANY * self.limit else self._fewer(able)
        providers = self._providers(looked_at)
        if looked_at is not able and len(providers) < self.limit:  # few have an address for it
            providers = self._providers(able)
        if len(providers) > self.limit:
            complete = [provider for provider in providers if provider.complete]
            seeds = self._some(complete, min(len(complete), (self.limit + 1) // 2))
            chosen = set(seeds)
            others = [provider for provider in providers if provider not in chosen]
            providers = seeds + self._some(others, self.limit - len(seeds))
        named = self.chance.sample(providers, len(providers)) if len(providers) > 1 else providers
        if self.asker.zone:
            named.sort(key=lambda provider: provider.zone != self.asker.zone)
        return tuple(named)

    def _some(self, holders: list[Provider], places: int) -> list[Provider]:
        """So many of them, most from the asker's zone; there are enough."""
        if not self.asker.zone:
            return self.chance.sample(holders, places)
        near = [provider for provider in holders if provider.zone == self.asker.zone]
        far = [provider for provider in holders if provider.zone != self.asker.zone]
        far_places = max(places - len(near), min(len(far), places // FAR_PART))
        return [
            *self.chance.sample(near, places - far_places),
            *self.chance.sample(far, far_places),
        ]

    def _fewer(self, holders: list[Holder]) -> list[Holder]:
        """Of very many a part, in which each kind that is told apart has enough."""
        kinds: dict[tuple[bool, bool], list[Holder]] = {}
        for holder in holders:
            kind = holder.complete, holder.peer.zone == self.asker.zone or not self.asker.zone
            kinds.setdefault(kind, []).append(holder)
        most = _MANY // 2 * self.limit
        return [
            holder
            for alike in kinds.values()
            for holder in (alike if len(alike) <= most else self.chance.sample(alike, most))
        ]

    def _providers(self, holders: Iterable[Holder]) -> list[Provider]:
        found = []
        asker, tracker = self.asker.host, self.asker.tracker_host
        for holder in holders:
            peer = holder.peer
            host = _host_towards(asker, tracker, peer.observed_host, peer.bound, peer.port)
            if host is not None:
                found.append(Provider(peer.name, host, peer.port, holder.complete, peer.zone))
        return found


def host_towards(asker: Asker, peer: PeerRecord) -> str | None:
    """The host under which this asker can call this peer, or None."""
    return _host_towards(asker.host, asker.tracker_host, peer.observed_host, peer.bound, peer.port)


@lru_cache(maxsize=16_384)
def _host_towards(
    asker: str, tracker: str | None, observed: str, bound: Sequence[str], port: int
) -> str | None:
    host = host_for_asker(asker, observed, bound, tracker)
    if host is None:
        return None
    return None if dialling_problem(host, port, over_loopback=is_loopback(asker)) else host
