"""A member is removed: when every other peer shuts it out, by a clock that only the test moves.

Real peers, a real tracker and real TLS. The members' wall clock begins with the system's, which
the TLS library asks.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from panal.errors import PanalError
from panal.peer.announcer import GATHERED_S
from panal.peer.http_source import fetch_manifest
from panal.peer.lease import RENEW_JITTER
from panal.peer.network_owner import NetworkOwner
from panal.tracker.registry import RENEW_S
from panal.trust.owner_files import read_access
from panal.wire.catalogue import Provider
from panal.wire.certified_names import peer_host
from panal.wire.ids import PeerName, parse_content_id
from tests.support.clock import VirtualClock
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

PROMISED_S = 60.0
SOONEST_S, LATEST_S = RENEW_S * (1 - RENEW_JITTER), RENEW_S * (1 + RENEW_JITTER)
BIG = Random(5).randbytes(32 << 20)  # more than all buffers on the way hold


class RemovalTrial:
    """A network whose time stands still."""

    def __init__(self, network: Network, clock: VirtualClock) -> None:
        self.network = network
        self.clock = clock

    async def peer(self, name: str, **settings: Any) -> RunningPeer:
        return await self.network.peer(name, **settings)

    async def share(self, peer: RunningPeer, name: str, data: bytes) -> str:
        """A file that the tracker knows of, too; its id."""
        uploading = asyncio.create_task(peer.upload(name, data))

        def is_told() -> bool:
            if self.clock.sleepers((0.0, GATHERED_S)):  # for its news to gather
                self.clock.advance(GATHERED_S)
            return uploading.done()

        await until(is_told, "the tracker is told")
        return str((await uploading)["id"])

    async def remove(self, name: str) -> None:
        # Everybody has just heard what there was: a removal has the longest way to go.
        peers = len(self.network.peers)
        await until(lambda: self.clock.sleepers((0.0, LATEST_S)) >= peers, "all wait to renew")
        async with NetworkOwner(read_access(self.network.place / "tracker")) as owner:
            await owner.remove(name)

    async def every_renewal(self) -> None:
        """The time passes in which each peer renews once."""
        self.clock.advance(LATEST_S)

    async def until_told(self, *peers: RunningPeer) -> None:
        """Until they know who was removed; no time passes meanwhile."""
        assert self.network.tracker is not None
        assert self.network.tracker._network is not None
        version = self.network.tracker._network.network.revocations.version

        def all_know() -> bool:
            return all(peer.app.lease.revocations.version == version for peer in peers)

        await until(all_know, "who was removed is known")

    def called(self, by: RunningPeer, peer: RunningPeer) -> dict[str, Any]:
        """How one member calls another, beside the address."""
        line = self.network.join_line
        assert line is not None
        assert by.app.calling.context is not None
        name = peer_host(PeerName(peer.app.settings.name), line.pin)
        return {"ssl": by.app.calling.context, "server_hostname": name}


@pytest.fixture
async def trial(tmp_path: Path) -> AsyncIterator[RemovalTrial]:
    clock = VirtualClock(wall_s=time.time())
    async with Network(tmp_path, has_members=True, clock=clock) as network:
        yield RemovalTrial(network, clock)


class Open:
    """A connection that one member has to another, in the middle of an answer or after one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, trial: RemovalTrial, by: RunningPeer, peer: RunningPeer, path: str) -> "Open":
        called = trial.called(by, peer)
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.app.port, **called)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer)

    def ask_once_more(self) -> None:
        self._writer.write(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")

    async def until_end(self) -> int:
        """How many bytes still came."""
        count = 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while block := await self._reader.read(1 << 20):
                    count += len(block)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            self._writer.transport.abort()
        return count


async def _is_served(trial: RemovalTrial, by: RunningPeer, peer: RunningPeer, path: str) -> bool:
    url = f"https://127.0.0.1:{peer.app.port}{path}"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url, **trial.called(by, peer)) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False


