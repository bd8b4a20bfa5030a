"""Calls to the tracker: deadlines, the next tracker when one is silent, domain values out."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from panal.errors import (
    IntegrityError,
    NotFound,
    PanalError,
    Refused,
    Unreachable,
    UsageError,
    by_slug,
)
from panal.peer.membership import Membership
from panal.peer.tracker_channel import has_network, plain_channel, tls_channel, why_no_answer
from panal.wire import tracker as convert
from panal.wire import tracker_catalogue as catalogue
from panal.wire import tracker_pb2 as pb
from panal.wire.address import dialling_problem, is_loopback, naming_problem
from panal.wire.catalogue import (
    Announcement,
    Caller,
    FolderPage,
    FolderQuery,
    PeerInfo,
    Provider,
    Registration,
    Renewal,
    SearchPage,
    SearchQuery,
    Welcome,
)
from panal.wire.ids import ContentId
from panal.wire.tracker_pb2_grpc import NetworkStub, TrackerStub

DEADLINE_S = 10.0
ANNOUNCE_DEADLINE_S = 600.0
MAX_SUSPECTS = 20
_SILENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
_BY_CODE: dict[grpc.StatusCode, type[PanalError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: UsageError,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: Refused,
    grpc.StatusCode.UNAUTHENTICATED: Refused,
}


class TrackerClient:
    """The tracker, or the first of several that answers."""

    def __init__(self, trackers: Sequence[str], membership: Membership | None = None) -> None:
        """`membership` in a network: the tracker must be of its authority."""
        self._addresses = list(trackers)
        self._membership = membership
        self._channels: dict[str, grpc.aio.Channel] = {}
        self.unusable_providers = 0
        """How many were named that nobody can or may be sent to."""

    @property
    def address(self) -> str:
        """The tracker that is asked first."""
        return self._addresses[0]

    async def close(self) -> None:
        """Close every connection."""
        for channel in self._channels.values():
            await channel.close()

    async def register(self, registration: Registration) -> Welcome:
        """Join or come back under a name."""
        request = convert.registration_to(registration)
        answer = await self._call(lambda stub: stub.Register(request, timeout=DEADLINE_S))
        with _reading_an_answer():
            return convert.welcome_from(answer)

    async def announce(self, caller: Caller, messages: AsyncIterator[Announcement]) -> bytes:
        """Tell what came and went; the digest that the tracker has afterwards.

        A stream is not repeated at another tracker: its messages are gone.
        """

        async def requests() -> AsyncIterator[pb.AnnounceRequest]:
            first = True
            async for message in messages:
                yield catalogue.announcement_to(message, caller if first else None)
                first = False

        stub = _stub(self._channel(self.address))
        try:
            answer = await stub.Announce(requests(), timeout=ANNOUNCE_DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise await self._meaning(error) from None
        with _reading_an_answer():
            return convert.digest_from(answer.digest)

    async def renew(self, caller: Caller, digest: bytes, revocations_version: int = 0) -> Renewal:
        """Keep the lease; `revocations_version` is what this peer knows of them."""
        request = pb.RenewRequest(
            caller=convert.caller_to(caller),
            digest=digest,
            revocations_version=revocations_version,
        )
        answer = await self._call(lambda stub: stub.Renew(request, timeout=DEADLINE_S))
        with _reading_an_answer():
            return convert.renewal_from(answer)

    async def renew_certificate(self, signing_request: bytes) -> bytes:
        """This member's next certificate, in PEM."""
        request = pb.RenewCertificateRequest(signing_request=signing_request)
        answer = await self._ask(
            lambda channel: NetworkStub(channel).RenewCertificate(  # type: ignore[no-untyped-call]
                request, timeout=DEADLINE_S
            )
        )
        return bytes(answer.certificate)

    async def leave(self, caller: Caller, deadline_s: float) -> bool:
        """Go; whether the tracker knew this peer."""
        request = pb.LeaveRequest(caller=convert.caller_to(caller))
        answer = await self._call(lambda stub: stub.Leave(request, timeout=deadline_s))
        return bool(answer.was_known)

    async def locate(
        self, content: ContentId, asker: str, suspects: Sequence[str] = ()
    ) -> list[Provider]:
        """Who can serve a content; whom nobody can or may be sent to is left out, and counted."""
        request = pb.LocateRequest(
            contents=[content], asker=asker, suspects=list(dict.fromkeys(suspects))[-MAX_SUSPECTS:]
        )
        answer = await self._call(lambda stub: stub.Locate(request, timeout=DEADLINE_S))
        named = [
            provider
            for located in answer.located[:1]
            for provider in located.providers[: catalogue.MAX_PROVIDERS]
        ]
        providers = [one for each in named if (one := self._usable(each)) is not None]
        self.unusable_providers += len(named) - len(providers)
        return providers

    def _usable(self, message: pb.Provider) -> Provider | None:
        try:
            provider = catalogue.provider_from(message)
        except UsageError:  # one wrong name or port says nothing against the others
            return None
        return None if _problem(self.address, provider.host, provider.port) else provider

    async def search(self, query: SearchQuery) -> SearchPage:
        """One page of what has such names."""
        request = catalogue.query_to(query)
        answer = await self._call(lambda stub: stub.Search(request, timeout=DEADLINE_S))
        with _reading_an_answer():
            return catalogue.page_from(answer)

    async def list_folder(self, query: FolderQuery) -> FolderPage:
        """One page of what a peer shares in a folder."""
        request = catalogue.folder_query_to(query)
        answer = await self._call(lambda stub: stub.ListFolder(request, timeout=DEADLINE_S))
        with _reading_an_answer():
            return catalogue.folder_page_from(answer)

    async def peers(self, page: str = "") -> tuple[list[PeerInfo], str]:
        """Who is here: one page, and what to ask with for the next."""
        request = pb.ListPeersRequest(page=page, page_size=catalogue.MAX_PAGE)
        answer = await self._call(lambda stub: stub.ListPeers(request, timeout=DEADLINE_S))
        with _reading_an_answer():
            return [convert.peer_info_from(info) for info in answer.peers], answer.next_page

    async def _call(self, call: Callable[[TrackerStub], Awaitable[Any]]) -> Any:
        return await self._ask(lambda channel: call(_stub(channel)))

    async def _ask(self, ask: Callable[[grpc.aio.Channel], Awaitable[Any]]) -> Any:
        silent: PanalError | None = None
        for _ in range(len(self._addresses)):
            try:
                return await ask(self._channel(self.address))
            except grpc.aio.AioRpcError as error:
                meaning = await self._meaning(error)
                if not isinstance(meaning, Unreachable):
                    raise meaning from None
                silent = silent or meaning
                self._addresses.append(self._addresses.pop(0))
        raise silent or Unreachable("No tracker is configured.")

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            member = self._membership
            self._channels[address] = (
                plain_channel(address)
                if member is None
                else tls_channel(address, member.authority_pem, member.credential)
            )
        return self._channels[address]

    async def _meaning(self, error: grpc.aio.AioRpcError) -> PanalError:
        meaning = meaning_of(error, self.address)
        if not isinstance(meaning, Unreachable):
            return meaning
        if self._membership is None:
            is_silent = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return meaning if is_silent else await has_network(self.address) or meaning
        return await why_no_answer(self.address, self._membership.authority_pem) or meaning


def meaning_of(error: grpc.aio.AioRpcError, address: str) -> PanalError:
    """What a failed call to a tracker means."""
    text = error.details() or "no reason given"
    for key, slug in error.trailing_metadata() or ():
        if key == convert.ERROR_METADATA:
            return by_slug(slug if isinstance(slug, str) else "", text)
    if error.code() in _SILENT:
        return Unreachable(
            f"The tracker at {address} does not answer. "
            "Is it running ('panal tracker'), and is the address right ('--tracker')?"
        )
    return _BY_CODE.get(error.code(), PanalError)(f"The tracker says: {text}")


def _stub(channel: grpc.aio.Channel) -> TrackerStub:
    return TrackerStub(channel)  # type: ignore[no-untyped-call]  # generated


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
