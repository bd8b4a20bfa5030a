"""Files by path: uploads into the folder, and the folder as a listing that tools can walk."""

from collections.abc import AsyncIterator
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import BodyPartReader, hdrs, web

from panal.audit import AuditLog
from panal.errors import NotFound, PanalError, UnsafeName, UsageError
from panal.peer.access import Route
from panal.peer.announcer import Announcer
from panal.peer.content_answers import ContentAnswers
from panal.peer.contents import Contents
from panal.peer.forms import UNREADABLE, part_parameters
from panal.peer.http_answers import json_answer
from panal.peer.listing_page import listing_page
from panal.peer.roles import Role
from panal.peer.sharing import Placed
from panal.peer.uploads import Uploads
from panal.store.index import Index, SharedFile
from panal.wire.links import Link
from panal.wire.names import safe_path, visible_path

ANNOUNCED_WITHIN_S = 1.0
_BLOCK_BYTES = 256 * 1024


class UploadedFile(msgspec.Struct):
    """One stored file, as the answer to an upload names it."""

    path: str
    id: str
    size: int
    sha256: str
    link: str


class UploadFailure(msgspec.Struct):
    """One file of several that was not stored."""

    path: str
    status: int
    type: str
    detail: str


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
        return [
            Route("POST", "/upload", Role.OWNER, self.upload_form),
            Route("PUT", "/upload/{path:.+}", Role.OWNER, self.upload_raw),
            Route("GET", "/files/", Role.MEMBER, self.folder),
            Route("HEAD", "/files/", Role.MEMBER, self.folder),
            Route("GET", "/files/{path:.+}", Role.MEMBER, self.file),
            Route("HEAD", "/files/{path:.+}", Role.MEMBER, self.file),
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
            replace=_wants_replacing(request),
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
                    replace=_wants_replacing(request),
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
            return json_answer({"files": files, "announced": announced}, status)
        body = {
            "type": failures[0].type,
            "status": failures[0].status,
            "detail": failures[0].detail,
            "files": files,
            "failed": failures,
            "announced": announced,
        }
        answer = json_answer(body, 207 if files else failures[0].status)
        answer.content_type = "application/problem+json"
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
                {"name": name, "id": s.content.hex(), "size": s.fingerprint.size_bytes}
                if s is not None
                else {"name": name}
                for name, s in names.items()
            ]
            return json_answer({"path": prefix, "files": listed})
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


def _wants_replacing(request: web.Request) -> bool:
    return request.query.get("replace", "false").lower() in {"true", "1", "yes"}
