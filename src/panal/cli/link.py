"""`panal link`: links to what one's own running peer shares, for others and for guests."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from panal.answers import GuestLinkAnswer
from panal.cli.documents import LinksDocument, RevokedDocument
from panal.cli.output import name_words, print_json
from panal.cli.owning import ask, shared_path
from panal.cli.remote import RemotePeer
from panal.clock import SystemClock
from panal.errors import UsageError
from panal.wire.ids import is_content_id

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def parse_duration(text: str) -> int:
    """Seconds in such as `90m`, `24h` or `7d`; UsageError."""
    matched = _DURATION.fullmatch(text.strip())
    if matched is None:
        raise UsageError(f"{text!r} is no duration; write 30m, 24h or 7d.")
    return int(matched[1]) * _UNITS_S[matched[2]]


def link(what: str, peer_url: str, *, as_json: bool) -> None:
    """Print the link of something shared."""

    async def work(remote: RemotePeer) -> None:
        answer = await remote.link(await _named(remote, what))
        if as_json:
            print_json(answer)
        else:
            click.echo(answer.link)

    ask(peer_url, work)


def guest_link(what: str, duration: str, peer_url: str, *, quiet: bool, as_json: bool) -> None:
    """Make a link for guests, and print it, as a QR code too."""
    duration_s = parse_duration(duration)

    async def work(remote: RemotePeer) -> None:
        answer = await remote.make_guest_link(await _named(remote, what), duration_s)
        if as_json:
            print_json(answer)
            return
        click.echo(answer.url)
        if not quiet:
            _print_code(answer.url or "")
            click.echo(
                f"Whoever has this address may fetch {name_words(answer.name)}, "
                f"{_left_words(answer)}. It is plain HTTP: whoever listens on the way can read "
                f"both. Take it back with: panal link --revoke {answer.id[:8]}",
                err=True,
            )

    ask(peer_url, work)


def list_links(peer_url: str, *, as_json: bool) -> None:
    """Print every link for guests that counts."""

    async def work(remote: RemotePeer) -> None:
        answer = await remote.guest_links()
        if as_json:
            print_json(LinksDocument(answer.links, answer.listening))
            return
        for one in answer.links:
            click.echo(f"{one.id}  {_left_words(one)}  {name_words(one.name)}")
        if not answer.links:
            click.echo("There are no links for guests.", err=True)
        elif answer.listening is None:
            click.echo("Guests come in nowhere: the peer has no --guest-port.", err=True)

    ask(peer_url, work)


def revoke(ids: Sequence[str], peer_url: str, *, quiet: bool, as_json: bool) -> None:
    """Let links count no more."""

    async def work(remote: RemotePeer) -> None:
        for one in ids:
            await remote.revoke_guest_link(one)
        if as_json:
            print_json(RevokedDocument(list(ids)))
        elif not quiet:
            for one in ids:
                click.echo(f"Opens nothing any more: {one}")

    ask(peer_url, work)


async def _named(remote: RemotePeer, what: str) -> str:
    if is_content_id(what):
        return what
    return shared_path(Path((await remote.status()).folder), what)


def _left_words(link: GuestLinkAnswer) -> str:
    left_s = max(0, link.expires - int(SystemClock().wall_s()))
    for unit, words in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if left_s >= 2 * unit:
            return f"for {left_s // unit} {words}"
    return "for 1 minute" if left_s >= 60 else f"for {left_s} s"


def _print_code(url: str) -> None:
    import segno

    segno.make_qr(url, error="l").terminal(out=sys.stderr, compact=True)
