"""Two trackers of one network on one PostgreSQL, called over gRPC and TLS as members call them."""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

psycopg = pytest.importorskip("psycopg", reason="the extra panal[postgres] is not installed")

from panal.errors import PanalError, Refused  # noqa: E402
from panal.tracker.authority_files import AuthorityFiles  # noqa: E402
from panal.tracker.known_members import BELIEVED_S  # noqa: E402
from panal.tracker.network import LOOK_S, Network  # noqa: E402
from panal.tracker.server import TrackerServer  # noqa: E402
from panal.tracker.settings import TrackerSettings  # noqa: E402
from panal.trust.certificates import CERTIFICATE_S, new_key, signing_request  # noqa: E402
from panal.trust.owner_files import FOLDER, OWNER_TOKEN  # noqa: E402
from panal.wire import tracker as wire  # noqa: E402
from panal.wire import tracker_pb2 as pb  # noqa: E402
from tests.support.clock import VirtualClock  # noqa: E402
from tests.support.patience import PATIENCE_S  # noqa: E402
from tests.support.postgres_server import PostgresServer  # noqa: E402
from tests.tracker.makers import caller  # noqa: E402
from tests.tracker.members import (  # noqa: E402
    STARTED_S_AGO,
    Member,
    MemberTracker,
    member_tracker,
)
from tests.tracker.test_network import (  # noqa: E402
    JOIN_REFUSED,
    NAME_TAKEN,
    NOT_A_MEMBER,
    REMOVED,
    network_of,
    refusal,
    registration,
)

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "store-unavailable")
AUTHORITY = ("authority.key", "authority.pem")


def copy_authority(one: Path, other: Path) -> None:
    """What a network's owner does for one more tracker."""
    (other / FOLDER).mkdir(parents=True)
    for name in AUTHORITY:
        shutil.copy(one / FOLDER / name, other / FOLDER / name)
    (other / FOLDER / "authority.key").chmod(0o644)  # by hand, so perhaps for everybody to read


class Both:
    """Two trackers of one network, which share a clock."""

    def __init__(self, one: MemberTracker, other: MemberTracker, clock: VirtualClock) -> None:
        self.one, self.other, self.clock = one, other, clock

    def at_other(self, member: Member) -> Member:
        """The same member, calling the other tracker."""
        return self.other.caller(member.name, member.credential, member.key)

    async def line(self, uses: int) -> bytes:
        request = pb.MintJoinLineRequest(valid_s=3_600, uses=uses)
        return bytes((await self.one.owner.network.MintJoinLine(request)).secret)

    async def remove(self, name: str) -> None:
        answer = await self.one.owner.network.RemoveMember(pb.RemoveMemberRequest(name=name))
        assert answer.was_known


@pytest.fixture
async def both(database: str, tmp_path: Path) -> AsyncIterator[Both]:
    clock = VirtualClock(wall_s=time.time() - STARTED_S_AGO)
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(member_tracker(tmp_path / "one", clock, database))
        copy_authority(tmp_path / "one", tmp_path / "other")
        other = await stack.enter_async_context(
            member_tracker(tmp_path / "other", clock, database, one.line)
        )
        yield Both(one, other, clock)


async def peers_at(member: Member) -> list[str]:
    listed = await member.tracker.ListPeers(pb.ListPeersRequest())
    return [peer.name for peer in listed.peers]


async def next_look(both: Both) -> None:
    """Let a second pass, and wait until the other tracker has looked at the members."""
    network, seen = network_of(both.other), network_of(both.other)._looks_done
    both.clock.advance(LOOK_S)
    while network._looks_done == seen:
        await asyncio.sleep(0)


# Joining ----------------------------------------------------------------------------------


async def test_who_joins_at_one_tracker_is_a_member_at_the_other_at_once(both: Both) -> None:
    a = await both.one.enrol("a")
    await both.at_other(a).tracker.Register(registration("a"))
    assert await peers_at(a) == ["a"]
    b = await both.other.enrol("b")
    assert await peers_at(b) == ["a"]
    (uses_left,) = {
        line.uses_left
        for tracker in (both.one, both.other)
        for line in (await tracker.owner.network.ListMembers(pb.ListMembersRequest())).join_lines
    }
    assert uses_left == 8


async def test_a_line_made_at_one_is_used_at_the_other_once_only(both: Both) -> None:
    secret = await both.line(uses=1)
    await both.other.enrol("a", None, secret)
    for tracker in (both.one, both.other):
        assert await refusal(tracker.enrol("b", None, secret)) == JOIN_REFUSED


