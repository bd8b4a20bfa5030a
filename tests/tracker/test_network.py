"""A network at its tracker: joining, who may call what, removal. Real gRPC over real TLS."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from panal.entrances import Role
from panal.errors import Busy, NoSpace, NotAMember, Removed
from panal.tracker.dialback import Dialback
from panal.tracker.gate import ENTRANCES, NETWORK, TRACKER, Gate
from panal.tracker.joining import LINE_S, LINE_USES, MOST_GUESSES, MOST_REPEATS, SHUT_OUT_S
from panal.tracker.network import Network
from panal.tracker.records import Records
from panal.tracker.registry import Reach
from panal.tracker.stores import DATABASE_NAME
from panal.trust.certificates import CERTIFICATE_S, DAY_S, new_key, pin_of, signing_request
from panal.wire import tracker as wire
from panal.wire import tracker_pb2 as pb
from panal.wire.ids import PeerName, parse_peer_name
from panal.wire.tracker import ERROR_METADATA
from tests.support.patience import PATIENCE_S
from tests.tracker.makers import caller
from tests.tracker.members import Member, MemberTracker, member_tracker


@pytest.fixture
async def tracker(tmp_path: Path) -> AsyncIterator[MemberTracker]:
    async with member_tracker(tmp_path / "state") as made:
        yield made


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """The status of a call that fails, and its slug."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    slugs = [
        value for key, value in caught.value.trailing_metadata() or () if key == ERROR_METADATA
    ]
    assert "Traceback" not in (caught.value.details() or "")
    return caught.value.code(), str(slugs[0]) if slugs else ""


def registration(name: str) -> pb.RegisterRequest:
    port = 5_000 + ord(name[-1])  # nobody answers there
    return pb.RegisterRequest(
        caller=wire.caller_to(caller(name)), http_port=port, bound=["127.0.0.1"]
    )


def network_of(tracker: MemberTracker) -> Network:
    """What the tracker knows, where its certificate counts for no system clock."""
    assert tracker.server._network is not None
    return tracker.server._network.network


NOT_A_MEMBER = (grpc.StatusCode.UNAUTHENTICATED, "not-a-member")
REMOVED = (grpc.StatusCode.UNAUTHENTICATED, "removed")
REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "refused")
JOIN_REFUSED = (grpc.StatusCode.PERMISSION_DENIED, "join-refused")
NAME_TAKEN = (grpc.StatusCode.ALREADY_EXISTS, "name-taken")


# Who may call what ------------------------------------------------------------------------


RULES = dict(ENTRANCES)


