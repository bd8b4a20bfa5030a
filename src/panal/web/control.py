"""The owner's JSON under /api/v1: words in, façade calls out. Here: the peer itself."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from panal.answers import DiskAnswer, LogAnswer, SettingsAnswer, StatusAnswer
from panal.api import Node
from panal.errors import NoSpace
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.http_answers import json_answer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.web.bodies import SettingsChange, read_body
from panal.web.downloading import DownloadRoutes
from panal.web.events import event_routes
from panal.web.finding import FindRoutes
from panal.web.links import LinkRoutes
from panal.web.monitoring import MonitoringRoutes
from panal.web.orders import kept
from panal.web.page_files import PageRoutes
from panal.web.queries import LogQuery
from panal.web.reference import ReferenceRoutes
from panal.web.resumable_uploads import resumable_upload_routes
from panal.web.session import SessionRoutes
from panal.web.sharing import ShareRoutes


def owner_routes(app: PeerApp) -> Sequence[Route]:
    """The owner's API of a peer, for its route table."""
    node = Node(app)
    ordering = (PeerRoutes(node), ShareRoutes(node), DownloadRoutes(node), LinkRoutes(node))
    return [
        *(kept(node, route) for routes in ordering for route in routes.routes()),
        *MonitoringRoutes(app).routes(),
        *FindRoutes(node).routes(),
        *SessionRoutes(app.credentials, app.audit).routes(),
        *ReferenceRoutes(lambda: [*app.routes, *app.guest_routes]).routes(),
        *event_routes(app, node),
        *resumable_upload_routes(app),
        *PageRoutes().routes(),
    ]


class PeerRoutes:
    """This peer itself: how it is, what happened, its settings."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        owner, settings = Role.OWNER, "/api/v1/settings"
        return [
            Route("GET", "/api/v1/status", owner, self.status, gives=StatusAnswer),
            Route("GET", "/api/v1/disk", owner, self.disk, gives=DiskAnswer),
            Route("GET", "/api/v1/log", owner, self.log, query=LogQuery, gives=LogAnswer),
            Route("GET", settings, owner, self.settings, gives=SettingsAnswer),
            Route(
                "PATCH",
                settings,
                owner,
                self.change_settings,
                takes=SettingsChange,
                gives=SettingsAnswer,
                fails=(NoSpace,),
            ),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """This peer's own state."""
        return json_answer(self._node.status())

    async def disk(self, request: web.Request) -> web.Response:
        """The room on the shared folder's disk."""
        return json_answer(await self._node.disk())

    async def log(self, request: web.Request) -> web.Response:
        """What happened at this peer's doors, the newest last."""
        return json_answer(await self._node.log(read_query(request, LogQuery).limit))

    async def settings(self, request: web.Request) -> web.Response:
        """What can be changed while the peer runs."""
        return json_answer(self._node.settings())

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change settings, at once and for the next start too."""
        wanted = msgspec.to_builtins(await read_body(request, SettingsChange))
        return json_answer(self._node.change_settings(**wanted))
