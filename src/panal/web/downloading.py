"""Downloads, and what they leave unfinished."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web

from panal.answers import (
    DownloadAnswer,
    DownloadsAnswer,
    PlanAnswer,
    UnfinishedFilesAnswer,
    WhyAnswer,
)
from panal.api import Node
from panal.errors import AmbiguousName, NoSpace, NotFound
from panal.peer.access import Route
from panal.peer.http_answers import json_answer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.web.bodies import DownloadChange, DownloadRequest, PlanRequest, read_body
from panal.web.finding import ASKING
from panal.web.queries import DownloadPath, RemoveDownload


class DownloadRoutes:
    """Downloads, and what they leave unfinished."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        owner, downloads = Role.OWNER, "/api/v1/downloads"
        one = downloads + "/{id}"
        of_one = partial(
            Route, role=owner, where=DownloadPath, gives=DownloadAnswer, fails=(NotFound, NoSpace)
        )
        return [
            Route("GET", downloads, owner, self.downloads, gives=DownloadsAnswer),
            Route(
                "POST",
                downloads,
                owner,
                self.begin_download,
                takes=DownloadRequest,
                gives=DownloadAnswer,
                status=202,
                fails=(NoSpace,),
            ),
            of_one("GET", one, handler=self.download),
            of_one("PATCH", one, handler=self.change_download, takes=DownloadChange),
            of_one(
                "DELETE",
                one,
                handler=self.remove_download,
                query=RemoveDownload,
                gives=(),
                status=204,
            ),
            of_one("GET", one + "/why", handler=self.why, gives=WhyAnswer),
            of_one("POST", one + "/pause", handler=self.pause_download),
            of_one("POST", one + "/resume", handler=self.resume_download),
            Route(
                "POST",
                "/api/v1/plan",
                owner,
                self.plan,
                takes=PlanRequest,
                gives=PlanAnswer,
                fails=(*ASKING, AmbiguousName, NoSpace),
            ),
            Route("GET", "/api/v1/unfinished", owner, self.unfinished, gives=UnfinishedFilesAnswer),
        ]

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

    async def download(self, request: web.Request) -> web.Response:
        """One download."""
        return json_answer(self._node.download(request.match_info["id"]))

    async def change_download(self, request: web.Request) -> web.Response:
        """Change a download's priority."""
        wanted = await read_body(request, DownloadChange)
        download_id = request.match_info["id"]
        return json_answer(self._node.prioritise_download(download_id, wanted.priority))

    async def remove_download(self, request: web.Request) -> web.Response:
        """Cancel a download, keeping what is there for a day, or take an ended one off the list.

        With `?delete=true` what is there of it is removed at once.
        """
        delete = read_query(request, RemoveDownload).delete
        await self._node.remove_download(request.match_info["id"], delete=delete)
        return web.Response(status=204)

    async def why(self, request: web.Request) -> web.Response:
        """What a download waits for, or what limits it."""
        return json_answer(self._node.why(request.match_info["id"]))

    async def pause_download(self, request: web.Request) -> web.Response:
        """Stop a download, keeping what is there."""
        return json_answer(await self._node.pause_download(request.match_info["id"]))

    async def resume_download(self, request: web.Request) -> web.Response:
        """Let a paused download go on."""
        return json_answer(self._node.resume_download(request.match_info["id"]))

    async def plan(self, request: web.Request) -> web.Response:
        """What a download would do; nothing is written."""
        wanted = await read_body(request, PlanRequest)
        return json_answer(await self._node.plan(wanted.what))

    async def unfinished(self, request: web.Request) -> web.Response:
        """Every unfinished file, the oldest first."""
        return json_answer(UnfinishedFilesAnswer(await self._node.unfinished()))
