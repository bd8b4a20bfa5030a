"""The owner's links under /api/v1: to a content, and for guests."""

from collections.abc import Sequence

from aiohttp import web

from panal.answers import GuestLinkAnswer, GuestLinksAnswer, LinkAnswer
from panal.api import Node
from panal.peer.access import Route
from panal.peer.http_answers import json_answer
from panal.peer.roles import Role
from panal.web.bodies import GuestLinkRequest, LinkRequest, read_body


class LinkRoutes:
    """Links of one peer."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        owner, links, guests = Role.OWNER, "/api/v1/links", "/api/v1/guest-links"
        return [
            Route("POST", links, owner, self.link, takes=LinkRequest, gives=LinkAnswer),
            Route("GET", guests, owner, self.guest_links, gives=GuestLinksAnswer),
            Route(
                "POST",
                guests,
                owner,
                self.make_guest_link,
                takes=GuestLinkRequest,
                gives=GuestLinkAnswer,
            ),
            Route("DELETE", guests + "/{id}", owner, self.revoke_guest_link),
        ]

    async def link(self, request: web.Request) -> web.Response:
        """The link of what is shared; a folder is taken as it is now."""
        wanted = await read_body(request, LinkRequest)
        return json_answer(await self._node.link(wanted.what))

    async def guest_links(self, request: web.Request) -> web.Response:
        """Every link for guests that counts, without its address."""
        return json_answer(self._node.guest_links())

    async def make_guest_link(self, request: web.Request) -> web.Response:
        """Make a link for guests."""
        wanted = await read_body(request, GuestLinkRequest)
        return json_answer(await self._node.make_guest_link(wanted.what, wanted.for_s), 201)

    async def revoke_guest_link(self, request: web.Request) -> web.Response:
        """Let a link for guests count no more; what is being sent by it is sent to its end."""
        self._node.revoke_guest_link(request.match_info["id"])
        return web.Response(status=204)