def every_call() -> dict[str, tuple[bool, bool]]:
    """Each method that a tracker serves, from the descriptors; whether either way is a stream."""
    found = {}
    for file in (pb.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        for service in file.services_by_name.values():
            for method in service.methods:
                found[f"/{service.full_name}/{method.name}"] = (
                    method.client_streaming,
                    method.server_streaming,
                )
    return found


async def call(who: Member, method: str) -> tuple[grpc.StatusCode, str] | None:
    """Call with an empty message; how it was refused, None where it was answered or only cut."""
    while (got := await _call_once(who, method)) == _LOST:
        pass
    return got


_LOST = (grpc.StatusCode.INTERNAL, "")
"""What the client's library says where it is refused while it still sends: not how."""


async def _call_once(who: Member, method: str) -> tuple[grpc.StatusCode, str] | None:
    from_client, from_server = every_call()[method]

    async def one() -> AsyncIterator[bytes]:
        yield b""

    kind: Any = {
        (False, False): who.channel.unary_unary,
        (False, True): who.channel.unary_stream,
        (True, False): who.channel.stream_unary,
        (True, True): who.channel.stream_stream,
    }[from_client, from_server]
    running: Any = kind(method)(one() if from_client else b"", timeout=PATIENCE_S)
    try:
        if from_server:
            async for _ in running:
                break
            running.cancel()
        else:
            await running
    except grpc.aio.AioRpcError as error:
        slugs = [v for k, v in error.trailing_metadata() or () if k == ERROR_METADATA]
        return error.code(), str(slugs[0]) if slugs else ""
    return None


def test_every_call_has_a_rule() -> None:
    served = set(every_call())
    # Health.List is described and not served by the library's servicer; Watch is nobody's.
    assert served - set(RULES) == {f"/grpc.health.v1.Health/{name}" for name in ("List", "Watch")}
    assert set(RULES) <= served


@pytest.mark.parametrize("method", sorted(every_call()))
async def test_every_call_is_refused_to_whoever_has_no_right(
    tracker: MemberTracker, method: str
) -> None:
    member = await tracker.enrol("a")
    removed = await tracker.enrol("b")
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    wrong = tracker.caller("wrong", secrets.token_bytes(32))
    short = tracker.caller("short", secrets.token_bytes(31))
    denied = {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
    role = RULES.get(method)
    if role is None:
        got = await call(tracker.owner, method)
        assert got is not None
        assert got[0] in {*denied, grpc.StatusCode.UNIMPLEMENTED}
    elif role is Role.MEMBER:
        assert await call(tracker.nobody, method) == NOT_A_MEMBER
        assert await call(wrong, method) == NOT_A_MEMBER
        assert await call(short, method) == NOT_A_MEMBER
        assert await call(removed, method) == REMOVED
        assert await call(tracker.owner, method) == NOT_A_MEMBER
        got = await call(member, method)
        assert got is None or got[0] not in denied
    elif role is Role.OWNER:
        for who in (tracker.nobody, wrong, member, removed):
            assert await call(who, method) == REFUSED
        got = await call(tracker.owner, method)
        assert got is None or got[0] not in denied


async def test_plain_grpc_is_not_answered(tracker: MemberTracker) -> None:
    async with grpc.aio.insecure_channel(tracker.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        code, _ = await refusal(stub.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S))
        assert code is grpc.StatusCode.UNAVAILABLE


# Joining ----------------------------------------------------------------------------------


async def test_the_authority_is_the_one_of_the_join_line(tracker: MemberTracker) -> None:
    answer = await tracker.nobody.network.Authority(pb.AuthorityRequest())
    assert pin_of(answer.certificate) == tracker.line.pin


async def test_a_member_speaks_for_its_own_name_only(tracker: MemberTracker) -> None:
    a, b = await tracker.enrol("a"), await tracker.enrol("b")
    await a.tracker.Register(registration("a"))
    theirs = wire.caller_to(caller("a"))
    for who in (b,):
        assert await refusal(who.tracker.Register(registration("a"))) == REFUSED
        assert await refusal(who.tracker.Renew(pb.RenewRequest(caller=theirs))) == REFUSED
        assert await refusal(who.tracker.Leave(pb.LeaveRequest(caller=theirs))) == REFUSED
        message = pb.AnnounceRequest(caller=theirs, sequence=1)
        assert await refusal(who.tracker.Announce(iter([message]))) == REFUSED
        locate = pb.LocateRequest(contents=[bytes(32)], asker="a")
        assert await refusal(who.tracker.Locate(locate)) == REFUSED
    listed = await a.tracker.ListPeers(pb.ListPeersRequest())
    assert [peer.name for peer in listed.peers] == ["a"]


async def test_a_line_lets_in_as_many_as_it_says(tracker: MemberTracker) -> None:
    for number in range(LINE_USES):
        await tracker.enrol(f"peer_{number}")
    assert await refusal(tracker.enrol("one_more")) == JOIN_REFUSED


async def test_a_name_is_given_once_whatever_its_case(tracker: MemberTracker) -> None:
    await tracker.enrol("a")
    assert await refusal(tracker.enrol("A")) == NAME_TAKEN
    listed = await tracker.owner.network.ListMembers(pb.ListMembersRequest())
    assert [member.name for member in listed.members] == ["a"]
    assert [line.uses_left for line in listed.join_lines] == [LINE_USES - 1]


async def test_an_answer_that_was_lost_is_asked_for_again(tracker: MemberTracker) -> None:
    answer = await tracker.owner.network.MintJoinLine(pb.MintJoinLineRequest(valid_s=60, uses=1))
    key = new_key()
    first = await tracker.enrol("a", key, answer.secret)
    again = await tracker.enrol("a", key, answer.secret)
    assert again.credential != first.credential
    await again.tracker.ListPeers(pb.ListPeersRequest())
    assert await refusal(first.tracker.ListPeers(pb.ListPeersRequest())) == NOT_A_MEMBER
    assert await refusal(tracker.enrol("a", None, answer.secret)) in {NAME_TAKEN, JOIN_REFUSED}


async def test_a_line_counts_until_its_time(tracker: MemberTracker) -> None:
    tracker.clock.advance(LINE_S)
    assert await refusal(tracker.enrol("a")) == JOIN_REFUSED


async def test_a_revoked_line_lets_nobody_in_and_its_members_stay(tracker: MemberTracker) -> None:
    a = await tracker.enrol("a")
    listed = await tracker.owner.network.ListMembers(pb.ListMembersRequest())
    (line,) = listed.join_lines
    request = pb.RevokeJoinLineRequest(id=line.id)
    assert (await tracker.owner.network.RevokeJoinLine(request)).was_known
    assert not (await tracker.owner.network.RevokeJoinLine(request)).was_known
    assert await refusal(tracker.enrol("b")) == JOIN_REFUSED
    await a.tracker.ListPeers(pb.ListPeersRequest())


async def test_who_guesses_is_not_listened_to_for_a_while(tracker: MemberTracker) -> None:
    for _ in range(MOST_GUESSES):
        assert await refusal(tracker.enrol("a", None, secrets.token_bytes(16))) == JOIN_REFUSED
    with pytest.raises(grpc.aio.AioRpcError, match="Too many"):
        await tracker.enrol("a", None, secrets.token_bytes(16))
    await tracker.enrol("a")  # whoever has a right one does not guess
    tracker.clock.advance(SHUT_OUT_S)
    with pytest.raises(grpc.aio.AioRpcError, match="no such"):
        await tracker.enrol("b", None, secrets.token_bytes(16))


async def test_what_is_no_enrolment_is_refused(tracker: MemberTracker) -> None:
    request = signing_request(new_key())
    bad = grpc.StatusCode.INVALID_ARGUMENT, "bad-request"
    for message in (
        pb.EnrolRequest(name="a/b", signing_request=request, secret=tracker.line.secret),
        pb.EnrolRequest(name="", signing_request=request, secret=tracker.line.secret),
        pb.EnrolRequest(name="a", signing_request=b"none", secret=tracker.line.secret),
        pb.EnrolRequest(name="a", signing_request=request, secret=b"short"),
    ):
        assert await refusal(tracker.nobody.network.Enrol(message)) == bad
    without = pb.EnrolRequest(name="a", signing_request=request)
    assert await refusal(tracker.nobody.network.Enrol(without)) == NOT_A_MEMBER
    listed = await tracker.owner.network.ListMembers(pb.ListMembersRequest())
    assert not listed.members
    assert [line.uses_left for line in listed.join_lines] == [LINE_USES]


# Further names ----------------------------------------------------------------------------


async def further(who: Member, name: str, key: bytes | None = None) -> Any:
    request = signing_request(key or new_key())
    return await who.network.Enrol(pb.EnrolRequest(name=name, signing_request=request))


async def test_a_further_name_goes_with_its_member(tracker: MemberTracker) -> None:
    user = await tracker.enrol("user")
    answer = await further(user, "get-1")
    getting = tracker.caller("get-1", answer.credential)
    await getting.tracker.Register(registration("get-1"))
    assert await refusal(getting.tracker.Register(registration("user"))) == REFUSED
    assert await refusal(further(getting, "get-2")) == REFUSED
    assert await refusal(further(user, "get-1")) == NAME_TAKEN
    listed = await tracker.owner.network.ListMembers(pb.ListMembersRequest())
    assert {m.name: m.enrolled_by for m in listed.members}["get-1"] == "user"
    assert [line.uses_left for line in listed.join_lines] == [LINE_USES - 1]
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="user"))
    assert await refusal(getting.tracker.ListPeers(pb.ListPeersRequest())) == REMOVED


