"""The words for what one's own running peer shares: `panal ls`, `add`, `settings` and others."""

from pathlib import Path

import click
from click.core import ParameterSource

from panal.cli.words.completing import shared_paths
from panal.cli.words.options import json_option, peer_option, quiet_option, state_option
from panal.errors import UsageError

paths_argument = click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", shell_complete=shared_paths
)


@click.command()
@peer_option
@json_option("LsDocument")
def ls(peer_url: str, as_json: bool) -> None:
    """List what your running peer shares.

    \b
    panal ls
    panal search --peer-name peer_2        what another one shares
    """
    from panal.cli.owning import ls as run

    run(peer_url, as_json=as_json)


@click.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="PATH...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--copy", is_flag=True, help="Copy it into the peer's folder, not share it in place.")
@peer_option
@quiet_option
@json_option("AddDocument")
def add(paths: tuple[Path, ...], copy: bool, peer_url: str, quiet: bool, as_json: bool) -> None:
    """Share files and folders with your running peer, where they are.

    A folder inside the peer's own folder is shared as one content: the answer has its link.

    \b
    panal add ~/Music ~/notes.txt          where they are
    panal add --copy report.pdf            copied into the peer's folder
    """
    from panal.cli.owning import add as run

    run(paths, peer_url, copy=copy, quiet=quiet, as_json=as_json)


@click.command()
@paths_argument
@peer_option
@quiet_option
@json_option("UnshareDocument")
def unshare(paths: tuple[str, ...], peer_url: str, quiet: bool, as_json: bool) -> None:
    """Share files and folders no more; the files themselves stay.

    A PATH is one on the disk, or one as `panal ls` shows it.

    \b
    panal unshare notes.txt
    panal unshare ./album
    """
    from panal.cli.owning import unshare as run

    run(paths, peer_url, quiet=quiet, as_json=as_json)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=shared_paths)
@click.option(
    "--deep",
    is_flag=True,
    help="Check a stopped peer: PATH is its folder, else the current one. No peer is asked.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="Fetch the wrong chunks of damaged files from others, and put those files right.",
)
@state_option
@peer_option
@quiet_option
@json_option("VerifyAnswer", "DeepDocument")
def verify(
    paths: tuple[str, ...],
    deep: bool,
    repair: bool,
    state: Path | None,
    peer_url: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Read your peer's shared files again and compare them with what they were.

    Without a PATH, everything. What differs is named and shared no more as what it was;
    the exit code is then 5. Ctrl-C ends it at the peer as well.

    A file whose bytes have changed while its size and time have not is damaged: it is shared again
    once --repair has put it right, or once it was edited or touched (then as what it is).

    With --deep all that a stopped peer has is compared: its folder, its index, unfinished files
    and their journals. Nothing is changed. The exit code is 5 where something is broken, and 0
    where all that is left to do is what the next start does.

    \b
    panal verify
    panal verify album report.pdf
    panal verify --repair                  what is wrong, from others
    panal verify --deep ./peer1_files
    """
    if deep:
        from panal.cli.deep_verify import deep_verify

        if repair:
            raise UsageError("--deep changes nothing: start the peer, then --repair.")
        if len(paths) > 1:
            raise UsageError("--deep checks one peer: name its folder.")
        folder = Path(paths[0] if paths else ".")
        deep_verify(folder, state, quiet=quiet, as_json=as_json)
        return
    from panal.cli.owning import verify as run

    run(paths, peer_url, repair=repair, quiet=quiet, as_json=as_json)


@click.command()
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@peer_option
@quiet_option
@json_option("SettingsAnswer")
def settings(changes: tuple[str, ...], peer_url: str, quiet: bool, as_json: bool) -> None:
    """Show your running peer's settings, or change them.

    A change counts at once, for transfers under way too, and is kept when the peer stops. With
    --quiet it is not followed by how all of them stand.

    \b
    panal settings                             show them
    panal settings upload_limit=5M             to all together: 5 MB a second
    panal settings download_limit_per_peer=0   from each: no limit
    """
    from panal.cli.live_settings import settings as run

    run(changes, peer_url, quiet=quiet, as_json=as_json)


@click.command()
@click.argument("what", required=False, metavar="[WHAT]", shell_complete=shared_paths)
@click.option("--guest", is_flag=True, help="For a guest: opens in any browser, and expires.")
@click.option(
    "--for",
    "duration",
    default="24h",
    show_default=True,
    metavar="TIME",
    help="How long a guest's link counts: 30m, 24h, 7d; 30d at most.",
)
@click.option("--list", "listed", is_flag=True, help="List the links for guests that count.")
@click.option("--revoke", "revoked", multiple=True, metavar="ID", help="Let one count no more.")
@peer_option
@quiet_option
@json_option("LinkAnswer", "GuestLinkAnswer", "LinksDocument", "RevokedDocument")
@click.pass_context
def link(
    context: click.Context,
    what: str | None,
    guest: bool,
    duration: str,
    listed: bool,
    revoked: tuple[str, ...],
    peer_url: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Print a link to WHAT your running peer shares: a file, a folder, or a content id.

    With --guest it is an address that any browser or curl opens, and that gives exactly that
    content until it expires. The peer must have been started with --guest-port.

    \b
    panal link holiday.mp4                    for whoever has Panal
    panal link --guest album --for 2h         for whoever has the address
    panal link --list
    panal link --revoke 5f0c
    """
    from panal.cli import link as links

    wanted = (what is not None, listed, bool(revoked))
    if sum(wanted) != 1 or (guest and what is None):
        raise UsageError("Say what to link, or --list, or --revoke ID.")
    is_timed = context.get_parameter_source("duration") is ParameterSource.COMMANDLINE
    if is_timed and not guest:
        raise UsageError("--for is for --guest: no other link expires.")
    if listed:
        links.list_links(peer_url, as_json=as_json)
    elif revoked:
        links.revoke(revoked, peer_url, quiet=quiet, as_json=as_json)
    elif guest:
        links.guest_link(what or "", duration, peer_url, quiet=quiet, as_json=as_json)
    else:
        links.link(what or "", peer_url, as_json=as_json)


@click.command()
@click.option(
    "--last",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    metavar="N",
    help="So many events.",
)
@click.option(
    "--kept-in",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Read them from the state directory of a tracker, or of a peer that does not run.",
)
@peer_option
@json_option("LogAnswer")
def log(last: int, kept_in: Path | None, peer_url: str, as_json: bool) -> None:
    """Print who came, was refused, sent something in, or used a link for guests.

    As your running peer noted it, the newest last; without any secret.

    \b
    panal log
    panal log --kept-in ~/.local/state/panal/tracker-50051
    """
    from panal.cli.log import log as run

    run(peer_url, kept_in, last, as_json=as_json)


@click.command()
@peer_option
@json_option("PageLink")
def page(peer_url: str, as_json: bool) -> None:
    """Print a link that opens your running peer's page as its owner.

    For a browser that is not plainly yours: of another user, or through a tunnel or a
    container. It counts once, for two minutes; the browser is then let in for twelve hours.

    \b
    panal page
    panal --token-file files/.panal/owner-token page
    """
    from panal.cli.page import page as run

    run(peer_url, as_json=as_json)