async def test_a_removed_member_is_shut_out_by_every_peer_within_a_minute(
    trial: RemovalTrial,
) -> None:
    a, b, c = [await trial.peer(name) for name in ("a", "b", "c")]
    small, big = await trial.share(a, "x", b"1"), await trial.share(c, "big", BIG)
    opened = [
        await Open.to(trial, b, a, f"/content/{small}/have"),  # followed, for ever
        await Open.to(trial, b, a, "/healthz"),  # kept, after its answer
        await Open.to(trial, b, c, f"/content/{big}"),  # in the middle of a file
    ]
    between_others = await Open.to(trial, a, c, f"/content/{big}")
    await trial.remove("b")
    removed_at_s = trial.clock.now_s()
    # It is the renewals that shut it out: without them nobody knows.
    assert await _is_served(trial, b, a, "/files/")
    assert await _is_served(trial, b, c, "/files/")

    await trial.every_renewal()
    *_, of_the_file = [await one.until_end() for one in opened]
    assert of_the_file < len(BIG)
    for other in (a, c):
        assert not await _is_served(trial, b, other, "/files/")
        assert not await _is_served(trial, b, other, "/healthz")
    await until(b.app.lease.fatal.done, "b is told")
    assert "removed" in str(b.app.lease.fatal.result())
    assert trial.clock.now_s() - removed_at_s <= PROMISED_S

    between_others.ask_once_more()
    assert await between_others.until_end() > len(BIG)  # nobody else was cut off
    assert await _is_served(trial, a, c, "/files/")
    assert await _is_served(trial, c, a, "/files/")


async def test_a_removed_member_is_called_by_nobody_within_a_minute(trial: RemovalTrial) -> None:
    a, b, c = [await trial.peer(name) for name in ("a", "b", "c")]
    content = parse_content_id(await trial.share(b, "x", BIG[: 4 << 20]))
    removed = Provider(PeerName("b"), "127.0.0.1", b.app.port, complete=True)
    for by in (a, c):
        assert (await fetch_manifest(by.app.calling, removed, content)).size_bytes == 4 << 20
    reading = await Open.to(trial, a, b, f"/content/{content.hex()}")
    await trial.remove("b")
    removed_at_s = trial.clock.now_s()
    for by in (a, c):
        await fetch_manifest(by.app.calling, removed, content)

    await trial.every_renewal()
    await trial.until_told(a, c)
    for by in (a, c):
        with pytest.raises(PanalError, match="removed"):
            await fetch_manifest(by.app.calling, removed, content)
    assert await reading.until_end() < 4 << 20  # what lay here already; nothing is read after it
    assert trial.clock.now_s() - removed_at_s <= PROMISED_S


async def test_a_renewal_comes_within_its_time_whatever_the_chance(trial: RemovalTrial) -> None:
    """What the minute rests on."""
    peers = [await trial.peer(f"peer_{number}") for number in range(4)]

    def all_wait() -> bool:
        return trial.clock.sleepers((SOONEST_S, LATEST_S)) == len(peers)

    for _ in range(3):
        await until(all_wait, "all wait to renew")
        trial.clock.advance(LATEST_S)


async def test_who_was_removed_is_remembered_without_the_tracker(trial: RemovalTrial) -> None:
    a, b = await trial.peer("a"), await trial.peer("b")
    await trial.remove("b")
    await trial.every_renewal()
    await trial.until_told(a)
    await trial.network.stop_peer("a")
    await trial.network.stop_tracker()
    again = await trial.peer("a", registered=False)
    assert not await _is_served(trial, b, again, "/healthz")


async def test_a_name_that_came_back_is_served_and_its_old_certificate_is_not(
    trial: RemovalTrial,
) -> None:
    a, b = await trial.peer("a"), await trial.peer("b")
    await trial.remove("b")
    await trial.every_renewal()
    await until(b.app.lease.fatal.done, "b is told")
    trial.network.peers["b, removed"] = trial.network.peers.pop("b")
    new = await trial.peer("b", folder=trial.network.place / "b-again")
    await trial.until_told(a)
    assert await _is_served(trial, new, a, "/files/")
    assert not await _is_served(trial, b, a, "/healthz")
