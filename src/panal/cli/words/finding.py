"""The words for what others share: `panal search`, `panal peers`, `panal get`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from panal.cli.words.completing import names_to_get
from panal.cli.words.options import (
    host_option,
    join_option,
    json_option,
    limit_down_option,
    limit_up_option,
    open_option,
    quiet_option,
    size,
    tracker_option,
    zone_option,
)
from panal.errors import UsageError

if TYPE_CHECKING:
    from panal.wire.join_line import JoinLine


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
@click.option("--peer-name", default="", metavar="NAME", help="Only what this peer shares.")
@click.option(
    "--type", "kind", type=click.Choice(["file", "folder"]), help="Only files, or folders."
)
@click.option(
    "--min-size",
    type=size,
    default="0",
    metavar="SIZE",
    help="Only what has so many bytes: 700, 1.5M, 2G.",
)
@click.option(
    "--max-size",
    type=size,
    default="0",
    metavar="SIZE",
    help="Only what has at most so many bytes.",
)
@join_option
@json_option("SearchAnswer")
def search(
    words: tuple[str, ...],
    trackers: tuple[str, ...],
    limit: int,
    peer_name: str,
    kind: str | None,
    min_size: int,
    max_size: int,
    join: "JoinLine | None",
    as_json: bool,
) -> None:
    """Find files by name over everybody's folders; no words list every path in order.

    Every word must occur in the path; case and accents do not count. Among the words: "a phrase"
    in its quotes, -word, ext:jpg,png, size:>1G, kind:image (file, folder, archive, audio, document,
    video), peer:NAME. Write -- before a word that begins with -.

    \b
    panal search holiday video             both words
    panal search '"new year"' ext:jpg      a phrase, and how the name ends
    panal search -- holiday -draft size:'>1M'
    panal search --peer-name peer_2        all that peer_2 shares
    panal search --type file --min-size 1G
    """
    from panal.asking import Only
    from panal.cli.finding import search as run

    kinds = {"folder": "collection", "file": "file"}
    only = Only(peer_name, kinds.get(kind or "", ""), min_size, max_size)
    run(" ".join(words), trackers, limit, only, join, as_json=as_json)


@click.command()
@tracker_option
@join_option
@json_option("PeersAnswer")
def peers(trackers: tuple[str, ...], join: "JoinLine | None", as_json: bool) -> None:
    """List who is here, where, and whether the tracker could call them.

    \b
    panal peers
    panal peers --tracker 192.168.1.10:50051
    """
    from panal.cli.finding import peers as run

    run(trackers, join, as_json=as_json)


@click.command()
@click.argument("what", shell_complete=names_to_get)
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
@join_option
@open_option
@zone_option
@limit_up_option
@limit_down_option
@quiet_option
@json_option("GetDocument", "PlanAnswer")
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
    join: "JoinLine | None",
    is_open: bool,
    zone: str,
    limit_up: int | None,
    limit_down: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch WHAT: a name, a panal: link, a content id, or sha256:DIGEST.

    \b
    panal get holiday.mp4 --into ~/Videos
    panal get album/song.mp3               one file of a shared folder
    panal get tomorrow.iso --wait          as soon as somebody shares it
    panal get album --dry-run              what would be fetched, and would it work?

    Comes from every peer that has it at once; each chunk is verified before it counts, and
    the file appears under its name only when it is whole. Asked again, it goes on where it
    was stopped. An unknown name ends with code 3, unless --wait is given; an id or link waits
    until somebody has it. A dry run ends with the code that the real one would end with; what
    would wait for room (--peer, --wait) says so and ends with 0.
    """
    from msgspec.structs import replace

    from panal.cli import getting

    # A peer that is only a setting gives way to a folder that was typed.
    typed = {name for name in ("peer_url", "into") if _is_typed(context, name)}
    if typed == {"into"}:
        peer_url = None
    if peer_url is not None and into is not None:
        raise UsageError("With --peer it lands in that peer's folder; leave --into out.")
    if dry_run and peer_url is not None:
        getting.dry_run_at_peer(what, peer_url, as_json=as_json)
        return
    if dry_run:
        getting.dry_run(what, into or Path(), trackers, join, wait=wait, as_json=as_json)
        return
    if peer_url is not None:
        for name in ("limit_up", "limit_down"):
            if _is_typed(context, name):
                raise UsageError(
                    "With --peer that peer's own limits count: change them with 'panal settings'."
                )
        getting.get_at_peer(what, peer_url, wait=wait, quiet=quiet, as_json=as_json)
        return
    settings = getting.get_settings(
        what, into or Path(), trackers, hosts, is_open=is_open, zone=zone
    )
    settings = replace(
        settings,
        upload_limit_bytes_s=limit_up,
        download_limit_bytes_s=limit_down,
        ends_with_download=share_for == 0,
    )
    getting.get(what, settings, share_for, join, wait=wait, quiet=quiet, as_json=as_json)


def _is_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE
