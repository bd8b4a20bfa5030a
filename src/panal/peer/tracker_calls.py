"""Several trackers as one: a call goes to whoever answers, and from then on to that one.

`tracker_choice` decides which; here they are asked, and what comes of it is told to it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

import grpc
import grpc.aio

from panal.clock import Clock
from panal.errors import (
    NoSpace,
    NotAMember,
    NotFound,
    PanalError,
    Refused,
    Unreachable,
    UsageError,
    by_slug,
)
from panal.peer.membership import Membership
from panal.peer.tracker_channel import Channels, has_network, why_no_answer
from panal.peer.tracker_choice import TrackerChoice
from panal.wire import tracker as convert
from panal.wire import tracker_pb2 as pb
from panal.wire.names import sentence
from panal.wire.tracker_pb2_grpc import TrackerStub

DEADLINE_S = 10.0
LOOK_AGAIN_S = 3.0
"""How long one that was silent is waited for while another is there."""
_SILENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}
_BY_CODE: dict[grpc.StatusCode, type[PanalError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: UsageError,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: Refused,
    grpc.StatusCode.UNAUTHENTICATED: Refused,
}

Ask = Callable[[grpc.aio.Channel, float], Awaitable[Any]]
"""Makes one call on a channel, within so many seconds."""


class TrackerCalls:
    """One asker's trackers."""

    def __init__(
        self,
        trackers: Sequence[str],
        membership: Membership | None,
        asker: str,
        clock: Clock,
        chance: Random,
    ) -> None:
        self._choice = TrackerChoice(trackers, asker)
        self._channels = Channels(membership)
        self._membership = membership
        self._clock = clock
        self._chance = chance
        self._is_introduced = False
        self._introducing = asyncio.Lock()
        self._has_moved_on = False
        self._told = self.current
        """Which tracker is asked, as far as `moved` was told."""
        self.store = ""
        """What the records that the trackers share are called; empty where each has its own."""
        self.moved: Callable[[str, str], None] = lambda before, after: None
        """Told which tracker was asked until now, and which is from now on.

        Not while all of them are silent: they are asked in turns then.
        """

    @property
    def current(self) -> str:
        """The tracker that is asked first now."""
        return self._choice.current

    def has_moved_on(self) -> bool:
        """Whether, since this was last asked, one that was not silent took the place of one that
        was."""
        moved_on, self._has_moved_on = self._has_moved_on, False
        return moved_on and self._choice.is_hopeful

    async def close(self) -> None:
        """Close every connection."""
        await self._channels.close()

    def forget_store(self) -> None:
        """Before the next call, ask again whether they share their records."""
        self._is_introduced = False

    async def first(self, ask: Ask) -> tuple[Any, str]:
        """The answer of the first that gives one, and which that was; what it refuses with,
        or Unreachable where none answers."""
        await self._introduce()
        return await self._first(ask, self._choice.order())

    async def renewal(self, ask: Ask) -> Any:
        """The same for a renewal: a tracker that is preferred and was silent is looked for."""
        await self._introduce()
        order = self._choice.order_of_renewal(self._clock.now_s())
        return (await self._first(ask, order))[0]

    async def once(self, ask: Ask, deadline_s: float) -> Any:
        """The answer of the current one; a call that cannot be repeated."""
        await self._introduce()
        address = self.current
        async with self._channels.lend(address) as channel:
            try:
                answer = await ask(channel, deadline_s)
            except grpc.aio.AioRpcError as error:
                meaning = self._said(error, address)
                self._note(address, is_there=not _is_its_trouble(error, meaning))
                if self._choice.has_several:
                    raise meaning from None
                raise await self._meaning(error, address) from None
            self._note(address, is_there=True)
            return answer

    async def stream(self, ask: Callable[[grpc.aio.Channel], Any]) -> AsyncGenerator[Any, None]:
        """The answers of the current one, as they come; what becomes of them shows nothing of it.

        Else all who watch would go to another tracker at the same moment.
        """
        await self._introduce()
        address = self.current
        async with self._channels.lend(address) as channel:
            call = ask(channel)
            try:
                async for answer in call:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise self._said(error, address) from None
            finally:
                call.cancel()

    async def at(self, address: str, ask: Ask, deadline_s: float) -> Any:
        """The answer of that one, whatever it shows of it."""
        async with self._channels.lend(address) as channel:
            try:
                return await ask(channel, deadline_s)
            except grpc.aio.AioRpcError as error:
                raise self._said(error, address) from None

    async def _first(self, ask: Ask, addresses: Sequence[str]) -> tuple[Any, str]:
        silent: dict[str, grpc.aio.AioRpcError] = {}
        for address in addresses:
            looks_again = not silent and address != self.current
            async with self._channels.lend(address) as channel:
                try:
                    answer = await ask(channel, LOOK_AGAIN_S if looks_again else DEADLINE_S)
                except grpc.aio.AioRpcError as error:
                    meaning = self._said(error, address)
                    is_there = not _is_its_trouble(error, meaning)
                    self._note(address, is_there=is_there)
                    if is_there:
                        raise meaning from None
                    silent[address] = error
                else:
                    self._note(address, is_there=True)
                    return answer, address
        raise await self._why_none(silent)

    async def _introduce(self) -> None:
        """Where there are several, learn whether they share their records."""
        if self._is_introduced or not self._choice.has_several:
            return
        async with self._introducing:
            if self._is_introduced:
                return
            request = pb.ListPeersRequest(page_size=1)
            answer, _ = await self._first(
                lambda channel, deadline_s: stub(channel).ListPeers(request, timeout=deadline_s),
                self._choice.order(),
            )
            self.store = answer.store
            self._choice.learn(are_replicas=bool(answer.store))
            self._told = self.current
            self._is_introduced = True

    def _note(self, address: str, *, is_there: bool) -> None:
        before = self.current
        if is_there:
            self._choice.answered(address)
        else:
            self._choice.silent(address, self._clock.now_s(), self._chance.random())
            if address != self.current:
                self._channels.let_go(address)
        if self.current != before:
            self._has_moved_on |= not is_there
        if self.current != self._told and self._choice.is_hopeful:
            before, self._told = self._told, self.current
            self.moved(before, self._told)

    async def _why_none(self, silent: Mapping[str, grpc.aio.AioRpcError]) -> PanalError:
        address, error = next(iter(silent.items()))
        meaning = await self._meaning(error, address)
        if len(silent) == 1 or not isinstance(meaning, Unreachable):
            return meaning
        return Unreachable(f"None of the {len(silent)} trackers can be asked. {meaning}")

    def _said(self, error: grpc.aio.AioRpcError, address: str) -> PanalError:
        meaning = meaning_of(error, address)
        if self._membership is not None and isinstance(meaning, NotAMember):
            return type(meaning)(f"{meaning} {self._membership.rejoining}")
        return meaning

    async def _meaning(self, error: grpc.aio.AioRpcError, address: str) -> PanalError:
        meaning = self._said(error, address)
        if not isinstance(meaning, Unreachable):
            return meaning
        if self._membership is None:
            is_silent = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return meaning if is_silent else await has_network(address) or meaning
        return await why_no_answer(address, self._membership.authority_pem) or meaning


