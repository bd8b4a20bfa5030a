"""The words that start a program: `panal tracker`, `panal peer`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from panal.cli.words.options import (
    host_option,
    join_option,
    json_option,
    limit_down_option,
    limit_up_option,
    log_format_option,
    metrics_option,
    open_option,
    state_option,
    tracker_option,
    zone_option,
)

if TYPE_CHECKING:
    from panal.wire.join_line import JoinLine


@click.group(invoke_without_command=True)
@click.option(
    "--listen",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    envvar="PANAL_LISTEN",
    help="Where peers reach the tracker. Beyond loopback only members may, unless it is open.",
)
@click.option(
    "--network",
    "has_network",
    is_flag=True,
    help="Only members may call, over TLS; so it is beyond loopback without being said.",
)
@open_option
@click.option(
    "--store",
    metavar="URL",
    envvar="PANAL_STORE",
    help="Keep the records in a database, postgresql://USER@HOST/DATABASE: any number of trackers "
    "may share one. A password belongs into ~/.pgpass or PANAL_STORE, not here.",
)
@state_option
@metrics_option
@log_format_option
@click.pass_context
def tracker(
    context: click.Context,
    listen: str,
    has_network: bool,
    is_open: bool,
    store: str | None,
    state: Path | None,
    metrics: tuple[str, int] | None,
    log_format: str,
) -> None:
    """Run a tracker: it knows who has what, and never touches a file's bytes.

    \b
    panal tracker                                      for this machine
    panal tracker --listen 0.0.0.0:50051               for a network with members
    panal tracker --listen 192.168.1.10:50051 --open   for everybody who reaches it
    panal tracker status                               how one stands that runs

    A network is made at the first start, which prints a join line: with it others become
    members. 'panal network' lists and removes them, and makes further lines.
    """
    if context.invoked_subcommand is not None:
        return
    from panal.cli.programs import run_tracker

    run_tracker(
        listen,
        is_open=is_open,
        has_network=has_network,
        state=state,
        store=store,
        metrics=metrics,
        log_format=log_format,
    )


@tracker.command()
@tracker_option
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Its state directory, if it has a network and was started with one: asks as its owner.",
)
@join_option
@json_option("TrackerStatusAnswer")
def status(
    trackers: tuple[str, ...], state: Path | None, join: "JoinLine | None", as_json: bool
) -> None:
    """Say how a running tracker stands.

    \b
    panal tracker status
    panal tracker status --tracker 192.168.1.10:50051 --json

    Whoever may search is told counts; its owner, on its machine, also what it runs, how its
    records answer and how many calls it gets. Exits with 1 where the tracker is not ready, with 4
    where none answers.
    """
    from panal.cli.tracker_status import show

    show(trackers, join, state, as_json=as_json)


@click.command()
@click.argument("name")
@click.argument("port", type=click.IntRange(0, 65_535))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@tracker_option
@host_option
@join_option
@open_option
@zone_option
@click.option(
    "--guest-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    envvar="PANAL_GUEST_PORT",
    help="Let guests in here, over plain HTTP, to what 'panal link --guest' gives them.",
)
@state_option
@limit_up_option
@limit_down_option
@metrics_option
@log_format_option
def peer(
    name: str,
    port: int,
    folder: Path,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    join: "JoinLine | None",
    is_open: bool,
    zone: str,
    guest_port: int | None,
    state: Path | None,
    limit_up: int | None,
    limit_down: int | None,
    metrics: tuple[str, int] | None,
    log_format: str,
) -> None:
    """Run a peer called NAME on PORT that shares FOLDER (made if missing).

    \b
    panal peer peer_1 5000 ./peer1_files
    panal peer peer_1 5000 ./files --host 192.168.1.11 --join @join.txt
    panal peer peer_1 5000 ./files --host 192.168.1.11 --open --tracker 192.168.1.10:50051

    It joins a network once; later starts need no join line.
    """
    from panal.cli.programs import run_peer
    from panal.peer.config import PeerSettings

    run_peer(
        PeerSettings(
            name,
            port,
            folder,
            trackers,
            hosts,
            open=is_open,
            join=join,
            zone=zone,
            guest_port=guest_port,
            state_dir=state,
            upload_limit_bytes_s=limit_up,
            download_limit_bytes_s=limit_down,
            metrics=metrics,
        ),
        log_format,
    )
