"""A TCP proxy between two of ours that cuts, stalls or garbles what passes, as it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

BLOCK_BYTES = 16 * 1024


@dataclass
class Link:
    """What a proxy does now; changed while it runs."""

    is_cut: bool = False
    """Nobody gets through, and what is open is reset."""
    is_silent: bool = False
    """Connections stay, and nothing passes."""
    cut_after_bytes: int | None = None
    """Of answers, on one connection; then it is reset."""
    cuts_left: int = 0
    """How many connections that befalls."""
    flips_at: int | None = None
    """The byte of the answers in all whose lowest bit is turned over."""
    passed_bytes: int = 0
    """Of answers, in all."""
    connections: int = 0


class Shim:
    """One proxy in front of one port."""

    def __init__(self, host: str, port: int) -> None:
        self.link = Link()
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._asks, self._answers_pass = asyncio.Event(), asyncio.Event()
        self.silence(silent=False)
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Shim"]:
        """Listen on a port that the system chooses."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            self.silence(silent=False)

    def cut(self) -> None:
        """Reset all connections, and let nobody through until `mend`."""
        self.link.is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Let through again."""
        self.link.is_cut = False

    def silence(self, *, silent: bool = True, one_way: bool = False) -> None:
        """Let nothing pass, and nobody know; with `one_way` what is asked still arrives."""
        self.link.is_silent = silent
        for passes, is_held in (
            (self._asks, silent and not one_way),
            (self._answers_pass, silent),
        ):
            passes.clear() if is_held else passes.set()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.link.connections += 1
        if self.link.is_cut:
            writer.transport.abort()
            return
        try:
            there_reads, there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there}
        self._open |= ends
        try:
            tasks = {
                asyncio.ensure_future(self._pass(reader, there)),
                asyncio.ensure_future(self._answers(there_reads, writer)),
            }
            _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(BLOCK_BYTES):
            await self._asks.wait()
            writer.write(data)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link, passed = self.link, 0
        while data := await reader.read(BLOCK_BYTES):
            await self._answers_pass.wait()
            at = link.flips_at
            if at is not None and link.passed_bytes <= at < link.passed_bytes + len(data):
                changed = bytearray(data)
                changed[at - link.passed_bytes] ^= 1
                data, link.flips_at = bytes(changed), None
            last = link.cut_after_bytes
            if last is not None and link.cuts_left and passed + len(data) >= last:
                link.cuts_left -= 1
                writer.write(data[: max(0, last - passed)])
                await writer.drain()
                return  # and both ends are reset
            writer.write(data)
            await writer.drain()
            passed += len(data)
            link.passed_bytes += len(data)