def said_by_tracker(error: grpc.aio.AioRpcError) -> PanalError | None:
    """What a tracker answered a failed call with; None where nothing came of one."""
    for key, slug in error.trailing_metadata() or ():
        if key == convert.ERROR_METADATA:
            return by_slug(slug if isinstance(slug, str) else "", _words_of(error))
    return None


def meaning_of(error: grpc.aio.AioRpcError, address: str) -> PanalError:
    """What a failed call to a tracker means."""
    if (said := said_by_tracker(error)) is not None:
        return said
    if error.code() in _SILENT:
        return Unreachable(
            f"The tracker at {address} does not answer. "
            "Is it running ('panal tracker'), and is the address right ('--tracker')?"
        )
    return _BY_CODE.get(error.code(), PanalError)(f"The tracker says: {_words_of(error)}")


def stub(channel: grpc.aio.Channel) -> Any:
    """The tracker's calls on a channel."""
    return TrackerStub(channel)  # type: ignore[no-untyped-call]  # generated


def _is_its_trouble(error: grpc.aio.AioRpcError, meaning: PanalError) -> bool:
    """Whether another tracker may do better: what was asked is not what is wrong."""
    if isinstance(meaning, Unreachable | NoSpace):
        return True
    return type(meaning) is PanalError and error.code() is not grpc.StatusCode.UNIMPLEMENTED


def _words_of(error: grpc.aio.AioRpcError) -> str:
    """What a tracker says, or who answers in its place: nobody vouches for its characters."""
    return sentence(error.details() or "no reason given")
