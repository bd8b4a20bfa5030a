"""Words to one command, errors to exit codes. Heavy imports wait until a command needs them."""

import gc
import os
import re
import sys
import threading
from pathlib import Path
from typing import NoReturn

import click

from panal.cli.settings_file import settings_for, settings_path
from panal.cli.words import downloading, finding, network, owning, running, upkeep
from panal.errors import AmbiguousName, PanalError, UnsafeName, UsageError
from panal.wire.names import printable

INTERRUPTED = 130
LOADING_COLLECTS_AFTER = 200_000
"""New objects, more than any command loads: it is all kept, and to look through it takes 13 ms."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _read_settings(context: click.Context, _: click.Parameter, named: Path | None) -> Path | None:
    # Here and not in the command: completion and `panal config` run no command.
    context.default_map = settings_for(panal, named)
    return named


@click.group(context_settings=CONTEXT)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PANAL_CONFIG",
    callback=_read_settings,
    help="Settings in TOML: a table a command, keys as the options' names.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    envvar="PANAL_TOKEN_FILE",
    help="The token of your peer's owner, STATE/owner-token, if you are another user; -: stdin.",
)
@click.pass_context
def panal(context: click.Context, config: Path | None, token_file: Path | None) -> None:
    """Exchange files between your own machines, in verified chunks, with no file server.

    \b
    panal tracker                          who has what (one for everybody)
    panal peer peer_1 5000 ./files         share a folder
    panal search holiday video             find
    panal get holiday.mp4 --into ~/Videos  fetch from everybody who has it
    panal doctor                           what is wrong, and what to do

    Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 tracker or peer unreachable,
    5 integrity, 6 no space, 7 refused, 130 interrupted.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


for _command in (
    *(running.tracker, running.peer, network.network),
    *(finding.search, finding.get, finding.peers),
    *(owning.ls, owning.add, owning.unshare, downloading.downloads, downloading.why),
    *(owning.verify, owning.settings, owning.link, owning.log, owning.page),
    *(upkeep.doctor, upkeep.config, upkeep.schema, upkeep.completion, upkeep.version),
):
    panal.add_command(_command)


def program() -> None:
    """`panal` as a program: quick to load, and gone as soon as its command is done."""
    gc.set_threshold(LOADING_COLLECTS_AFTER)
    # aiohttp reads every authority of the system while it loads, 25 ms each of two times; we speak
    # to none of them, wherever somebody's environment says that they are.
    os.environ["SSL_CERT_FILE"] = os.environ["SSL_CERT_DIR"] = os.devnull
    try:
        main()
    except SystemExit as ending:
        if not isinstance(ending.code, int):
            raise
        _end(ending.code)
    else:
        _end(0)


def _end(code: int) -> NoReturn:
    """Leave without taking the interpreter apart, where no thread is left to be waited for."""
    if any(not thread.daemon for thread in threading.enumerate()[1:]):
        sys.exit(code)
    try:
        sys.stdout.flush()
        if not sys.stderr.closed:
            sys.stderr.flush()
    except OSError:
        code = code or 1  # the reader of our output has gone
    os._exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code; no traceback reaches a user."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its warnings are not for people
    words = sys.argv[1:] if arguments is None else arguments
    try:
        panal.main(args=words, prog_name="panal", standalone_mode=False)
    except PanalError as error:
        _fail(str(error), type(error), words)
    except click.ClickException as error:
        error = _with_its_place(error)
        if isinstance(error, click.UsageError) and not _wants_json(words):
            error.show()
            sys.exit(UsageError.exit_code)
        _fail(error.format_message(), UsageError, words)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: nothing to say to it
        sys.exit(1)
    except Exception as error:
        if isinstance(error, UnicodeEncodeError) and (named := _no_text(words)) is not None:
            text = f"{printable(named)} is not UTF-8, as every name is that is shared."
            _fail(text, UnsafeName, words)
        if os.environ.get("PANAL_DEBUG"):
            raise
        text = f"A fault in Panal: {error!r}. Set PANAL_DEBUG=1 to see where, and report it."
        _fail(text, PanalError, words)


def _no_text(words: list[str]) -> str | None:
    """The first word with bytes that are no text: a folder here may have such a name."""
    return next((word for word in words if any("\ud800" <= c <= "\udfff" for c in word)), None)


def _with_its_place(error: click.ClickException) -> click.ClickException:
    """The same, and where the value stands that is refused, if it is in the settings file."""
    if not (isinstance(error, click.BadParameter) and error.ctx and error.param):
        return error
    source = error.ctx.get_parameter_source(error.param.name or "")
    if source is not click.core.ParameterSource.DEFAULT_MAP:
        return error
    path = settings_path(error.ctx.find_root().params.get("config"))
    text = f"{error.message} It stands in the settings file {path}."
    return click.BadParameter(text, error.ctx, error.param, error.param_hint)


def _fail(text: str, kind: type[PanalError], words: list[str]) -> NoReturn:
    if _wants_json(words):
        from panal.cli.documents import Problem
        from panal.cli.output import print_json

        print_json(Problem(f"urn:panal:error:{kind.slug}", kind.title(), text, kind.exit_code))
    from panal.cli.log_lines import last_word

    last_word(_CHOICE.sub("\\1\n  ", text) if kind is AmbiguousName else text)
    sys.exit(kind.exit_code)


_CHOICE = re.compile(r"(?:(:)|;) (?=[0-9a-f]{64} )")
"""Before each content of those that a name means: for people each has a line of its own."""


def _wants_json(words: list[str]) -> bool:
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options
