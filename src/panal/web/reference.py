"""The description of this interface, for programs and for people."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import hdrs, web

from panal.peer.access import Route
from panal.peer.documented import PAGE, STYLE, Body
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.roles import Role
from panal.web.openapi import openapi_document
from panal.web.reference_page import reference_page
from panal.web.reference_words import words_for

DOCUMENT = Body("application/json", schema={"type": "object"})
_STYLE = Path(__file__).with_name("reference.css")
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}


class ReferenceRoutes:
    """The description of this interface, for programs and for people."""

    def __init__(self, registered: Callable[[], Iterable[Route]]) -> None:
        """`registered` gives every route of the peer, once all are."""
        self._registered = registered
        self._made: dict[str, Any] | None = None
        self._pages: dict[str, str] = {}
        """By language."""

    def routes(self) -> Sequence[Route]:
        """The routes; what they say is no secret, and a link may lead to them."""
        member = Role.MEMBER
        return [
            Route("GET", "/openapi.json", member, self.document, gives=DOCUMENT),
            Route("GET", "/docs", member, self.page, gives=PAGE),
            Route("GET", "/docs.css", member, self.style, gives=STYLE),
        ]

    async def document(self, request: web.Request) -> web.Response:
        """This interface as OpenAPI 3.1."""
        encoded = msgspec.json.encode(await self._document())
        return web.Response(body=encoded, content_type="application/json", headers=PROTOCOL_HEADER)

    async def page(self, request: web.Request) -> web.Response:
        """This interface as a page for people."""
        words = words_for(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
        page = self._pages.get(words.language)
        if page is None:
            page = await asyncio.to_thread(reference_page, await self._document(), words)
            self._pages[words.language] = page
        headers = {**PROTOCOL_HEADER, **_POLICY, hdrs.VARY: hdrs.ACCEPT_LANGUAGE}
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def style(self, request: web.Request) -> web.Response:
        """How that page looks."""
        text = await asyncio.to_thread(_STYLE.read_text, "utf-8")
        return web.Response(text=text, content_type="text/css", headers=PROTOCOL_HEADER)

    async def _document(self) -> dict[str, Any]:
        if self._made is None:
            self._made = await asyncio.to_thread(openapi_document, self._registered())
        return self._made
