"""What was read of a peer's state, one thing at a time, before anybody judges it; pure.

A field is None where that is not there. Nothing here is larger than one content's manifest or
one folder's list.
"""

from enum import Enum

import msgspec

from panal.wire.ids import ContentId
from panal.wire.manifest import Manifest


class ContentRow(msgspec.Struct, frozen=True):
    """One row of the table `contents`."""

    content: bytes
    kind: int
    size_bytes: int
    sha256: bytes
    encoded_manifest: bytes
    is_used: bool
    """Whether any path has it."""


class Stands(Enum):
    """What stands under a shared path."""

    SAME = "same"
    """A file with the fingerprint that it was hashed with."""
    OTHER = "other"
    """A file with another one."""
    NOTHING = "nothing"
    """No regular file."""
    UNREADABLE = "unreadable"
    OFFLINE = "offline"
    """Its root is not there: nothing is known of it."""


class SharedFile(msgspec.Struct, frozen=True):
    """One row of the table `shared`, and what stands under its path."""

    path: str
    size_bytes: int
    """As the row has it."""
    sha256_checked: bool
    expected: Manifest | None
    """Its content's; None where there is no such row, or its manifest is none."""
    stands: Stands
    found: Manifest | None = None
    """Of the bytes as they are, where they were read."""
    problem: str = ""
    """Why they could not be read."""


class SharedFolder(msgspec.Struct, frozen=True):
    """A folder that is shared as one content: its rows, and its list."""

    path: str
    content: bytes
    encoded_manifest: bytes
    files: frozenset[tuple[str, bytes]]
    """In the index: where each of its files lies, and its content."""
    text_manifest: Manifest | None
    """Of the list as it is; None where that is not here."""
    listed: frozenset[tuple[str, bytes]] | None
    """In the list, as `files`; None where it cannot be read."""


class DownloadRow(msgspec.Struct, frozen=True):
    """One download's row, and whether anything stands where it goes."""

    id: str
    path: str | None
    state: str
    content: bytes | None
    size_bytes: int
    error_slug: str
    is_there: bool


class GuestRow(msgspec.Struct, frozen=True):
    """The row of a link for guests."""

    serial: bytes
    content: bytes
    kind: int
    name: str


class RootRow(msgspec.Struct, frozen=True):
    """The row of a further root."""

    name: str
    place: str


class UploadThere(msgspec.Struct, frozen=True):
    """An unfinished upload by tus."""

    id: str
    problem: str
    """Why its record cannot be read."""
    wanted_bytes: int | None
    """What it is to have; None where no bytes belong to it any more."""
    size_bytes: int | None
    """What it has."""
    durable_bytes: int
    """How many of them are called durable."""


class PartialThere(msgspec.Struct, frozen=True):
    """What there is of one content in a directory of unfinished files."""

    content: ContentId
    size_bytes: int | None
    """Of the `.part`."""
    has_journal: bool
    records: tuple[int, ...] | None
    """What the journal says; None where it is none of this content."""
    manifest: Manifest | None
    """Where anybody here knows it; the disk alone does not."""
    wrong: int
    """The chunks called written whose bytes are not those of the manifest, as a bitfield."""
    is_owned: bool
    """Whether a download needs it."""
