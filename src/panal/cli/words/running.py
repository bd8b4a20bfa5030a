"""The words that start a program: `panal tracker`, `panal peer`."""

from pathlib import Path

import click

from panal.cli.words.options import (
    host_option,
    limit_down_option,
    limit_up_option,
    open_option,
    state_option,
    tracker_option,
)


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    envvar="PANAL_LISTEN",
    help="Where peers reach the tracker. Beyond loopback it needs --open.",
)
@open_option
@state_option
def tracker(listen: str, is_open: bool, state: Path | None) -> None:
    """Run a tracker: it knows who has what, and never touches a file's bytes.

    \b
    panal tracker                                      for this machine
    panal tracker --listen 192.168.1.10:50051 --open   for a network you trust
    """
    from panal.cli.programs import run_tracker

    run_tracker(listen, is_open=is_open, state=state)


@click.command()
@click.argument("name")
@click.argument("port", type=click.IntRange(0, 65_535))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@tracker_option
@host_option
@open_option
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
def peer(
    name: str,
    port: int,
    folder: Path,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    is_open: bool,
    guest_port: int | None,
    state: Path | None,
    limit_up: int | None,
    limit_down: int | None,
) -> None:
    """Run a peer called NAME on PORT that shares FOLDER (made if missing).

    \b
    panal peer peer_1 5000 ./peer1_files
    panal peer peer_1 5000 ./files --host 192.168.1.11 --open --tracker 192.168.1.10:50051
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
            guest_port=guest_port,
            state_dir=state,
            upload_limit_bytes_s=limit_up,
            download_limit_bytes_s=limit_down,
        )
    )
