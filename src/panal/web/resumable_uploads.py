"""Resumable uploads by tus 1.0, so that its clients work: tus-js-client, Uppy and others.

https://tus.io/protocols/resumable-upload: core, creation, creation-with-upload, termination and
expiration.
"""

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

import msgspec
from aiohttp import web

from panal.answers import UploadAnswer, UploadsAnswer
from panal.audit import AuditLog
from panal.errors import (
    InUse,
    NoSpace,
    NotFound,
    OffsetDiffers,
    PanalError,
    TargetTaken,
    TooLarge,
    TooSlow,
    UnsafeName,
    UsageError,
)
from panal.peer.access import Route
from panal.peer.app import PeerApp
from panal.peer.documented import Body
from panal.peer.http_answers import PROTOCOL_HEADER, json_answer, problem
from panal.peer.problems import PROBLEM, ProblemAnswer
from panal.peer.resumable_upload import ResumableUpload
from panal.peer.resumable_uploads import ResumableUploads
from panal.peer.roles import Role
from panal.peer.upload_names import Conflict
from panal.store.index import Index
from panal.store.mounts import Mounts
from panal.wire import tus
from panal.wire.manifest import MAX_CONTENT_BYTES
from panal.wire.names import SafePath, visible_path

UPLOADS = "/api/v1/uploads"
UPLOADED = Body(tus.CONTENT_TYPE)
_BLOCK_BYTES = 256 * 1024


class UploadPath(msgspec.Struct):
    """Which upload."""

    id: str
    """As the last part of the Location that it began with."""


