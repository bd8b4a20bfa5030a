"""Whose process is at the other end: only our own user's and root's may act as the owner."""

import asyncio
import os
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from panal.peer import app, doors, local_user, visitors
from panal.peer.connections import OWNER
from panal.peer.limits import HAVE_STREAMS_PER_ADDRESS
from panal.peer.local_user import LocalUser, owner_of, server_at, user_at
from panal.peer.socket_diag import ESTABLISHED, LISTENING, ToldSocket, owner_told
from panal.peer.visitors import Visitor, visitor_between
from tests.support.another_user import NOBODY, needs_another_user, words_as
from tests.support.network import Network
from tests.support.raw_http import connection, request

JSON = "Content-Type: application/json"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
CLIENT, SERVER = ("127.0.0.1", 0x1234), ("127.0.0.1", 5000)


def row(client: str, server: str, state: str, uid: int) -> str:
    return f"   0: {client} {server} {state} 00000000:00000000 00:00000000 00000000  {uid} 0 1\n"


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is in the machine's byte order")
def test_the_kernels_table_is_read_to_the_letter() -> None:
    ours = row("0100007F:1234", "0100007F:1388", "01", 1000)
    assert owner_of(CLIENT, SERVER, [HEAD + ours]) == 1000
    assert owner_of(SERVER, CLIENT, [HEAD + ours]) is None  # the other end's row is not it
    closed = row("0100007F:1234", "0100007F:1388", "06", 0)  # closed: listed as root's
    assert owner_of(CLIENT, SERVER, [HEAD + closed]) is None
    mapped = row(
        "0000000000000000FFFF00000100007F:1234", "0000000000000000FFFF00000100007F:1388", "01", 7
    )
    assert owner_of(CLIENT, SERVER, [HEAD, HEAD + mapped]) == 7
    six = row(
        "00000000000000000000000001000000:1234", "00000000000000000000000001000000:1388", "01", 8
    )
    assert owner_of(("::1", 0x1234), ("::1", 5000), [HEAD, HEAD + six]) == 8


def test_an_open_connection_of_ours_and_a_closed_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
        ends = accepted.getpeername(), accepted.getsockname()
        assert user_at(*ends).is_ours
        client.close()
        assert not user_at(*ends).is_ours  # nobody holds it: nobody can be asked
        accepted.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells of single sockets")
