"""What others share, as a tracker tells it."""

import asyncio
from collections.abc import Sequence

import click

from panal.answers import HitInfo, PeersAnswer
from panal.api import Only, Tracker
from panal.cli.output import name_words, print_json
from panal.python import search_all
from panal.wire.amounts import size_words


def search(words: str, trackers: Sequence[str], limit: int, only: Only, *, as_json: bool) -> None:
    """Print what has such names."""

    async def run() -> None:
        async with Tracker(trackers) as tracker:
            answer = await search_all(tracker, words, limit, only)
        if as_json:
            print_json(answer)
            return
        for hit in answer.hits:
            _print_hit(hit)
        if not answer.hits:
            click.echo("Nothing found.", err=True)
        if answer.next:
            click.echo(f"There are more than {limit}: add words, or raise --limit.", err=True)

    asyncio.run(run())


def _print_hit(hit: HitInfo) -> None:
    path = hit.names[0].path if hit.names else hit.name
    copies = "1 copy" if hit.providers == 1 else f"{hit.providers} copies"
    peers = ", ".join(sorted({named.peer for named in hit.names}))
    click.echo(f"{name_words(path)}  {size_words(hit.size)}  {copies} ({peers})  {hit.id}")


def peers(trackers: Sequence[str], *, as_json: bool) -> None:
    """Print who is here."""

    async def run() -> None:
        async with Tracker(trackers) as tracker:
            found = await tracker.peers()
        if as_json:
            print_json(PeersAnswer(found))
            return
        for peer in found:
            seen = f"  heard of {peer.renewed_s_ago:.0f} s ago"
            state = seen if peer.reachable else f"{seen}, not reachable"
            files = "1 file" if peer.files == 1 else f"{peer.files} files"
            click.echo(f"{peer.name}  {peer.host}:{peer.port}  {files}{state}")
        if not found:
            click.echo("Nobody is here.", err=True)

    asyncio.run(run())
