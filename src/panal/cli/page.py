"""`panal page`: the link that opens a peer's page as its owner."""

import click

from panal.cli.output import print_json
from panal.cli.owning import ask
from panal.cli.remote import RemotePeer


def page(peer_url: str, *, as_json: bool) -> None:
    """Print the link."""

    async def work(remote: RemotePeer) -> None:
        link = await remote.page_link()
        if as_json:
            print_json(link)
            return
        click.echo(link.url)
        click.echo(f"Opens the page once, within {link.expires_s // 60} minutes.", err=True)

    ask(peer_url, work)