async def test_a_further_name_ends_with_its_certificate(tracker: MemberTracker) -> None:
    user = await tracker.enrol("user")
    getting = tracker.caller("get-1", (await further(user, "get-1")).credential)
    tracker.clock.advance(CERTIFICATE_S)
    await tracker.server.sweep()
    with pytest.raises(NotAMember):
        network_of(tracker).member_with(getting.credential)
    assert network_of(tracker).member_with(user.credential).name == "user"


# Removal ----------------------------------------------------------------------------------


async def test_a_removed_member_is_shut_out_at_once_and_everybody_told(
    tracker: MemberTracker,
) -> None:
    a, b = await tracker.enrol("a"), await tracker.enrol("b")
    welcome = await a.tracker.Register(registration("a"))
    await b.tracker.Register(registration("b"))
    assert not welcome.revocations.serials
    mine = wire.caller_to(caller("a"))
    renewal = pb.RenewRequest(
        caller=mine, digest=bytes(32), revocations_version=welcome.revocations.version
    )
    assert not (await a.tracker.Renew(renewal)).HasField("revocations")
    assert (await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="B"))).was_known
    assert await refusal(b.tracker.ListPeers(pb.ListPeersRequest())) == REMOVED
    assert (
        await refusal(
            b.network.RenewCertificate(
                pb.RenewCertificateRequest(signing_request=signing_request(b.key))
            )
        )
        == REMOVED
    )
    listed = await a.tracker.ListPeers(pb.ListPeersRequest())
    assert [peer.name for peer in listed.peers] == ["a"]
    told = await a.tracker.Renew(renewal)
    assert told.revocations.version != welcome.revocations.version
    assert len(told.revocations.serials) == 1
    again = await a.tracker.Register(registration("a"))
    assert again.revocations == told.revocations
    tracker.clock.advance(CERTIFICATE_S)
    await tracker.server.sweep()
    assert not network_of(tracker).revocations.serials


