"""What requests of the API say, as structs; what does not fit is refused."""

import asyncio
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType

from panal.errors import TooLarge, TooSlow, UsageError
from panal.peer.guest_links import DEFAULT_S, MAX_S
from panal.peer.limits import JSON_BYTES
from panal.peer.live_settings import MAX_ACTIVE_DOWNLOADS
from panal.peer.rates import MOST_LIMIT_BYTES_S

MAX_PRIORITY = 1_000
MOST_QR_CHARACTERS = 2_048
Priority = Annotated[int, msgspec.Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
ActiveDownloads = Annotated[int, msgspec.Meta(ge=1, le=MAX_ACTIVE_DOWNLOADS)]
Body = TypeVar("Body")
GuestSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_S)]
RateLimit = Annotated[int, msgspec.Meta(ge=0, le=MOST_LIMIT_BYTES_S)]


class SessionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a session of the page is begun with."""

    link: str
    """What stands behind `#t=` in the link."""


class LinkRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to link."""

    what: str
    """The path of a shared file or folder, or a content id."""


class QrRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to make a QR code of."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_QR_CHARACTERS)]
    """A link, say."""


class GuestLinkRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What guests may fetch, and for how long."""

    what: str
    """The path of a shared file or folder, or a content id."""
    for_s: GuestSeconds = DEFAULT_S
    """How long, in seconds."""


class DownloadRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What to fetch, and how."""

    what: str
    """A link, an id, `sha256:` and a digest, or a name."""
    name: str | None = None
    """The path to put it under, if another is wanted."""
    priority: Priority = 0
    """Those of a higher one go first."""
    wait: bool = False
    """Wait for a name that nobody shares yet."""


class PlanRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a download would fetch."""

    what: str
    """A link, an id, `sha256:` and a digest, or a name."""


class DownloadChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of a download."""

    priority: Priority
    """Those of a higher one go first."""


class AddRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What of this machine to share."""

    paths: list[str]
    """Absolute, as this machine has them."""
    copy: bool = False
    """Into the folder; else they are shared where they are."""


class FolderRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which folder to share as one content."""

    path: str = ""
    """Below the shared folder; none: that one itself."""


class VerifyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which files and folders to re-read."""

    paths: list[str] = []
    """Below the shared folder; none: all that is shared."""
    repair: bool = False
    """Fetch what is wrong in damaged files from others, and put them right."""


class SettingsChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of a running peer; what is left out stays."""

    active_downloads: ActiveDownloads | UnsetType = UNSET
    """How many downloads run at once."""
    upload_limit_bytes_s: RateLimit | UnsetType = UNSET
    """To all together; of all limits, 0 is none."""
    download_limit_bytes_s: RateLimit | UnsetType = UNSET
    """From all together."""
    upload_limit_per_peer_bytes_s: RateLimit | UnsetType = UNSET
    """To each remote address, however many connections it has."""
    download_limit_per_peer_bytes_s: RateLimit | UnsetType = UNSET
    """From each peer, over all downloads."""
    verify_rate_bytes_s: RateLimit | UnsetType = UNSET
    """Of shared files read again while nothing else is to be done; 0: none are."""


async def read_body(
    request: web.Request,
    kind: type[Body],
    *,
    most_bytes: int = JSON_BYTES,
    within_s: float | None = None,
) -> Body:
    """A request's JSON; UsageError, TooLarge or TooSlow."""
    if request.content_type != "application/json":
        raise UsageError("Send JSON, with Content-Type: application/json.")
    raw = b""
    try:
        async with asyncio.timeout(within_s):
            while block := await request.content.read(most_bytes + 1 - len(raw)):
                raw += block
    except TimeoutError:
        raise TooSlow(f"What is sent here comes within {within_s:.0f} s.") from None
    if len(raw) > most_bytes:
        raise TooLarge(f"This request's JSON has at most {most_bytes} bytes.")
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The JSON does not fit: {error}.") from None
