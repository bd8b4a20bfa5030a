"""Where a network's peer listens: who gets through the handshake, how long it may take, how many
may be in one. Real peers and sockets; the loop's time is moved on by hand.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import listening
from panal.peer.limits import HANDSHAKES, HEAD_S, LEAST_BYTES_S, SLOW_S
from panal.trust.certificates import CERTIFICATE_S, DAY_S, Authority, new_key, signing_request
from panal.trust.tls import authority_context, client_context
from panal.wire.certified_names import peer_host, serial_in
from panal.wire.ids import PeerName
from tests.support.crowd import alive, all_end, clients, needs_descriptors, settle
from tests.support.loop_clock import LoopClock
from tests.support.members import Identity, TestAuthority
from tests.support.network import Network, RunningPeer
from tests.support.patience import PATIENCE_S
from tests.support.raw_http import RawConnection, request

HEALTHY = request("GET", "/healthz")
BIG = Random(6).randbytes(24 << 20)  # more than the kernel holds on the way


@dataclass
class Listening:
    """A peer of a network, and somebody who calls it."""

    peer: RunningPeer
    caller: RunningPeer
    authority: Authority
    path: Path
    """Of the authority's certificate."""
    folder: Path

    @property
    def port(self) -> int:
        return self.peer.app.port

    def host_name(self, name: str = "a") -> str:
        return peer_host(PeerName(name), self.authority.pin)

    def context(self) -> ssl.SSLContext:
        """What a member calls with."""
        assert self.caller.app.calling.context is not None
        return self.caller.app.calling.context

    def hello(self, context: ssl.SSLContext | None = None) -> bytes:
        """The first thing that a member says within a handshake."""
        comes, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        caller = (context or self.context()).wrap_bio(comes, goes, server_hostname=self.host_name())
        with contextlib.suppress(ssl.SSLWantReadError):
            caller.do_handshake()
        return goes.read()

    def member(self, name: str, now_s: float) -> Identity:
        """One that the network's own authority certified."""
        issued = self.authority.issue_member(
            PeerName(name), signing_request(key := new_key()), now_s
        )
        certificate_path, key_path = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate_path.write_bytes(issued.pem)
        key_path.write_bytes(key)
        return Identity(self.path, certificate_path, key_path, issued)

    @asynccontextmanager
    async def call(
        self, context: ssl.SSLContext | None = None, name: str = "a", limit: int = 1 << 16
    ) -> AsyncIterator[RawConnection]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.port,
            ssl=context or self.context(),
            server_hostname=self.host_name(name),
            limit=limit,
        )
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.transport.abort()

    async def is_served(self) -> bool:
        async with self.call() as wire:
            return (await wire.ask("GET", "/healthz")).status == 200

    async def answer(self, context: ssl.SSLContext, data: bytes = HEALTHY) -> bytes:
        """All that somebody is told."""
        try:
            async with self.call(context) as wire:
                await wire.send(data)
                return await wire.rest()
        except (ssl.SSLError, ConnectionError):
            return b""


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, has_members=True) as made:
        yield made


