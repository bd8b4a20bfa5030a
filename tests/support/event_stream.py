"""A reader of server-sent events, as a page's EventSource is one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.patience import PATIENCE_S


@dataclass
class Told:
    """One event; a comment has no kind."""

    kind: str
    data: Any
    id: str
    retry: str


class EventReader:
    """The events of one answer, one by one."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""

    async def next(self) -> Told:
        """The next one; EOFError where the stream has ended."""
        async with asyncio.timeout(PATIENCE_S):
            block = await self.answer.content.readuntil(b"\n\n")
        if not block:
            raise EOFError
        assert block.endswith(b"\n\n"), "the stream ended within an event"
        fields = {"event": "", "data": "", "id": "", "retry": ""}
        for line in block[:-2].decode().split("\n"):
            name, _, value = line.partition(":")
            if name:
                assert not fields[name], f"{name} came twice"
                fields[name] = value.removeprefix(" ")
        self.last_id = fields["id"] or self.last_id
        data = json.loads(fields["data"]) if fields["data"] else None
        return Told(fields["event"], data, fields["id"], fields["retry"])

    async def until(self, kind: str) -> Told:
        """The next one of a kind, what comes before it passed over."""
        while (told := await self.next()).kind != kind:
            pass
        return told

    async def some(self, count: int) -> list[Told]:
        """So many of them."""
        return [await self.next() for _ in range(count)]

    async def end(self) -> list[Told]:
        """All that still comes, until the stream ends as it should."""
        gathered = []
        while True:
            try:
                gathered.append(await self.next())
            except asyncio.IncompleteReadError:
                raise  # broken off
            except EOFError:
                return gathered


@asynccontextmanager
async def listening(
    session: aiohttp.ClientSession, url: str, query: str = "", **headers: str
) -> AsyncIterator[EventReader]:
    """Listen to a peer."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    async with session.get(f"{url}/api/v1/events{query}", headers=fields) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield EventReader(answer)
