"""Peers' requests for chunks, answered on the connection itself, and a tracker's for a proof.

Nearly all that a peer in a swarm is asked is one of two requests in one exact form, a hundred
times a second; a peer that only fetches is asked once by its tracker whether it can be reached, and
often nothing else. Those are answered here. Everything else goes to the HTTP server, with its
connection and for good: every other request, and these where who asks, their Host or their range is
not plainly right. So the rules stand in one place, and nothing is let in here that they refuse.
"""

import asyncio

from panal.peer.connections import Connections
from panal.peer.contents import Contents, OpenContent
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.granting import Granting
from panal.peer.http_door import HttpDoor
from panal.peer.lanes import Lanes
from panal.peer.never_sent import NeverSent
from panal.peer.precedence import Precedence
from panal.peer.request_connection import RequestConnection
from panal.peer.roles import Role, may
from panal.peer.sending import Sender
from panal.wire.chunk_request import (
    ANSWER_FIELDS,
    ChoiceRequest,
    ProofRequest,
    RangeRequest,
    Request,
    range_answer,
)
from panal.wire.dialback import proof_of
from panal.wire.ranges import ByteRange

_PROOF = (
    b"HTTP/1.1 200 OK\r\nPanal-Protocol: 1\r\nContent-Type: text/plain\r\nConnection: close\r\n"
)
_NOTHING = b"HTTP/1.1 204 No Content\r\nPanal-Protocol: 1\r\n\r\n"


class ChunkServer:
    """Answers chunk requests; a factory of protocols for the listening sockets."""

    def __init__(
        self,
        contents: Contents,
        sender: Sender,
        lanes: Lanes,
        never_sent: NeverSent,
        granting: Granting,
        doorkeeper: Doorkeeper,
        held: Connections,
        door: HttpDoor,
        secret_hash: bytes,
    ) -> None:
        """A connection with any other request is handed over to what is behind `door`.

        `secret_hash` is that of this peer's owner secret.
        """
        self._contents = contents
        self.sender = sender
        self._lanes = lanes
        self._never_sent = never_sent
        self._granting = granting
        self._doorkeeper = doorkeeper
        self._precedence = Precedence(self._acknowledged_bytes)
        self.held = held
        self.door = door
        self._secret_hash = secret_hash
        self.connections: set[RequestConnection] = set()
        self.gone_bytes = 0
        self.is_closing = False

    def _acknowledged_bytes(self) -> int:
        return self.gone_bytes + sum(one.acknowledged_bytes() for one in self.connections)

    def connection(self) -> "RequestConnection":
        """For one that has been made."""
        return RequestConnection(self)

    async def answer(self, connection: "RequestConnection", request: Request) -> bool:
        """Whether it was answered here; where not, nothing has been sent."""
        if isinstance(request, ProofRequest):
            return self._answer_proof(connection, request)
        if not self._is_let_in(connection, request.host):
            return False
        if isinstance(request, RangeRequest):
            return await self._answer_range(connection, request)
        await self._answer_choice(connection, request)
        return True

    def _is_let_in(self, connection: "RequestConnection", host: str) -> bool:
        transport, doorkeeper = connection.transport, self._doorkeeper
        if transport is None or not doorkeeper.is_host_allowed(host):
            return False
        return may(doorkeeper.role_without_fields(transport), Role.MEMBER)

    def _answer_proof(self, connection: "RequestConnection", request: ProofRequest) -> bool:
        if not self._doorkeeper.is_host_allowed(request.host):
            return False
        proof = proof_of(request.nonce, self._secret_hash).encode("ascii")
        connection.say(_PROOF + b"Content-Length: %d\r\n\r\n" % len(proof) + proof)
        connection.end()
        return True

    async def _answer_range(self, connection: "RequestConnection", request: RangeRequest) -> bool:
        content, part, host = request.content, request.part, connection.host
        opened = self._contents.open(content)
        try:
            if not _has(opened, part):
                return False
            if request.gives_way:
                await self._precedence.give_way(content, opened.close)
            async with self._lanes.of_chunks(content).turn(host, opened.close):
                if not opened.is_open:
                    opened = self._contents.open(content)
                    if not _has(opened, part):
                        return False
                with self._precedence.sending(content, host, gives_way=request.gives_way):
                    await connection.send(range_answer(part, opened.size_bytes), opened, part)
            self._never_sent.sent(content, *opened.chunks_in(part.start, part.stop))
            return True
        finally:
            opened.close()

    async def _answer_choice(self, connection: "RequestConnection", request: ChoiceRequest) -> None:
        async def send(opened: OpenContent, first: int, count: int) -> None:
            part = opened.part_of(first, count)
            head = b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\nPanal-Chunks: %d-%d\r\n\r\n"
            numbers = part.length, first, first + count - 1
            with self._precedence.sending(
                request.content, connection.host, gives_way=request.gives_way
            ):
                await connection.send(head % (ANSWER_FIELDS, *numbers), opened, part)

        if request.gives_way:
            await self._precedence.give_way(request.content, lambda: None)
        found = await self._granting.grant(
            request.content, request.body, request.most, connection.host, send
        )
        if not found:
            connection.say(_NOTHING)

    async def close(self, patience_s: float) -> None:
        """End what is idle now, and the rest when it is done, or after a while."""
        self.is_closing = True
        for connection in list(self.connections):
            connection.end_if_idle()
        if running := [one.task for one in self.connections if one.task is not None]:
            await asyncio.wait(running, timeout=patience_s)
        for connection in list(self.connections):
            connection.abort()


def _has(opened: OpenContent, part: ByteRange) -> bool:
    return part.stop <= opened.size_bytes and opened.has(part.start, part.stop)
