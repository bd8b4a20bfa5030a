"""The gRPC adapter of a network: members come, renew, are listed and go.

Who may make which call was decided by `gate`; here only the caller's own name counts.
"""
# ruff: noqa: N802 (the schema names the methods)

import asyncio
from collections.abc import Sequence

from panal.audit import AuditLog
from panal.errors import Refused, UsageError
from panal.tracker.callers import Call
from panal.tracker.gate import Gate
from panal.tracker.joining import LineRecord
from panal.tracker.network import Network
from panal.tracker.records import Records
from panal.tracker.watched import Watched
from panal.wire import tracker_pb2 as pb
from panal.wire.ids import PeerName, parse_peer_name
from panal.wire.join_line import JOIN_SECRET_BYTES
from panal.wire.tracker_pb2_grpc import NetworkServicer
from panal.wire.tracker_status import status_to


class NetworkService(NetworkServicer):
    """The calls of ``panal.tracker.v1.Network``."""

    def __init__(
        self,
        network: Network,
        gate: Gate,
        records: Records,
        addresses: Sequence[str],
        audit: AuditLog,
        watched: Watched,
    ) -> None:
        """`addresses` are where the tracker thinks that it is reached."""
        self._network = network
        self._gate = gate
        self._records = records
        self._addresses = addresses
        self._audit = audit
        self._watched = watched
        self._removing: set[asyncio.Task[bool]] = set()

    async def Authority(self, request: pb.AuthorityRequest, call: Call) -> pb.AuthorityResponse:
        """The certificate that a join line's pin is of."""
        return pb.AuthorityResponse(certificate=self._network.authority.certificate_der)

    async def Enrol(self, request: pb.EnrolRequest, call: Call) -> pb.EnrolResponse:
        """A new member, or a further name for the member that calls."""
        name = parse_peer_name(request.name)
        if request.secret:
            if len(request.secret) != JOIN_SECRET_BYTES:
                raise UsageError(f"The secret of a join line has {JOIN_SECRET_BYTES} bytes.")
            enrolment = await self._network.enrol(
                name, request.signing_request, request.secret, call.host
            )
        else:
            sponsor = self._gate.member(call.metadata)
            if sponsor is None:
                raise Refused("There is no network to join.")
            enrolment = await self._network.enrol_further(sponsor, name, request.signing_request)
        # Whoever comes is told always; how often it asks again is its own affair.
        is_repeated = not enrolment.is_new
        self._audit.note("enrolled", host=call.host, name=name, is_limited=is_repeated)
        return pb.EnrolResponse(
            credential=enrolment.credential, certificate=enrolment.certificate_pem
        )

    async def RenewCertificate(
        self, request: pb.RenewCertificateRequest, call: Call
    ) -> pb.RenewCertificateResponse:
        """The calling member's next certificate."""
        member = self._gate.member(call.metadata)
        if member is None:
            raise Refused("There is no network to be certified by.")
        pem = await self._network.renew_certificate(member, request.signing_request)
        return pb.RenewCertificateResponse(certificate=pem)

    async def ListMembers(
        self, request: pb.ListMembersRequest, call: Call
    ) -> pb.ListMembersResponse:
        """Every member, and the join lines that let somebody in."""
        members = await self._network.members()
        here = {r.name for r in await self._records.live_peers([m.name for m in members])}
        by_id = {member.id: member.name for member in members}
        return pb.ListMembersResponse(
            members=[
                pb.Member(
                    name=member.name,
                    enrolled_at_s=member.enrolled_at_s,
                    certified_until_s=member.certified_until_s,
                    here=member.name in here,
                    enrolled_by=member.line or by_id.get(member.sponsor or 0, ""),
                )
                for member in members
            ],
            join_lines=[_line_to(line) for line in await self._network.lines()],
            pin=self._network.authority.pin,
        )

    async def MintJoinLine(
        self, request: pb.MintJoinLineRequest, call: Call
    ) -> pb.MintJoinLineResponse:
        """Another join line; its secret is told this once."""
        line, secret = await self._network.mint(request.valid_s, request.uses)
        return pb.MintJoinLineResponse(
            join_line=_line_to(line), secret=secret, addresses=self._addresses
        )

    async def RevokeJoinLine(
        self, request: pb.RevokeJoinLineRequest, call: Call
    ) -> pb.RevokeJoinLineResponse:
        """Let nobody in with a line any more."""
        return pb.RevokeJoinLineResponse(was_known=await self._network.revoke_line(request.id))

    async def RemoveMember(
        self, request: pb.RemoveMemberRequest, call: Call
    ) -> pb.RemoveMemberResponse:
        """End a membership: at once here, within a renewal at every peer."""
        work = self._remove(parse_peer_name(request.name), call.host)
        removing = asyncio.create_task(work, name="remove a member")
        self._removing.add(removing)
        removing.add_done_callback(self._removing.discard)
        # To its end, also where the owner's command is gone by then.
        return pb.RemoveMemberResponse(was_known=await asyncio.shield(removing))

    async def Status(self, request: pb.StatusRequest, call: Call) -> pb.StatusResponse:
        """How the tracker stands, all of it."""
        return status_to((await self._watched.facts()).status(for_owner=True))

    async def _remove(self, name: PeerName, host: str) -> bool:
        removed = await self._network.remove(name)
        for gone in removed:
            await self._records.drop(gone)
            self._audit.note("removed", host=host, name=gone)
        return bool(removed)


def _line_to(line: LineRecord) -> pb.JoinLine:
    return pb.JoinLine(id=line.id, until_s=line.until_s, uses=line.uses, uses_left=line.uses_left)