async def test_of_many_who_use_a_line_at_both_at_the_same_moment_as_many_come_in_as_may(
    both: Both,
) -> None:
    secret = await both.line(uses=3)
    trackers = [both.one, both.other] * 5
    came = await asyncio.gather(
        *(one.enrol(f"peer_{n}", None, secret) for n, one in enumerate(trackers)),
        return_exceptions=True,
    )
    refused = [error for error in came if isinstance(error, grpc.aio.AioRpcError)]
    assert len(came) - len(refused) == 3
    assert {error.code() for error in refused} == {grpc.StatusCode.PERMISSION_DENIED}
    listed = await both.other.owner.network.ListMembers(pb.ListMembersRequest())
    assert len(listed.members) == 3


async def test_of_two_who_take_a_name_at_both_at_the_same_moment_one_gets_it(both: Both) -> None:
    for number in range(5):
        came = await asyncio.gather(
            both.one.enrol(f"a{number}"),
            both.other.enrol(f"A{number}"),
            return_exceptions=True,
        )
        (error,) = [error for error in came if isinstance(error, grpc.aio.AioRpcError)]
        assert error.code() is NAME_TAKEN[0]


async def test_an_answer_that_was_lost_is_asked_for_again_at_the_other(both: Both) -> None:
    secret, key = await both.line(uses=1), new_key()
    first = await both.one.enrol("a", key, secret)
    again = await both.other.enrol("a", key, secret)
    assert again.certificate == first.certificate
    assert await peers_at(both.at_other(again)) == []
    await next_look(both)
    assert await refusal(both.at_other(first).tracker.ListPeers(pb.ListPeersRequest())) == (
        NOT_A_MEMBER
    )


async def test_a_line_that_is_revoked_at_one_lets_nobody_in_at_the_other(both: Both) -> None:
    secret = await both.line(uses=2)
    await both.other.enrol("a", None, secret)
    for line in (await both.one.owner.network.ListMembers(pb.ListMembersRequest())).join_lines:
        await both.one.owner.network.RevokeJoinLine(pb.RevokeJoinLineRequest(id=line.id))
    assert await refusal(both.other.enrol("b", None, secret)) == JOIN_REFUSED


async def test_whoever_guesses_is_refused_at_both(both: Both) -> None:
    for tracker in (both.one, both.other):
        assert await refusal(tracker.enrol("a", None, b"g" * 16)) == JOIN_REFUSED
        stranger = tracker.caller("a", b"w" * 32)
        assert await refusal(stranger.tracker.ListPeers(pb.ListPeersRequest())) == NOT_A_MEMBER


async def test_further_names_and_certificates_are_given_by_either(both: Both) -> None:
    user = await both.one.enrol("user")
    request = pb.EnrolRequest(name="get-1", signing_request=signing_request(new_key()))
    answer = await both.at_other(user).network.Enrol(request)
    assert await peers_at(both.one.caller("get-1", answer.credential)) == []

    async def renewed(at: Member) -> bytes:
        asked = pb.RenewCertificateRequest(signing_request=signing_request(user.key))
        return bytes((await at.network.RenewCertificate(asked)).certificate)

    assert await renewed(both.at_other(user)) == user.certificate  # it is fresh
    both.clock.advance(CERTIFICATE_S * 2 / 3)
    later = await renewed(both.at_other(user))
    assert later != user.certificate
    assert await renewed(user) == later


# Removal ----------------------------------------------------------------------------------


async def test_who_is_removed_at_one_is_shut_out_at_the_other_within_a_look(both: Both) -> None:
    a, b = await both.one.enrol("a"), await both.one.enrol("b")
    await both.at_other(b).tracker.Register(registration("b"))
    welcome = await both.at_other(a).tracker.Register(registration("a"))
    await both.remove("b")
    assert await refusal(b.tracker.ListPeers(pb.ListPeersRequest())) == REMOVED
    await next_look(both)
    for call in (
        both.at_other(b).tracker.ListPeers(pb.ListPeersRequest()),
        both.at_other(b).tracker.Register(registration("b")),
        both.at_other(b).network.RenewCertificate(
            pb.RenewCertificateRequest(signing_request=signing_request(b.key))
        ),
    ):
        assert await refusal(call) == REMOVED
    assert await peers_at(both.at_other(a)) == ["a"]
    renewal = pb.RenewRequest(
        caller=wire.caller_to(caller("a")),
        digest=bytes(32),
        revocations_version=welcome.revocations.version,
    )
    told = [await at.tracker.Renew(renewal) for at in (a, both.at_other(a))]
    assert told[0].revocations == told[1].revocations
    assert len(told[0].revocations.serials) == 1


