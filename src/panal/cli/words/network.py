"""The words of a network's owner: `panal network`."""

from pathlib import Path

import click

from panal.cli.words.options import duration, json_option, quiet_option

network_state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="The tracker's state directory; needed where it was started with one.",
)


@click.group(invoke_without_command=True)
@network_state_option
@json_option("NetworkDocument")
@click.pass_context
def network(context: click.Context, state: Path | None, as_json: bool) -> None:
    """List a network's members and join lines, where its tracker runs.

    \b
    panal network
    panal network join-line              one more line to let members in
    panal network remove peer_3          shut out, everywhere within a minute

    Whoever can read the tracker's state directory owns the network.
    """
    if context.invoked_subcommand is None:
        from panal.cli.network import show

        show(state, as_json=as_json)


@network.command("join-line")
@click.option(
    "--for",
    "valid_s",
    default="24h",
    show_default=True,
    callback=duration,
    metavar="TIME",
    help="How long it counts: a number and s, m, h or d.",
)
@click.option(
    "--uses",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="How many members it lets in.",
)
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="HOST:PORT",
    help="Where the tracker is reached, if it cannot tell; may be repeated.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it there instead, for this user alone to read.",
)
@network_state_option
@quiet_option
@json_option("JoinLineDocument")
def join_line(
    valid_s: int,
    uses: int,
    addresses: tuple[str, ...],
    to: Path | None,
    state: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a join line: whoever has it becomes a member.

    \b
    panal network join-line --for 1h --uses 1 --to join.txt
    panal peer peer_2 5000 ./files --join @join.txt

    It is printed once, and kept nowhere. Hand it over as you would a password.
    """
    from panal.cli.network import mint

    mint(valid_s, uses, addresses, to, state, quiet=quiet, as_json=as_json)


@network.command()
@click.argument("line", metavar="ID")
@network_state_option
@quiet_option
@json_option("RevokedLineDocument")
def revoke(line: str, state: Path | None, quiet: bool, as_json: bool) -> None:
    """Let nobody in any more with the join line ID, as 'panal network' lists it.

    Those it has let in stay members.
    """
    from panal.cli.network import revoke as run

    run(line, state, quiet=quiet, as_json=as_json)


@network.command()
@click.argument("name")
@network_state_option
@quiet_option
@json_option("RemovedDocument")
def remove(name: str, state: Path | None, quiet: bool, as_json: bool) -> None:
    """Remove the member NAME: at once at the tracker, within a minute at every peer.

    What it has fetched it keeps. It comes back only with a join line.
    """
    from panal.cli.network import remove as run

    run(name, state, quiet=quiet, as_json=as_json)
