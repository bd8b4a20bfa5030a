"""A running peer's API, as the commands call it."""

from collections.abc import Mapping, Sequence
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
    SettingsAnswer,
    StatusAnswer,
    VerifyAnswer,
)
from panal.errors import PanalError, Unreachable, UsageError, by_slug
from panal.peer.http_source import client_session

TIMEOUT_S = 10.0
LONG_TIMEOUT_S = None
"""Adding and verifying read every byte: they take what they take."""
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

    async def __aenter__(self) -> "RemotePeer":
        self._session = client_session()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def status(self) -> StatusAnswer:
        """The peer's own state."""
        return await self._call("GET", "/api/v1/status", StatusAnswer)

    async def files(self) -> list[FileAnswer]:
        """Everything it shares, page by page."""
        found: list[FileAnswer] = []
        after: str | None = ""
        while after is not None:
            address = f"/api/v1/files?after={quote(after, safe='')}"
            page = await self._call("GET", address, FilesAnswer)
            found, after = found + page.files, page.next
        return found

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

    async def verify(self, paths: Sequence[str]) -> VerifyAnswer:
        """Have shared files read again."""
        body = {"paths": list(paths)}
        return await self._call("POST", "/api/v1/verify", VerifyAnswer, body, LONG_TIMEOUT_S)

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

    async def downloads(self) -> list[DownloadAnswer]:
        """Every download, the newest last."""
        return (await self._call("GET", "/api/v1/downloads", DownloadsAnswer)).downloads

    async def download(self, download_id: str) -> DownloadAnswer:
        """One download as it stands."""
        return await self._call("GET", f"/api/v1/downloads/{download_id}", DownloadAnswer)

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

    async def cancel(self, download_id: str) -> None:
        """Stop a download and take it off the list."""
        await self._send("DELETE", f"/api/v1/downloads/{download_id}")

    async def _call(
        self,
        method: str,
        address: str,
        kind: type[Answer],
        body: object = None,
        timeout_s: float | None = TIMEOUT_S,
    ) -> Answer:
        raw = await self._send(method, address, body, timeout_s)
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.DecodeError:
            raise PanalError(
                f"What answers at {self._url} is no Panal peer of this version."
            ) from None

    async def _send(
        self, method: str, address: str, body: object = None, timeout_s: float | None = TIMEOUT_S
    ) -> bytes:
        try:
            async with self._session.request(
                method,
                URL(self._url + address, encoded=True),
                data=None if body is None else msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=TIMEOUT_S),
            ) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise Unreachable(
                f"The peer at {self._url} does not answer. Is it running ('panal peer'), and is "
                "the address right ('--peer')?"
            ) from None
        if answer.status >= 400:
            raise _error(raw)
        return raw


def _error(raw: bytes) -> PanalError:
    try:
        problem = msgspec.json.decode(raw, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem(detail="The peer answered with an error that cannot be read.")
    return by_slug(problem.type.rpartition(":")[2], problem.detail)
