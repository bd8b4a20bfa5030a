"""Uploads into the folder, as forms or as the file itself."""

from collections.abc import AsyncIterator
from functools import partial

import msgspec
from aiohttp import BodyPartReader, hdrs, web

from panal.audit import AuditLog
from panal.errors import (
    NoSpace,
    PanalError,
    RootOffline,
    TargetTaken,
    TooLarge,
    TooSlow,
    UsageError,
)
from panal.peer.access import Route
from panal.peer.announcer import ANNOUNCED_WITHIN_S, Announcer
from panal.peer.documented import FILE_BYTES, Body, FilePath
from panal.peer.file_routes import path_in_url
from panal.peer.forms import UNREADABLE, part_parameters
from panal.peer.http_answers import json_answer
from panal.peer.problems import PROBLEM, ProblemAnswer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.peer.sharing import Placed
from panal.peer.uploads import Uploads
from panal.store.shared_files import SharedFile
from panal.wire.links import Link
from panal.wire.names import visible_path

_BLOCK_BYTES = 256 * 1024


FORM = Body(
    "multipart/form-data",
    schema={
        "type": "object",
        "properties": {"file": {"type": "array", "minItems": 1, "items": {"type": "string"}}},
        "required": ["file"],
    },
)


class UploadQuery(msgspec.Struct):
    """What an upload may do."""

    replace: bool = False
    """Put it in the place of another content that has the name."""


class UploadedFile(msgspec.Struct):
    """One stored file, as the answer to an upload names it."""

    path: str
    """Below the shared folder."""
    id: str
    """Its content id."""
    size: int
    """In bytes."""
    sha256: str
    """In hex."""
    link: str
    """For chats and mails, and for `get`."""


class UploadFailure(msgspec.Struct):
    """One file of several that was not stored."""

    path: str
    """What it was to be called."""
    status: int
    """The HTTP status that it would have by itself."""
    type: str
    """Stable: `urn:panal:error:` and the slug."""
    detail: str
    """One sentence for a person."""


class UploadedAnswer(msgspec.Struct):
    """What an upload stored."""

    files: list[UploadedFile]
    """In the order in which they came."""
    announced: bool
    """Whether the tracker knows of all of them by now; else it is told later."""


class UploadProblem(ProblemAnswer):
    """What of a form with several files was stored, and what was not."""

    files: list[UploadedFile]
    """Those that are stored."""
    failed: list[UploadFailure]
    """Those that are not; the first is also the problem."""
    announced: bool
    """Whether the tracker knows of the stored ones by now."""


class UploadRoutes:
    """Uploads by their path or name."""

    def __init__(
        self, uploads: Uploads, announcer: Announcer, tracker: str, audit: AuditLog
    ) -> None:
        self._uploads = uploads
        self._announcer = announcer
        self._tracker = tracker
        self._audit = audit

    def routes(self) -> list[Route]:
        """The routes, each with its role."""
        in_part = {207: Body(PROBLEM, UploadProblem)}
        upload = partial(
            Route,
            role=Role.OWNER,
            query=UploadQuery,
            gives=UploadedAnswer,
            status=(200, 201),
            fails=(TargetTaken, TooLarge, TooSlow, NoSpace, RootOffline),
        )
        return [
            upload("POST", "/upload", handler=self.upload_form, takes=FORM, also=in_part),
            upload(
                "PUT",
                "/upload/{path:.+}",
                handler=self.upload_raw,
                takes=FILE_BYTES,
                where=FilePath,
            ),
        ]

    async def upload_raw(self, request: web.Request) -> web.Response:
        """`curl -T FILE …/upload/PATH`: the body is the file."""
        _check_it_is_the_file_itself(request)
        path = visible_path(path_in_url(request, "/upload/"))
        stored = await self._uploads.store(
            path,
            request.content.iter_chunked(_BLOCK_BYTES),
            request.content_length,
            exact=request.content_length is not None,
            replace=read_query(request, UploadQuery).replace,
        )
        return await self._answer(request, [stored], [])

    async def upload_form(self, request: web.Request) -> web.Response:
        """`curl -F file=@FILE …/upload`: every part named `file` is a file."""
        if request.content_type != "multipart/form-data":
            raise UsageError("Send a form: curl -F file=@NAME …/upload, or PUT to /upload/NAME.")
        _check_it_is_the_file_itself(request)
        stored: list[Placed] = []
        failures: list[UploadFailure] = []
        try:
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader):
                    await self._store_part(request, part, stored, failures)
        except UNREADABLE:
            failures.append(_failure("", UsageError("The form breaks off or cannot be read.")))
        if not stored and not failures:
            raise UsageError("The form has no file: name the field 'file' (curl -F file=@NAME).")
        return await self._answer(request, stored, failures)

    async def _store_part(
        self,
        request: web.Request,
        part: BodyPartReader,
        stored: list[Placed],
        failures: list[UploadFailure],
    ) -> None:
        name = ""
        try:
            parameters = part_parameters(part.headers.getall(hdrs.CONTENT_DISPOSITION, []))
            if parameters.get("name") != "file":
                return
            name = parameters.get("filename", "")
            stored.append(
                await self._uploads.store(
                    visible_path(name),
                    _blocks(part),
                    request.content_length,
                    exact=False,
                    replace=read_query(request, UploadQuery).replace,
                )
            )
        except PanalError as error:
            failures.append(_failure(name, error))

    async def _answer(
        self, request: web.Request, stored: list[Placed], failures: list[UploadFailure]
    ) -> web.Response:
        paths = [one.file.path for one in stored]
        for path in paths:
            self._audit.note("uploaded", host=request.remote or "", what=path)
        announced = await self._announcer.announced(ANNOUNCED_WITHIN_S, paths) if stored else False
        files = [self._uploaded(one.file) for one in stored]
        if not failures:
            status = 201 if any(one.is_new for one in stored) else 200
            return json_answer(UploadedAnswer(files, announced), status)
        first = failures[0]
        body = UploadProblem(first.type, first.status, first.detail, files, failures, announced)
        answer = json_answer(body, 207 if files else first.status)
        answer.content_type = PROBLEM
        return answer

    def _uploaded(self, shared: SharedFile) -> UploadedFile:
        return UploadedFile(
            path=shared.path,
            id=shared.content.hex(),
            size=shared.fingerprint.size_bytes,
            sha256=shared.sha256.hex(),
            link=str(link_of(shared, self._tracker)),
        )


def link_of(shared: SharedFile, tracker: str) -> Link:
    """The link of a shared file."""
    name = shared.path.rpartition("/")[2]
    return Link(shared.content, name, shared.fingerprint.size_bytes, tracker)


def _failure(name: str, error: PanalError) -> UploadFailure:
    shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return UploadFailure(shown, error.http_status, f"urn:panal:error:{error.slug}", str(error))


def _check_it_is_the_file_itself(request: web.Request) -> None:
    # RFC 9110, 14.5: else the rest of a file (curl -C - -T) would be taken for the file.
    if hdrs.CONTENT_RANGE in request.headers:
        raise UsageError("Send the whole file: a part of one cannot be stored.")


async def _blocks(part: BodyPartReader) -> AsyncIterator[bytes]:
    # Not until nothing comes: that is also so where the form ends without its boundary.
    while not part.at_eof():
        yield await part.read_chunk(_BLOCK_BYTES)
