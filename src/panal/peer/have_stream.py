"""Following a provider's availability: which chunks it has, and each further one as it comes.

A protocol of its own: what every neighbour tells of every chunk is read with one callback,
where an HTTP client would parse, queue and wake for each. Asked as HTTP/1.0, so that the
answer has no transfer coding and ends with its connection.
"""

import asyncio
from collections.abc import Callable
from typing import cast

from panal.errors import IntegrityError
from panal.peer.calling import PLAIN, Calling
from panal.peer.questions import CONNECT_S
from panal.wire.address import authority
from panal.wire.catalogue import Provider
from panal.wire.have import MAX_HEARTBEATS_AHEAD, SILENCE_S, HaveReader
from panal.wire.ids import NO_ZONE, Zone
from panal.wire.response import END, MAX_HEAD_BYTES, parse_head, refusal_words


class HaveStream(asyncio.Protocol):
    """One stream; `told` is called with what each block of bytes says."""

    def __init__(
        self, request: bytes, chunk_count: int, told: Callable[[int | None, list[int]], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self._now_s = loop.time
        self._request = request
        self._told = told
        self._reader = HaveReader(chunk_count)
        self._head: bytearray | None = bytearray()
        self._transport: asyncio.Transport | None = None
        self._began_s = self._heard_at_s = loop.time()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the stream is; IntegrityError or ConnectionError say why."""

    async def until_end(self) -> None:
        """Wait until it ends; TimeoutError after a long silence."""
        try:
            while not self.ended.done():
                left_s = self._heard_at_s + SILENCE_S - self._now_s()
                if left_s <= 0:
                    raise TimeoutError
                await asyncio.wait({self.ended}, timeout=left_s)
            self.ended.result()
        finally:
            self.ended.cancel()
            if self._transport is not None:
                self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take bytes, of the head or of the stream."""
        self._heard_at_s = self._now_s()
        try:
            rest = data if self._head is None else self._take_head(self._head, data)
            if rest and not self.ended.done():
                bits, indices = self._reader.feed(rest)
                ahead = self._reader.heartbeats - (self._heard_at_s - self._began_s)
                if ahead > MAX_HEARTBEATS_AHEAD:
                    raise IntegrityError("The provider sends heartbeats without a pause.")
                if bits is not None or indices:
                    self._told(bits, indices)
        except (IntegrityError, ConnectionError) as error:
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The provider ended it."""
        self._end(exc)

    def _take_head(self, head: bytearray, data: bytes) -> bytes:
        head += data
        end = head.find(END)
        if end < 0:
            if len(head) > MAX_HEAD_BYTES:
                raise IntegrityError("It sends a header without end.")
            return b""
        end += len(END)
        self._head = None
        status = parse_head(bytes(head[:end]), old_too=True).status
        if status != 200:
            raise ConnectionError(refusal_words(status))
        return bytes(head[end:])

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            if error is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(error)


async def follow(
    provider: Provider,
    path: str,
    chunk_count: int,
    told: Callable[[int | None, list[int]], None],
    own: str = "",
    calling: Calling = PLAIN,
    zone: Zone = NO_ZONE,
) -> None:
    """Follow until the stream ends.

    `own` is the name and port under which the provider may follow us in turn, `zone` where we
    are. `told` gets
    the bitfield once, or None, and the indices since. IntegrityError, OSError or TimeoutError
    say why it ended; nothing is raised where the provider ended it properly.
    """
    fields = f"Panal-Peer: {own}\r\n" if own else ""
    fields += f"Panal-Zone: {zone}\r\n" if zone else ""
    host, port = provider.host, provider.port
    request = (
        f"GET {path} HTTP/1.0\r\nHost: {authority(host, port)}\r\nPanal-Protocol: 1\r\n{fields}\r\n"
    )
    loop = asyncio.get_running_loop()

    def make() -> HaveStream:
        return HaveStream(request.encode("ascii"), chunk_count, told)

    async with asyncio.timeout(CONNECT_S):
        _, stream = await loop.create_connection(
            make,
            host,
            port,
            ssl=calling.context,
            server_hostname=calling.host_name(provider.peer),
        )
    await stream.until_end()
