import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from panal.tracker.dialback import MAX_DIALS_AT_ONCE, MAX_DIALS_PER_PLACE, Dialback
from panal.wire.dialback import hash_secret
from panal.wire.ids import PeerName
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import TinyPeer
from tests.tracker.makers import caller

SECRET_HASH = hash_secret(caller().secret)
NAME = PeerName("peer_1")
HERE = ("127.0.0.1",)


@pytest.fixture
async def peer() -> AsyncIterator[TinyPeer]:
    async with TinyPeer() as started:
        yield started


@pytest.fixture
async def dialback() -> AsyncIterator[Dialback]:
    async with Dialback() as opened:
        yield opened


async def test_a_peer_that_proves_itself_is_reached(peer: TinyPeer, dialback: Dialback) -> None:
    reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
    assert reach.reachable
    assert f"127.0.0.1:{peer.port}" in reach.words
    (path,) = peer.asked
    assert len(bytes.fromhex(path.removeprefix("/dialback/"))) == 16


async def test_every_nonce_is_another(peer: TinyPeer, dialback: Dialback) -> None:
    for _ in range(2):
        await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
    assert len(set(peer.asked)) == 2


async def test_a_closed_port_is_said(peer: TinyPeer, dialback: Dialback) -> None:
    await peer.stop()
    reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
    assert not reach.reachable
    assert "Nothing answers" in reach.words


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing."""
    await reader.read()
    writer.close()


async def test_silence_is_taken_for_a_firewall() -> None:
    silent = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent, Dialback(timeout_s=0.05) as dialback:
        reach = await dialback.dial("127.0.0.1", port, HERE, SECRET_HASH, NAME)
    assert not reach.reachable
    assert "firewall" in reach.words


async def test_silent_ones_of_one_address_keep_nobody_elsewhere_waiting(peer: TinyPeer) -> None:
    silent = await asyncio.start_server(hold, "127.0.0.2", 0)
    port, there = silent.sockets[0].getsockname()[1], ("127.0.0.2",)
    async with silent, Dialback(timeout_s=PATIENCE_S) as dialback:
        dials = [
            asyncio.create_task(dialback.dial("127.0.0.2", port, there, SECRET_HASH, NAME))
            for _ in range(4 * MAX_DIALS_AT_ONCE)
        ]
        await asyncio.sleep(0)
        reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
        assert reach.reachable
        assert not any(dial.done() for dial in dials)
        for dial in dials:
            dial.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        # All slots are free again: as many as there are at one address, one after the other.
        for _ in range(MAX_DIALS_PER_PLACE + 1):
            assert (await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)).reachable


async def test_who_had_no_turn_is_not_taken_for_silent(peer: TinyPeer) -> None:
    async with Dialback(timeout_s=0.05) as dialback:
        async with AsyncExitStack() as others:
            for _ in range(MAX_DIALS_PER_PLACE):
                await others.enter_async_context(dialback._turn("127.0.0.1"))
            reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
            assert (reach.reachable, reach.was_asked) == (False, False)
            assert "after a renewal" in reach.words
        assert (peer.asked, dialback._slots_of) == ([], {})
    async with Dialback() as dialback:
        reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
        assert (reach.reachable, reach.was_asked) == (True, True)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="0" * 64),
        web.Response(text="hello"),
        web.Response(status=404),
        web.Response(body=b"x" * 10_000_000),
        web.Response(text="ñ" * 64),
    ],
)
async def test_another_program_is_told_apart(
    peer: TinyPeer, dialback: Dialback, answer: web.Response
) -> None:
    peer.answer = answer
    reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
    assert not reach.reachable
    assert "Another program" in reach.words


async def test_another_peer_is_told_apart(peer: TinyPeer, dialback: Dialback) -> None:
    reach = await dialback.dial("127.0.0.1", peer.port, HERE, hash_secret(b"o" * 32), NAME)
    assert not reach.reachable


async def test_a_proof_with_a_wrong_status_does_not_count(peer: TinyPeer) -> None:
    async def proof_and_404(request: web.Request) -> web.StreamResponse:
        right = await TinyPeer._answer(peer, request)
        assert isinstance(right, web.Response)
        return web.Response(text=right.text, status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", proof_and_404)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Dialback() as dialback:
        port = runner.addresses[0][1]
        assert not (await dialback.dial("127.0.0.1", port, HERE, SECRET_HASH, NAME)).reachable
    await runner.cleanup()


async def test_no_redirect_is_followed(peer: TinyPeer, dialback: Dialback) -> None:
    async with TinyPeer() as canary:
        peer.answer = web.Response(
            status=302, headers={"Location": f"http://127.0.0.1:{canary.port}/"}
        )
        reach = await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)
        assert not reach.reachable
        assert canary.asked == []


async def test_no_proxy_is_asked(peer: TinyPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with TinyPeer() as canary:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{canary.port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{canary.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        async with Dialback() as dialback:
            assert (await dialback.dial("127.0.0.1", peer.port, HERE, SECRET_HASH, NAME)).reachable
        assert canary.asked == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "x.local"]
)
async def test_what_is_no_machine_is_not_dialled(host: str, dialback: Dialback) -> None:
    reach = await dialback.dial(host, 80, ("0.0.0.0", "::"), SECRET_HASH, NAME)
    assert not reach.reachable
    assert "cannot be sent" in reach.words


async def test_only_what_the_peer_listens_on_is_dialled(peer: TinyPeer, dialback: Dialback) -> None:
    reach = await dialback.dial("127.0.0.1", peer.port, ("10.0.0.5",), SECRET_HASH, NAME)
    assert not reach.reachable
    assert "10.0.0.5" in reach.words
    assert "--host 127.0.0.1" in reach.words
    assert peer.asked == []


async def test_ipv6_is_dialled_too(dialback: Dialback) -> None:
    peer = TinyPeer(host="::1")
    try:
        await peer.start()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    reach = await dialback.dial("::1", peer.port, ("::1",), SECRET_HASH, NAME)
    await peer.stop()
    assert reach.reachable
    assert "[::1]" in reach.words
