"""Chunk requests in the peers' own form: answered at once, refused as all others are."""

import asyncio
import os
import select
import socket
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from panal.peer import doorkeeper, lanes, request_connection
from panal.peer.limits import HEAD_S, IDLE_S, MOST_AHEAD_BYTES
from panal.peer.roles import Asker
from panal.peer.warm_sending import is_cached
from panal.wire import bitfield
from panal.wire.chunk_request import choice_fields, head, range_answer, range_fields
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.ranges import ByteRange
from tests.support.loop_clock import LoopClock
from tests.support.network import Network, RunningPeer
from tests.support.raw_http import RawAnswer, connection

CHUNKS = 20
DATA = Random(8).randbytes(CHUNKS * MIN_CHUNK_BYTES - 5)
PART = ByteRange(MIN_CHUNK_BYTES, 2 * MIN_CHUNK_BYTES)


async def sharing(network: Network, data: bytes = DATA) -> tuple[RunningPeer, str]:
    """A peer that scans nothing by itself, and the id of what it shares."""
    peer = await network.peer("one", shares_folder=False)
    return peer, (await peer.upload("data.bin", data))["id"]


def ranged(content: str, part: ByteRange = PART, host: str = "127.0.0.1") -> bytes:
    return head("GET", f"/content/{content}", host, range_fields(part))


def choice(content: str, among: int, most: int = 1) -> bytes:
    body = bitfield.to_bytes(among, CHUNKS)
    path = f"/content/{content}/next?max={most}"
    return head("POST", path, "127.0.0.1", choice_fields(body)) + body


def was_quick(answer: RawAnswer) -> bool:
    """The HTTP server says when it answers."""
    return "date" not in answer.headers


@pytest.mark.parametrize("is_warm", [True, False])
async def test_a_range_is_the_file_s(
    network: Network, monkeypatch: pytest.MonkeyPatch, is_warm: bool
) -> None:
    """From memory by the loop, or by a thread."""
    if not is_warm:
        monkeypatch.setattr(request_connection, "is_cached", lambda *_: False)
    peer, content = await sharing(network)
    last = ByteRange(19 * MIN_CHUNK_BYTES, len(DATA))
    async with connection(peer.app.port) as wire:
        for part in (PART, last, ByteRange(0, len(DATA)), ByteRange(7, 8)):
            await wire.send(ranged(content, part))
            answer = await wire.answer()
            assert (answer.status, was_quick(answer)) == (206, True)
            assert answer.headers["content-range"] == part.content_range(len(DATA))
            assert answer.headers["panal-protocol"] == "1"
            assert answer.body == DATA[part.start : part.stop]


