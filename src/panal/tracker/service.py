"""The gRPC adapter: messages in, decisions and records asked, messages out.

What comes in is checked by `wire.tracker`; what is raised is turned into a status by
`calls.CallGuard`.
"""
# ruff: noqa: N802 (the schema names the methods)

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace

from panal.audit import AuditLog
from panal.errors import NotFound, Refused, UsageError
from panal.tracker.callers import Call
from panal.tracker.dialback import Dialler
from panal.tracker.gate import Gate
from panal.tracker.handout import Asker, Handout, host_towards
from panal.tracker.kept_answers import KeptAnswers
from panal.tracker.limits import WATCH_GATHER_S, WATCH_S
from panal.tracker.news import Newsroom
from panal.tracker.own_addresses import own_addresses, own_host_towards
from panal.tracker.records import Records
from panal.tracker.redial import Redial
from panal.tracker.registry import LEASE_S, RENEW_S, key_of
from panal.tracker.storage import ListedPeer
from panal.tracker.watched import Watched
from panal.wire import tracker as wire
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_fields, tracker_folders, tracker_searches
from panal.wire import tracker_pb2 as pb
from panal.wire.address import is_loopback, parse_address
from panal.wire.catalogue import Caller, News, PeerInfo, Registration, Renewal, Welcome
from panal.wire.dialback import hash_secret
from panal.wire.ids import NO_ZONE, PeerName, Zone, parse_peer_name, parse_zone
from panal.wire.tracker_pb2_grpc import TrackerServicer
from panal.wire.tracker_status import status_to

if TYPE_CHECKING:
    from panal.tracker.network import Network

_log = logging.getLogger("panal.tracker")

MAX_PROVIDERS_PER_ANSWER = 20_000
"""Over all contents of one Locate: an answer must fit a gRPC message of 4 MiB."""
ROUTE_S = 10.0
"""So long the way to a caller is believed: to ask the system for it takes a socket."""


