"""What a download would do, found out without writing anything."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from panal.errors import (
    IntegrityError,
    NotFound,
    PanalError,
    Refused,
    TooLarge,
    Unreachable,
)
from panal.peer.calling import Calling
from panal.peer.folder_check import Comparison, compare, other_content, pages, refuse_unplaceable
from panal.peer.folder_room import needed
from panal.peer.http_source import fetch_manifest, fetch_text
from panal.peer.identifying import identify
from panal.peer.tracker_client import TrackerClient
from panal.store.hashing import hash_file
from panal.store.roots import Root
from panal.store.space import Room, allocated_bytes, lacking, room_at
from panal.store.tree import Standing, standing
from panal.wire.catalogue import Provider
from panal.wire.collection import MAX_TEXT_BYTES, CollectionEntry, EntryType, placed_at, read
from panal.wire.ids import ContentId
from panal.wire.links import Link, parse_what
from panal.wire.manifest import Kind, Manifest
from panal.wire.names import SafePath, visible_path


class Target(msgspec.Struct, frozen=True):
    """Where a download would put things."""

    folder: Path
    partials: Path
    """Where unfinished files of earlier tries would be."""
    asker: str
    """Who asks: not named among the providers."""
    place_of: Callable[[Link], Awaitable[SafePath | None]] | None = None
    """Where the asker has a content already."""


class Plan(msgspec.Struct, frozen=True):
    """What would be fetched, from whom, and what stands in the way."""

    content: ContentId
    kind: Kind | None
    """None while nobody answers who has it."""
    path: Path
    providers: Sequence[Provider]
    size_bytes: int | None
    """Of all that was asked for; None while it is not known."""
    to_fetch: Sequence[CollectionEntry] | None
    """None while nobody answers who could say whether it is a file or a folder."""
    there: Sequence[CollectionEntry]
    """Files that are there already, the same."""
    free_bytes: int
    """What the disk has beyond the reserve."""
    conflicts: Sequence[str]
    problem: PanalError | None
    """How the download would end, where it would fail."""

    @property
    def bytes_to_fetch(self) -> int | None:
        """Each content once, unfinished ones whole."""
        if self.to_fetch is None:
            return None
        return sum({e.content: e.size_bytes for e in self.to_fetch}.values())


async def plan(client: TrackerClient, calling: Calling, what: str, target: Target) -> Plan:
    """Ask the tracker and the providers, and look at the folder.

    NotFound, AmbiguousName. What is there under wanted names is read to compare it. Names that
    the target's file system cannot hold are found out by the download itself.
    """
    link = await identify(client, parse_what(what))
    here = None if target.place_of is None else await target.place_of(link)
    path = here or visible_path(_name(link))
    providers = await client.locate(link.content, target.asker)
    manifest, text = await _asked(calling, providers, link.content)
    if text is not None:
        entries = await asyncio.to_thread(placed_at, read(text), path, link.inside)
    elif manifest is not None and link.inside is not None:
        raise NotFound("That is a file, not a folder: there is nothing inside.")
    else:
        size_bytes = (link.size_bytes or 0) if manifest is None else manifest.size_bytes
        entries = (CollectionEntry(path, EntryType.FILE, link.content, size_bytes, 0),)
    if manifest is None:
        found, is_there = Comparison(), here is not None
        if not await asyncio.to_thread((target.folder / path).is_dir):
            is_there = is_there or await asyncio.to_thread(
                _is_there, target.folder, path, link.content
            )
            found = Comparison(kept=list(entries) if is_there else [])
    else:
        is_there = False
        found = await asyncio.to_thread(_look_at, target.folder, entries)
    room = room_at(target.folder)
    is_known = manifest is not None or is_there
    return Plan(
        content=link.content,
        kind=None if manifest is None else manifest.kind,
        path=target.folder / path,
        providers=providers,
        size_bytes=sum(e.size_bytes for e in entries) if is_known else link.size_bytes,
        to_fetch=found.missing if is_known else None,
        there=found.kept,
        free_bytes=max(0, room.usable_bytes),
        conflicts=found.conflicts,
        problem=_problem(found, target, room),
    )


def _name(link: Link) -> str:
    if link.inside is not None:
        return link.inside.rpartition("/")[2]
    return link.name or link.content.hex()


async def _asked(
    calling: Calling, providers: Iterable[Provider], content: ContentId
) -> tuple[Manifest | None, bytes | None]:
    """The manifest, and a folder's list, from the first who gives both; None where nobody does."""
    for provider in sorted(providers, key=lambda provider: not provider.complete):
        try:
            manifest = await fetch_manifest(calling, provider, content)
            if manifest.kind is not Kind.COLLECTION:
                return manifest, None
            if manifest.size_bytes > MAX_TEXT_BYTES:
                raise TooLarge(f"The folder's list has {manifest.size_bytes} bytes: too many.")
            return manifest, await fetch_text(calling, provider, content, manifest.size_bytes)
        except (Unreachable, IntegrityError):
            continue
    return None, None


# The folder -------------------------------------------------------------------------------


def _look_at(folder: Path, entries: Sequence[CollectionEntry]) -> Comparison:
    """What is missing, what is there, and what else stands under wanted names."""
    found = Comparison()
    for page in pages(entries):
        there = standing(folder, [e.path for e in page]) if folder.is_dir() else Standing()
        found.take_in(compare(page, there))
    if not found.unsure:
        return found
    root = Root(folder)
    for entry in found.unsure:
        if _is_of(root, entry.path, entry.content):
            found.kept.append(entry)
        else:
            found.conflicts.append(other_content(entry))
    return found


def _is_there(folder: Path, path: SafePath, content: ContentId) -> bool:
    if not folder.is_dir():
        return False
    root = Root(folder)
    return root.is_taken(path) and _is_of(root, path, content)


def _is_of(root: Root, path: SafePath, content: ContentId | None) -> bool:
    try:
        return hash_file(root, path).content == content
    except PanalError:
        return False  # it cannot be read, so it is not known to be the same


def _problem(found: Comparison, target: Target, room: Room) -> PanalError | None:
    try:
        found.refuse_conflicts()
        if target.folder.is_dir():
            refuse_unplaceable(Root(target.folder), found.missing, target.partials)
    except Refused as error:
        return error
    wanted = needed(
        found.missing,
        found.missing_folders,
        lambda path: (target.folder / path).is_dir(),
        _given(found, target.partials),
    )
    return lacking(room, target.partials, wanted.size_bytes, wanted.inodes)


def _given(found: Comparison, partials: Path) -> list[int]:
    """What the disk has given already to files that are on their way."""
    contents = {entry.content for entry in found.missing if entry.content is not None}
    parts = (allocated_bytes(partials / f"{content.hex()}.part") for content in contents)
    return [size_bytes for size_bytes in parts if size_bytes]
