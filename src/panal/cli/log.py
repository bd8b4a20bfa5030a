"""`panal log`: what happened at the doors of a peer or a tracker."""

from pathlib import Path

import click

from panal.answers import LogAnswer
from panal.audit import Event, read_last
from panal.cli.output import name_words, print_json
from panal.cli.owning import ask
from panal.cli.remote import RemotePeer


def log(peer_url: str, state: Path | None, most: int, *, as_json: bool) -> None:
    """Print the last events: of a running peer, or those kept in a state directory."""

    async def work(remote: RemotePeer) -> None:
        _print(await remote.log(most), as_json=as_json)

    if state is None:
        ask(peer_url, work)
    else:
        _print(LogAnswer(read_last(state, most)), as_json=as_json)


def _print(answer: LogAnswer, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for event in answer.events:
        click.echo(_line(event))
    if not answer.events:
        click.echo("Nothing has happened yet.", err=True)


def _line(event: Event) -> str:
    more = f"{event.left_out} more" if event.left_out else ""
    link = f"link {event.link[:8]}" if event.link else ""
    parts = (event.host, event.name, event.what, link, event.why, more)
    words = [name_words(part) for part in parts if part]
    return "  ".join([name_words(event.at), f"{name_words(event.event):18}", *words]).rstrip()
