"""Files by path: uploads into the folder, and the folder as a listing that tools can walk."""

from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import BodyPartReader, hdrs, web
from msgspec import UNSET, UnsetType

from panal.audit import AuditLog
from panal.errors import (
    ContentChanged,
    NoSpace,
    NotFound,
    PanalError,
    RootOffline,
    TargetTaken,
    TooLarge,
    TooSlow,
    UnsafeName,
    UsageError,
)
from panal.peer.access import Route
from panal.peer.announcer import Announcer
from panal.peer.content_answers import ContentAnswers
from panal.peer.contents import Contents
from panal.peer.documented import CONTENT_BYTES, FILE_BYTES, PAGE, Body, FilePath
from panal.peer.forms import UNREADABLE, part_parameters
from panal.peer.http_answers import json_answer
from panal.peer.listing_page import listing_page
from panal.peer.problems import PROBLEM, ProblemAnswer
from panal.peer.query import read_query
from panal.peer.roles import Role
from panal.peer.sharing import Placed
from panal.peer.uploads import Uploads
from panal.store.index import Index, SharedFile
from panal.wire.links import Link
from panal.wire.names import safe_path, visible_path

ANNOUNCED_WITHIN_S = 1.0
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


class ListedFile(msgspec.Struct):
    """A file, or a folder."""

    name: str
    """Ends with a slash where it is a folder."""
    id: str | UnsetType = UNSET
    """Its content id; files only."""
    size: int | UnsetType = UNSET
    """In bytes; files only."""


class ListingAnswer(msgspec.Struct):
    """What lies in a folder."""

    path: str
    """Which folder, with a slash behind it; empty for the whole."""
    files: list[ListedFile]
    """Its files and folders, in path order."""


class FileRoutes:
    """Uploads and the folder's listing."""

    def __init__(
        self,
        uploads: Uploads,
        index: Index,
        contents: Contents,
        answers: ContentAnswers,
        announcer: Announcer,
        tracker: str,
        audit: AuditLog,
    ) -> None:
        self._uploads = uploads
        self._index = index
        self._contents = contents
        self._answers = answers
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
            *(
                Route(method, "/files/", Role.MEMBER, self.folder, gives=(ListingAnswer, PAGE))
                for method in ("GET", "HEAD")
            ),
            *(
                Route(
                    method,
                    "/files/{path:.+}",
                    Role.MEMBER,
                    self.file,
                    where=FilePath,
                    gives=(CONTENT_BYTES, ListingAnswer, PAGE),
                    fails=(NotFound, ContentChanged),
                )
                for method in ("GET", "HEAD")
            ),
        ]

    # Uploads ------------------------------------------------------------------------------

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

    # The folder ---------------------------------------------------------------------------

    async def file(self, request: web.Request) -> web.StreamResponse:
        """A shared file's bytes, or a folder's listing where the path ends with a slash."""
        text = path_in_url(request, "/files/")
        if text.endswith("/"):
            return await self._listing(request, safe_path(text[:-1]) + "/")
        path = safe_path(text)
        shared = self._index.by_path(path)
        if shared is None:
            raise NotFound("There is no such file here.")
        return await self._answers.send(
            request,
            shared.content,
            lambda: self._contents.open_path(shared),
            path,
            by_path=True,
        )

    async def folder(self, request: web.Request) -> web.StreamResponse:
        """The listing of the whole folder."""
        return await self._listing(request, "")

    async def _listing(self, request: web.Request, prefix: str) -> web.Response:
        names: dict[str, SharedFile | None] = {}
        for shared in filter(self._contents.is_there, self._index.files_below(prefix)):
            name, slash, _ = shared.path[len(prefix) :].partition("/")
            names[name + slash] = None if slash else shared
        if prefix and not names:
            raise NotFound("There is no such folder here.")
        if "application/json" in request.headers.get(hdrs.ACCEPT, ""):
            listed = [
                ListedFile(name, s.content.hex(), s.fingerprint.size_bytes)
                if s is not None
                else ListedFile(name)
                for name, s in names.items()
            ]
            return json_answer(ListingAnswer(prefix, listed))
        sizes = {n: None if s is None else s.fingerprint.size_bytes for n, s in names.items()}
        return listing_page("/" + prefix, sizes, is_below=bool(prefix))


def path_in_url(request: web.Request, prefix: str) -> str:
    """The path behind `prefix`, percent-decoded once; UnsafeName unless it is UTF-8."""
    # Before the prefix may stand the scheme and host (RFC 9112, 3.2.2).
    raw = request.raw_path.partition("?")[0].partition(prefix)[2]
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise UnsafeName("The name is not valid UTF-8.") from None


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
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UsageError("Send the file as it is, without Content-Encoding.")


async def _blocks(part: BodyPartReader) -> AsyncIterator[bytes]:
    # Not until nothing comes: that is also so where the form ends without its boundary.
    while not part.at_eof():
        yield await part.read_chunk(_BLOCK_BYTES)
