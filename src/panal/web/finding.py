"""What everybody shares, and who is here."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TypeVar

from aiohttp import web

from panal.answers import BrowseAnswer, PeersAnswer, SearchAnswer
from panal.api import Node
from panal.asking import Only
from panal.errors import IntegrityError, NotFound, TooLarge, Unreachable
from panal.peer.access import Route
from panal.peer.http_answers import json_answer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.web.queries import BrowseQuery, SearchWords

ASKING = (Unreachable, IntegrityError, TooLarge, NotFound)
"""How asking a tracker can end."""


_Result = TypeVar("_Result")
LOOK_AGAIN_S = 0.05


class FindRoutes:
    """What everybody shares, and who is here."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        asks = partial(Route, role=Role.OWNER, fails=ASKING)
        return [
            asks(
                "GET",
                "/api/v1/search",
                handler=self.search,
                query=SearchWords,
                gives=SearchAnswer,
            ),
            asks(
                "GET",
                "/api/v1/browse",
                handler=self.browse,
                query=BrowseQuery,
                gives=BrowseAnswer,
            ),
            asks("GET", "/api/v1/peers", handler=self.peers, gives=PeersAnswer),
        ]

    async def search(self, request: web.Request) -> web.Response:
        """One page of hits over everybody's files."""
        asked = read_query(request, SearchWords)
        only = Only(asked.peer, asked.kind, asked.min_size, asked.max_size)
        search = self._node.search(asked.q, asked.page, asked.limit, only)
        return json_answer(await while_asked(request, search))

    async def browse(self, request: web.Request) -> web.Response:
        """One page of what one peer shares in one folder, as the tracker knows."""
        asked = read_query(request, BrowseQuery)
        browse = self._node.browse(asked.peer, asked.under, asked.page, asked.limit)
        return json_answer(await while_asked(request, browse))

    async def peers(self, request: web.Request) -> web.Response:
        """Every live peer."""
        return json_answer(PeersAnswer(await self._node.peers(), self._node.tracker))


async def while_asked(request: web.Request, work: Coroutine[None, None, _Result]) -> _Result:
    """What the work comes to; ended with ConnectionResetError once whoever asked is gone.

    Somebody who types asks anew with each letter and hangs up on what was asked before.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_AGAIN_S)
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("Whoever asked is gone.")
        return task.result()
    finally:
        task.cancel()
