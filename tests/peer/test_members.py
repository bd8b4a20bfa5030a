"""Peers of one network: they exchange over TLS by name, and let nobody else in.

Real peers, a real tracker and real chunks over loopback, where a peer's owner stays plain.
"""

import asyncio
import os
import random
import re
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from panal.errors import NotExposed, PanalError, Refused, UsageError, WrongIdentity
from panal.peer import membership
from panal.peer.calling import Calling
from panal.peer.config import PeerSettings
from panal.peer.http_source import fetch_manifest
from panal.peer.local_user import LocalUser
from panal.peer.network_owner import NetworkOwner
from panal.peer.visitors import unsent_bytes
from panal.trust.owner_files import read_access
from panal.trust.tls import client_context
from panal.wire import tracker_pb2 as pb
from panal.wire.catalogue import Provider
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName, parse_content_id
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

BIG = random.Random(5).randbytes(3_000_000)


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, has_members=True) as made:
        yield made


def context_of(peer: RunningPeer) -> ssl.SSLContext:
    """What a peer calls others with."""
    assert peer.app.calling.context is not None
    return peer.app.calling.context


async def test_two_members_exchange_a_file_over_tls(members: Network) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    sent = await a.upload("big.bin", BIG)
    download = await b.fetched(sent["link"])
    assert download.state == "done", download.reason
    assert (b.folder / "big.bin").read_bytes() == BIG
    assert [source.peer for source in download.sources if source.bytes] == ["a"]
    assert a.app.lease.reachable, a.app.lease.reachability


async def test_a_folder_comes_with_its_small_files(members: Network) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    for number in range(30):
        path = a.folder / "tree" / f"{number % 3}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * 100)
    (a.folder / "tree" / "big.bin").write_bytes(BIG)
    folder = await a.node.add_folder("tree")
    download = await b.fetched(folder.link)
    assert download.state == "done", download.reason
    assert (b.folder / "tree/big.bin").read_bytes() == BIG
    assert (b.folder / "tree/2/29.txt").read_bytes() == b"29" * 100


async def test_what_was_fetched_is_passed_on_by_a_member_that_has_it(members: Network) -> None:
    a, b, c = [await members.peer(name) for name in ("a", "b", "c")]
    sent = await a.upload("big.bin", BIG)
    assert (await b.fetched(sent["link"])).state == "done"
    await members.stop_peer("a")
    assert (await c.fetched(sent["link"])).state == "done"
    assert (c.folder / "big.bin").read_bytes() == BIG


# Who is not let in ------------------------------------------------------------------------

CONTENT_ROUTES = {
    "/content/{id}": 404,
    "/content/{id}/manifest": 404,
    "/content/{id}/have": 404,
    "/files/": 403,
}
"""What whoever is none gets: where a content may be, what is said where none is."""


async def test_a_network_is_plain_to_its_owner_only(
    members: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = await members.peer("a")
    identity = (await a.upload("x", b"secret"))["id"]
    path = f"/content/{identity}"
    assert (await a.request("GET", path)).body == b"secret"
    monkeypatch.setattr("panal.peer.visitors.user_at", lambda *_: LocalUser(65_534))
    async with aiohttp.ClientSession() as session:  # whose a connection is, is looked up once
        for route, status in CONTENT_ROUTES.items():
            async with session.get(a.url + route.format(id=identity)) as answer:
                assert answer.status == status, route
                assert b"secret" not in await answer.read()
    # In the exact form that is answered on the connection itself.
    chunk = await _raw(
        a.app.port,
        b"GET %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nRange: bytes=0-5\r\n"
        b"Accept-Encoding: identity\r\nPanal-Protocol: 1\r\n\r\n" % (path.encode(), a.app.port),
    )
    assert chunk.startswith(b"HTTP/1.1 404 ")
    assert b"secret" not in chunk


async def _raw(port: int, request: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read(65_536)
    writer.close()
    return answer


async def test_a_member_is_no_owner(members: Network) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    await a.upload("x", b"1")
    called: dict[str, Any] = {
        "ssl": context_of(b),
        "server_hostname": peer_host(PeerName("a"), _pin(members)),
    }
    url = f"https://127.0.0.1:{a.app.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/files/x", **called) as answer:
            assert (answer.status, await answer.read()) == (200, b"1")
        for route in a.app.routes:
            if route.role.value != "owner":
                continue
            path = route.path.replace("{path:.+}", "x").replace("{id}", "0" * 64)
            async with session.request(route.method, url + path, **called) as answer:
                assert answer.status == 403, (route.method, route.path)
        async with session.put(f"{url}/upload/new", data=b"2", **called) as answer:
            assert answer.status == 403
    assert not (a.folder / "new").exists()


def _pin(members: Network) -> bytes:
    assert members.join_line is not None
    return members.join_line.pin


async def test_the_tracker_is_no_member(members: Network) -> None:
    a = await members.peer("a")
    identity = (await a.upload("x", b"1"))["id"]
    folder = members.place / "tracker" / "network"
    tracker = client_context(
        folder / "authority.pem", folder / "tracker.pem", folder / "tracker.key"
    )
    called: dict[str, Any] = {
        "ssl": tracker,
        "server_hostname": peer_host(PeerName("a"), _pin(members)),
    }
    url = f"https://127.0.0.1:{a.app.port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/healthz", **called) as answer:
            assert answer.status == 200
        for route, status in CONTENT_ROUTES.items():
            async with session.get(url + route.format(id=identity), **called) as answer:
                assert answer.status == status, route


