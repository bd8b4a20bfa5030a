"""What a peer shares, what came of adding to it, and of reading it again."""

import msgspec


class FileAnswer(msgspec.Struct):
    """One shared file."""

    path: str
    """Below the shared folder, or below a root."""
    id: str
    """Its content id."""
    size: int
    """In bytes."""
    sha256: str | None
    """In hex; null until it was computed here."""
    link: str
    """For chats and mails, and for `get`."""
    offline: bool = False
    """Its folder or disk is not there now: nobody can fetch it."""


class FilesAnswer(msgspec.Struct):
    """One page of shared files."""

    files: list[FileAnswer]
    """In path order."""
    next: str | None
    """The path to go on after; null after the last page."""


class FolderAnswer(msgspec.Struct):
    """One folder that is shared as it was when it was asked for."""

    path: str
    """Below the shared folder; empty for all of it."""
    id: str
    """Its content id."""
    link: str
    """For chats and mails, and for `get`."""
    files: int
    """How many are in it."""
    empty_folders: int
    """How many are in it."""
    bytes: int
    """Of all its files."""
    skipped: dict[str, int]
    """What was left out, by reason."""
    skipped_folders: dict[str, int]
    """How many of them are folders; what is in those is not counted."""
    skipped_examples: dict[str, list[str]]
    """Some of their paths, by reason."""


class RootAnswer(msgspec.Struct):
    """A file or folder from elsewhere, shared in place."""

    name: str
    """The first part of its paths."""
    place: str
    """Where it lies on the disk."""


class AddedAnswer(msgspec.Struct):
    """What came of adding."""

    roots: list[RootAnswer]
    """Shared in place; their files are hashed and announced from now on."""
    again: list[str]
    """Paths below the folder or a root: shared again where they were left out, else as before."""
    files: list[FileAnswer]
    """Copied into the folder."""


class VerifyAnswer(msgspec.Struct):
    """What re-reading shared files found."""

    files: int
    """How many were looked at."""
    bytes: int
    """How many were read."""
    offline: int
    """Files whose folder or disk is not there now."""
    differing: dict[str, str]
    """By path: why it is not what it was."""
    repaired: list[str]
    """Damaged files that are whole again."""


class VerifyProgress(msgspec.Struct):
    """How far re-reading has come: one line of a stream."""

    files: int
    """How many were read."""
    of_files: int
    """How many there are to read."""
    bytes: int
    """How many were read, of the file under way too."""
    of_bytes: int
    """How many there are to read."""
    answer: VerifyAnswer | None
    """What it came to; in the last line only."""
