"""What this peer shares."""

from collections.abc import Sequence
from contextlib import aclosing

from aiohttp import web

from panal.answers import AddedAnswer, FilesAnswer, FolderAnswer, VerifyAnswer, VerifyProgress
from panal.api import Node
from panal.errors import ContentChanged, NoSpace, NotFound, TargetTaken
from panal.peer.access import Route
from panal.peer.documented import FilePath
from panal.peer.http_answers import NDJSON, json_answer, ndjson_answer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.web.bodies import AddRequest, FolderRequest, VerifyRequest, read_body
from panal.web.queries import FilesPage


class ShareRoutes:
    """What this peer shares."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        owner, files = Role.OWNER, "/api/v1/files"
        adding = (NotFound, ContentChanged, TargetTaken, NoSpace)
        return [
            Route("GET", files, owner, self.files, query=FilesPage, gives=FilesAnswer),
            Route(
                "POST",
                files,
                owner,
                self.add,
                takes=AddRequest,
                gives=AddedAnswer,
                status=201,
                fails=adding,
            ),
            Route(
                "DELETE",
                files + "/{path:.+}",
                owner,
                self.unshare,
                where=FilePath,
                status=204,
                fails=(NotFound, NoSpace),
            ),
            Route(
                "POST",
                "/api/v1/folders",
                owner,
                self.add_folder,
                takes=FolderRequest,
                gives=FolderAnswer,
                status=201,
                fails=adding,
            ),
            Route(
                "POST",
                "/api/v1/verify",
                owner,
                self.verify,
                takes=VerifyRequest,
                gives=VerifyAnswer,
                streams=VerifyProgress,
                fails=(NotFound,),
            ),
        ]

    async def files(self, request: web.Request) -> web.Response:
        """One page of this peer's files."""
        asked = read_query(request, FilesPage)
        return json_answer(self._node.files(asked.after, asked.limit))

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

    async def verify(self, request: web.Request) -> web.StreamResponse:
        """Re-read shared files; what differs is withdrawn. Whoever hangs up ends it."""
        wanted = await read_body(request, VerifyRequest)
        answer: VerifyAnswer | None = None
        async with aclosing(self._node.verifying(wanted.paths, repair=wanted.repair)) as steps:
            if NDJSON in request.headers.get("Accept", ""):
                return await ndjson_answer(request, steps)
            async for step in steps:
                if request.transport is None:
                    raise ConnectionResetError
                answer = step.answer
        return json_answer(answer)
