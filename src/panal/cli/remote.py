"""A running peer's API, as the commands call it."""

from typing import TypeVar

import aiohttp
import msgspec

from panal.api import DownloadAnswer
from panal.errors import PanalError, Unreachable, UsageError, by_slug
from panal.peer.http_source import client_session

TIMEOUT_S = 10.0
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

    async def begin(self, what: str) -> DownloadAnswer:
        """Begin a download."""
        body = msgspec.json.encode({"what": what})
        return await self._call("POST", "/api/v1/downloads", DownloadAnswer, body)

    async def download(self, download_id: str) -> DownloadAnswer:
        """One download as it stands."""
        return await self._call("GET", f"/api/v1/downloads/{download_id}", DownloadAnswer)

    async def _call(
        self, method: str, path: str, kind: type[Answer], body: bytes | None = None
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.request(
                method, self._url + path, data=body, headers=headers, timeout=timeout
            ) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Unreachable(
                f"The peer at {self._url} does not answer. Is it running ('panal peer')?"
            ) from None
        if answer.status >= 400:
            raise _error(raw)
        return msgspec.json.decode(raw, type=kind)


def _error(raw: bytes) -> PanalError:
    try:
        problem = msgspec.json.decode(raw, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem(detail="The peer answered with an error that cannot be read.")
    return by_slug(problem.type.rpartition(":")[2], problem.detail)
