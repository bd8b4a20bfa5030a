"""What requests of the API say, as structs; what does not fit is refused."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from panal.peer.live_settings import MAX_ACTIVE_DOWNLOADS
from panal.peer.rates import MOST_LIMIT_BYTES_S

MAX_PRIORITY = 1_000
Priority = Annotated[int, msgspec.Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]
ActiveDownloads = Annotated[int, msgspec.Meta(ge=1, le=MAX_ACTIVE_DOWNLOADS)]
RateLimit = Annotated[int, msgspec.Meta(ge=0, le=MOST_LIMIT_BYTES_S)]


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


class SettingsChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of a running peer; what is left out stays."""

    active_downloads: ActiveDownloads | UnsetType = UNSET
    upload_limit_bytes_s: RateLimit | UnsetType = UNSET
    """0 is no limit, here and below."""
    download_limit_bytes_s: RateLimit | UnsetType = UNSET
    upload_limit_per_peer_bytes_s: RateLimit | UnsetType = UNSET
    download_limit_per_peer_bytes_s: RateLimit | UnsetType = UNSET
