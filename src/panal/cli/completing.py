"""Questions that Tab asks: quick, and silent where nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from panal.answers import DownloadAnswer, HitInfo
from panal.asking import Tracker
from panal.cli.remote import RemotePeer
from panal.errors import PanalError

PATIENCE_S = 0.5
"""How long a Tab may take to be answered, loading aside."""
MOST_OFFERED = 200
Found = TypeVar("Found")


def names_to_get(begun: str, peer_url: str | None, trackers: Sequence[str]) -> list[str]:
    """Names that begin so, from the running peer, if one is named, or from a tracker."""

    async def at_peer(remote: RemotePeer) -> list[str]:
        return _names((await remote.search(begun, MOST_OFFERED)).hits, begun)

    async def at_tracker() -> list[str]:
        async with Tracker(trackers) as tracker:
            return _names((await tracker.search(begun, "", MOST_OFFERED)).hits, begun)

    return _quickly(at_tracker() if peer_url is None else _with_peer(peer_url, at_peer))


def shared_paths(begun: str, peer_url: str) -> list[str]:
    """Paths that the peer shares and that begin so."""

    async def ask(remote: RemotePeer) -> list[str]:
        page = await remote.files_after(begun, MOST_OFFERED)
        return [file.path for file in page.files if file.path.startswith(begun)]

    return _quickly(_with_peer(peer_url, ask))


def downloads(peer_url: str) -> list[DownloadAnswer]:
    """The peer's downloads."""
    return _quickly(_with_peer(peer_url, RemotePeer.downloads))


def _names(hits: Iterable[HitInfo], begun: str) -> list[str]:
    """What `get` takes and begins so: a file's own name, else its whole path."""
    paths = [named.path for hit in hits for named in hit.names]
    names = [path.rpartition("/")[2] for path in paths]
    fitting = (
        name if name.startswith(begun) else path
        for name, path in zip(names, paths, strict=True)
        if name.startswith(begun) or path.startswith(begun)
    )
    return list(dict.fromkeys(fitting))


async def _with_peer(
    peer_url: str, ask: Callable[[RemotePeer], Awaitable[list[Found]]]
) -> list[Found]:
    async with RemotePeer(peer_url) as remote:
        return await ask(remote)


def _quickly(work: Awaitable[list[Found]]) -> list[Found]:
    async def run() -> list[Found]:
        async with asyncio.timeout(PATIENCE_S):
            return await work

    try:
        return asyncio.run(run())
    except (PanalError, TimeoutError):
        return []  # whoever presses Tab has asked for no news