async def test_a_removed_name_comes_back_by_a_join_line(tracker: MemberTracker) -> None:
    a, b = await tracker.enrol("a"), await tracker.enrol("b")
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    back = await tracker.enrol("b")
    await back.tracker.Register(registration("b"))
    assert await refusal(b.tracker.ListPeers(pb.ListPeersRequest())) == REMOVED
    welcome = await a.tracker.Register(registration("a"))
    assert len(welcome.revocations.serials) == 1  # of the first one only
    request = pb.RemoveMemberRequest(name="nobody")
    assert not (await tracker.owner.network.RemoveMember(request)).was_known


async def test_who_is_removed_while_its_calls_wait_leaves_nobody_behind(
    tracker: MemberTracker,
) -> None:
    user = await tracker.enrol("user")
    record = network_of(tracker).member_with(user.credential)
    key = new_key()
    await network_of(tracker).enrol_further(record, parse_peer_name("get-1"), signing_request(key))
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="user"))
    # These had passed the gate before.
    for name in ("get-1", "get-2"):
        with pytest.raises(Removed):
            await network_of(tracker).enrol_further(
                record, parse_peer_name(name), signing_request(key)
            )
    with pytest.raises(Removed):
        await network_of(tracker).renew_certificate(record, signing_request(user.key))
    again = await tracker.enrol("user")  # another member of that name
    with pytest.raises(Removed):
        await network_of(tracker).renew_certificate(record, signing_request(user.key))
    assert [one.name for one in await network_of(tracker).members()] == [again.name]


