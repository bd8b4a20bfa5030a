"""What everybody shares, and who is here."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from panal.answers import BrowseAnswer, PeersAnswer, SearchAnswer
from panal.api import Node, Only
from panal.errors import IntegrityError, NotFound, TooLarge, Unreachable
from panal.peer.access import Route
from panal.peer.http_answers import json_answer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.web.queries import BrowseQuery, SearchWords

ASKING = (Unreachable, IntegrityError, TooLarge, NotFound)
"""How asking a tracker can end."""


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
        return json_answer(await self._node.search(asked.q, asked.page, asked.limit, only))

    async def browse(self, request: web.Request) -> web.Response:
        """One page of what one peer shares in one folder, as the tracker knows."""
        asked = read_query(request, BrowseQuery)
        return json_answer(
            await self._node.browse(asked.peer, asked.under, asked.page, asked.limit)
        )

    async def peers(self, request: web.Request) -> web.Response:
        """Every live peer."""
        return json_answer(PeersAnswer(await self._node.peers()))
