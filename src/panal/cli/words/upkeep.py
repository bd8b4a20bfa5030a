"""The words about Panal itself: `panal doctor`, `config`, `completion`, `version`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from panal import __version__
from panal.cli.words.options import (
    host_option,
    join_option,
    json_option,
    open_option,
    peer_option,
    tracker_option,
)

if TYPE_CHECKING:
    from panal.wire.join_line import JoinLine


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to look at; the running peer's, or this one.",
)
@click.option("--name", help="A name that a peer shall have: is it free?")
@peer_option
@tracker_option
@host_option
@open_option
@join_option
@json_option("DoctorDocument")
@click.pass_context
def doctor(
    context: click.Context,
    folder: Path | None,
    name: str | None,
    peer_url: str,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    is_open: bool,
    join: "JoinLine | None",
    as_json: bool,
) -> None:
    """Look for what is wrong, and say what to do about it.

    Changes nothing. Asks the running peer's tracker, if none is named. Where no peer runs, one
    is started for a moment, to let the tracker call it; in a network as this user's commands,
    which are let in by a join line once. The exit code is 1 if anything fails.

    \b
    panal doctor
    panal doctor --name peer_3 --folder ./files
    panal doctor --host 192.168.1.20 --join @join.txt
    """
    from panal.cli.doctor import Subject, examine

    is_default = context.get_parameter_source("trackers") is ParameterSource.DEFAULT
    asked = Subject(folder, name, peer_url, trackers, is_default, hosts, is_open, join)
    examine(asked, as_json=as_json)


@click.command(context_settings={"ignore_unknown_options": True})
@json_option("ConfigDocument")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [OPTION...]]")
@click.pass_context
def config(context: click.Context, as_json: bool, command: tuple[str, ...]) -> None:
    """Show every setting, its value, and where it comes from.

    With a COMMAND, only that one's; with its options too, what they would make of it.

    \b
    panal config
    panal config downloads pause
    panal config search --limit 5
    """
    from panal.cli.settings import show

    show(context, command, as_json=as_json)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes panal's words in a SHELL.

    \b
    bash  echo 'eval "$(panal completion bash)"' >> ~/.bashrc
    zsh   echo 'eval "$(panal completion zsh)"' >> ~/.zshrc
    fish  panal completion fish > ~/.config/fish/completions/panal.fish
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 (the choices above are click's own)
    click.echo(made(context.find_root().command, {}, "panal", "_PANAL_COMPLETE").source())


@click.command()
@json_option("VersionDocument")
def version(as_json: bool) -> None:
    """Print the version."""
    if not as_json:
        click.echo(f"panal {__version__}")
        return
    from panal.cli.documents import VersionDocument
    from panal.cli.output import print_json

    print_json(VersionDocument(__version__))


@click.command()
@click.argument("command", nargs=-1)
@click.pass_context
def schema(context: click.Context, command: tuple[str, ...]) -> None:
    """Print the JSON Schema of what a COMMAND prints with --json, failures included.

    Without a COMMAND, those of all commands, by command.

    \b
    panal schema get
    panal schema downloads pause
    """
    from panal.cli.schemas import show

    show(context.find_root().command, command)
