"""The unfinished files of one's own running peer, listed."""

import asyncio
from collections.abc import Sequence

import click

from panal.answers import UnfinishedAnswer, UnfinishedFilesAnswer
from panal.cli.output import name_words, print_json
from panal.cli.remote import RemotePeer
from panal.clock import SystemClock
from panal.peer.ageing import KEPT_S
from panal.wire.amounts import size_words


def list_unfinished(peer_url: str, *, as_json: bool) -> None:
    """Print every unfinished file of the peer."""

    async def run() -> list[UnfinishedAnswer]:
        async with RemotePeer(peer_url) as remote:
            return await remote.unfinished()

    found = asyncio.run(run())
    if as_json:
        print_json(UnfinishedFilesAnswer(found))
        return
    now_s = SystemClock().wall_s()
    for file in found:
        done = f"{size_words(file.bytes_there)} of {size_words(file.size)}"
        click.echo(f"{file.id}  {done}  {_fate(file, now_s)}  {name_words(file.name or '?')}")
    if not found:
        click.echo("No unfinished files.", err=True)


def _fate(file: UnfinishedAnswer, now_s: float) -> str:
    whose = "" if file.download is None else f"download {file.download}, "
    if file.expires is None:
        return f"{whose}kept"
    left_s = max(0.0, file.expires - now_s)
    return f"{whose}removed {'soon' if left_s == 0 else 'in ' + _hours(left_s)}"


def left_behind_words(found: Sequence[UnfinishedAnswer], now_s: float) -> str:
    """What no download needs, in a line; empty where there is nothing."""
    nobodys = [file for file in found if file.expires is not None]
    if not nobodys:
        return ""
    count = "1 unfinished file" if len(nobodys) == 1 else f"{len(nobodys)} unfinished files"
    size = size_words(sum(file.bytes_on_disk for file in nobodys))
    oldest_s = max(0.0, now_s - min(file.modified for file in nobodys))
    return (
        f"{count} that no download needs, {size}, none older than {_hours(oldest_s)}; "
        f"removed after {KEPT_S / 3600:.0f} h"
    )


def _hours(duration_s: float) -> str:
    if duration_s <= 3600:
        return f"{-(-duration_s // 60):.0f} min"
    return f"{-(-duration_s // 3600):.0f} h"
