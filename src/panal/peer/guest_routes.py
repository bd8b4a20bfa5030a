"""The guests' own listener: plain HTTP, nothing but `/guest/<capability>/<name>`.

What a capability does not open, or opens no more, is answered as what never was. Guests wait
in lanes of their own and take nothing from members.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from random import Random

import msgspec
from aiohttp import web

from panal.audit import AuditLog
from panal.errors import ContentChanged, NotFound
from panal.peer.access import Route
from panal.peer.content_answers import ContentAnswers
from panal.peer.contents import Contents
from panal.peer.documented import CONTENT_BYTES, PAGE, Body
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.file_routes import path_in_url
from panal.peer.guest_links import GuestLinks
from panal.peer.lanes import Lanes
from panal.peer.listing_answers import ListingAnswers, in_pages
from panal.peer.listing_page import page_form, page_rows
from panal.peer.never_sent import NeverSent
from panal.peer.read_folders import ReadFolder, ReadFolders
from panal.peer.roles import Asker, Role
from panal.peer.sending import Sender
from panal.store.texts import Texts
from panal.wire.capability import Grant
from panal.wire.manifest import Kind
from panal.wire.names import safe_path

UNKNOWN = "There is nothing under that address."

TO_THE_LIST = Body("text/plain", schema={"type": "string"})
"""Of a folder: the same address with a slash behind it."""


class GuestPath(msgspec.Struct):
    """What a link for guests opens."""

    capability: str
    """What the address proves."""
    name: str
    """What the file or folder is called."""


class GuestFilePath(GuestPath):
    """What lies in a folder that a link for guests opens."""

    path: str
    """Below that folder; empty or with a slash behind it: a list. Slashes stay as they are."""


class GuestDoorkeeper(Doorkeeper):
    """Who is asking, on the guests' listener: a guest, or nobody; never a member or the owner."""

    def __init__(self, links: GuestLinks, allowed_hosts: frozenset[str]) -> None:
        super().__init__(allowed_hosts=allowed_hosts)
        self._links = links

    def asker(self, request: web.Request) -> Asker:
        """Only what the address proves counts."""
        return Asker(has_capability=self.grant(request) is not None)

    def grant(self, request: web.Request) -> Grant | None:
        """What the address opens."""
        matched = request.match_info
        return self._links.grant(matched.get("capability", ""), matched.get("name", ""))


class GuestRoutes:
    """Serves what links for guests name."""

    def __init__(
        self,
        keeper: GuestDoorkeeper,
        contents: Contents,
        texts: Texts,
        sender: Sender,
        chance: Random,
        audit: AuditLog,
    ) -> None:
        self._keeper = keeper
        self._contents = contents
        self._folders = ReadFolders(texts)
        self._audit = audit
        self._answers = ContentAnswers(sender, Lanes(), NeverSent(chance))
        self._listings = ListingAnswers()

    def routes(self) -> list[Route]:
        """The routes; what is not one of them is refused as an unknown capability is."""
        named = "/guest/{capability}/{name}"
        guest = partial(Route, role=Role.GUEST, unknown=UNKNOWN, fails=(ContentChanged,))
        return [
            route
            for method in ("GET", "HEAD")
            for route in (
                guest(
                    method,
                    named,
                    handler=self.content,
                    where=GuestPath,
                    gives=CONTENT_BYTES,
                    also={308: TO_THE_LIST},
                ),
                guest(
                    method,
                    named + "/{path:.*}",
                    handler=self.inside,
                    where=GuestFilePath,
                    gives=(CONTENT_BYTES, PAGE),
                ),
                guest(method, "/{any:.*}", handler=self.none, is_documented=False),
            )
        ]

    async def content(self, request: web.Request) -> web.StreamResponse:
        """The bytes of a file; of a folder, the way to its list."""
        grant = self._grant(request)
        if grant.kind is Kind.COLLECTION:
            raise web.HTTPPermanentRedirect(request.rel_url.raw_path + "/")
        return await self._answers.send(
            request,
            grant.content,
            lambda: self._contents.open(grant.content),
            grant.name,
            by_path=True,
        )

    async def inside(self, request: web.Request) -> web.StreamResponse:
        """A file of a folder, or a list of it or of a folder in it."""
        grant = self._grant(request)
        if grant.kind is not Kind.COLLECTION:
            raise NotFound(UNKNOWN)
        prefix = request.rel_url.raw_path.split("/", 4)[:4]
        path = path_in_url(request, "/".join(prefix) + "/")
        if not path or path.endswith("/"):
            return await self._listing(request, grant, safe_path(path[:-1]) + "/" if path else "")
        wanted = safe_path(path)
        entry = (await asyncio.to_thread(self._folder, grant)).entry(wanted)
        if entry is None or entry.content is None:
            raise NotFound(UNKNOWN)
        content = entry.content
        return await self._answers.send(
            request, content, lambda: self._contents.open(content), wanted, by_path=True
        )

    async def none(self, request: web.Request) -> web.StreamResponse:
        """Nothing else is here."""
        raise NotFound(UNKNOWN)

    def _grant(self, request: web.Request) -> Grant:
        grant = self._keeper.grant(request)
        if grant is None:  # it has expired in this very moment
            raise NotFound(UNKNOWN)
        self._audit.note(
            "guest-link-used",
            host=request.remote or "",
            what=grant.name,
            link=grant.serial.hex(),
            is_limited=True,
        )
        return grant

    async def _listing(self, request: web.Request, grant: Grant, prefix: str) -> web.StreamResponse:
        form = page_form(f"{grant.name}/{prefix}", is_below=bool(prefix))
        return await self._listings.send(
            request,
            form,
            lambda: in_pages(self._names(grant, prefix), page_rows),
            UNKNOWN if prefix else "",
        )

    def _names(self, grant: Grant, prefix: str) -> Iterator[tuple[str, int | None]]:
        last = ""
        for entry in self._folder(grant).below(prefix):
            name, slash, _ = entry.path[len(prefix) :].partition("/")
            is_folder = bool(slash) or entry.content is None
            shown = name + "/" if is_folder else name
            if shown != last:  # all of one folder come together
                yield shown, None if is_folder else entry.size_bytes
            last = shown

    def _folder(self, grant: Grant) -> ReadFolder:
        found = self._folders.get(grant.content)
        if found is None:
            raise NotFound(UNKNOWN)
        return found