@pytest.fixture
async def at(network: Network, tmp_path: Path) -> Listening:
    peer = await network.peer("a", shares_folder=False)
    caller = await network.peer("b", shares_folder=False)
    folder = network.place / "tracker" / "network"
    path = folder / "authority.pem"
    authority = Authority((folder / "authority.key").read_bytes(), path.read_bytes())
    return Listening(peer, caller, authority, path, tmp_path)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as any other address: nothing but TLS is taken."""
    monkeypatch.setattr(listening, "is_loopback", lambda _: False)


UNFINISHED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda hello: b"",
    "a byte": lambda hello: hello[:1],
    "half a hello": lambda hello: hello[: len(hello) // 2],
    "a hello, and no answer": lambda hello: hello,
}


@pytest.mark.parametrize("said", UNFINISHED)
@pytest.mark.parametrize("from_elsewhere", [False, True])
async def test_a_handshake_has_its_time_and_not_more(
    at: Listening, said: str, from_elsewhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if from_elsewhere:
        monkeypatch.setattr(listening, "is_loopback", lambda _: False)
    data = UNFINISHED[said](at.hello())
    clock = LoopClock()
    async with clients(at.port, 20, data) as made:
        await clock.run_for(HEAD_S - 2)
        await settle()
        assert alive(made) == 20
        assert await at.is_served()
        await clock.run_for(3)
        await all_end(made)
    assert await at.is_served()


async def test_a_handshake_that_trickles_is_ended_all_the_same(at: Listening) -> None:
    hello = at.hello()
    assert len(hello) > HEAD_S
    clock = LoopClock()
    async with clients(at.port, 1, hello[:1]) as made:
        for number in range(1, int(HEAD_S) + 1):
            with contextlib.suppress(ConnectionError):
                made[0].send(hello[number : number + 1])
            await clock.run_for(1)
        await clock.run_for(1)
        await all_end(made)


@pytest.mark.usefixtures("elsewhere")
async def test_a_thousand_handshakes_keep_nobody_out(at: Listening) -> None:
    needs_descriptors(8_000)
    async with clients(at.port, 1_000, at.hello()) as made:
        await settle()
        assert HANDSHAKES - 1 <= alive(made) <= HANDSHAKES
        for _ in range(3):
            assert await at.is_served()


async def test_at_the_bound_who_waits_longest_goes(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "HANDSHAKES", 4)
    peer = await network.peer("a", shares_folder=False)
    async with clients(peer.app.port, 4, b"\x16") as old:
        await settle()
        assert alive(old) == 4
        async with clients(peer.app.port, 2, b"\x16") as new:
            await settle()
            assert (alive(old[:2]), alive(old[2:]), alive(new)) == (0, 2, 2)


# Who gets through -------------------------------------------------------------------------


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "said", [HEALTHY, b"nonsense\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 99]
)
async def test_plain_words_on_a_tls_port_are_ended_at_once_without_one(
    at: Listening, said: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    writer.write(said)
    got = await RawConnection(reader, writer).rest()
    writer.transport.abort()
    assert b"HTTP" not in got
    assert b"ok" not in got
    assert len(got) <= 7  # a TLS alert
    assert await at.is_served()


async def test_on_loopback_the_owner_is_served_in_plain_beside_it(at: Listening) -> None:
    assert (await at.peer.request("GET", "/api/v1/status")).status == 200
    assert await at.is_served()


def without_certificate(at: Listening) -> ssl.SSLContext:
    return authority_context(at.path.read_bytes())


def of_an_older_tls(at: Listening) -> ssl.SSLContext:
    context = client_context(*at.member("c", time.time()).files())
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def of_another_authority(at: Listening) -> ssl.SSLContext:
    other = TestAuthority(at.folder / "other", time.time()).member("b")
    return client_context(at.path, other.certificate, other.key)


def expired(at: Listening) -> ssl.SSLContext:
    return client_context(*at.member("c", time.time() - CERTIFICATE_S - DAY_S).files())


def not_counting_yet(at: Listening) -> ssl.SSLContext:
    return client_context(*at.member("c", time.time() + DAY_S).files())


def signed_by_itself(at: Listening) -> ssl.SSLContext:
    own = TestAuthority(at.folder / "own", time.time())
    key_path = at.folder / "own.key"
    key_path.write_bytes(own.key)
    return client_context(at.path, own.path, key_path)


NOBODY = [
    without_certificate,
    of_an_older_tls,
    of_another_authority,
    expired,
    not_counting_yet,
    signed_by_itself,
]


@pytest.mark.parametrize("who", NOBODY)
async def test_who_is_no_member_gets_no_byte_of_an_answer(
    at: Listening, who: Callable[[Listening], ssl.SSLContext]
) -> None:
    assert await at.answer(who(at)) == b""
    right = client_context(*at.member("c", time.time()).files())
    assert b"200 OK" in await at.answer(right, request("GET", "/healthz", "Connection: close"))


async def test_of_the_right_authority_under_another_name_nothing_is_asked(
    at: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def note(certificate: object) -> None:
        made.append(certificate)

    monkeypatch.setattr(listening, "serial_in", note)
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname"):
        async with at.call(name="c"):
            pass
    assert await at.is_served()
    assert len(made) == 1  # the one that was served


async def test_who_is_removed_as_a_handshake_ends_is_shut_out_too(
    at: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed = at.member("c", time.time())
    tls = at.peer.app._tls
    assert tls is not None
    seen: list[int] = []

    def note(certificate: Any) -> int | None:
        serial = serial_in(certificate)
        if serial == removed.issued.serial:
            seen.append(serial)
            tls.ended({serial})  # as the handshake is over and the connection not yet known
        return serial

    monkeypatch.setattr(listening, "serial_in", note)
    async with at.call(client_context(*removed.files())) as wire, asyncio.timeout(PATIENCE_S):
        assert await wire.rest() == b""
    assert len(seen) == 1
    assert await at.is_served()


# Slow receivers ---------------------------------------------------------------------------

WHOLE = "GET /content/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKS = (
    "GET /content/%s HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-{last}\r\n"
    "Accept-Encoding: identity\r\nPanal-Protocol: 1\r\n\r\n"
).replace("{last}", str(len(BIG) - 1))
"""In the exact form that is answered on the connection itself."""


class SlowReceiver:
    """A member that takes what it likes, decrypting nothing: how much comes is what counts."""

    def __init__(self, connection: socket.socket, tls: ssl.SSLObject) -> None:
        self._connection, self._tls = connection, tls
        self.taken_bytes = 0

    @classmethod
    async def asking(cls, at: Listening, asked: str) -> "SlowReceiver":
        loop = asyncio.get_running_loop()
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", at.port))
        comes, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = at.context().wrap_bio(comes, goes, server_hostname=at.host_name())
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(connection, goes.read())
                comes.write(await loop.sock_recv(connection, 1 << 16))
        tls.write(asked.encode())
        await loop.sock_sendall(connection, goes.read())
        return cls(connection, tls)

    def take(self, most_bytes: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.taken_bytes += len(self._connection.recv(most_bytes))

    def is_ended(self) -> bool:
        """Whether the other end has ended it, whatever still came before."""
        try:
            while block := self._connection.recv(1 << 20):
                self.taken_bytes += len(block)
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("asked", [WHOLE, CHUNKS], ids=["whole", "chunks"])
async def test_who_takes_too_little_over_tls_is_ended_and_who_takes_enough_is_not(
    at: Listening, asked: str
) -> None:
    content = (await at.peer.upload("big.bin", BIG))["id"]
    slow = await SlowReceiver.asking(at, asked % content)
    honest = await SlowReceiver.asking(at, asked % content)
    clock = LoopClock()
    try:
        for _ in range(int(4 * SLOW_S)):
            await clock.run_for(1)
            await settle()
            slow.take(LEAST_BYTES_S // 100)
            honest.take(4 * LEAST_BYTES_S)
        assert (slow.is_ended(), honest.is_ended()) == (True, False)
        assert slow.taken_bytes < len(BIG) // 10
    finally:
        slow.close()
        honest.close()
    assert await at.is_served()
