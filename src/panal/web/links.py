"""The owner's links under /api/v1: to a content, and for guests."""

import asyncio
from collections.abc import Sequence
from functools import partial

from aiohttp import web

from panal.answers import GuestLinkAnswer, GuestLinksAnswer, LinkAnswer, QrAnswer
from panal.api import Node
from panal.errors import NoSpace, NotFound, TargetTaken, UsageError
from panal.peer.access import Route
from panal.peer.http_answers import json_answer
from panal.peer.roles import Role
from panal.web.bodies import GuestLinkRequest, LinkRequest, QrRequest, read_body
from panal.web.queries import GuestLinkPath


class LinkRoutes:
    """Links to what is shared: for whoever has Panal, and for guests."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        guests = "/api/v1/guest-links"
        owner = partial(Route, role=Role.OWNER, fails=(NotFound, TargetTaken, NoSpace))
        return [
            owner("POST", "/api/v1/links", handler=self.link, takes=LinkRequest, gives=LinkAnswer),
            Route("POST", "/api/v1/qr", Role.OWNER, self.qr, takes=QrRequest, gives=QrAnswer),
            owner("GET", guests, handler=self.guest_links, gives=GuestLinksAnswer),
            owner(
                "POST",
                guests,
                handler=self.make_guest_link,
                takes=GuestLinkRequest,
                gives=GuestLinkAnswer,
                status=201,
            ),
            owner(
                "DELETE",
                guests + "/{id}",
                handler=self.revoke_guest_link,
                where=GuestLinkPath,
                status=204,
            ),
        ]

    async def link(self, request: web.Request) -> web.Response:
        """The link of what is shared; a folder is taken as it is now."""
        wanted = await read_body(request, LinkRequest)
        return json_answer(await self._node.link(wanted.what))

    async def qr(self, request: web.Request) -> web.Response:
        """A text as a QR code, for the phone beside you; nothing of it is kept."""
        wanted = await read_body(request, QrRequest)
        return json_answer(await asyncio.to_thread(_qr, wanted.text))

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


def _qr(text: str) -> QrAnswer:
    import segno

    try:
        made = segno.make_qr(text, error="m")
    except segno.DataOverflowError:
        raise UsageError("That is too long for a QR code.") from None
    rows = ["".join("1" if dark else "0" for dark in row) for row in made.matrix]
    return QrAnswer(rows, made.default_border_size)
