"""Words to one command, errors to exit codes. Heavy imports wait until a command needs them."""

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from panal import __version__
from panal.errors import PanalError, UsageError

INTERRUPTED = 130
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

tracker_option = click.option(
    "--tracker",
    "trackers",
    multiple=True,
    metavar="HOST:PORT",
    envvar="PANAL_TRACKER",
    default=["127.0.0.1:50051"],
    show_default=True,
    help="The tracker to ask; may be repeated: the first that answers is used.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
host_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="ADDRESS",
    envvar="PANAL_HOST",
    help="Listen on this outer address besides loopback; 0.0.0.0 for all. Needs --open.",
)
open_option = click.option(
    "--open",
    "is_open",
    is_flag=True,
    envvar="PANAL_OPEN",
    help="Whoever reaches the outer address may come in: for a network you trust.",
)


state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PANAL_STATE",
    help="Where state is kept. A peer's default is FOLDER/.panal.",
)


@click.group(context_settings=CONTEXT)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PANAL_CONFIG",
    help="Settings in TOML: a table a command, keys as the options' names.",
)
@click.pass_context
def panal(context: click.Context, config: Path | None) -> None:
    """Exchange files between your own machines, in verified chunks, with no file server.

    \b
    panal tracker                          who has what (one for everybody)
    panal peer peer_1 5000 ./files         share a folder
    panal search holiday video             find
    panal get holiday.mp4 --into ~/Videos  fetch from everybody who has it

    Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 tracker or peer unreachable,
    5 integrity, 6 no space, 7 refused, 130 interrupted.
    """
    context.default_map = _settings_file(config)


def _settings_file(named: Path | None) -> dict[str, Any]:
    """The settings of a TOML file: options by command, `tracker` and such for all."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    path = named or Path(base) / "panal" / "config.toml"
    if named is None and not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The settings file {path} cannot be read: {error}.") from None
    everywhere = {key: value for key, value in table.items() if not isinstance(value, dict)}
    settings: dict[str, Any] = {}
    for command in panal.commands.values():
        table_of_its_own = table.get(command.name or "")
        own = everywhere | (table_of_its_own if isinstance(table_of_its_own, dict) else {})
        known = {option.lstrip("-"): p.name for p in command.params for option in p.opts}
        settings[command.name or ""] = {known[key]: own[key] for key in own if key in known}
    return settings


@panal.command()
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
    """Run a tracker: it knows who has what, and never touches a file's bytes."""
    from panal.cli.programs import run_tracker

    run_tracker(listen, is_open=is_open, state=state)


@panal.command()
@click.argument("name")
@click.argument("port", type=click.IntRange(0, 65_535))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@tracker_option
@host_option
@open_option
@state_option
def peer(
    name: str,
    port: int,
    folder: Path,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    is_open: bool,
    state: Path | None,
) -> None:
    """Run a peer called NAME on PORT that shares FOLDER (made if missing)."""
    from panal.cli.programs import run_peer
    from panal.peer.config import PeerSettings

    run_peer(PeerSettings(name, port, folder, trackers, hosts, open=is_open, state_dir=state))


@panal.command()
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
    from panal.cli.commands import search as run

    run(" ".join(words), trackers, limit, as_json=as_json)


@panal.command()
@click.argument("what")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="The folder to put it in; here, if not said.",
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
@click.option("--quiet", is_flag=True, help="No progress.")
@json_option
def get(
    what: str,
    into: Path | None,
    peer_url: str | None,
    share_for: float,
    trackers: tuple[str, ...],
    hosts: tuple[str, ...],
    is_open: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch WHAT: a name, a panal: link, a content id, or sha256:DIGEST.

    Comes from every peer that has it at once; each chunk is verified before it counts, and
    the file appears under its name only when it is whole. Asked again, it goes on where it
    was stopped. An unknown name ends with code 3; an id or link waits until somebody has it.
    """
    from panal.cli import commands

    if peer_url is not None:
        if into is not None:
            raise UsageError("With --peer it lands in that peer's folder; leave --into out.")
        commands.get_at_peer(what, peer_url, quiet=quiet, as_json=as_json)
        return
    settings = commands.get_settings(what, into or Path(), trackers, hosts, is_open=is_open)
    commands.get(what, settings, share_for, quiet=quiet, as_json=as_json)


@panal.command()
@tracker_option
@json_option
def peers(trackers: tuple[str, ...], as_json: bool) -> None:
    """List who is here."""
    from panal.cli.commands import peers as run

    run(trackers, as_json=as_json)


@panal.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version."""
    click.echo(f'{{"panal":"{__version__}"}}' if as_json else f"panal {__version__}")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code; no traceback reaches a user."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its warnings are not for people
    words = sys.argv[1:] if arguments is None else arguments
    try:
        panal.main(args=words, prog_name="panal", standalone_mode=False)
    except PanalError as error:
        _fail(str(error), error.slug, error.exit_code, words)
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and "--json" not in words:
            error.show()
            sys.exit(UsageError.exit_code)
        _fail(error.format_message(), UsageError.slug, UsageError.exit_code, words)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to say to it
        sys.exit(1)
    except Exception as error:
        if os.environ.get("PANAL_DEBUG"):
            raise
        text = f"A fault in Panal: {error!r}. Set PANAL_DEBUG=1 to see where, and report it."
        _fail(text, PanalError.slug, PanalError.exit_code, words)


def _fail(text: str, slug: str, exit_code: int, words: list[str]) -> None:
    if "--json" in words:
        import msgspec

        body = {"error": slug, "detail": text, "exit_code": exit_code}
        click.echo(msgspec.json.encode(body).decode("utf-8"))
    click.echo(f"panal: {text}", err=True)
    sys.exit(exit_code)