async def test_who_is_removed_while_it_is_dialled_does_not_come_in(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await tracker.enrol("a"), await tracker.enrol("b")
    dialled, go_on = asyncio.Event(), asyncio.Event()

    async def dial(*_: object) -> Reach:
        dialled.set()
        await go_on.wait()
        return Reach(True, "ok")

    monkeypatch.setattr(Dialback, "dial", dial)
    registering = asyncio.ensure_future(b.tracker.Register(registration("b")))
    await dialled.wait()
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    go_on.set()
    assert await refusal(registering) == REMOVED
    listed = await a.tracker.ListPeers(pb.ListPeersRequest())
    assert not listed.peers


async def test_an_owner_who_gives_up_has_removed_all_the_same(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await tracker.enrol("a"), await tracker.enrol("b")
    await b.tracker.Register(registration("b"))
    removing, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    dropped = []
    drop = Records.drop

    async def slowly(self: Records, name: PeerName) -> None:
        removing.set()
        try:
            await go_on.wait()
            await drop(self, name)
            dropped.append(name)
        finally:
            ended.set()

    monkeypatch.setattr(Records, "drop", slowly)
    call = tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    asking = asyncio.ensure_future(call)
    await removing.wait()
    asking.cancel()
    await tracker.owner.network.ListMembers(pb.ListMembersRequest())  # behind the cancel
    go_on.set()
    await ended.wait()
    assert dropped == ["b"]
    assert not (await a.tracker.ListPeers(pb.ListPeersRequest())).peers


# What is kept -----------------------------------------------------------------------------


async def test_a_lost_database_locks_nobody_out(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with member_tracker(state) as tracker:
        member = await tracker.enrol("a")
        removed = await tracker.enrol("b")
        await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
        pin = tracker.line.pin
        clock = tracker.clock
    for path in state.glob(DATABASE_NAME + "*"):
        path.unlink()
    from panal.tracker.server import TrackerServer
    from panal.tracker.settings import TrackerSettings

    # On loopback, and without being told: a network that was made stays one.
    server = TrackerServer(TrackerSettings(port=0, state_dir=state), clock=clock)
    await server.start()
    try:
        assert not server.has_new_network
        tracker = MemberTracker(server, clock, state, _line_of(pin, server.port))
        again = tracker.caller("a", member.credential)
        welcome = await again.tracker.Register(registration("a"))
        assert len(welcome.revocations.serials) == 1
        shut_out = tracker.caller("b", removed.credential)
        assert await refusal(shut_out.tracker.ListPeers(pb.ListPeersRequest())) == REMOVED
        await tracker.close()
    finally:
        await server.stop(grace_s=0)


def _line_of(pin: bytes, port: int) -> Any:
    from panal.wire.join_line import JoinLine

    return JoinLine(pin, (f"127.0.0.1:{port}",), bytes(16), 0)


async def test_its_files_are_for_its_user_alone_and_hold_no_secret_in_clear(
    tracker: MemberTracker,
) -> None:
    member = await tracker.enrol("a")
    folder = tracker.state / "network"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        data = await asyncio.to_thread(path.read_bytes)
        for secret in (member.credential, tracker.line.secret):
            assert secret not in data
            assert secret.hex().encode() not in data
        assert path.stat().st_mode & 0o777 == 0o600, path


async def test_a_member_renews_its_certificate(tracker: MemberTracker) -> None:
    a = await tracker.enrol("a")
    tracker.clock.advance(CERTIFICATE_S * 2 / 3)
    request = pb.RenewCertificateRequest(signing_request=signing_request(a.key))
    renewed = (await a.network.RenewCertificate(request)).certificate
    assert renewed != a.certificate
    listed = await tracker.owner.network.ListMembers(pb.ListMembersRequest())
    assert listed.members[0].certified_until_s == int(tracker.clock.wall_s()) + CERTIFICATE_S
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="a"))
    minted = await tracker.owner.network.MintJoinLine(pb.MintJoinLineRequest(valid_s=60, uses=1))
    b = await tracker.enrol("b", None, minted.secret)
    welcome = await b.tracker.Register(registration("b"))
    assert len(welcome.revocations.serials) == 2  # the old one as well


async def test_a_fresh_certificate_is_given_again_and_for_one_key_only(
    tracker: MemberTracker,
) -> None:
    a = await tracker.enrol("a")
    request = pb.RenewCertificateRequest(signing_request=signing_request(a.key))
    for _ in range(20):
        assert (await a.network.RenewCertificate(request)).certificate == a.certificate
    other = pb.RenewCertificateRequest(signing_request=signing_request(new_key()))
    assert await refusal(a.network.RenewCertificate(other)) == REFUSED
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="a"))
    assert len(network_of(tracker).revocations.serials) == 1