class ResumableUploadRoutes:
    """The routes of one peer."""

    def __init__(
        self, uploads: ResumableUploads, root: Mounts, index: Index, audit: AuditLog
    ) -> None:
        self._uploads = uploads
        self._root = root
        self._index = index
        self._audit = audit

    def routes(self) -> Sequence[Route]:
        """The routes, all of them the owner's."""
        every = partial(Route, path=UPLOADS, role=Role.OWNER)
        one = partial(Route, path=UPLOADS + "/{id}", role=Role.OWNER, where=UploadPath)
        stores = (NotFound, OffsetDiffers, InUse, TargetTaken, TooLarge, TooSlow, NoSpace)
        failing = Body(PROBLEM, ProblemAnswer)
        other_version = {412: failing}
        return [
            every("OPTIONS", handler=self.options, status=204),
            every("GET", handler=self.all, gives=UploadsAnswer),
            every(
                "POST",
                handler=self.create,
                takes=UPLOADED,
                status=201,
                also=other_version,
                fails=(*stores, UnsafeName),
            ),
            one("HEAD", handler=self.head, also=other_version, fails=stores),
            one(
                "PATCH",
                handler=self.patch,
                takes=UPLOADED,
                status=204,
                also={**other_version, 415: failing},
                fails=stores,
            ),
            one("DELETE", handler=self.delete, status=204, also=other_version, fails=stores),
        ]

    async def options(self, request: web.Request) -> web.Response:
        """What of tus this peer can do."""
        fields = {
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(MAX_CONTENT_BYTES),
        }
        return _answer(204, fields)

    async def all(self, request: web.Request) -> web.Response:
        """Every unfinished upload that can go on, those begun first first."""
        return json_answer(
            UploadsAnswer([upload_row(self._uploads, u) for u in self._uploads.unfinished()])
        )

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Begin an upload by tus; its path is `path` in Upload-Metadata, `conflict` as well."""
        if (wrong := _wrong_version(request)) is not None:
            return wrong
        size_bytes = tus.length(request.headers.get("Upload-Length"), "Upload-Length")
        said = tus.metadata(request.headers.get("Upload-Metadata", ""))
        path = visible_path(said.get("path") or said.get("filename", ""))
        conflict = _conflict(said.get("conflict", Conflict.ASK.value))
        try:
            upload = await self._uploads.begin(path, size_bytes, conflict)
        except TargetTaken as error:
            return self._taken(path, error)
        fields: dict[str, str] = {"Location": f"{UPLOADS}/{upload.id}"}
        has_bytes = request.content_type == tus.CONTENT_TYPE and request.can_read_body
        if has_bytes or size_bytes == 0:
            try:
                await self._receive(request, upload, 0)
            except PanalError as error:
                # It has begun all the same: its sender can go on with it, or end it.
                answer = problem(error.http_status, error.slug, str(error))
                answer.headers.update({**_tus(), **fields})
                return answer
        return _answer(201, {**fields, **self._fields(upload)})

    async def head(self, request: web.Request) -> web.StreamResponse:
        """How much of an upload is here."""
        if (wrong := _wrong_version(request)) is not None:
            return wrong
        upload = self._uploads.get(request.match_info["id"])
        if upload.is_all_here:
            # Else its sender would take it for stored, which it is in a moment.
            await self._uploads.store(upload)
        return _answer(200, self._fields(upload))

    async def patch(self, request: web.Request) -> web.StreamResponse:
        """Send further bytes; with the last of them the file gets its name."""
        if (wrong := _wrong_version(request)) is not None:
            return wrong
        if request.content_type != tus.CONTENT_TYPE:
            return problem(415, "bad-request", f"Send {tus.CONTENT_TYPE}.")
        upload = self._uploads.get(request.match_info["id"])
        offset = tus.length(request.headers.get("Upload-Offset"), "Upload-Offset")
        await self._receive(request, upload, offset)
        return _answer(204, self._fields(upload))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """End an upload, and remove what is here of it."""
        if (wrong := _wrong_version(request)) is not None:
            return wrong
        await self._uploads.remove(self._uploads.get(request.match_info["id"]))
        return _answer(204, {})

    async def _receive(self, request: web.Request, upload: ResumableUpload, offset: int) -> None:
        was_stored = upload.is_stored
        await self._uploads.receive(upload, offset, request.content.iter_chunked(_BLOCK_BYTES))
        if upload.is_stored and not was_stored:
            self._audit.note("uploaded", host=request.remote or "", what=upload.record.stored_as)

    def _fields(self, upload: ResumableUpload) -> dict[str, str]:
        record = upload.record
        fields = {
            "Upload-Offset": str(upload.offset),
            "Upload-Length": str(record.size_bytes),
            "Upload-Expires": tus.expires(self._uploads.expires_s(upload)),
        }
        if upload.is_stored:
            fields["Panal-Path"] = quote(record.stored_as)
            if record.content:
                fields["Panal-Content"] = record.content
        return fields

    def _taken(self, path: SafePath, error: TargetTaken) -> web.Response:
        found, shared = self._root.fingerprint(path), self._index.by_path(path)
        there = {
            "path": path,
            "size": None if found is None else found.size_bytes,
            "modified": None if found is None else found.mtime_ns / 1e9,
            "id": None if shared is None else shared.content.hex(),
        }
        answer = problem(error.http_status, error.slug, str(error))
        told = msgspec.json.decode(answer.body)  # type: ignore[arg-type]
        answer.body = msgspec.json.encode({**told, "there": there})
        answer.headers.update(_tus())
        return answer


def resumable_upload_routes(app: PeerApp) -> Sequence[Route]:
    """The routes of a peer."""
    return ResumableUploadRoutes(app.resumable, app.root, app.index, app.audit).routes()


def upload_row(
    uploads: ResumableUploads, upload: ResumableUpload, rate: float = 0.0
) -> UploadAnswer:
    """One upload as the API gives it."""
    state = "receiving" if upload.is_receiving else "waiting"
    return UploadAnswer(
        id=upload.id,
        path=upload.record.path,
        size=upload.record.size_bytes,
        offset=upload.offset,
        rate_bytes_s=rate,
        state="storing" if upload.storing is not None else state,
        resumable=True,
        expires=None if upload.is_receiving else uploads.expires_s(upload),
    )


def _conflict(text: str) -> Conflict:
    try:
        return Conflict(text)
    except ValueError:
        raise UsageError("conflict is ask, keep_both, replace or skip.") from None


def _tus() -> dict[str, str]:
    return {**PROTOCOL_HEADER, "Tus-Resumable": tus.VERSION}


def _answer(status: int, fields: dict[str, str]) -> web.Response:
    return web.Response(status=status, headers={**_tus(), **fields})


def _wrong_version(request: web.Request) -> web.Response | None:
    if request.headers.get("Tus-Resumable") == tus.VERSION:
        return None
    answer = problem(412, "bad-request", f"Send Tus-Resumable: {tus.VERSION}.")
    answer.headers["Tus-Version"] = tus.VERSION
    return answer