async def test_the_head_is_what_the_asker_need_not_read(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        await wire.send(ranged(content))
        raw = await wire.reader.readuntil(b"\r\n\r\n")
        assert raw == range_answer(PART, len(DATA))


async def test_a_choice_goes_out_once(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        seen, last_status = 0, 0
        for _ in range(CHUNKS + 1):
            await wire.send(choice(content, bitfield.full(CHUNKS)))
            answer = await wire.answer()
            assert was_quick(answer)
            last_status = answer.status
            if answer.status == 200:
                first, last = map(int, answer.headers["panal-chunks"].split("-"))
                assert first == last
                assert not seen >> first & 1
                seen |= 1 << first
                place = first * MIN_CHUNK_BYTES
                assert answer.body == DATA[place : place + MIN_CHUNK_BYTES]
        assert (last_status, seen) == (204, bitfield.full(CHUNKS))


async def test_what_a_range_took_is_not_sent_as_new(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        await wire.send(choice(content, 1))
        assert (await wire.answer()).status == 200
        await wire.send(ranged(content))
        assert (await wire.answer()).status == 206
        await wire.send(choice(content, 0b11))
        assert (await wire.answer()).status == 204


async def test_what_is_refused_is_refused_as_ever(network: Network) -> None:
    peer, content = await sharing(network)
    beyond = ByteRange(len(DATA), len(DATA) + 1)
    rows = [
        (ranged(content, host="evil.example"), 421, False),
        (ranged("0" * 64), 404, True),
        (ranged(content, beyond), 416, False),
        (ranged(content, ByteRange(5, len(DATA) + 9)), 206, False),
        (choice("0" * 64, 1), 404, True),
        (choice(content, 1).replace(b"Length: 3", b"Length: 2")[:-1], 400, True),
        (choice(content, 1).replace(b"max=1", b"max=0"), 400, False),
    ]
    for question, status, quick in rows:
        async with connection(peer.app.port) as wire:
            await wire.send(question)
            answer = await wire.answer()
            assert (answer.status, was_quick(answer)) == (status, quick)
            is_refusal = status != 206
            assert (answer.headers["content-type"] == "application/problem+json") is is_refusal
            assert await wire.is_in_step()


async def test_who_finds_too_many_waiting_is_told_when_to_ask_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PEERS_AT_ONCE", "OTHERS_AT_ONCE", "MOST_WAITING"):
        monkeypatch.setattr(lanes, name, 0)
    peer, content = await sharing(network)
    plain = head("GET", f"/content/{content}", "127.0.0.1", "")
    async with connection(peer.app.port) as wire:
        for question, quick in ((ranged(content), True), (plain, False)):
            await wire.send(question)
            answer = await wire.answer()
            assert (answer.status, was_quick(answer)) == (503, quick)
            assert answer.headers["retry-after"] == "2"
            assert await wire.is_in_step()


async def test_who_is_no_member_is_sent_nothing(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, content = await sharing(network)
    monkeypatch.setattr(doorkeeper, "_facts", lambda _: Asker(on_loopback=True))
    for question in (ranged(content), choice(content, 1)):
        async with connection(peer.app.port) as wire:
            await wire.send(question)
            assert (await wire.answer()).status == 404


async def test_another_site_s_page_is_refused(network: Network) -> None:
    peer, content = await sharing(network)
    question = ranged(content).replace(b"Range:", b"Origin: http://evil.example\r\nRange:")
    async with connection(peer.app.port) as wire:
        await wire.send(question)
        assert (await wire.answer()).status == 403


async def test_a_file_that_changed_is_withdrawn(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        await wire.send(ranged(content))
        assert (await wire.answer()).status == 206
        (peer.folder / "data.bin").write_bytes(b"other")
        await wire.send(ranged(content))
        assert (await wire.answer()).status == 410
        await wire.send(ranged(content))
        assert (await wire.answer()).status == 404


async def test_chunks_and_all_else_on_one_connection(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        for _ in range(2):
            await wire.send(ranged(content))
            assert (await wire.answer()).body == DATA[PART.start : PART.stop]
            assert await wire.is_in_step()


async def test_requests_may_come_in_pieces_and_together(network: Network) -> None:
    peer, content = await sharing(network)
    question = choice(content, bitfield.full(CHUNKS), CHUNKS)
    async with connection(peer.app.port) as wire:
        await wire.send(question[:-2])
        await wire.send(question[-2:])
        assert (await wire.answer()).status == 200
        await wire.send(ranged(content) + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await wire.answer()).status == 206
        assert (await wire.answer()).body == b"ok\n"
    async with connection(peer.app.port) as wire:
        await wire.send(ranged(content))
        await wire.send(ranged(content, ByteRange(0, 5)))
        assert (await wire.answer()).body == DATA[PART.start : PART.stop]
        assert (await wire.answer()).body == DATA[:5]
        await wire.send(ranged(content)[:40])
        await wire.send(ranged(content)[40:])
        assert (await wire.answer()).body == DATA[PART.start : PART.stop]


async def test_who_asks_without_listening_is_cut_off(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as wire:
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(ranged(content, ByteRange(0, len(DATA))))
        await asyncio.sleep(0)
        wire.writer.write(bytes(2 * MOST_AHEAD_BYTES))
        wire.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await wire.rest()) < 2 * len(DATA)


@pytest.mark.parametrize("begun", [0, 1, 40, -1])
async def test_who_does_not_finish_asking_is_cut_off(network: Network, begun: int) -> None:
    peer, content = await sharing(network)
    clock = LoopClock()
    async with connection(peer.app.port) as wire:
        question = choice(content, 1)
        await wire.send(question[:begun])
        await clock.run_for(HEAD_S + 1)
        assert await wire.rest() == b""
    async with connection(peer.app.port) as wire:
        await wire.send(ranged(content))
        assert (await wire.answer()).status == 206
        await clock.run_for(IDLE_S / 2)
        await wire.send(question[:begun])
        await clock.run_for((IDLE_S / 2 if begun == 0 else HEAD_S) + 1)
        assert await wire.rest() == b""


async def test_who_takes_a_warm_chunk_too_slowly_is_cut_off(network: Network) -> None:
    data = bytes(4 * MIN_CHUNK_BYTES)
    peer, content = await sharing(network, data)
    clock = LoopClock()
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", peer.app.port))
        await loop.sock_sendall(client, ranged(content, ByteRange(0, len(data))))
        readable = select.poll()
        readable.register(client, select.POLLIN)
        taken = 0
        with suppress(ConnectionError):
            while taken < len(data):
                await clock.run_for(1)
                # The sender works in a thread: it may not have had its turn yet.
                if not await asyncio.to_thread(readable.poll, 1_000):
                    continue
                if not (block := client.recv(100)):
                    break
                taken += len(block)
        assert taken < len(data)


async def test_a_peer_that_stops_ends_its_connections(network: Network) -> None:
    peer, content = await sharing(network)
    async with connection(peer.app.port) as idle, connection(peer.app.port) as used:
        await used.send(ranged(content))
        assert (await used.answer()).status == 206
        await network.stop_peer("one")
        assert (await idle.rest(), await used.rest()) == (b"", b"")


def test_what_was_just_written_lies_in_memory_and_a_hole_does_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(10_000))
    os.truncate(file, 1 << 20)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        if not is_cached(descriptor, ByteRange(0, 10_000)):
            pytest.skip("this system does not say")
        assert is_cached(descriptor, ByteRange(9_999, 10_000))
        assert not is_cached(descriptor, ByteRange(0, 1 << 20))
    finally:
        os.close(descriptor)
