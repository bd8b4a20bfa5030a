"""A running peer's downloads: listed and changed."""

from collections.abc import Sequence

import click

from panal.answers import (
    DownloadAnswer,
    DownloadsAnswer,
)
from panal.cli.documents import CancelDocument
from panal.cli.output import name_words, print_json
from panal.cli.owning import ask
from panal.cli.remote import RemotePeer
from panal.cli.unfinished import left_behind_words
from panal.clock import SystemClock
from panal.errors import AmbiguousName, NotFound
from panal.wire.amounts import size_words


def list_downloads(peer_url: str, *, as_json: bool) -> None:
    """Print every download of the peer."""

    async def work(remote: RemotePeer) -> None:
        downloads = await remote.downloads()
        if as_json:
            print_json(DownloadsAnswer(downloads))
            return
        for download in downloads:
            _print_download(download)
        if left := left_behind_words(await remote.unfinished(), SystemClock().wall_s()):
            click.echo(left, err=True)
        if not downloads:
            click.echo("No downloads.", err=True)

    ask(peer_url, work)


def change_downloads(
    change: str,
    ids: Sequence[str],
    peer_url: str,
    *,
    priority: int = 0,
    delete: bool = False,
    quiet: bool,
    as_json: bool,
) -> None:
    """Pause, resume, cancel or prioritise downloads, and print how they stand."""

    async def work(remote: RemotePeer) -> None:
        known = await remote.downloads()
        chosen = [meant(known, given) for given in ids]
        for download in chosen:
            await _change(remote, change, download.id, priority, delete=delete)
        if change == "cancel":
            after = chosen
        else:
            after = [await remote.download(download.id) for download in chosen]
        if as_json:
            print_json(CancelDocument(after) if change == "cancel" else DownloadsAnswer(after))
        elif not quiet and change == "cancel":
            for download in after:
                click.echo(f"Cancelled: {name_words(download.name or download.what)}")
        elif not quiet:
            for download in after:
                _print_download(download)

    ask(peer_url, work)


async def _change(
    remote: RemotePeer, change: str, download_id: str, priority: int, *, delete: bool
) -> None:
    if change == "priority":
        await remote.prioritise(download_id, priority)
    elif change == "cancel":
        await remote.cancel(download_id, delete=delete)
    elif change == "pause":
        await remote.pause(download_id)
    else:
        await remote.resume(download_id)


def meant(known: Sequence[DownloadAnswer], given: str) -> DownloadAnswer:
    """The one download whose id begins so; NotFound, or AmbiguousName."""
    found = [download for download in known if given and download.id.startswith(given)]
    if not found:
        raise NotFound(f"No download's id begins with {given!r}; see 'panal downloads'.")
    if len(found) > 1:
        raise AmbiguousName(f"{len(found)} downloads' ids begin with {given!r}; say more of it.")
    return found[0]


def _print_download(download: DownloadAnswer) -> None:
    done = "" if not download.size else f"{download.bytes_done * 100 // download.size:3} %  "
    size = f"{size_words(download.size)}  " if download.size else ""
    priority = f"priority {download.priority}  " if download.priority else ""
    rate = f"{size_words(download.rate_bytes_s)}/s  " if download.rate_bytes_s else ""
    name = name_words(download.name or download.what)
    line = f"{download.id}  {download.state:8}{done}{size}{priority}{rate}{name}"
    held = "held back by its rate limit" if download.held_back and not download.reason else ""
    click.echo(f"{line}  {download.reason or held}".rstrip())