async def test_a_peer_under_another_name_is_not_asked(members: Network) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    content = parse_content_id((await a.upload("x", BIG))["id"])
    right = Provider(PeerName("a"), "127.0.0.1", a.app.port, complete=True)
    assert (await fetch_manifest(b.app.calling, right, content)).size_bytes == len(BIG)
    wrong = Provider(PeerName("c"), "127.0.0.1", a.app.port, complete=True)
    with pytest.raises(PanalError, match="somebody else"):
        await fetch_manifest(b.app.calling, wrong, content)


async def test_without_a_certificate_nothing_is_told(members: Network) -> None:
    a = await members.peer("a")
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname = False
    stranger.verify_mode = ssl.CERT_NONE
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    try:
        answer = await _raw(a.app.port, request, stranger)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    assert answer == b""


async def test_from_elsewhere_nothing_plain_is_taken(members: Network) -> None:
    here = _own_address()
    a = await members.peer("a", hosts=("0.0.0.0",))
    request = f"GET /healthz HTTP/1.1\r\nHost: {here}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection(here, a.app.port)
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        try:
            answer = await reader.read()
        except ConnectionError:
            answer = b""
    writer.close()
    assert b"HTTP" not in answer
    assert b"ok" not in answer
    b = await members.peer("b")
    called: dict[str, Any] = {
        "ssl": context_of(b),
        "server_hostname": peer_host(PeerName("a"), _pin(members)),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://{here}:{a.app.port}/healthz", **called) as healthy,
    ):
        assert healthy.status == 200


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address: str = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")
    return address


async def test_what_a_receiver_over_tls_has_not_taken_is_seen(members: Network) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    assert a.app._tls is not None
    seen: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(32 << 20))  # more than the kernel takes
        own_bytes = writer.transport.get_write_buffer_size()
        seen.set_result((own_bytes, unsent_bytes(writer.transport)))
        writer.transport.abort()

    server = await asyncio.start_server(send, "127.0.0.1", 0, ssl=a.app._tls.server)
    async with server:
        port = server.sockets[0].getsockname()[1]
        name = peer_host(PeerName("a"), _pin(members))
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context_of(b), server_hostname=name
        )
        own_bytes, all_bytes = await seen
        writer.transport.abort()
    assert own_bytes < 1 << 20 < all_bytes


# A certificate's life ---------------------------------------------------------------------


async def test_a_certificate_is_renewed_and_nothing_is_dropped(
    members: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await members.peer("a"), await members.peer("b")
    asked = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    called: dict[str, Any] = {
        "ssl": context_of(b),
        "server_hostname": peer_host(PeerName("a"), _pin(members)),
    }

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(asked)
        return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]

    old = await asyncio.open_connection("127.0.0.1", a.app.port, **called)
    assert await answer(*old) == b"HTTP/1.1 200 OK"
    tls = a.app._tls
    assert tls is not None
    before = membership.load(a.folder / ".panal" / "network")
    assert before is not None
    pem = before.certificate_path.read_bytes()
    assert await tls._look(a.app.client) > 0  # it is too early
    tls._clock = VirtualClock(wall_s=time.time() + 25 * 86_400)
    assert await tls._look(a.app.client) > 0  # the tracker's clock says that it is early
    assert before.certificate_path.read_bytes() == pem
    monkeypatch.setattr("panal.tracker.admissions.FRESH_PART", 1.0)
    assert await tls._look(a.app.client) == 0
    assert before.certificate_path.read_bytes() != pem
    await old[0].read(0)
    new = await asyncio.open_connection("127.0.0.1", a.app.port, **called)
    serials = [one.get_extra_info("peercert")["serialNumber"] for _, one in (old, new)]
    assert serials[0] != serials[1]
    for connection in (new, old):
        connection[0]._buffer.clear()  # type: ignore[attr-defined]  # the first answer's body
        assert await answer(*connection) == b"HTTP/1.1 200 OK"
        connection[1].close()


# Joining once -----------------------------------------------------------------------------


