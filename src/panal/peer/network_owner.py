"""A network's owner at its tracker: members listed and removed, join lines made and revoked."""

from dataclasses import dataclass
from typing import Any

import grpc.aio

from panal.errors import NotFound, Unreachable
from panal.peer.tracker_calls import DEADLINE_S, meaning_of, said_by_tracker
from panal.peer.tracker_channel import tls_channel, why_no_answer
from panal.trust.certificates import der_of, pin_of
from panal.trust.owner_files import OwnerAccess
from panal.wire import tracker_pb2 as pb
from panal.wire.join_line import JoinLine
from panal.wire.tracker_pb2_grpc import NetworkStub
from panal.wire.tracker_status import TrackerStatus, status_from


@dataclass(frozen=True, slots=True)
class Member:
    """One member."""

    name: str
    enrolled_at_s: int
    certified_until_s: int
    here: bool
    enrolled_by: str
    """A join line's id, or the member whose further name it is."""


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A join line that still lets somebody in; its secret is known to nobody any more."""

    id: str
    until_s: int
    uses: int
    uses_left: int


class NetworkOwner:
    """The owner's calls; an async context."""

    def __init__(self, access: OwnerAccess) -> None:
        self._access = access
        self._channel = tls_channel(access.address, access.authority_pem, access.token)
        self._stub: Any = NetworkStub(self._channel)  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> "NetworkOwner":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def members(self) -> tuple[list[Member], list[OpenLine]]:
        """Every member, and the join lines that still let somebody in."""
        answer = await self._call(self._stub.ListMembers, pb.ListMembersRequest())
        members = [
            Member(m.name, m.enrolled_at_s, m.certified_until_s, m.here, m.enrolled_by)
            for m in answer.members
        ]
        return members, [_line(line) for line in answer.join_lines]

    async def mint(
        self, valid_s: int, uses: int, addresses: tuple[str, ...]
    ) -> tuple[JoinLine, OpenLine]:
        """A new join line; `addresses` instead of those that the tracker thinks it has."""
        request = pb.MintJoinLineRequest(valid_s=valid_s, uses=uses)
        answer = await self._call(self._stub.MintJoinLine, request)
        line = JoinLine(
            pin_of(der_of(self._access.authority_pem)),
            addresses or tuple(answer.addresses),
            answer.secret,
            answer.join_line.until_s,
        )
        return line, _line(answer.join_line)

    async def revoke(self, line: str) -> None:
        """Let nobody in with a join line any more; NotFound where there is none of that id."""
        answer = await self._call(self._stub.RevokeJoinLine, pb.RevokeJoinLineRequest(id=line))
        if not answer.was_known:
            raise NotFound(f"No join line {line} lets anybody in.")

    async def remove(self, name: str) -> OpenLine | None:
        """End a membership; NotFound where nobody of that name is a member.

        The join line by which it came, where that would let it in again.
        """
        members, lines = await self.members()
        by = {member.name.lower(): member.enrolled_by for member in members}.get(name.lower())
        answer = await self._call(self._stub.RemoveMember, pb.RemoveMemberRequest(name=name))
        if not answer.was_known:
            raise NotFound(f"{name} is no member.")
        return next((line for line in lines if line.id == by), None)

    async def status(self) -> TrackerStatus:
        """How the tracker stands, all of it."""
        return status_from(await self._call(self._stub.Status, pb.StatusRequest()))

    async def _call(self, call: Any, request: Any) -> Any:
        try:
            return await call(request, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            if (said := said_by_tracker(error)) is not None:
                raise said from None
            access = self._access
            meaning = meaning_of(error, access.address)
            if isinstance(meaning, Unreachable):
                wrong = await why_no_answer(access.address, access.authority_pem)
                meaning = wrong or Unreachable(
                    f"The tracker of this network does not answer at {access.address}. Start it: "
                    "its members and join lines are changed while it runs."
                )
            raise meaning from None


def _line(line: pb.JoinLine) -> OpenLine:
    return OpenLine(line.id, line.until_s, line.uses, line.uses_left)
