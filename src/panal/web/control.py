"""The owner's JSON under /api/v1: words in, façade calls out."""

from collections.abc import Sequence
from contextlib import aclosing

import msgspec
from aiohttp import web

from panal.answers import (
    AddedAnswer,
    DownloadAnswer,
    DownloadsAnswer,
    FilesAnswer,
    FolderAnswer,
    LogAnswer,
    PeersAnswer,
    PlanAnswer,
    SearchAnswer,
    SettingsAnswer,
    StatusAnswer,
    UnfinishedFilesAnswer,
    VerifyAnswer,
    VerifyProgress,
    WhyAnswer,
)
from panal.api import Node, Only
from panal.errors import UsageError
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.http_answers import NDJSON, json_answer, ndjson_answer
from panal.peer.roles import Role
from panal.web.bodies import (
    AddRequest,
    DownloadChange,
    DownloadRequest,
    FolderRequest,
    PlanRequest,
    SettingsChange,
    VerifyRequest,
    read_body,
)
from panal.web.links import LinkRoutes
from panal.web.session import SessionRoutes

MAX_PAGE = 1_000
MAX_SIZE_DIGITS = 19
DEFAULT_PAGE = 100


def owner_routes(app: PeerApp) -> Sequence[Route]:
    """The owner's API of a peer, for its route table."""
    node = Node(app)
    return [
        *ControlRoutes(node).routes(),
        *LinkRoutes(node).routes(),
        *SessionRoutes(app.credentials, app.audit).routes(),
    ]


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
            Route("GET", "/api/v1/status", owner, self.status, gives=StatusAnswer),
            Route(
                "GET",
                "/api/v1/search",
                owner,
                self.search,
                gives=SearchAnswer,
                query="q=<words>&page=<token>&limit=<n>&peer=<name>&kind=<kind>&min_size=<n>&max_size=<n>",
            ),
            Route("GET", "/api/v1/log", owner, self.log, gives=LogAnswer, query="limit=<n>"),
            Route("GET", "/api/v1/peers", owner, self.peers, gives=PeersAnswer),
            Route(
                "GET",
                "/api/v1/files",
                owner,
                self.files,
                gives=FilesAnswer,
                query="after=<path>&limit=<n>",
            ),
            Route(
                "POST",
                "/api/v1/files",
                owner,
                self.add,
                takes=AddRequest,
                gives=AddedAnswer,
            ),
            Route("DELETE", "/api/v1/files/{path:.+}", owner, self.unshare),
            Route(
                "POST",
                "/api/v1/folders",
                owner,
                self.add_folder,
                takes=FolderRequest,
                gives=FolderAnswer,
            ),
            Route("GET", "/api/v1/downloads", owner, self.downloads, gives=DownloadsAnswer),
            Route(
                "POST",
                "/api/v1/downloads",
                owner,
                self.begin_download,
                takes=DownloadRequest,
                gives=DownloadAnswer,
            ),
            Route(
                "POST",
                "/api/v1/plan",
                owner,
                self.plan,
                takes=PlanRequest,
                gives=PlanAnswer,
            ),
            Route("GET", "/api/v1/downloads/{id}", owner, self.download, gives=DownloadAnswer),
            Route(
                "PATCH",
                "/api/v1/downloads/{id}",
                owner,
                self.change_download,
                takes=DownloadChange,
                gives=DownloadAnswer,
            ),
            Route("DELETE", "/api/v1/downloads/{id}", owner, self.remove_download),
            Route("GET", "/api/v1/downloads/{id}/why", owner, self.why, gives=WhyAnswer),
            Route(
                "POST",
                "/api/v1/downloads/{id}/pause",
                owner,
                self.pause_download,
                gives=DownloadAnswer,
            ),
            Route(
                "POST",
                "/api/v1/downloads/{id}/resume",
                owner,
                self.resume_download,
                gives=DownloadAnswer,
            ),
            Route("GET", "/api/v1/unfinished", owner, self.unfinished, gives=UnfinishedFilesAnswer),
            Route(
                "POST",
                "/api/v1/verify",
                owner,
                self.verify,
                takes=VerifyRequest,
                gives=VerifyAnswer,
                streams=VerifyProgress,
            ),
            Route("GET", "/api/v1/settings", owner, self.settings, gives=SettingsAnswer),
            Route(
                "PATCH",
                "/api/v1/settings",
                owner,
                self.change_settings,
                takes=SettingsChange,
                gives=SettingsAnswer,
            ),
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
        only = Only(
            query.get("peer", ""),
            query.get("kind", ""),
            _size(query.get("min_size", "0")),
            _size(query.get("max_size", "0")),
        )
        words, page = query.get("q", ""), query.get("page", "")
        return json_answer(await self._node.search(words, page, page_size, only))

    async def log(self, request: web.Request) -> web.Response:
        """What happened at this peer's doors, the newest last."""
        limit = _number(request.query.get("limit", str(DEFAULT_PAGE)))
        return json_answer(await self._node.log(limit))

    async def peers(self, request: web.Request) -> web.Response:
        """Every live peer."""
        return json_answer(PeersAnswer(await self._node.peers()))

    async def files(self, request: web.Request) -> web.Response:
        """One page of this peer's files."""
        limit = _number(request.query.get("limit", str(MAX_PAGE)))
        return json_answer(self._node.files(request.query.get("after", ""), limit))

    async def add(self, request: web.Request) -> web.Response:
        """Share files and folders in place, or copy them in."""
        wanted = await read_body(request, AddRequest)
        return json_answer(await self._node.add(wanted.paths, copy=wanted.copy), 201)

    async def unshare(self, request: web.Request) -> web.Response:
        """Share a path no more; its files stay as they are."""
        await self._node.unshare([request.match_info["path"]])
        return web.Response(status=204)

    async def add_folder(self, request: web.Request) -> web.Response:
        """Share a folder as it is now, as one content."""
        wanted = await read_body(request, FolderRequest)
        return json_answer(await self._node.add_folder(wanted.path), 201)

    async def downloads(self, request: web.Request) -> web.Response:
        """Every download."""
        return json_answer(DownloadsAnswer(self._node.downloads()))

    async def begin_download(self, request: web.Request) -> web.Response:
        """Begin a download."""
        wanted = await read_body(request, DownloadRequest)
        answer = self._node.get(
            wanted.what, wanted.name, priority=wanted.priority, wait=wanted.wait
        )
        return json_answer(answer, 202, {"Location": f"/api/v1/downloads/{answer.id}"})

    async def plan(self, request: web.Request) -> web.Response:
        """What a download would do; nothing is written."""
        wanted = await read_body(request, PlanRequest)
        return json_answer(await self._node.plan(wanted.what))

    async def download(self, request: web.Request) -> web.Response:
        """One download."""
        return json_answer(self._node.download(request.match_info["id"]))

    async def why(self, request: web.Request) -> web.Response:
        """What a download waits for, or what limits it."""
        return json_answer(self._node.why(request.match_info["id"]))

    async def remove_download(self, request: web.Request) -> web.Response:
        """Cancel a download, keeping what is there for a day, or take an ended one off the list.

        With `?delete=true` what is there of it is removed at once.
        """
        wanted = request.query.get("delete", "false")
        if wanted not in {"true", "false"}:
            raise UsageError("delete is true or false.")
        await self._node.remove_download(request.match_info["id"], delete=wanted == "true")
        return web.Response(status=204)

    async def unfinished(self, request: web.Request) -> web.Response:
        """Every unfinished file, the oldest first."""
        return json_answer(UnfinishedFilesAnswer(await self._node.unfinished()))

    async def change_download(self, request: web.Request) -> web.Response:
        """Change a download's priority."""
        wanted = await read_body(request, DownloadChange)
        download_id = request.match_info["id"]
        return json_answer(self._node.prioritise_download(download_id, wanted.priority))

    async def pause_download(self, request: web.Request) -> web.Response:
        """Stop a download, keeping what is there."""
        return json_answer(await self._node.pause_download(request.match_info["id"]))

    async def resume_download(self, request: web.Request) -> web.Response:
        """Let a paused download go on."""
        return json_answer(self._node.resume_download(request.match_info["id"]))

    async def verify(self, request: web.Request) -> web.StreamResponse:
        """Re-read shared files; what differs is withdrawn. Whoever hangs up ends it."""
        wanted = await read_body(request, VerifyRequest)
        answer: VerifyAnswer | None = None
        async with aclosing(self._node.verifying(wanted.paths)) as steps:
            if NDJSON in request.headers.get("Accept", ""):
                return await ndjson_answer(request, steps)
            async for step in steps:
                if request.transport is None:
                    raise ConnectionResetError
                answer = step.answer
        return json_answer(answer)

    async def settings(self, request: web.Request) -> web.Response:
        """What can be changed while the peer runs."""
        return json_answer(self._node.settings())

    async def change_settings(self, request: web.Request) -> web.Response:
        """Change settings, at once and for the next start too."""
        wanted = msgspec.to_builtins(await read_body(request, SettingsChange))
        return json_answer(self._node.change_settings(**wanted))


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_SIZE_DIGITS:
        raise UsageError("A size is a number of bytes.")
    return int(text)


def _number(text: str) -> int:
    short = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PAGE))
    if not short or not 1 <= int(text) <= MAX_PAGE:
        raise UsageError(f"A limit is a number from 1 to {MAX_PAGE}.")
    return int(text)
