"""Whoever shares one content, as one download believes them and calls them."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence

from panal.clock import Clock
from panal.peer.calling import Calling
from panal.peer.http_source import HttpSource
from panal.peer.known_providers import KnownProviders
from panal.peer.lanes import Lanes
from panal.peer.neighbourhood import ask_for_peers
from panal.peer.news import news_for_ever
from panal.peer.rate_limit import RateLimit
from panal.peer.tracker_client import TrackerClient
from panal.swarm.messages import Ban, NewsHeard, SourceId
from panal.swarm.sources import Stage
from panal.swarm.state import DownloadState
from panal.wire.address import is_loopback
from panal.wire.catalogue import Provider, Registration, Watched
from panal.wire.ids import ContentId, Zone
from panal.wire.manifest import Manifest

log = logging.getLogger(__name__)


class ContentSwarm:
    """What an engine is given as others: `panal.swarm.chunk_source.Others` over HTTP and gRPC."""

    def __init__(
        self,
        content: ContentId,
        manifest: Manifest,
        state: DownloadState,
        *,
        registration: Registration,
        client: TrackerClient,
        calling: Calling,
        lanes: Lanes,
        limit: RateLimit,
        clock: Clock,
        banned: Callable[[str, str], None],
        named: Sequence[Provider] = (),
    ) -> None:
        """`banned` is told of a peer's name and why it is not used any more.

        `named` are those whom the tracker has just named: it is not asked the first time.
        """
        self._content = content
        self._manifest = manifest
        self._state = state
        self._registration = registration
        self._name = registration.caller.name
        self._client = client
        self._calling = calling
        self._lanes = lanes
        self._limit = limit
        self._clock = clock
        self._banned = banned
        self._just_named = named
        self._providers = KnownProviders(self._name, self._is_in_use)

    def connect(self, source: SourceId) -> HttpSource:
        """A provider to fetch from; nothing is opened yet."""
        provider = self._providers[source]
        return HttpSource(
            provider,
            self._content,
            self._manifest,
            self._limit,
            self._own_for(provider),
            self._calling,
            self._registration.zone,
        )

    def zone_of(self, source: SourceId) -> Zone:
        """Where it is, as far as it says."""
        return self._providers[source].zone

    async def locate(self, suspects: Sequence[SourceId]) -> list[SourceId]:
        """Whom a tracker names; it is told who did not answer. PanalError."""
        just_named, self._just_named = self._just_named, ()
        if just_named:
            return self._providers.named(just_named)
        self._providers.forget(self._state.sources)
        names = self._providers.names(suspects)
        found = await self._client.locate(self._content, self._name, names, self._registration.zone)
        return self._providers.named(found)

    async def known_to(self, source: SourceId) -> list[SourceId]:
        """Who else fetches it, as this source says; none where it does not answer."""
        known = await ask_for_peers(self._calling, self._providers[source], self._content)
        return [named for provider in known if (named := self.met(provider)) is not None]

    def met(self, provider: Provider) -> SourceId | None:
        """One that was heard of, or came by itself: its source, if that is believed."""
        return self._providers.heard(provider)

    async def news(self) -> AsyncGenerator[NewsHeard, None]:
        """A tracker's news of sources, for as long as they are listened to."""
        wanted = Watched(peers=True, contents=(self._content,))
        async with contextlib.aclosing(news_for_ever(self._client, wanted, self._clock)) as told:
            async for news in told:
                if news is not None:
                    yield NewsHeard(frozenset(news.joined), news.came or news.missed)

    def ban(self, ban: Ban) -> None:
        """Keep this one out for the rest of the download."""
        self._banned(self._providers.ban(ban.source).peer, ban.reason)
        log.warning("%s is not used any more: it %s.", ban.source, ban.reason)

    def serve_few(self, is_so: bool) -> None:
        """Send this content to few at a time from now on, or again to many."""
        self._lanes.serve_few(self._content, is_so=is_so)

    def _is_in_use(self, source: SourceId) -> bool:
        known = self._state.sources.get(source)
        return known is not None and known.stage not in {Stage.AWAY, Stage.BANNED}

    def _own_for(self, provider: Provider) -> str:
        """How a provider may reach us, where we listen to it."""
        hosts = self._registration.bound
        reachable = len(hosts) > 1 or "0.0.0.0" in hosts  # noqa: S104 (a comparison)
        if reachable or is_loopback(provider.host):
            return f"{self._name}:{self._registration.port}"
        return ""