async def test_what_cannot_wait_for_a_look_is_refused_by_the_database(both: Both) -> None:
    user = await both.one.enrol("user")
    assert await peers_at(both.at_other(user)) == []  # known there
    await both.remove("user")
    asked = pb.RenewCertificateRequest(signing_request=signing_request(user.key))
    assert await refusal(both.at_other(user).network.RenewCertificate(asked)) == REMOVED


async def test_who_comes_in_before_its_removal_is_known_does_not_stay(both: Both) -> None:
    a, b = await both.one.enrol("a"), await both.one.enrol("b")
    assert await peers_at(both.at_other(b)) == []  # known there
    await both.remove("b")
    await both.at_other(b).tracker.Register(registration("b"))
    assert await peers_at(a) == ["b"]
    await next_look(both)
    async with asyncio.timeout(PATIENCE_S):
        while await peers_at(a):
            pass
    assert await refusal(both.at_other(b).tracker.ListPeers(pb.ListPeersRequest())) == REMOVED


async def test_a_later_list_of_revoked_certificates_is_not_taken_back(both: Both) -> None:
    a, b = await both.one.enrol("a"), await both.one.enrol("b")
    await both.at_other(a).tracker.Register(registration("a"))
    assert await peers_at(both.at_other(b)) == ["a"]  # known there
    await both.remove("b")
    mine = wire.caller_to(caller("a"))
    told = await a.tracker.Renew(pb.RenewRequest(caller=mine, digest=bytes(32)))
    again = pb.RenewRequest(
        caller=mine, digest=bytes(32), revocations_version=told.revocations.version
    )
    assert not (await both.at_other(a).tracker.Renew(again)).HasField("revocations")