class TrackerService(TrackerServicer):
    """The calls of ``panal.tracker.v1.Tracker``."""

    def __init__(
        self,
        records: Records,
        dialler: Dialler,
        redial: Redial,
        chance: random.Random,
        audit: AuditLog,
        lease_s: float = LEASE_S,
        renew_s: float = RENEW_S,
        gate: Gate | None = None,
        network: "Network | None" = None,
        newsroom: Newsroom | None = None,
        watched: Watched | None = None,
    ) -> None:
        self._watched = watched
        self._records = records
        self._newsroom = newsroom or Newsroom()
        self._gate = gate or Gate()
        self._network = network
        self._dialler = dialler
        self._redial = redial
        self._chance = chance
        self._audit = audit
        self._lease_s = lease_s
        self._renew_s = renew_s
        self._answers = KeptAnswers(tracker_searches.page_to)
        """To searches; nobody changes them."""

    async def Register(self, request: pb.RegisterRequest, call: Call) -> pb.RegisterResponse:
        """Admit a peer after dialling it back."""
        host = call.host
        registration = _really_bound(wire.registration_from(request), host)
        self._check_own(registration.caller.name, call)
        await self._records.check_claim(registration.caller)
        reach = await self._dialler.dial(
            host,
            registration.port,
            registration.bound,
            hash_secret(registration.caller.secret),
            registration.caller.name,
        )
        self._check_own(registration.caller.name, call)  # it may be removed since
        admission, digest = await self._records.admit(registration, host, reach)
        record = admission.record
        verb = "joined" if admission.afresh else "came back"
        _log.info("%s %s: %s port %d; %s", record.name, verb, host, record.port, reach.words)
        self._audit.note("joined", host=host, name=record.name, is_limited=True)
        self._newsroom.peer(record.name, is_here=True)
        return wire.welcome_to(
            Welcome(
                host,
                self._lease_s,
                self._renew_s,
                reach.reachable,
                reach.words,
                digest,
                None if self._network is None else self._network.revocations,
            )
        )

    async def Announce(
        self, requests: AsyncIterator[pb.AnnounceRequest], call: Call
    ) -> pb.AnnounceResponse:
        """Apply each message as it comes; drop what a replacement left out once it says all."""
        caller: Caller | None = None
        generation: int | None = None
        digest = b""
        async for message in requests:
            announcement = catalogue.announcement_from(message)
            if caller is None:
                caller = wire.caller_from(message.caller)
                self._check_own(caller.name, call)
                digest, generation = await self._records.announce(caller, announcement)
            else:
                # Only what the first message began may be ended.
                digest, _ = await self._records.announce(caller, announcement, generation)
            self._newsroom.announced(caller.name, announcement)
        if caller is None:
            raise UsageError("An announce has at least one message.")
        return pb.AnnounceResponse(digest=digest)

    async def Renew(self, request: pb.RenewRequest, call: Call) -> pb.RenewResponse:
        """Keep a lease, compare digests, and try an unreachable peer again."""
        caller = wire.caller_from(request.caller)
        if self._gate.has_members:
            self._check_own(caller.name, call)
        digest = wire.digest_from(request.digest)
        record = await self._records.renew(caller, call.host)
        if not record.reachable:
            self._redial.start(record)
        is_in_step = record.digest == digest
        if self._network is not None:
            await self._network.hear_of(request.revocations_version)
            news = self._network.revocations
            if news.version != request.revocations_version:
                told = Renewal(is_in_step, record.reachable, record.reachability, news)
                return wire.renewal_to(told)
        return _renewed(is_in_step, record.reachable, record.reachability)

    async def Leave(self, request: pb.LeaveRequest, call: Call) -> pb.LeaveResponse:
        """Name a peer no more, from now on."""
        caller = wire.caller_from(request.caller)
        self._check_own(caller.name, call)
        left = await self._records.leave(caller)
        if left is not None:
            _log.info("%s left", left.name)
            self._newsroom.peer(left.name, is_here=False)
            self._audit.note("left", host=call.host, name=left.name, is_limited=True)
        return pb.LeaveResponse(was_known=left is not None)

    async def Locate(self, request: pb.LocateRequest, call: Call) -> pb.LocateResponse:
        """Name providers; what the asker could not reach is dialled first."""
        contents = catalogue.contents_from(request)
        name = parse_peer_name(request.asker) if request.asker else ""
        if name and self._gate.has_members:
            self._check_own(PeerName(name), call)
        if request.suspects:
            await self._redial.check_suspects(map(parse_peer_name, request.suspects))
        room = max(1, MAX_PROVIDERS_PER_ANSWER // len(contents))
        limit = min(request.max_providers or catalogue.MAX_PROVIDERS, catalogue.MAX_PROVIDERS, room)
        asker = _asker(call.host, name, parse_zone(request.zone), monotonic() // ROUTE_S)
        handout = Handout(asker, limit, self._chance)
        return catalogue.located_to(await self._records.locate(contents, handout))

    def _check_own(self, name: PeerName, call: Call) -> None:
        """Refused where a member speaks for another name than its own.

        The two calls that come most do not ask where there are no members.
        """
        member = self._gate.member(call.metadata)
        if member is not None and key_of(member.name) != key_of(name):
            raise Refused(f"{member.name} may not speak for {name}.")

    async def Search(self, request: pb.SearchRequest, call: Call) -> pb.SearchResponse:
        """Find contents by the names they have."""
        return self._answers.to(await self._records.search(tracker_searches.query_from(request)))

    async def ListFolder(self, request: pb.ListFolderRequest, call: Call) -> pb.ListFolderResponse:
        """List what one peer shares in one folder."""
        query = tracker_folders.folder_query_from(request)
        return tracker_folders.folder_page_to(await self._records.list_folder(query))

    async def ListPeers(self, request: pb.ListPeersRequest, call: Call) -> pb.ListPeersResponse:
        """List the live peers by name; a page's token is its last name."""
        after = parse_peer_name(request.page) if request.page else ""
        limit = min(request.page_size or tracker_fields.DEFAULT_PAGE, tracker_fields.MAX_PAGE)
        listed, now_s = await self._records.list_peers(after, limit + 1)
        asker = _asker(call.host, "", NO_ZONE, monotonic() // ROUTE_S)
        page = listed[:limit]
        return pb.ListPeersResponse(
            peers=[wire.peer_info_to(_info(peer, asker, now_s)) for peer in page],
            next_page=page[-1].record.name if len(listed) > limit else "",
            store=self._records.shared_as,
        )

    async def Watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[pb.WatchResponse]:
        """Tell of news as it comes, gathered; the first answer says that it begins."""
        wanted = wire.watched_from(request)
        woken = asyncio.Event()
        ends_s = asyncio.get_running_loop().time() + WATCH_S
        with self._newsroom.watching(wanted, call.place or None, woken.set) as watcher:
            yield wire.news_to(News(missed=True))
            while not self._newsroom.is_closed:
                try:
                    async with asyncio.timeout_at(ends_s):
                        await woken.wait()
                except TimeoutError:
                    return
                await asyncio.sleep(WATCH_GATHER_S)
                woken.clear()
                self._gate.member(call.metadata)  # it may be removed since
                yield wire.news_to(watcher.take())

    async def Status(self, request: pb.StatusRequest, call: Call) -> pb.StatusResponse:
        """How the tracker stands; more than counts only on its own machine, without a network."""
        if self._watched is None:
            raise NotFound("This tracker does not tell how it stands.")
        facts = await self._watched.facts()
        is_owner = self._network is None and is_loopback(call.host)
        return status_to(facts.status(for_owner=is_owner))


@lru_cache(maxsize=4_096)
def _renewed(in_step: bool, reachable: bool, reachability: str) -> pb.RenewResponse:
    """What most renewals of a peer are answered, made once; nobody changes it."""
    return wire.renewal_to(Renewal(in_step, reachable, reachability, None))


def _really_bound(registration: Registration, host: str) -> Registration:
    """Without the outer addresses that a peer beside the tracker says it has and has not.

    Of such a peer the tracker sees nothing but loopback, and would send others to any.
    """
    if not is_loopback(host):
        return registration
    bound = registration.bound
    outer = [address for address in bound if not is_loopback(address)]
    own = set(own_addresses(4) + own_addresses(6)) if outer else set()
    kept = [a for a in bound if a not in outer or a in own or parse_address(a).is_unspecified]
    return replace(registration, bound=tuple(kept) or ("127.0.0.1",))


@lru_cache(maxsize=4_096)
def _asker(host: str, name: str, zone: Zone, _period: float) -> Asker:
    """Who asks; anew in each period, for routes change."""
    own_host = None if is_loopback(host) else own_host_towards(host)
    return Asker(host, key_of(name), own_host, zone)


def _info(peer: ListedPeer, asker: Asker, now_s: float) -> PeerInfo:
    record = peer.record
    return PeerInfo(
        name=record.name,
        host=host_towards(asker, record) or "",
        port=record.port,
        reachable=record.reachable,
        entries=peer.entries,
        joined_s_ago=max(0.0, now_s - record.joined_at_s),
        renewed_s_ago=max(0.0, now_s - record.renewed_at_s),
    )
