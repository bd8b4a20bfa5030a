"""The words for what one's own running peer downloads: `panal downloads` and `why`."""

from collections.abc import Callable
from typing import Any

import click
from click.core import ParameterSource

from panal.cli.words.completing import download_ids
from panal.cli.words.options import json_option, peer_option, quiet_option
from panal.errors import UsageError

UNDER_WAY = ("queued", "running", "waiting")


def ids_argument(*states: str) -> Callable[[Any], Any]:
    """Downloads by their ids; Tab offers those in these states."""
    return click.argument(
        "ids", nargs=-1, required=True, metavar="ID...", shell_complete=download_ids(*states)
    )


@click.command()
@click.argument(
    "download_id",
    metavar="ID",
    shell_complete=download_ids(*UNDER_WAY, "paused", "done", "failed"),
)
@peer_option
@json_option("WhyAnswer")
def why(download_id: str, peer_url: str, as_json: bool) -> None:
    """Say what a download of your running peer waits for, or what limits it.

    Which chunks nobody has and who had them, what each source does, which limit is reached,
    and what you can do. An ID, as 'panal downloads' shows it, may be shortened.

    \b
    panal why 3f0a
    """
    from panal.cli.why import why as run

    run(download_id, peer_url, as_json=as_json)


@click.group(invoke_without_command=True)
@click.option("--unfinished", is_flag=True, help="List unfinished files instead.")
@peer_option
@json_option("DownloadsAnswer", "UnfinishedFilesAnswer")
@click.pass_context
def downloads(context: click.Context, unfinished: bool, peer_url: str, as_json: bool) -> None:
    """List and steer your running peer's downloads. An ID may be shortened.

    \b
    panal downloads                  list them
    panal why 3f0a                   what one waits for, or what limits it
    panal downloads pause 3f0a       stop one, keeping what is there
    panal downloads priority 5 3f0a  let it go first
    panal downloads --unfinished     what is there in part, and until when
    """
    if context.invoked_subcommand is None and unfinished:
        from panal.cli.unfinished import list_unfinished

        list_unfinished(peer_url, as_json=as_json)
        return
    if context.invoked_subcommand is None:
        from panal.cli.queue import list_downloads

        list_downloads(peer_url, as_json=as_json)
        return
    for name in ("unfinished", "peer_url", "as_json"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            later = context.invoked_subcommand
            raise UsageError(f"Write the options behind: panal downloads {later} … --peer URL.")


@downloads.command("list")
@peer_option
@json_option("DownloadsAnswer")
def list_(peer_url: str, as_json: bool) -> None:
    """List downloads, the newest last."""
    from panal.cli.queue import list_downloads

    list_downloads(peer_url, as_json=as_json)


@downloads.command()
@ids_argument(*UNDER_WAY)
@peer_option
@quiet_option
@json_option("DownloadsAnswer")
def pause(ids: tuple[str, ...], peer_url: str, quiet: bool, as_json: bool) -> None:
    """Stop downloads, keeping what is there."""
    from panal.cli.queue import change_downloads

    change_downloads("pause", ids, peer_url, quiet=quiet, as_json=as_json)


@downloads.command()
@ids_argument("paused")
@peer_option
@quiet_option
@json_option("DownloadsAnswer")
def resume(ids: tuple[str, ...], peer_url: str, quiet: bool, as_json: bool) -> None:
    """Let paused downloads go on."""
    from panal.cli.queue import change_downloads

    change_downloads("resume", ids, peer_url, quiet=quiet, as_json=as_json)


@downloads.command()
@ids_argument(*UNDER_WAY, "paused", "done", "failed")
@click.option("--delete", is_flag=True, help="Remove what is there of them, too.")
@peer_option
@quiet_option
@json_option("CancelDocument")
def cancel(ids: tuple[str, ...], delete: bool, peer_url: str, quiet: bool, as_json: bool) -> None:
    """Stop downloads and take them off the list; ended ones too.

    What is there is kept for 24 hours: asked for again, a download goes on from it. With
    --delete it is removed now, unless another download needs it; whole files always stay.
    """
    from panal.cli.queue import change_downloads

    change_downloads("cancel", ids, peer_url, delete=delete, quiet=quiet, as_json=as_json)


@downloads.command()
@click.argument("priority", type=click.IntRange(-1_000, 1_000))
@ids_argument(*UNDER_WAY, "paused")
@peer_option
@quiet_option
@json_option("DownloadsAnswer")
def priority(
    priority: int, ids: tuple[str, ...], peer_url: str, quiet: bool, as_json: bool
) -> None:
    """Let downloads go before those of a lower PRIORITY (0 at first)."""
    from panal.cli.queue import change_downloads

    change_downloads("priority", ids, peer_url, priority=priority, quiet=quiet, as_json=as_json)
