"""What a download would do, found out without writing anything."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from panal.errors import PanalError
from panal.peer.fetching import identify
from panal.peer.tracker_client import TrackerClient
from panal.peer.uploads import reserve_bytes
from panal.store.hashing import hash_file
from panal.store.roots import Root
from panal.wire.catalogue import Provider
from panal.wire.ids import ContentId
from panal.wire.links import Link, parse_what
from panal.wire.names import SafePath, visible_path

ASKER = "dry-run"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be fetched, from whom, and what stands in the way."""

    link: Link
    target: Path
    providers: list[Provider]
    free_bytes: int
    """What the disk has beyond the reserve."""
    is_there: bool
    conflict: str
    """Why the name cannot be taken, in words; empty where it can."""


async def plan(client: TrackerClient, what: str, folder: Path) -> Plan:
    """Ask the tracker and look at the folder; NotFound, AmbiguousName."""
    link = await identify(client, parse_what(what))
    path = visible_path(link.name or link.content.hex())
    providers = await client.locate(link.content, ASKER)
    is_there, conflict = await asyncio.to_thread(_look_at, folder, path, link.content)
    usage = shutil.disk_usage(_existing(folder))
    free_bytes = max(0, usage.free - reserve_bytes(usage.total))
    return Plan(link, folder / path, providers, free_bytes, is_there, conflict)


def _look_at(folder: Path, path: SafePath, content: ContentId) -> tuple[bool, str]:
    """Whether the content is under its name already, and what else stands there."""
    if not folder.exists():
        return False, ""
    root = Root(folder)
    try:
        if not root.is_taken(path):
            return False, ""
        same = hash_file(root, path).content == content
    except PanalError as error:
        return False, str(error)
    finally:
        root.close()
    return (
        same,
        "" if same else "Other content is there under that name; it would be left as it is.",
    )


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