@pytest.mark.parametrize(
    ("listens", "calls"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")]
)
def test_a_single_socket_is_told_as_the_tables_list_it(
    listens: str, calls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    try:
        listening = socket.create_server(
            (listens, 0), family=family, dualstack_ipv6=listens == "::"
        )
    except OSError:
        pytest.skip(f"this machine has no {listens}")
    with listening, socket.create_connection((calls, listening.getsockname()[1])) as client:
        accepted, _ = listening.accept()
        with accepted:
            ends = client.getsockname()[:2], client.getpeername()[:2]
            told = owner_told(*ends)
            if told is None:
                pytest.skip("the kernel lacks the module that tells")
            monkeypatch.setattr(local_user, "owner_told", lambda *_: None)
            assert told == os.getuid()
            assert user_at(*ends).is_ours  # by the tables
            assert owner_told((calls, 1), ends[1]) is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells whose a socket is")
@pytest.mark.parametrize("by_tables", [False, True], ids=["asked", "by the tables"])
@pytest.mark.parametrize(
    ("listens", "calls"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1")]
)
def test_whose_the_server_is_before_and_after_it_accepts(
    listens: str, calls: str, by_tables: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_tables:
        monkeypatch.setattr(local_user, "socket_told", lambda *_: None)
    uid = 65_534 if os.getuid() == 0 else os.getuid()  # what nobody holds yet may be root's
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    try:
        with acting_as(uid):
            listening = socket.create_server((listens, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {listens}")
    with listening, socket.create_connection((calls, listening.getsockname()[1])) as client:
        ends = client.getsockname()[:2], client.getpeername()[:2]
        assert server_at(*ends).uid == uid
        with acting_as(uid):
            accepted, _ = listening.accept()
        with accepted:
            listening.close()
            assert server_at(*ends).uid == uid
    assert server_at(ends[0], (calls, 1)) == LocalUser()


def test_what_no_process_holds_yet_is_not_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older systems list a connection that was not accepted as root's, with no inode."""
    told = {CLIENT: ToldSocket(ESTABLISHED, 0, 0), ("0.0.0.0", 0): ToldSocket(LISTENING, 1001, 7)}
    monkeypatch.setattr(local_user, "socket_told", lambda _, far: told[far])
    assert server_at(CLIENT, SERVER).uid == 1001
    told[CLIENT] = ToldSocket(ESTABLISHED, 1002, 8)
    assert server_at(CLIENT, SERVER).uid == 1002


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Whose the sockets are that are made meanwhile."""
    "".encode("idna")  # read before, for another user may not
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


ASK = """
import sys, urllib.request, urllib.error
fields = {"Authorization": "Bearer " + sys.stdin.read()} if sys.argv[2:] else {}
for path in ("/healthz", "/files/", "/api/v1/status"):
    asked = urllib.request.Request(sys.argv[1] + path, None, fields)
    try: print(urllib.request.urlopen(asked).status)
    except urllib.error.HTTPError as error: print(error.code)
"""


@needs_another_user
async def test_another_user_of_the_machine_is_not_let_in(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one")
    other = await network.peer("open", open=True)
    token = (peer.folder / ".panal" / "owner-token").read_text().strip()

    def ask(uid: int, url: str, *options: str) -> list[str]:
        words = words_as(uid, ASK, url, *options)
        done = subprocess.run(words, capture_output=True, text=True, cwd="/", input=token)
        return (done.stdout or done.stderr).split()

    assert await asyncio.to_thread(ask, 0, peer.url) == ["200", "200", "200"]
    assert await asyncio.to_thread(ask, NOBODY, peer.url) == ["200", "403", "403"]
    assert await asyncio.to_thread(ask, NOBODY, peer.url, "token") == ["200", "200", "200"]
    assert await asyncio.to_thread(ask, NOBODY, other.url) == ["200", "200", "403"]
    assert await asyncio.to_thread(ask, NOBODY, other.url, "token") == ["200", "403", "403"]
    # For a peer of that user, that user is the owner, and root too.
    monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    assert await asyncio.to_thread(ask, NOBODY, peer.url) == ["200", "200", "200"]
    assert await asyncio.to_thread(ask, 0, peer.url) == ["200", "200", "200"]


HOLD = """
import socket, sys
made = []
for _ in range(int(sys.argv[2])):
    made.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    try: made[-1].sendall(sys.argv[3].encode()); made[-1].recv(1)  # it is being answered
    except OSError: pass
print("ready", flush=True)
sys.stdin.read()
"""
SESSION_BEGUN = request("POST", "/session", JSON, "Content-Length: 1000", "Expect: 100-continue")


@needs_another_user
@pytest.mark.parametrize("is_let_in", [False, True], ids=["public", "let in"])
async def test_another_user_s_busy_connections_keep_nobody_out(
    is_let_in: bool, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (app, doors):
        monkeypatch.setattr(module, "connections_at_most", lambda: 50)
    peer = await network.peer("one", open=is_let_in, shares_folder=False)
    content = (await peer.upload("x.bin", b"x" * 300_000))["id"]
    asked = request("GET", f"/content/{content}/have") if is_let_in else SESSION_BEGUN
    holding = await asyncio.create_subprocess_exec(
        *words_as(NOBODY, HOLD, str(peer.app.port), "100", asked.decode()),
        cwd="/",
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        assert holding.stdout is not None
        assert await holding.stdout.readline() == b"ready\n"
        for _ in range(10):
            async with connection(peer.app.port) as wire:
                assert (await wire.ask("GET", "/api/v1/status")).status == 200
    finally:
        holding.kill()
        await holding.wait()


async def test_availability_is_followed_so_often_from_a_place(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one", open=True, shares_folder=False)
    content = (await peer.upload("x.bin", b"x" * 300_000))["id"]
    monkeypatch.setattr(visitors, "user_at", lambda *_: LocalUser(65_534))
    follow = f"/content/{content}/have"
    async with AsyncExitStack() as opened:
        for _ in range(HAVE_STREAMS_PER_ADDRESS):
            wire = await opened.enter_async_context(connection(peer.app.port))
            await wire.send(request("GET", follow))
            assert (await wire.head()).status == 200
        async with connection(peer.app.port) as further:
            assert (await further.ask("GET", follow)).status == 503
            assert await further.is_in_step()


def test_a_place_is_a_host_or_a_user() -> None:
    server = ("192.0.2.9", 5000)

    def place(host: str) -> str:
        return visitor_between((host, 1), server).place

    assert place("192.0.2.1") == place("::ffff:192.0.2.1") != place("192.0.2.2")
    assert place("2001:db8::1") == place("2001:db8::ffff") != place("2001:db8:0:1::1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        ends = client.getsockname(), client.getpeername()
        assert visitor_between(*ends).place == f"user {os.getuid()}"
        assert visitor_between(*ends).seat == OWNER
        client.close()
        assert visitor_between(*ends) == Visitor(on_loopback=True)
