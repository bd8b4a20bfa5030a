"""`panal why`: what a download of one's own running peer waits for."""

import click

from panal.answers import WhyAnswer, WhyContent
from panal.cli.output import name_words, print_json
from panal.cli.owning import ask
from panal.cli.queue import meant
from panal.cli.remote import RemotePeer

SOURCES_SHOWN = 20
"""So many sources of one content get a line; `--json` has all."""


def why(download_id: str, peer_url: str, *, as_json: bool) -> None:
    """Print what a download waits for, or what limits it."""

    async def work(remote: RemotePeer) -> None:
        download = meant(await remote.downloads(), download_id)
        answer = await remote.why(download.id)
        if as_json:
            print_json(answer)
            return
        click.echo(f"{answer.id}  {answer.state}  {name_words(answer.name or download.what)}")
        for line in lines_of(answer):
            click.echo(line)

    ask(peer_url, work)


def lines_of(answer: WhyAnswer) -> list[str]:
    """The answer for a terminal, below the line that names the download."""
    lines = [answer.why, *answer.more]
    for content in answer.contents:
        if content.path or content.why != answer.why:
            name = f"{name_words(content.path)}: " if content.path else ""
            lines.append(f"{name}{content.why}")
        lines += _source_lines(content)
    if answer.advice:
        lines.append(f"What helps: {answer.advice}")
    return lines


def _source_lines(content: WhyContent) -> list[str]:
    shown = content.sources[:SOURCES_SHOWN]
    widest = max((len(source.peer) for source in shown), default=0)
    lines = [f"  {source.peer:{widest}}  {source.words}" for source in shown]
    more = len(content.sources) - len(shown)
    return [*lines, f"  and {more} more; --json has them all"] if more else lines
