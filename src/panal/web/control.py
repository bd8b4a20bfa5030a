"""The owner's JSON under /api/v1: words in, façade calls out."""

from typing import TypeVar

import msgspec
from aiohttp import web

from panal.api import Node
from panal.errors import TooLarge, UsageError
from panal.peer.access import Role, Route, json_answer

MAX_BODY_BYTES = 1024 * 1024
MAX_PAGE = 1_000
DEFAULT_PAGE = 100
Body = TypeVar("Body")


class DownloadRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to fetch, and under which name, if another is wanted."""

    what: str
    name: str | None = None


class ControlRoutes:
    """The API of one peer."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> list[Route]:
        """The routes, all of them the owner's but the probe and the way to the folder."""
        owner = Role.OWNER
        return [
            Route("GET", "/", Role.MEMBER, self.home),
            Route("GET", "/readyz", Role.PUBLIC, self.ready),
            Route("GET", "/api/v1/status", owner, self.status),
            Route("GET", "/api/v1/search", owner, self.search),
            Route("GET", "/api/v1/peers", owner, self.peers),
            Route("GET", "/api/v1/files", owner, self.files),
            Route("GET", "/api/v1/downloads", owner, self.downloads),
            Route("POST", "/api/v1/downloads", owner, self.begin_download),
            Route("GET", "/api/v1/downloads/{id}", owner, self.download),
            Route("DELETE", "/api/v1/downloads/{id}", owner, self.remove_download),
        ]

    async def home(self, request: web.Request) -> web.Response:
        """There is no page yet: show the folder."""
        raise web.HTTPSeeOther("/files/")

    async def ready(self, request: web.Request) -> web.Response:
        """Whether the tracker lists this peer."""
        status = self._node.status()
        text = "ready\n" if status.registered else "not registered\n"
        return web.Response(text=text, status=200 if status.registered else 503)

    async def status(self, request: web.Request) -> web.Response:
        """This peer's own state."""
        return json_answer(self._node.status())

    async def search(self, request: web.Request) -> web.Response:
        """One page of hits over everybody's files."""
        query = request.query
        page_size = _number(query.get("limit", str(DEFAULT_PAGE)))
        answer = await self._node.search(query.get("q", ""), query.get("page", ""), page_size)
        return json_answer(answer)

    async def peers(self, request: web.Request) -> web.Response:
        """Every live peer."""
        return json_answer({"peers": await self._node.peers()})

    async def files(self, request: web.Request) -> web.Response:
        """One page of this peer's files."""
        limit = _number(request.query.get("limit", str(MAX_PAGE)))
        return json_answer(self._node.files(request.query.get("after", ""), limit))

    async def downloads(self, request: web.Request) -> web.Response:
        """Every download."""
        return json_answer({"downloads": self._node.downloads()})

    async def begin_download(self, request: web.Request) -> web.Response:
        """Begin a download."""
        wanted = await _body(request, DownloadRequest)
        answer = self._node.get(wanted.what, wanted.name)
        return json_answer(answer, 202, {"Location": f"/api/v1/downloads/{answer.id}"})

    async def download(self, request: web.Request) -> web.Response:
        """One download."""
        return json_answer(self._node.download(request.match_info["id"]))

    async def remove_download(self, request: web.Request) -> web.Response:
        """Cancel a download, or take an ended one off the list."""
        await self._node.remove_download(request.match_info["id"])
        return web.Response(status=204)


async def _body(request: web.Request, kind: type[Body]) -> Body:
    if request.content_type != "application/json":
        raise UsageError("Send JSON, with Content-Type: application/json.")
    raw = await request.content.read(MAX_BODY_BYTES + 1)
    while not request.content.at_eof() and len(raw) <= MAX_BODY_BYTES:
        raw += await request.content.read(MAX_BODY_BYTES + 1 - len(raw))
    if len(raw) > MAX_BODY_BYTES:
        raise TooLarge(f"A request's JSON has at most {MAX_BODY_BYTES} bytes.")
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The JSON does not fit: {error}.") from None


def _number(text: str) -> int:
    short = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PAGE))
    if not short or not 1 <= int(text) <= MAX_PAGE:
        raise UsageError(f"A limit is a number from 1 to {MAX_PAGE}.")
    return int(text)
