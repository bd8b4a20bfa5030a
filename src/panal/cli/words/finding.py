"""The words for what others share: `panal search`, `panal peers`, `panal get`."""

from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from panal.cli.words.options import (
    host_option,
    json_option,
    limit_down_option,
    limit_up_option,
    open_option,
    quiet_option,
    tracker_option,
)
from panal.errors import UsageError


@click.command()
@click.argument("words", nargs=-1)
@tracker_option
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="How many results at most.",
)
@json_option
def search(words: tuple[str, ...], trackers: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find files by name over everybody's folders; no words list everything."""
    from panal.cli.finding import search as run

    run(" ".join(words), trackers, limit, as_json=as_json)


@click.command()
@tracker_option
@json_option
def peers(trackers: tuple[str, ...], as_json: bool) -> None:
    """List who is here."""
    from panal.cli.finding import peers as run

    run(trackers, as_json=as_json)


@click.command()
@click.argument("what")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="The folder to put it in; here, if not said.",
)
@click.option("--wait", is_flag=True, help="Wait for a name that nobody shares yet.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be fetched, and from whom; write nothing."
)
@click.option(
    "--peer",
    "peer_url",
    metavar="URL",
    envvar="PANAL_PEER",
    help="Hand the work to this running peer; it lands in that peer's folder.",
)
@click.option(
    "--share-for",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Go on serving it for so long afterwards.",
)
@tracker_option
@host_option
@open_option
@limit_up_option
@limit_down_option
@quiet_option
@json_option
@click.pass_context
def get(
    context: click.Context,
    what: str,
    into: Path | None,
    wait: bool,
    dry_run: bool,
    peer_url: str | None,
    share_for: float,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    is_open: bool,
    limit_up: int | None,
    limit_down: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch WHAT: a name, a panal: link, a content id, or sha256:DIGEST.

    Comes from every peer that has it at once; each chunk is verified before it counts, and
    the file appears under its name only when it is whole. Asked again, it goes on where it
    was stopped. An unknown name ends with code 3, unless --wait is given; an id or link waits
    until somebody has it.
    """
    from panal.cli import getting

    if dry_run:
        getting.dry_run(what, into or Path(), trackers, as_json=as_json)
        return
    if peer_url is not None:
        if into is not None:
            raise UsageError("With --peer it lands in that peer's folder; leave --into out.")
        for name in ("limit_up", "limit_down"):
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise UsageError(
                    "With --peer that peer's own limits count: change them with 'panal settings'."
                )
        getting.get_at_peer(what, peer_url, wait=wait, quiet=quiet, as_json=as_json)
        return
    settings = getting.get_settings(what, into or Path(), trackers, hosts, is_open=is_open)
    settings = replace(settings, upload_limit_bytes_s=limit_up, download_limit_bytes_s=limit_down)
    getting.get(what, settings, share_for, wait=wait, quiet=quiet, as_json=as_json)