async def test_whoever_enrols_again_and_again_is_refused(tracker: MemberTracker) -> None:
    user = await tracker.enrol("user")
    key = new_key()
    for _ in range(MOST_REPEATS + 1):
        await further(user, "get-1", key)
    assert await refusal(further(user, "get-1", key)) == REFUSED
    await further(user, "get-2")  # a new name is none of that
    tracker.clock.advance(60)
    await further(user, "get-1", key)


async def test_a_clock_that_is_wrong_for_a_moment_makes_nobody_count_again(
    tracker: MemberTracker,
) -> None:
    await tracker.enrol("a")
    b = await tracker.enrol("b")
    await further(b, "get-1")
    tracker.clock.advance(2 * DAY_S)
    await tracker.server.sweep()
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="a"))
    revoked = network_of(tracker).revocations
    tracker.clock.set_wall(40 * DAY_S)
    await tracker.server.sweep()
    assert network_of(tracker).revocations == revoked
    tracker.clock.set_wall(-40 * DAY_S)
    await tracker.server.sweep()
    await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    assert network_of(tracker).revocations.serials > revoked.serials
    assert len(network_of(tracker).revocations.serials) == 3


async def test_the_tracker_renews_its_own_certificate(tracker: MemberTracker) -> None:
    before = (tracker.state / "network" / "tracker.pem").read_bytes()
    await tracker.server.sweep()
    assert (tracker.state / "network" / "tracker.pem").read_bytes() == before
    tracker.clock.advance(CERTIFICATE_S * 2 / 3)
    await tracker.server.sweep()
    assert (tracker.state / "network" / "tracker.pem").read_bytes() != before


def test_services_are_named_once() -> None:
    assert {TRACKER, NETWORK} == {
        service.full_name for service in pb.DESCRIPTOR.services_by_name.values()
    }


async def test_grpc_is_given_a_certificate_only_when_it_is_another(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It crashes when it is given the same one again and again, by many handshakes at once."""
    network = tracker.server._network
    assert network is not None
    asked: list[Any] = []
    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", lambda _, ask: asked.append(ask))
    network.server_credentials()
    (ask,) = asked
    assert [ask(), ask()] == [None, None]
    tracker.clock.advance(CERTIFICATE_S)
    await tracker.server.sweep()
    assert ask() is not None
    assert [ask(), ask()] == [None, None]


async def test_a_call_counts_from_its_beginning(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it is looked up who calls."""
    ana = await tracker.enrol("ana")
    asked, answered = asyncio.Event(), asyncio.Event()

    async def catch_up(*_: object) -> None:
        asked.set()
        await answered.wait()

    monkeypatch.setattr(Gate, "catch_up", catch_up)
    calling = asyncio.ensure_future(ana.tracker.Search(pb.SearchRequest(words="x")))
    await asked.wait()
    assert tracker.server._watched is not None
    assert tracker.server._watched._counts.under_way == 1
    answered.set()
    await calling


async def test_a_network_without_room_for_its_members_is_not_ready(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise NoSpace("No space is left.")

    records = tracker.server._records
    assert records is not None
    with monkeypatch.context() as patched:
        patched.setattr(network_of(tracker)._store, "transaction", full)
        with pytest.raises(NoSpace):
            await tracker.server.mint()
    assert records.lacks_room
    await tracker.server._try_to_sweep()  # it finds room
    assert not records.lacks_room


async def test_a_sweep_that_others_are_in_the_way_of_is_put_off_in_a_line(
    tracker: MemberTracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def busy() -> None:
        raise Busy("Others change the same at the moment.")

    caplog.set_level(logging.INFO, "panal")
    monkeypatch.setattr(tracker.server, "sweep", busy)
    await tracker.server._try_to_sweep()
    assert "sweeping is put off" in caplog.text
    assert "Traceback" not in caplog.text
