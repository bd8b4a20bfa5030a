"""What requests of the API say in their address, as structs."""

from typing import Annotated, Literal

import msgspec

from panal.wire.manifest import MAX_CONTENT_BYTES

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
Size = Annotated[int, msgspec.Meta(ge=0, le=MAX_CONTENT_BYTES)]


class LogQuery(msgspec.Struct):
    """How much of what happened."""

    limit: Limit = DEFAULT_PAGE
    """How many lines, the newest."""


class FilesPage(msgspec.Struct):
    """Which page of this peer's files."""

    after: str = ""
    """The path that the page before ended with; empty: the first page."""
    limit: Limit = MAX_PAGE
    """How many files."""


class SearchWords(msgspec.Struct):
    """What is looked for."""

    q: str = ""
    """Words, without regard to case and accents, all in one path; none: everything, in order."""
    page: str = ""
    """What the page before named as `next`; empty: the first page."""
    limit: Limit = DEFAULT_PAGE
    """How many hits."""
    peer: str = ""
    """Only what this one shares."""
    kind: Literal["", "file", "collection"] = ""
    """Only files, or only folders."""
    min_size: Size = 0
    """In bytes; a folder has those of its list."""
    max_size: Size = 0
    """In bytes; 0: whatever they are."""


class BrowseQuery(msgspec.Struct):
    """Which folder of which peer."""

    peer: str
    """Whose."""
    under: str = ""
    """The folder's path at that peer, without a slash behind it; empty: all that it shares."""
    page: str = ""
    """What the page before named as `next`; empty: the first page."""
    limit: Limit = DEFAULT_PAGE
    """How many folders and files."""


class DownloadPath(msgspec.Struct):
    """Which download."""

    id: str
    """The download's, as the answer that began it has it."""


class RemoveDownload(msgspec.Struct):
    """What becomes of what is there."""

    delete: bool = False
    """Remove at once what is there of it, unless another download needs that."""


class GuestLinkPath(msgspec.Struct):
    """Which link for guests."""

    id: str
    """The link's, or so much of its beginning that it is the only one."""