async def test_a_tracker_that_cannot_look_lets_nobody_in(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = await both.one.enrol("a")
    assert await peers_at(both.at_other(a)) == []

    async def away(*_: Any) -> None:
        raise PanalError("The database was asked.")

    monkeypatch.setattr(network_of(both.other), "look", away)
    both.clock.advance(BELIEVED_S)
    assert await peers_at(both.at_other(a)) == []
    both.clock.advance(1.0)
    with pytest.raises(grpc.aio.AioRpcError, match="was asked"):
        await peers_at(both.at_other(a))
    monkeypatch.setattr(Network, "catch_up", _nothing)
    assert await refusal(both.at_other(a).tracker.ListPeers(pb.ListPeersRequest())) == UNAVAILABLE


async def _nothing(*_: Any) -> None:
    return None


@pytest.mark.parametrize("how", ["stop", "hang"])
async def test_while_the_database_is_away_nobody_joins_and_then_all_goes_on(
    away_server: PostgresServer, tmp_path: Path, how: str
) -> None:
    async with member_tracker(tmp_path, store=away_server.url()) as tracker:
        a = await tracker.enrol("a")
        await asyncio.to_thread(getattr(away_server, how))
        assert await refusal(tracker.enrol("b")) == UNAVAILABLE
        assert await refusal(a.tracker.ListPeers(pb.ListPeersRequest())) == UNAVAILABLE
        tracker.clock.advance(BELIEVED_S + 1.0)
        assert await refusal(a.tracker.ListPeers(pb.ListPeersRequest())) == UNAVAILABLE
        status = await tracker.owner.network.Status(pb.StatusRequest())
        assert "database does not answer" in status.problem
        await asyncio.to_thread(away_server.start if how == "stop" else away_server.go_on)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(grpc.aio.AioRpcError):
                    assert await peers_at(a) == []
                    break
        await tracker.enrol("b")


# The authority -----------------------------------------------------------------------------


def settings(state: Path, database: str | None) -> TrackerSettings:
    return TrackerSettings(port=0, network=True, state_dir=state, store=database)


async def test_a_tracker_without_the_networks_authority_is_refused_and_makes_none(
    both: Both, database: str, tmp_path: Path
) -> None:
    third = tmp_path / "third"
    with pytest.raises(Refused, match=r"authority\.key and authority\.pem"):
        await TrackerServer(settings(third, database)).start()
    assert not (third / FOLDER).exists()


async def test_another_networks_tracker_is_refused(
    both: Both, database: str, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    AuthorityFiles(theirs, time.time())
    with pytest.raises(Refused, match=r"another network's: .*authority.key") as caught:
        await TrackerServer(settings(theirs, database)).start()
    (move,) = re.findall("'(mv [^']*)'", str(caught.value))
    subprocess.run(move.split(), check=True)
    copy_authority(tmp_path / "one", theirs)
    server = TrackerServer(settings(theirs, database))
    await server.start()
    await server.stop(grace_s=0)


async def test_a_key_of_another_authority_is_refused(
    both: Both, database: str, tmp_path: Path
) -> None:
    mixed, theirs = tmp_path / "mixed", tmp_path / "theirs"
    AuthorityFiles(theirs, time.time())
    copy_authority(tmp_path / "one", mixed)
    shutil.copy(theirs / FOLDER / "authority.key", mixed / FOLDER / "authority.key")
    with pytest.raises(PanalError, match="do not belong together"):
        await TrackerServer(settings(mixed, database)).start()


async def test_a_key_without_its_certificate_is_said_and_nothing_is_made(
    both: Both, database: str, tmp_path: Path
) -> None:
    half = tmp_path / "half"
    copy_authority(tmp_path / "one", half)
    (half / FOLDER / "authority.pem").unlink()
    with pytest.raises(PanalError, match=r"has authority\.key and not authority\.pem"):
        await TrackerServer(settings(half, database)).start()
    assert [path.name for path in (half / FOLDER).iterdir()] == ["authority.key"]


async def test_each_tracker_has_an_owners_token_and_keys_that_are_its_users_alone(
    caplog: pytest.LogCaptureFixture, both: Both, tmp_path: Path
) -> None:
    one, other = (tmp_path / name / FOLDER for name in ("one", "other"))
    assert (one / OWNER_TOKEN).read_text() != (other / OWNER_TOKEN).read_text()
    assert {path.stat().st_mode & 0o077 for path in (*one.iterdir(), *other.iterdir())} == {0}
    assert other.stat().st_mode & 0o077 == 0
    said = [record.getMessage() for record in caplog.get_records("setup")]
    warned = [words for words in said if "Others could read" in words]
    assert len(warned) == 1
    assert str(other / "authority.key") in warned[0]


async def test_no_key_and_no_secret_is_in_the_database(both: Both, database: str) -> None:
    secret = await both.line(uses=1)
    a = await both.one.enrol("a", None, secret)
    told = [secret, a.credential, both.one.line.secret]
    told += [(both.one.state / FOLDER / "authority.key").read_bytes()]
    told += [bytes.fromhex((both.one.state / FOLDER / OWNER_TOKEN).read_text())]
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'panal'"
        ).fetchall()
        for (table,) in tables:
            for row in connection.execute(f"SELECT * FROM panal.{table}"):
                kept = [value if isinstance(value, bytes) else str(value).encode() for value in row]
                assert not any(one in value for one in told for value in kept)
    assert len(tables) > 5


# From a file of its own to the database ---------------------------------------------------


async def test_the_members_of_a_trackers_own_file_go_to_the_database(
    database: str, tmp_path: Path
) -> None:
    clock = VirtualClock(wall_s=time.time() - STARTED_S_AGO)
    async with member_tracker(tmp_path / "one", clock) as tracker:
        line = tracker.line
        a, b = await tracker.enrol("a"), await tracker.enrol("b")
        await tracker.owner.network.RemoveMember(pb.RemoveMemberRequest(name="b"))
    copy_authority(tmp_path / "one", tmp_path / "other")
    for state in ("one", "other", "one"):
        async with member_tracker(tmp_path / state, clock, database, line) as tracker:
            assert await peers_at(tracker.caller("a", a.credential)) == []
            removed = tracker.caller("b", b.credential).tracker
            assert await refusal(removed.ListPeers(pb.ListPeersRequest())) == REMOVED
            assert len(network_of(tracker).revocations.serials) == 1
            await tracker.enrol(f"at-{state}-{clock.now_s()}")
        clock.advance(1.0)
    with pytest.raises(Refused, match="with that --store"):
        await TrackerServer(settings(tmp_path / "one", None)).start()


async def test_other_members_in_a_file_are_not_mixed_with_the_databases(
    both: Both, database: str, tmp_path: Path
) -> None:
    third = tmp_path / "third"
    copy_authority(both.one.state, third)
    async with member_tracker(third, line=both.one.line) as tracker:
        await tracker.owner.network.MintJoinLine(pb.MintJoinLineRequest(valid_s=60, uses=1))
    await both.one.enrol("a")
    with pytest.raises(Refused, match=r"members already.*move .*members.sqlite away"):
        await TrackerServer(settings(third, database)).start()
    with sqlite3.connect(tracker.state / FOLDER / "members.sqlite") as kept:
        assert kept.execute("SELECT count(*) FROM join_lines").fetchone() == (1,)
    kept.close()
