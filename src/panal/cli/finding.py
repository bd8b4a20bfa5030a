"""What others share, as a tracker tells it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import click

from panal.answers import HitInfo, PeersAnswer, SearchAnswer
from panal.asking import Only, Tracker
from panal.cli.output import name_words, print_json
from panal.searching import search_all, search_pages
from panal.wire.amounts import size_words
from panal.wire.join_line import JoinLine

PEERS_NAMED = 5
"""So many of those who have a content; --json has all that the tracker names."""


def search(
    words: str,
    trackers: Sequence[str],
    limit: int,
    only: Only,
    join: JoinLine | None = None,
    *,
    as_json: bool,
) -> None:
    """Print what has such names."""

    async def run() -> None:
        async with tracker_of(trackers, join) as tracker:
            if as_json:
                print_json(await search_all(tracker, words, limit, only))
                return
            await _print_pages(search_pages(tracker, words, limit, only), limit)

    asyncio.run(run())


async def _print_pages(pages: AsyncGenerator[SearchAnswer], limit: int) -> None:
    """Print each page as it comes, and then what is not among them."""
    shown, capped = 0, False
    more: str | None = None
    async for page in pages:
        for hit in page.hits:
            _print_hit(hit)
        shown, more, capped = shown + len(page.hits), page.next, capped or page.capped
    if not shown:
        click.echo("Nothing found.", err=True)
    if more:
        click.echo(f"There are more than {limit}: add words, or raise --limit.", err=True)
    if capped:
        click.echo(
            "More than 10,000 names match: only some of them are ranked. Narrow it.",
            err=True,
        )


def _print_hit(hit: HitInfo) -> None:
    path = hit.names[0].path if hit.names else hit.name
    size = "folder" if hit.kind == "collection" else size_words(hit.size)
    others = len({named.path for named in hit.names} - {path})
    # The tracker names the best of many: of the rest, some may be the same path elsewhere.
    least = " or more" if hit.names_total > len(hit.names) else ""
    names = "name" if (others, least) == (1, "") else "names"
    also = f", also under {others}{least} other {names}" if others else ""
    copies = "1 copy" if hit.providers == 1 else f"{hit.providers} copies"
    peers = sorted({named.peer for named in hit.names})
    # Some have it under a name that does not match, or only a part of it so far.
    named = peers[:PEERS_NAMED]
    unnamed = f" and {hit.providers - len(named)} more" if hit.providers > len(named) else ""
    whose = f"{', '.join(named)}{unnamed}"
    click.echo(f"{name_words(path)}  {size}  {copies} ({whose}){also}  {hit.id}")


def tracker_of(trackers: Sequence[str], join: JoinLine | None) -> Tracker:
    """The tracker to ask."""
    return Tracker(trackers, None if join is None else str(join))


def peers(trackers: Sequence[str], join: JoinLine | None = None, *, as_json: bool) -> None:
    """Print who is here."""

    async def run() -> None:
        async with tracker_of(trackers, join) as tracker:
            found = await tracker.peers()
            address = await tracker.address()
        if as_json:
            print_json(PeersAnswer(found, address))
            return
        for peer in found:
            seen = f"  heard of {peer.renewed_s_ago:.0f} s ago"
            state = seen if peer.reachable else f"{seen}, not reachable"
            files = "1 file" if peer.files == 1 else f"{peer.files} files"
            click.echo(f"{peer.name}  {peer.host}:{peer.port}  {files}{state}")
        if not found:
            click.echo("Nobody is here.", err=True)
        if len(trackers) > 1:
            click.echo(f"So says the tracker {address}.", err=True)

    asyncio.run(run())
