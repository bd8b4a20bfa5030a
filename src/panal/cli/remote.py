"""A running peer's API, as the commands call it."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from panal.answers import (
    AddedAnswer,
    DownloadAnswer,
    DownloadsAnswer,
    FileAnswer,
    FilesAnswer,
    FolderAnswer,
    GuestLinkAnswer,
    GuestLinksAnswer,
    LinkAnswer,
    LogAnswer,
    PageLink,
    PlanAnswer,
    SearchAnswer,
    SettingsAnswer,
    StatusAnswer,
    UnfinishedAnswer,
    UnfinishedFilesAnswer,
    VerifyAnswer,
    VerifyProgress,
    WhyAnswer,
)
from panal.cli.token import OwnPeerConnector, check_stays_here, given_token
from panal.errors import PanalError, Unreachable, UsageError, by_slug
from panal.wire.names import sentence

TIMEOUT_S = 10.0
PAGE = 1_000
LONG_TIMEOUT_S = None
"""Adding reads every byte: it takes what it takes."""
PLAN_S = LONG_TIMEOUT_S
"""What is there under wanted names is read."""
SILENCE_S = 60.0
"""How long a peer that is to tell how it goes may say nothing."""
Answer = TypeVar("Answer")


class _Problem(msgspec.Struct):
    type: str = ""
    detail: str = ""


class RemotePeer:
    """The control of one peer."""

    def __init__(self, url: str) -> None:
        if not url.startswith("http://"):
            raise UsageError("A peer's URL begins with http://, as http://127.0.0.1:5000.")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        self._token = given_token()
        if self._token is not None:
            check_stays_here(url)
            self._headers["Authorization"] = f"Bearer {self._token.text}"

    async def __aenter__(self) -> "RemotePeer":
        connector = None if self._token is None else OwnPeerConnector(self._token)
        # It trusts nobody's answers: no decoding, no cookies, no proxy.
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
            connector=connector or aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def status(self) -> StatusAnswer:
        """The peer's own state."""
        return await self._call("GET", "/api/v1/status", StatusAnswer)

    async def file_pages(self) -> AsyncIterator[list[FileAnswer]]:
        """Everything it shares, page by page."""
        after: str | None = ""
        while after is not None:
            page = await self.files_after(after, PAGE)
            yield page.files
            after = page.next

    async def files_after(self, after: str, limit: int) -> FilesAnswer:
        """A page of what it shares, in path order."""
        address = f"/api/v1/files?after={quote(after, safe='')}&limit={limit}"
        return await self._call("GET", address, FilesAnswer)

    async def search(self, words: str, limit: int) -> SearchAnswer:
        """A page of what has such names, over everybody's files."""
        address = f"/api/v1/search?q={quote(words, safe='')}&limit={limit}"
        return await self._call("GET", address, SearchAnswer)

    async def add(self, paths: Sequence[str], *, copy: bool) -> AddedAnswer:
        """Share files and folders from anywhere on the peer's machine."""
        body = {"paths": list(paths), "copy": copy}
        return await self._call("POST", "/api/v1/files", AddedAnswer, body, LONG_TIMEOUT_S)

    async def add_folder(self, path: str) -> FolderAnswer:
        """Share a folder inside the peer's own as one content."""
        body = {"path": path}
        return await self._call("POST", "/api/v1/folders", FolderAnswer, body, LONG_TIMEOUT_S)

    async def unshare(self, path: str) -> None:
        """Share a file or folder no more."""
        await self._send("DELETE", f"/api/v1/files/{quote(path, safe='/')}")

    async def verify(
        self, paths: Sequence[str], seen: Callable[[VerifyProgress], None], *, repair: bool = False
    ) -> VerifyAnswer:
        """Have shared files read again, and damaged ones repaired; hanging up ends it."""
        patience = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=SILENCE_S)
        body = {"paths": list(paths), "repair": repair}
        headers = {"Accept": "application/x-ndjson"}
        async with self._asked("POST", "/api/v1/verify", body, patience, headers) as answer:
            async for line in _lines(answer):
                step = self._read(line, VerifyProgress)
                if step.answer is not None:
                    return step.answer
                seen(step)
        raise PanalError(f"The peer at {self._url} stopped before it was done.")

    async def link(self, what: str) -> LinkAnswer:
        """The link of something shared."""
        body = {"what": what}
        return await self._call("POST", "/api/v1/links", LinkAnswer, body, LONG_TIMEOUT_S)

    async def make_guest_link(self, what: str, duration_s: int) -> GuestLinkAnswer:
        """A link for guests."""
        body = {"what": what, "for_s": duration_s}
        address = "/api/v1/guest-links"
        return await self._call("POST", address, GuestLinkAnswer, body, LONG_TIMEOUT_S)

    async def guest_links(self) -> GuestLinksAnswer:
        """Every link for guests that counts."""
        return await self._call("GET", "/api/v1/guest-links", GuestLinksAnswer)

    async def revoke_guest_link(self, link_id: str) -> None:
        """A link for guests counts no more."""
        await self._send("DELETE", f"/api/v1/guest-links/{quote(link_id, safe='')}")

    async def log(self, most: int) -> LogAnswer:
        """The last of what happened at its doors."""
        return await self._call("GET", f"/api/v1/log?limit={most}", LogAnswer)

    async def page_link(self) -> PageLink:
        """A link that opens its page as its owner."""
        return await self._call("POST", "/api/v1/page-link", PageLink)

    async def settings(self) -> SettingsAnswer:
        """What can be changed while it runs."""
        return await self._call("GET", "/api/v1/settings", SettingsAnswer)

    async def change_settings(self, changes: Mapping[str, int]) -> SettingsAnswer:
        """Change some of it; how all stands then."""
        return await self._call("PATCH", "/api/v1/settings", SettingsAnswer, changes)

    async def begin(self, what: str, *, wait: bool = False) -> DownloadAnswer:
        """Begin a download."""
        body = {"what": what, "wait": wait}
        return await self._call("POST", "/api/v1/downloads", DownloadAnswer, body)

    async def plan(self, what: str) -> PlanAnswer:
        """What a download would do; nothing is written."""
        return await self._call("POST", "/api/v1/plan", PlanAnswer, {"what": what}, PLAN_S)

    async def downloads(self) -> list[DownloadAnswer]:
        """Every download, the newest last."""
        return (await self._call("GET", "/api/v1/downloads", DownloadsAnswer)).downloads

    async def download(self, download_id: str) -> DownloadAnswer:
        """One download as it stands."""
        return await self._call("GET", f"/api/v1/downloads/{download_id}", DownloadAnswer)

    async def why(self, download_id: str) -> WhyAnswer:
        """What a download waits for, or what limits it."""
        return await self._call("GET", f"/api/v1/downloads/{download_id}/why", WhyAnswer)

    async def pause(self, download_id: str) -> DownloadAnswer:
        """Stop a download, keeping what is there."""
        return await self._call("POST", f"/api/v1/downloads/{download_id}/pause", DownloadAnswer)

    async def resume(self, download_id: str) -> DownloadAnswer:
        """Let a paused download go on."""
        return await self._call("POST", f"/api/v1/downloads/{download_id}/resume", DownloadAnswer)

    async def prioritise(self, download_id: str, priority: int) -> DownloadAnswer:
        """Change a download's priority."""
        address, body = f"/api/v1/downloads/{download_id}", {"priority": priority}
        return await self._call("PATCH", address, DownloadAnswer, body)

    async def cancel(self, download_id: str, *, delete: bool) -> None:
        """Stop a download and take it off the list, and remove what is there of it if asked."""
        wanted = "true" if delete else "false"
        await self._send("DELETE", f"/api/v1/downloads/{download_id}?delete={wanted}")

    async def unfinished(self) -> list[UnfinishedAnswer]:
        """Every unfinished file, the oldest first."""
        return (await self._call("GET", "/api/v1/unfinished", UnfinishedFilesAnswer)).unfinished

    async def _call(
        self,
        method: str,
        address: str,
        kind: type[Answer],
        body: object = None,
        timeout_s: float | None = TIMEOUT_S,
    ) -> Answer:
        return self._read(await self._send(method, address, body, timeout_s), kind)

    def _read(self, raw: bytes, kind: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(raw, type=kind)
        except ValueError:  # what is no UTF-8 too
            raise PanalError(
                f"What answers at {self._url} is no Panal peer of this version."
            ) from None

    async def _send(
        self, method: str, address: str, body: object = None, timeout_s: float | None = TIMEOUT_S
    ) -> bytes:
        patience = aiohttp.ClientTimeout(total=timeout_s, sock_connect=TIMEOUT_S)
        async with self._asked(method, address, body, patience, {}) as answer:
            return await answer.read()

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        address: str,
        body: object,
        patience: aiohttp.ClientTimeout,
        headers: Mapping[str, str],
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, to be read; what the peer refuses is raised as it says."""
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with self._session.request(
                method,
                URL(self._url + address, encoded=True),
                data=data,
                headers={**self._headers, **headers},
                allow_redirects=False,
                timeout=patience,
            ) as answer:
                if answer.status >= 400:
                    raise _error(await answer.read())
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise Unreachable(
                f"The peer at {self._url} does not answer. Is it running ('panal peer'), and is "
                "the address right ('--peer')?"
            ) from None


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for block in answer.content.iter_any():  # its own lines have a limit
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line


def _error(raw: bytes) -> PanalError:
    try:
        problem = msgspec.json.decode(raw, type=_Problem)
    except ValueError:
        problem = _Problem(detail="The peer answered with an error that cannot be read.")
    return by_slug(problem.type.rpartition(":")[2], sentence(problem.detail))
