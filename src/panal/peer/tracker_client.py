"""Calls to the tracker, or to one of several: deadlines, domain values out."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from random import Random
from typing import Any

from panal.clock import Clock, SystemClock
from panal.errors import IntegrityError, PanalError, UsageError
from panal.peer.membership import Membership
from panal.peer.tracker_calls import TrackerCalls, stub
from panal.wire import tracker as convert
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_fields, tracker_folders, tracker_searches
from panal.wire import tracker_pb2 as pb
from panal.wire.address import dialling_problem, is_loopback, naming_problem
from panal.wire.catalogue import (
    Announcement,
    Caller,
    FolderPage,
    FolderQuery,
    News,
    PeerInfo,
    Provider,
    Registration,
    Renewal,
    SearchPage,
    SearchQuery,
    Watched,
    Welcome,
)
from panal.wire.ids import NO_ZONE, ContentId, Zone
from panal.wire.tracker_pb2_grpc import NetworkStub
from panal.wire.tracker_status import TrackerStatus, status_from

ANNOUNCE_DEADLINE_S = 600.0
MAX_SUSPECTS = 20


class TrackerClient:
    """What one asker asks its tracker, or whoever of several answers."""

    def __init__(
        self,
        trackers: Sequence[str],
        membership: Membership | None = None,
        asker: str = "",
        clock: Clock | None = None,
        chance: Random | None = None,
    ) -> None:
        """`membership` in a network: the trackers must be of its authority.

        `asker` is what differs from one client to another, as a peer's name does: by it they
        spread over trackers that share their records.
        """
        # Chance spreads load here and keeps no secret.
        self._calls = TrackerCalls(
            trackers,
            membership,
            asker,
            clock or SystemClock(),
            chance or Random(),  # noqa: S311
        )
        self._registered: dict[str, None] = {}
        """Where, among trackers that share nothing: each keeps its own record until told."""
        self.unusable_providers = 0
        """How many were named that nobody can or may be sent to."""

    @property
    def address(self) -> str:
        """The tracker that is asked first now."""
        return self._calls.current

    def has_moved_on(self) -> bool:
        """Whether, since this was last asked, one that was not silent took the place of one that
        was: what failed may be tried again at once."""
        return self._calls.has_moved_on()

    @property
    def store(self) -> str:
        """What the records that several trackers share are called; empty where none do, and
        before they were asked."""
        return self._calls.store

    def when_moved(self, told: Callable[[str, str], None]) -> None:
        """Tell which tracker was asked until now, and which is from now on, whenever it changes."""
        self._calls.moved = told

    async def close(self) -> None:
        """Close every connection."""
        await self._calls.close()

    async def register(self, registration: Registration) -> Welcome:
        """Join or come back under a name."""
        self._calls.forget_store()
        answer, address = await self._call("Register", convert.registration_to(registration))
        if not self.store:
            self._registered[address] = None
        with _reading_an_answer():
            return convert.welcome_from(answer)

    async def announce(self, caller: Caller, messages: AsyncIterator[Announcement]) -> bytes:
        """Tell what came and went; the digest that the tracker has afterwards.

        A stream is not repeated at another tracker: its messages are gone. Whoever catches
        Unreachable tells it again, and then another is asked.
        """

        async def requests() -> AsyncIterator[pb.AnnounceRequest]:
            first = True
            async for message in messages:
                yield catalogue.announcement_to(message, caller if first else None)
                first = False

        answer = await self._calls.once(
            lambda channel, deadline_s: stub(channel).Announce(requests(), timeout=deadline_s),
            ANNOUNCE_DEADLINE_S,
        )
        with _reading_an_answer():
            return convert.digest_from(answer.digest)

    async def renew(self, caller: Caller, digest: bytes, revocations_version: int = 0) -> Renewal:
        """Keep the lease; `revocations_version` is what this peer knows of them."""
        request = pb.RenewRequest(
            caller=convert.caller_to(caller),
            digest=digest,
            revocations_version=revocations_version,
        )
        answer = await self._calls.renewal(
            lambda channel, deadline_s: stub(channel).Renew(request, timeout=deadline_s)
        )
        with _reading_an_answer():
            return convert.renewal_from(answer)

    async def renew_certificate(self, signing_request: bytes) -> bytes:
        """This member's next certificate, in PEM."""
        request = pb.RenewCertificateRequest(signing_request=signing_request)
        answer, _ = await self._calls.first(
            lambda channel, deadline_s: NetworkStub(channel).RenewCertificate(  # type: ignore[no-untyped-call]
                request, timeout=deadline_s
            )
        )
        return bytes(answer.certificate)

    async def leave(self, caller: Caller, deadline_s: float) -> bool:
        """Go, wherever this peer has registered; whether any knew it. Unreachable for none."""
        request = pb.LeaveRequest(caller=convert.caller_to(caller))
        answers, problem = [], None
        for address in {self.address: None} | self._registered:
            try:
                answer = await self._calls.at(
                    address,
                    lambda channel, within_s: stub(channel).Leave(request, timeout=within_s),
                    deadline_s,
                )
                answers.append(bool(answer.was_known))
            except PanalError as error:
                problem = problem or error
        if problem is not None and not answers:
            raise problem
        return any(answers)

    async def locate(
        self,
        content: ContentId,
        asker: str,
        suspects: Sequence[str] = (),
        zone: Zone = NO_ZONE,
    ) -> list[Provider]:
        """Who can serve a content, those of the asker's zone first.

        Whom nobody can or may be sent to is left out, and counted.
        """
        request = pb.LocateRequest(
            contents=[content],
            asker=asker,
            suspects=list(dict.fromkeys(suspects))[-MAX_SUSPECTS:],
            zone=zone,
        )
        answer, address = await self._call("Locate", request)
        named = [
            provider
            for located in answer.located[:1]
            for provider in located.providers[: catalogue.MAX_PROVIDERS]
        ]
        providers = [one for each in named if (one := _usable(each, address)) is not None]
        self.unusable_providers += len(named) - len(providers)
        return providers

    async def search(self, query: SearchQuery) -> SearchPage:
        """One page of what has such names."""
        answer, _ = await self._call("Search", tracker_searches.query_to(query))
        with _reading_an_answer():
            return tracker_searches.page_from(answer)

    async def list_folder(self, query: FolderQuery) -> FolderPage:
        """One page of what a peer shares in a folder."""
        answer, _ = await self._call("ListFolder", tracker_folders.folder_query_to(query))
        with _reading_an_answer():
            return tracker_folders.folder_page_from(answer)

    async def peers(self, page: str = "") -> tuple[list[PeerInfo], str]:
        """Who is here: one page, and what to ask with for the next."""
        request = pb.ListPeersRequest(page=page, page_size=tracker_fields.MAX_PAGE)
        answer, _ = await self._call("ListPeers", request)
        with _reading_an_answer():
            return [convert.peer_info_from(info) for info in answer.peers], answer.next_page

    async def watch(self, wanted: Watched) -> AsyncGenerator[News, None]:
        """News as it comes, until the tracker ends it; the first says that it begins.

        PanalError from a tracker that does not know how, or tells nobody more.
        """
        request = convert.watched_to(wanted)
        answers = self._calls.stream(lambda channel: stub(channel).Watch(request))
        async with aclosing(answers):
            async for answer in answers:
                with _reading_an_answer():
                    yield convert.news_from(answer)

    async def ask_store(self) -> str:
        """What the records are called that this tracker shares with others; empty for its own."""
        answer, _ = await self._call("ListPeers", pb.ListPeersRequest(page_size=1))
        return str(answer.store)

    async def status(self) -> tuple[TrackerStatus, str]:
        """How a tracker stands, and which one said so."""
        answer, address = await self._call("Status", pb.StatusRequest())
        return status_from(answer), address

    async def _call(self, method: str, request: Any) -> tuple[Any, str]:
        return await self._calls.first(
            lambda channel, deadline_s: getattr(stub(channel), method)(request, timeout=deadline_s)
        )


def _usable(message: pb.Provider, tracker: str) -> Provider | None:
    """A provider that a tracker names, if we may be sent to it."""
    try:
        provider = catalogue.provider_from(message)
    except UsageError:  # one wrong name or port says nothing against the others
        return None
    return None if _problem(tracker, provider.host, provider.port) else provider


@contextmanager
def _reading_an_answer() -> Iterator[None]:
    """What the tracker says wrongly is not the user's fault."""
    try:
        yield
    except UsageError as error:
        raise IntegrityError(f"The tracker's answer cannot be used: {error}") from None


def is_on_loopback(tracker: str) -> bool:
    """Whether a configured tracker is on this machine."""
    host = tracker.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or is_loopback(host)
    except UsageError:
        return False


def _problem(tracker: str, host: str, port: int) -> str | None:
    """Why a configured tracker may not send us to an address.

    Where the tracker is a name, its address is not known: then loopback counts from localhost.
    """
    named_by = tracker.rpartition(":")[0].strip("[]")
    try:
        return naming_problem(host, port, named_by)
    except UsageError:
        return dialling_problem(host, port, over_loopback=named_by == "localhost")
