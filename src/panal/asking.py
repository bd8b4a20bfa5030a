"""What a tracker is asked by whoever is no peer: the same façade, without a peer."""

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from panal.answers import (
    PeerAnswer,
    PlanAnswer,
    SearchAnswer,
    TrackerStatusAnswer,
)
from panal.clock import SystemClock
from panal.errors import UsageError
from panal.peer.calling import PLAIN
from panal.peer.config import DEFAULT_TRACKER, parse_tracker
from panal.peer.joining import asked_of
from panal.peer.member_tls import MemberTls
from panal.peer.membership import Membership
from panal.peer.planning import Target, plan
from panal.peer.tracker_client import TrackerClient
from panal.peer.user_identity import user_in
from panal.views.catalogue import peer_answer, search_answer
from panal.views.downloads import plan_answer
from panal.views.standing import tracker_status_answer
from panal.wire.catalogue import PeerInfo, SearchQuery
from panal.wire.join_line import parse_join_line
from panal.wire.manifest import MAX_CONTENT_BYTES, Kind
from panal.wire.names import STATE_DIRECTORY


class Only(msgspec.Struct, frozen=True):
    """What a search is narrowed to; what is left as it is narrows nothing."""

    peer: str = ""
    """Shared by this one."""
    kind: str = ""
    """file, or collection for folders."""
    min_size: int = 0
    """In bytes; a folder has those of its list."""
    max_size: int = 0


class Tracker:
    """What can be asked of a tracker without being a peer; an async context."""

    def __init__(
        self, trackers: Sequence[str] = (DEFAULT_TRACKER,), join: str | None = None
    ) -> None:
        """`join` is the join line of the tracker's network, needed once for each user."""
        for tracker in trackers:
            parse_tracker(tracker)
        self._trackers = trackers
        self._join = None if join is None else parse_join_line(join)
        self._membership: Membership | None = None
        self._client: TrackerClient
        self._first: str
        """The tracker that links name, whichever answers."""

    async def __aenter__(self) -> "Tracker":
        asked: Sequence[str] = self._trackers
        self._membership = await user_in(asked, self._join, SystemClock().wall_s())
        if self._membership is not None:
            asked = asked_of(asked, self._membership)
        # Whoever has no name spreads over the trackers by chance.
        self._client = TrackerClient(asked, self._membership, secrets.token_hex(8))
        self._first = asked[0]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def search(
        self, words: str, page: str = "", page_size: int = 100, only: Only | None = None
    ) -> SearchAnswer:
        """One page of what has such names."""
        query = search_query(words, page, page_size, only)
        return search_answer(await self._client.search(query), self._first)

    async def address(self) -> str:
        """Which of the trackers is asked now."""
        return self._client.address

    async def store(self) -> str:
        """What the records are called that the tracker shares with others; empty for its own."""
        return await self._client.ask_store()

    @property
    def _name(self) -> str:
        return "dry-run" if self._membership is None else self._membership.name

    async def peers(self) -> list[PeerAnswer]:
        """Every live peer."""
        return await all_peers(self._client)

    async def status(self) -> TrackerStatusAnswer:
        """How the tracker stands: counts, and more on its own machine."""
        return tracker_status_answer(*await self._client.status())

    async def plan(self, what: str, folder: Path) -> PlanAnswer:
        """What a download into that folder would do; nothing is written."""
        target = Target(folder, folder / STATE_DIRECTORY / "partial", self._name)
        member = self._membership
        calling = PLAIN if member is None else MemberTls(member, SystemClock()).calling
        return plan_answer(await plan(self._client, calling, what, target))


def search_query(words: str, page: str, page_size: int, only: Only | None) -> SearchQuery:
    """What a tracker is asked; UsageError."""
    only = only or Only()
    if only.kind and only.kind.upper() not in Kind.__members__:
        raise UsageError("A kind is file or collection.")
    if not 0 <= only.min_size <= MAX_CONTENT_BYTES >= only.max_size >= 0:
        raise UsageError(f"A content has at most {MAX_CONTENT_BYTES} bytes.")
    return SearchQuery(
        words=words,
        peer=only.peer,
        kind=Kind[only.kind.upper()] if only.kind else None,
        min_size_bytes=only.min_size,
        max_size_bytes=only.max_size,
        page=page,
        page_size=page_size,
    )


async def all_peers(client: TrackerClient) -> list[PeerAnswer]:
    """Every live peer, over all pages."""
    peers: list[PeerInfo] = []
    page = ""
    while True:
        found, page = await client.peers(page)
        peers += found
        if not page:
            return [peer_answer(info) for info in peers]
