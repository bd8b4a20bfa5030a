"""The commands that do one thing and end."""

import asyncio
import logging
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import click
import msgspec
from blake3 import blake3
from platformdirs import user_state_path

from panal.api import DownloadAnswer, HitInfo, Node, SearchAnswer, Tracker
from panal.cli.programs import log_to_stderr, run_until_stopped, running_peer
from panal.cli.progress import ProgressLine, size_words
from panal.errors import PanalError, UsageError, by_slug
from panal.peer.config import PeerSettings
from panal.wire.links import Link, parse_what
from panal.wire.names import STATE_DIRECTORY, printable

POLL_S = 0.1
LARGEST_PAGE = 1_000


def _print_json(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode("utf-8"))


def search(words: str, trackers: Sequence[str], limit: int, *, as_json: bool) -> None:
    """Print what has such names."""

    async def run() -> None:
        async with Tracker(trackers) as tracker:
            answer = await _search_all(tracker, words, limit)
        if as_json:
            _print_json(answer)
            return
        for hit in answer.hits:
            _print_hit(hit)
        if not answer.hits:
            click.echo("Nothing found.", err=True)
        if answer.next:
            click.echo(f"There are more than {limit}: add words, or raise --limit.", err=True)

    asyncio.run(run())


async def _search_all(tracker: Tracker, words: str, limit: int) -> SearchAnswer:
    """As many hits as are wanted, over as many pages as that takes."""
    answer = await tracker.search(words, page_size=min(limit, LARGEST_PAGE))
    while answer.next and len(answer.hits) < limit:
        wanted = min(limit - len(answer.hits), LARGEST_PAGE)
        more = await tracker.search(words, answer.next, wanted)
        answer = SearchAnswer(answer.hits + more.hits, more.next, answer.capped)
    return answer


def _print_hit(hit: HitInfo) -> None:
    path = hit.names[0].path if hit.names else hit.name
    copies = "1 copy" if hit.providers == 1 else f"{hit.providers} copies"
    peers = ", ".join(sorted({named.peer for named in hit.names}))
    click.echo(f"{printable(path)[1:-1]}  {size_words(hit.size)}  {copies} ({peers})  {hit.id}")


def peers(trackers: Sequence[str], *, as_json: bool) -> None:
    """Print who is here."""

    async def run() -> None:
        async with Tracker(trackers) as tracker:
            found = await tracker.peers()
        if as_json:
            _print_json({"peers": found})
            return
        for peer in found:
            state = "" if peer.reachable else "  not reachable"
            files = "1 file" if peer.files == 1 else f"{peer.files} files"
            click.echo(f"{peer.name}  {peer.host}:{peer.port}  {files}{state}")
        if not found:
            click.echo("Nobody is here.", err=True)

    asyncio.run(run())


# get ----------------------------------------------------------------------------------------


def get_settings(
    what: str, into: Path, trackers: Sequence[str], hosts: Sequence[str], *, is_open: bool
) -> PeerSettings:
    """A peer for one download: one state directory, and so one lock, a destination and content."""
    asked = parse_what(what)
    if isinstance(asked, Link) and asked.tracker is not None and asked.tracker not in trackers:
        click.echo(
            f"The link names the tracker {asked.tracker}, which is not configured; asking "
            f"{', '.join(trackers)}. To use it: --tracker {asked.tracker}",
            err=True,
        )
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is not a folder.")
    destination = into.absolute()
    key = blake3(f"{destination}\0{what}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    host = "".join(c for c in socket.gethostname() if c.isascii() and c.isalnum())[:40] or "host"
    return PeerSettings(
        name=f"get-{host}-{secrets.token_hex(4)}",
        port=0,
        folder=destination,
        trackers=tuple(trackers),
        hosts=tuple(hosts),
        open=is_open,
        state_dir=user_state_path("panal") / "get" / key,
        partial_dir=destination / STATE_DIRECTORY / "partial",
        shares_folder=False,
    )


def get(
    what: str, settings: PeerSettings, share_for_s: float, *, quiet: bool, as_json: bool
) -> None:
    """Fetch one content as a peer of its own."""
    log_to_stderr(logging.CRITICAL)

    async def run() -> None:
        async with running_peer(settings) as app:
            node = Node(app)
            await node.search("", page_size=1)  # the tracker must be there to begin with
            download_id = node.get(what).id

            async def current() -> DownloadAnswer:
                return node.download(download_id)

            answer = await _watch(current, quiet=quiet)
            _report(answer, str(settings.folder / (answer.name or "")), as_json=as_json)
            await asyncio.sleep(share_for_s)

    try:
        run_until_stopped(run())
    except KeyboardInterrupt:
        if settings.partials.exists():
            click.echo("Stopped; what is here is kept: the same command goes on.", err=True)
        raise
    finally:
        _tidy(settings)


def _tidy(settings: PeerSettings) -> None:
    """What is left of a get's own state; partial files stay for the next time."""
    shutil.rmtree(settings.state, ignore_errors=True)
    kept = settings.partials.parent
    for folder in (settings.partials, kept / "uploads", kept):
        try:
            folder.rmdir()
        except OSError:
            continue


def get_at_peer(what: str, peer_url: str, *, quiet: bool, as_json: bool) -> None:
    """Let a running peer fetch, and show how it goes."""
    from panal.cli.remote import RemotePeer

    async def run() -> None:
        async with RemotePeer(peer_url) as remote:
            begun = await remote.begin(what)

            async def current() -> DownloadAnswer:
                return await remote.download(begun.id)

            answer = await _watch(current, quiet=quiet)
            _report(answer, answer.name or "", as_json=as_json)

    asyncio.run(run())


async def _watch(
    current: Callable[[], Awaitable[DownloadAnswer]], *, quiet: bool
) -> DownloadAnswer:
    with ProgressLine(enabled=not quiet) as line:
        async for answer in _until_ended(current):
            line.show(answer)
    if answer.state != "done":
        raise by_slug(answer.error or PanalError.slug, answer.reason)
    return answer


async def _until_ended(
    current: Callable[[], Awaitable[DownloadAnswer]],
) -> AsyncIterator[DownloadAnswer]:
    while True:
        answer = await current()
        yield answer
        if answer.state in {"done", "failed"}:
            return
        await asyncio.sleep(POLL_S)


def _report(answer: DownloadAnswer, path: str, *, as_json: bool) -> None:
    if as_json:
        _print_json(
            {
                "id": answer.content,
                "path": path,
                "size": answer.size,
                "bytes_resumed": answer.bytes_resumed,
                "transfer_s": round(answer.transfer_s, 3),
                "sources": [{"peer": s.peer, "bytes": s.bytes} for s in answer.sources if s.bytes],
            }
        )
        return
    served = ", ".join(f"{s.peer} {size_words(s.bytes)}" for s in answer.sources if s.bytes)
    fetched = sum(source.bytes for source in answer.sources)
    rate = fetched / max(answer.transfer_s, 1e-3)
    how = f" in {answer.transfer_s:.1f} s, {size_words(rate)}/s, from {served}" if served else ""
    resumed = f", {size_words(answer.bytes_resumed)} were here" if answer.bytes_resumed else ""
    size = size_words(answer.size)
    click.echo(f"{printable(path)[1:-1]}  {size}{how}{resumed}, verified.", err=True)
    sys.stderr.flush()
