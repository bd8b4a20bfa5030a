"""What is found over everybody's files, and who is here."""

from typing import Annotated

import msgspec

KindWord = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["file", "collection"]})]


class NameInfo(msgspec.Struct):
    """Under which name, at which peer."""

    peer: str
    """The peer's name."""
    path: str
    """Where it is at that peer."""


class HitInfo(msgspec.Struct):
    """One content that a search found."""

    id: str
    """Its content id."""
    name: str
    """The last part of its best name."""
    size: int
    """In bytes; of a folder, its list's."""
    sha256: str | None
    """Of the file, in hex, where somebody vouches for it."""
    kind: KindWord
    """file or collection."""
    link: str
    """For chats and mails, and for `get`."""
    providers: int
    """How many live peers have it."""
    names: list[NameInfo]
    """Its names that matched, the best 20; without words, the one name that is listed."""
    names_total: int
    """How many of its names matched, each peer's counted."""


class SearchAnswer(msgspec.Struct):
    """One page of hits."""

    hits: list[HitInfo]
    """The best match first; without words, every path in order."""
    next: str | None
    """What asks for the next page; null after the last."""
    capped: bool
    """More than 10,000 names matched, and only some were ranked; never so without words."""


class FolderItemAnswer(msgspec.Struct):
    """A folder in a peer's folder."""

    name: str
    """One part of a path."""
    path: str
    """Where it is at that peer; ask with it as `under`."""
    files: int | None
    """How many are below it; null where they are too many to be counted for this page."""
    size: int | None
    """Of all of them, in bytes; null with those."""
    id: str | None
    """As one content, where the peer shares it so."""
    link: str | None
    """Of that content."""


class FileItemAnswer(msgspec.Struct):
    """A file in a peer's folder."""

    name: str
    """One part of a path."""
    path: str
    """Where it is at that peer."""
    id: str
    """Its content id."""
    size: int
    """In bytes."""
    sha256: str | None
    """In hex, where that peer vouches for it."""
    link: str
    """For chats and mails, and for `get`."""


class BrowseAnswer(msgspec.Struct):
    """One page of one folder of one peer."""

    peer: str
    """Whose it is."""
    path: str
    """Which folder; empty for all that the peer shares."""
    folders: list[FolderItemAnswer]
    """Folders in it, in the order of their paths."""
    files: list[FileItemAnswer]
    """Files in it, in the order of their paths."""
    next: str | None
    """What asks for the next page, with folders and files of its own; null after the last."""


class PeerAnswer(msgspec.Struct):
    """One live peer."""

    name: str
    """What it is called."""
    host: str
    """Where it answers; empty where you cannot call it."""
    port: int
    """Its HTTP port."""
    reachable: bool
    """Whether the tracker's call came through."""
    files: int
    """How many files and folders it shares."""
    joined_s_ago: float
    """When it came, in seconds before now."""
    renewed_s_ago: float
    """When it was last heard of, in seconds before now."""


class PeersAnswer(msgspec.Struct):
    """Who is here."""

    peers: list[PeerAnswer]
    """By name."""
    tracker: str
    """Which tracker said so."""