async def test_it_joins_once_and_needs_no_line_later(members: Network) -> None:
    a = await members.peer("a")
    kept = membership.load(a.folder / ".panal" / "network")
    assert kept is not None
    assert kept.name == "a"
    assert kept.key_path.stat().st_mode & 0o777 == 0o600
    await members.stop_peer("a")
    await members.peer("a", join=None)
    await members.stop_peer("a")
    await members.peer("a")
    assert members.tracker is not None
    assert members.tracker._network is not None
    (line,) = await members.tracker._network.network.lines()
    assert line.uses - line.uses_left == 1


async def test_a_membership_is_of_one_name(members: Network) -> None:
    a = await members.peer("a")
    await members.stop_peer("a")
    with pytest.raises(Refused, match="makes this peer a"):
        await members.peer("b", state_dir=a.folder / ".panal")


async def test_who_was_removed_is_told_how_to_come_in_again(members: Network) -> None:
    a = await members.peer("a")
    await members.stop_peer("a")
    async with NetworkOwner(read_access(members.place / "tracker")) as owner:
        await owner.remove("a")
    again = await members.peer("a", registered=False)
    await until(again.app.lease.fatal.done, "a is told")
    told = again.app.lease.problem
    folder = a.folder / ".panal" / "network"
    assert "was removed" in told
    (move,) = re.findall("'(mv [^']*)'", told)
    assert move == f"mv {folder} {folder}.old"
    await members.stop_peer("a")
    subprocess.run(move.split(), check=True)
    await members.peer("a")


async def test_a_line_of_another_network_is_refused(members: Network, tmp_path: Path) -> None:
    a = await members.peer("a")
    await members.stop_peer("a")
    async with Network(tmp_path / "other", has_members=True) as other:
        with pytest.raises(Refused, match="another network"):
            await members.peer("a", join=other.join_line)
    assert a.folder.exists()


async def test_a_secret_is_not_sent_to_another_authority(
    members: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[pb.EnrolRequest] = []
    from panal.tracker.network_service import NetworkService

    async def note(self: object, request: pb.EnrolRequest, context: object) -> pb.EnrolResponse:
        asked.append(request)
        return pb.EnrolResponse()

    async with Network(tmp_path / "other", has_members=True) as other:
        assert other.join_line is not None
        assert members.join_line is not None
        from msgspec.structs import replace

        forged = replace(members.join_line, addresses=other.join_line.addresses)
        monkeypatch.setattr(NetworkService, "Enrol", note)
        with pytest.raises(WrongIdentity, match="another network"):
            await members.peer("a", join=forged)
    assert asked == []


async def test_a_tracker_with_another_authority_is_named(members: Network, tmp_path: Path) -> None:
    await members.peer("a")
    await members.stop_peer("a")
    async with Network(tmp_path / "other", has_members=True) as other:
        wanted = (other.tracker_address,)
        from panal.peer.tracker_client import TrackerClient

        kept = membership.load(tmp_path / "a" / ".panal" / "network")
        client = TrackerClient(wanted, kept)
        with pytest.raises(WrongIdentity, match="another network"):
            await client.peers()
        await client.close()


async def test_who_calls_a_network_in_plain_is_told_what_it_is(members: Network) -> None:
    from panal.peer.tracker_client import TrackerClient

    client = TrackerClient([members.tracker_address])
    with pytest.raises(Refused, match="--join"):
        await client.peers()
    await client.close()


def test_open_and_members_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(NotExposed, match="--join"):
        PeerSettings("a", 0, tmp_path / "a", hosts=("0.0.0.0",)).check()
    folder = tmp_path / "a" / ".panal" / "network"
    folder.mkdir(parents=True)
    (folder / "member.json").write_text("{}")
    PeerSettings("a", 0, tmp_path / "a", hosts=("0.0.0.0",)).check()
    with pytest.raises(UsageError, match="not both"):
        PeerSettings("a", 0, tmp_path / "a", hosts=("0.0.0.0",), open=True).check()
    with pytest.raises(PanalError, match="damaged"):
        membership.load(folder)


def test_calling_plainly_names_nobody() -> None:
    assert Calling().host_name(PeerName("a")) is None


async def test_with_any_umask_nobody_else_reads_or_changes_what_is_kept(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with Network(tmp_path / "net", has_members=True) as members:
            state = tmp_path / "far" / "away" / "state"
            peer = await members.peer("a", state_dir=state, guest_port=0)
            await peer.upload("x", b"1")
            await members.stop_peer("a")
    finally:
        os.umask(before)
    for folder in (tmp_path / "far", tmp_path / "net" / "tracker"):
        assert folder.stat().st_mode & 0o077 == 0
        kept = [path for path in folder.rglob("*") if path.is_file()]
        assert len(kept) > 4
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o022 == 0, path
