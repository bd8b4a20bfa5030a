"""A tracker with a network on loopback, and members who call it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio

from panal.peer.tracker_channel import tls_channel
from panal.tracker.server import TrackerServer
from panal.tracker.settings import TrackerSettings
from panal.trust.certificates import DAY_S, new_key, signing_request
from panal.trust.owner_files import read_access
from panal.wire import tracker_pb2 as pb
from panal.wire.join_line import JoinLine
from panal.wire.tracker_pb2_grpc import NetworkStub, TrackerStub
from tests.support.clock import VirtualClock

STARTED_S_AGO = 25 * DAY_S
"""The TLS library asks the system's clock: certificates made now count there, and later too."""


@dataclass
class Member:
    """One caller: its credential, and stubs that show it."""

    name: str
    key: bytes
    credential: bytes
    certificate: bytes
    channel: grpc.aio.Channel

    @property
    def tracker(self) -> Any:
        return TrackerStub(self.channel)  # type: ignore[no-untyped-call]

    @property
    def network(self) -> Any:
        return NetworkStub(self.channel)  # type: ignore[no-untyped-call]


class MemberTracker:
    """A running tracker with a network."""

    def __init__(
        self, server: TrackerServer, clock: VirtualClock, state: Path, line: JoinLine
    ) -> None:
        self.server = server
        self.clock = clock
        self.state = state
        access = read_access(state)
        self.address, self.authority_pem = access.address, access.authority_pem
        self._channels: list[grpc.aio.Channel] = []
        self.nobody = self.caller("nobody", b"")
        self.owner = self.caller("owner", access.token)
        self.line = line

    def caller(self, name: str, credential: bytes, key: bytes = b"") -> Member:
        channel = tls_channel(self.address, self.authority_pem, credential)
        self._channels.append(channel)
        return Member(name, key, credential, b"", channel)

    async def enrol(
        self, name: str, key: bytes | None = None, secret: bytes | None = None
    ) -> Member:
        key = key or new_key()
        answer = await self.nobody.network.Enrol(
            pb.EnrolRequest(
                name=name,
                signing_request=signing_request(key),
                secret=self.line.secret if secret is None else secret,
            )
        )
        member = self.caller(name, answer.credential, key)
        member.certificate = answer.certificate
        return member

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def member_tracker(
    state: Path,
    clock: VirtualClock | None = None,
    store: str | None = None,
    line: JoinLine | None = None,
) -> AsyncIterator[MemberTracker]:
    """`line` is a join line of its network where that was not made at this start."""
    clock = clock or VirtualClock(wall_s=time.time() - STARTED_S_AGO)
    settings = TrackerSettings(port=0, network=True, state_dir=state, store=store)
    server = TrackerServer(settings, clock=clock)
    await server.start()
    try:
        made = MemberTracker(server, clock, state, line or await server.mint())
        try:
            yield made
        finally:
            await made.close()
    finally:
        await server.stop(grace_s=0)
