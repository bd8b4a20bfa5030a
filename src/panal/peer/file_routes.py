"""Files by path, and the folder as a listing that tools can walk."""

from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, UnsetType

from panal.errors import (
    ContentChanged,
    NotFound,
    UnsafeName,
)
from panal.peer.access import Route
from panal.peer.content_answers import ContentAnswers
from panal.peer.contents import Contents
from panal.peer.documented import CONTENT_BYTES, PAGE, FilePath
from panal.peer.folder_listing import children
from panal.peer.listing_answers import Form, ListingAnswers, in_pages
from panal.peer.listing_page import page_form, page_rows
from panal.peer.roles import Role
from panal.store.index import Index
from panal.store.shared_files import SharedFile
from panal.wire.names import safe_path


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
    """What is shared, by its path."""

    def __init__(self, index: Index, contents: Contents, answers: ContentAnswers) -> None:
        self._index = index
        self._contents = contents
        self._answers = answers
        self._listings = ListingAnswers()

    def routes(self) -> list[Route]:
        """The routes, each with its role."""
        return [
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

    async def _listing(self, request: web.Request, prefix: str) -> web.StreamResponse:
        as_json = "application/json" in request.headers.get(hdrs.ACCEPT, "")
        form = _json_form(prefix) if as_json else page_form("/" + prefix, is_below=bool(prefix))

        def pages() -> Iterator[bytes]:
            found = children(self._index.files_after, prefix, self._contents.is_there)
            return in_pages(found, _json_rows if as_json else _page_rows)

        none = "There is no such folder here." if prefix else ""
        return await self._listings.send(request, form, pages, none)


_Child = tuple[str, SharedFile | None]


def _json_form(prefix: str) -> Form:
    """That of a `ListingAnswer`."""
    head, tail = msgspec.json.encode(ListingAnswer(prefix, [])).rsplit(b"]", 1)
    return Form("application/json", head, b",", b"]" + tail)


def _json_rows(names: Sequence[_Child]) -> bytes:
    listed = [
        ListedFile(name, shared.content.hex(), shared.fingerprint.size_bytes)
        if shared is not None
        else ListedFile(name)
        for name, shared in names
    ]
    return msgspec.json.encode(listed)[1:-1]


def _page_rows(names: Sequence[_Child]) -> bytes:
    return page_rows((n, None if s is None else s.fingerprint.size_bytes) for n, s in names)


def path_in_url(request: web.Request, prefix: str) -> str:
    """The path behind `prefix`, percent-decoded once; UnsafeName unless it is UTF-8."""
    # Before the prefix may stand the scheme and host (RFC 9112, 3.2.2).
    raw = request.raw_path.partition("?")[0].partition(prefix)[2]
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise UnsafeName("The name is not valid UTF-8.") from None
