"""What a tracker's port takes at most: slow, idle and greedy callers, over real sockets."""

import asyncio
import contextlib
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from panal.tracker import limits, port
from panal.wire import tracker_pb2 as pb
from panal.wire.certified_names import TRACKER_HOST
from tests.support.patience import PATIENCE_S
from tests.tracker.harness import Tracker, running_tracker
from tests.tracker.members import member_tracker
from tests.wire.protocol_document import table

pytestmark = pytest.mark.p10

TRACKER, HEALTH = "/panal.tracker.v1.Tracker/", "/grpc.health.v1.Health/"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"


def test_the_table_is_that_of_the_code() -> None:
    code = {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in vars(limits).items()
        if name.isupper()
    }
    found = table("table: tracker limits", "SECURITY.md")
    assert {name.strip("`"): value for name, value, _ in found} == code


async def silent() -> AsyncIterator[bytes]:
    """The message of a call that never comes."""
    await asyncio.Event().wait()
    yield b""


def call(channel: grpc.aio.Channel, method: str) -> Any:
    """One whose message does not come."""
    made: Any = channel.stream_unary(method)
    return made(silent())


async def code_of(running: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await running
    return caught.value.code(), caught.value.details() or ""


@asynccontextmanager
async def flood(port: int, count: int, *said: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Connections that say no more than that."""
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(_abort, writer)  # which would close when nobody knows it any more
            for words in said:
                writer.write(words)
            readers.append(reader)
        yield readers


PATIENT: dict[str, Any] = {"wait_for_ready": True, "timeout": PATIENCE_S}
"""On a slow machine the limit may cut off the honest caller too, who calls anew."""


async def listed(tracker: Tracker) -> None:
    await tracker.stub.ListPeers(pb.ListPeersRequest(), **PATIENT)


def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def all_ended(readers: list[asyncio.StreamReader]) -> bool:
    async def end(reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(1 << 16):
                pass
        except ConnectionError:
            pass

    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*map(end, readers))
    except TimeoutError:
        return False
    return True


# Calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [TRACKER + "ListPeers", TRACKER + "Locate", HEALTH + "Check"])
async def test_a_call_whose_message_does_not_come_is_ended(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panal.tracker.calls.MESSAGE_S", 0.05)
    async with running_tracker() as tracker:
        code, words = await code_of(call(tracker.channel, method))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "message" in words


async def test_calls_that_say_nothing_do_not_fill_the_tracker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as it takes at once, without a message: it was shut for everybody, for ever."""
    monkeypatch.setattr("panal.tracker.calls.MESSAGE_S", 0.5)
    monkeypatch.setattr(limits, "CALLS_AT_ONCE", 20)
    async with running_tracker() as tracker:
        held = [call(tracker.channel, TRACKER + "ListPeers") for _ in range(20)]
        for one in held:
            code, _ = await code_of(one)
            assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        monkeypatch.setattr("panal.tracker.calls.MESSAGE_S", PATIENCE_S)
        await tracker.stub.ListPeers(pb.ListPeersRequest())


async def test_who_is_refused_is_so_before_it_has_said_anything(tmp_path: Path) -> None:
    async with member_tracker(tmp_path) as tracker:
        channel = tracker.nobody.channel
        code, _ = await code_of(call(channel, TRACKER + "Announce"))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        code, _ = await code_of(call(channel, TRACKER + "ListPeers"))
        assert code is grpc.StatusCode.UNAUTHENTICATED


async def _is_full(tracker: Tracker) -> bool:
    try:
        await tracker.stub.ListPeers(pb.ListPeersRequest())
    except grpc.aio.AioRpcError as error:
        return error.code() is grpc.StatusCode.UNAVAILABLE and "address" in str(error.details())
    return False


async def test_an_address_has_so_many_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panal.tracker.calls.host_and_place", lambda _: ("127.0.0.1", "here"))
    monkeypatch.setattr("panal.tracker.calls.CALLS_PER_ADDRESS", 5)
    async with running_tracker() as tracker:
        held: list[Any] = []
        async with asyncio.timeout(PATIENCE_S):
            while not await _is_full(tracker):
                # One of them may come while the question itself has the last place.
                held.append(call(tracker.channel, TRACKER + "Announce"))
                await asyncio.sleep(0.005)
            assert len(held) >= 5
            for one in held:
                one.cancel()
            while await _is_full(tracker):
                await asyncio.sleep(0.005)


async def test_a_message_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MESSAGE_BYTES", 100_000)  # gRPC's own is that of the table
    monkeypatch.setattr(limits, "METADATA_BYTES", 4_096)
    async with running_tracker() as tracker:
        search: Any = tracker.channel.unary_unary(TRACKER + "Search")
        code, _ = await code_of(search(bytes(100_001)))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        metadata = (("x", "y" * 4_096),)
        code, _ = await code_of(tracker.stub.ListPeers(pb.ListPeersRequest(), metadata=metadata))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


# Connections ------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", PREFACE[:5], PREFACE], ids=["nothing", "half", "preface"])
async def test_connections_that_do_not_begin_are_ended(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.5)
    async with running_tracker() as tracker, flood(tracker.server.port, 200, said) as flooding:
        await listed(tracker)
        assert await all_ended(flooding)


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
async def test_handshakes_that_do_not_end_are_ended(
    part: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.5)
    async with member_tracker(tmp_path) as tracker:
        goes = ssl.MemoryBIO()
        context = ssl.create_default_context()
        with contextlib.suppress(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), goes, server_hostname=TRACKER_HOST).do_handshake()
        hello = goes.read()
        said = hello[: int(len(hello) * part)]
        async with flood(tracker.server.port, 200, said) as flooding:
            await tracker.nobody.network.Authority(pb.AuthorityRequest(), **PATIENT)
            assert await all_ended(flooding)


async def test_connections_that_ask_for_nothing_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IDLE_S", 0.3)
    said = (PREFACE, SETTINGS)
    async with running_tracker() as tracker, flood(tracker.server.port, 50, *said) as flooding:
        await listed(tracker)
        assert await all_ended(flooding)
        await listed(tracker)


async def test_there_are_so_many_connections_and_room_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port, "connections_at_most", lambda: 10)
    async with running_tracker() as tracker:
        async with flood(tracker.server.port, 50) as flooding, asyncio.timeout(PATIENCE_S):
            ends = [asyncio.ensure_future(all_ended([one])) for one in flooding]
            while (ended := sum(end.done() for end in ends)) < 40:
                await asyncio.sleep(0.005)
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        assert ended == 40
        await listed(tracker)


def test_a_part_of_the_descriptors_is_for_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    for descriptors, most in ((64, 48), (-1, 2**31 - 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, d=descriptors: (d, d))
        assert port.connections_at_most() == most
