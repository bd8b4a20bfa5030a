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

from panal.api import DownloadAnswer, Node, Tracker
from panal.cli.programs import log_to_stderr, running_peer, stop_signal
from panal.cli.progress import ProgressLine, size_words
from panal.errors import PanalError, UsageError, by_slug
from panal.peer.config import PeerSettings
from panal.wire.links import Link, parse_what
from panal.wire.names import STATE_DIRECTORY, printable

POLL_S = 0.1


def _print_json(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode("utf-8"))


def search(words: str, trackers: Sequence[str], limit: int, *, as_json: bool) -> None:
    """Print what has such names."""

    async def run() -> None:
        async with Tracker(trackers) as tracker:
            answer = await tracker.search(words, page_size=limit)
        if as_json:
            _print_json(answer)
            return
        for hit in answer.hits:
            names = ", ".join(sorted({named.peer for named in hit.names}))
            name = printable(hit.name)[1:-1]
            click.echo(f"{name}  {size_words(hit.size)}  {hit.providers} × ({names})  {hit.id}")
        if not answer.hits:
            click.echo("Nothing found.", err=True)
        if answer.next:
            click.echo(f"More than {limit}: add words, or raise --limit.", err=True)

    asyncio.run(run())


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
            click.echo(f"{peer.name}  {peer.host}:{peer.port}  {peer.files} files{state}")
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
            if share_for_s:
                await asyncio.wait({asyncio.ensure_future(stop_signal())}, timeout=share_for_s)

    try:
        asyncio.run(run())
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
                "sources": [{"peer": s.peer, "bytes": s.bytes} for s in answer.sources],
            }
        )
        return
    served = ", ".join(f"{s.peer} {size_words(s.bytes)}" for s in answer.sources if s.bytes)
    rate = answer.size / answer.transfer_s if answer.transfer_s else 0.0
    how = f" in {answer.transfer_s:.1f} s, {size_words(rate)}/s, from {served}" if served else ""
    click.echo(f"{printable(path)[1:-1]}  {size_words(answer.size)}{how}, verified.", err=True)
    sys.stderr.flush()
