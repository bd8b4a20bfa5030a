"""Questions to another peer, a GET each, on a connection of its own.

No answer is trusted: no redirect is followed, nothing is decoded, nothing kept. Asked as HTTP/1.0,
so that the answer has no transfer coding and ends with its connection. So little is asked of others
beside chunks that a library for it would take longer to load than to do all of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from panal.errors import IntegrityError
from panal.peer.calling import Calling
from panal.wire.address import authority
from panal.wire.catalogue import Provider
from panal.wire.response import END, MAX_HEAD_BYTES, ResponseHead, parse_head

CONNECT_S = 5.0
_BLOCK_BYTES = 256 * 1024


class Answer:
    """A status, and a body that is read once."""

    def __init__(self, head: ResponseHead, reader: asyncio.StreamReader) -> None:
        self.status = head.status
        self._left_bytes = head.content_length
        self._reader = reader

    async def read(self, most_bytes: int) -> bytes:
        """Some of the body; nothing at its end. ConnectionError where it breaks off before that."""
        if self._left_bytes is not None:
            most_bytes = min(most_bytes, self._left_bytes)
        block = await self._reader.read(most_bytes)
        if self._left_bytes is not None:
            if most_bytes and not block:
                raise ConnectionError("connection closed early")
            self._left_bytes -= len(block)
        return block

    async def body(self, most_bytes: int) -> bytes:
        """All of the body; IntegrityError where there is more of it."""
        body = bytearray()
        while block := await self.read(_BLOCK_BYTES):
            body += block
            if len(body) > most_bytes:
                raise IntegrityError("an answer without end")
        return bytes(body)


@contextlib.asynccontextmanager
async def asked(calling: Calling, provider: Provider, path: str) -> AsyncIterator[Answer]:
    """What a provider answers; OSError or TimeoutError where that is nothing that can be read.

    Only connecting has a time here.
    """
    host = authority(provider.host, provider.port)
    request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nPanal-Protocol: 1\r\n\r\n"
    async with asyncio.timeout(CONNECT_S):
        reader, writer = await asyncio.open_connection(
            provider.host,
            provider.port,
            limit=_BLOCK_BYTES,
            ssl=calling.context,
            server_hostname=calling.host_name(provider.peer),
        )
    try:
        writer.write(request.encode("ascii"))
        yield Answer(await _head(reader), reader)
    finally:
        writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> ResponseHead:
    try:
        raw = await reader.readuntil(END)
        if len(raw) > MAX_HEAD_BYTES:
            raise IntegrityError("The answer has a header without end.")
        return parse_head(raw, old_too=True)
    except asyncio.IncompleteReadError:
        raise ConnectionError("connection closed early") from None
    except asyncio.LimitOverrunError:
        raise ConnectionError("The answer has a header without end.") from None
    except IntegrityError as error:
        raise ConnectionError(str(error)) from None
