"""The peer's own page: what `make page` built, as files of the package."""

import re
from collections.abc import Sequence
from importlib.resources import files

from aiohttp import web

from panal.errors import NotFound
from panal.peer.access import Route
from panal.peer.documented import PAGE
from panal.peer.http_answers import PROTOCOL_HEADER
from panal.peer.roles import Role

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_FOREVER = "public, max-age=31536000, immutable"
_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
_HASHED = re.compile(r".*-[\w-]{8}\.\w+")


class PageRoutes:
    """The page and its assets, read once: they are part of the program."""

    def __init__(self) -> None:
        built = files("panal.web") / "page"
        self._index = (built / "index.html").read_bytes()
        self._assets = {each.name: each.read_bytes() for each in (built / "page").iterdir()}

    def routes(self) -> Sequence[Route]:
        """The routes: whoever may fetch sees the page, which tells others than the owner so."""
        return [
            Route("GET", "/", Role.MEMBER, self.page, gives=PAGE),
            Route("GET", "/page/{name}", Role.MEMBER, self.asset, is_documented=False),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The page, for browsers."""
        headers = {
            **PROTOCOL_HEADER,
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
        }
        return web.Response(
            body=self._index, content_type="text/html", charset="utf-8", headers=headers
        )

    async def asset(self, request: web.Request) -> web.Response:
        """What the page is made of."""
        name = request.match_info["name"]
        if name not in self._assets:
            raise NotFound("There is nothing under that address.")
        kept = _FOREVER if _HASHED.fullmatch(name) else "no-cache"
        answer = web.Response(
            body=self._assets[name],
            content_type=_TYPES[name.rpartition(".")[2]],
            charset="utf-8",
            headers={**PROTOCOL_HEADER, "Cache-Control": kept},
        )
        answer.enable_compression()
        return answer
