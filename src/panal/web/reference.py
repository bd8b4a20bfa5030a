"""The description of this interface, for programs and for people."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
from aiohttp import web

from panal.peer.access import Route
from panal.peer.documented import Body
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.roles import Role
from panal.web.openapi import openapi_document

DOCUMENT = Body("application/json", schema={"type": "object"})


class ReferenceRoutes:
    """The description of this interface, for programs and for people."""

    def __init__(self, registered: Callable[[], Iterable[Route]]) -> None:
        """`registered` gives every route of the peer, once all are."""
        self._registered = registered
        self._document: bytes | None = None

    def routes(self) -> Sequence[Route]:
        """The routes; what they say is no secret, and a link may lead to them."""
        return [
            Route("GET", "/openapi.json", Role.MEMBER, self.document, gives=DOCUMENT),
        ]

    async def document(self, request: web.Request) -> web.Response:
        """This interface as OpenAPI 3.1."""
        if self._document is None:
            self._document = await asyncio.to_thread(self._encoded)
        return web.Response(
            body=self._document, content_type="application/json", headers=PROTOCOL_HEADER
        )

    def _encoded(self) -> bytes:
        return msgspec.json.encode(openapi_document(self._registered()))
