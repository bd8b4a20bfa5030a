"""Where a join line comes from: a file, standard input, the environment, a question; never words.

On the command line everybody on the machine could read it, and the shell would remember it.
"""

import sys
from pathlib import Path

import click
from click.core import ParameterSource

from panal.errors import UsageError
from panal.wire.join_line import MAX_CHARACTERS, SCHEME, JoinLine, parse_join_line

ASK = "?"
"""What stands for `--join` alone."""


def read_join(
    context: click.Context, option: click.Parameter, value: str | None
) -> JoinLine | None:
    """The join line that `--join` or PANAL_JOIN means; UsageError without the line in it."""
    if value is None:
        return None
    typed = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    if value.startswith("@"):
        return parse_join_line(_file(Path(value[1:])))
    if value == "-":
        return parse_join_line(sys.stdin.read(MAX_CHARACTERS + 1))
    if value == ASK:
        return parse_join_line(click.prompt("Join line", hide_input=True, err=True))
    if typed:
        raise UsageError(_in_a_file(value))
    return parse_join_line(value)


def _in_a_file(value: str) -> str:
    if not value.startswith(SCHEME):
        return "--join takes @FILE, '-' for standard input, or nothing: then it asks."
    return (
        "A join line is a secret, and others on this machine see the words of a command. Put it "
        "into a file and say --join @FILE; '-' reads it from standard input, and --join alone asks."
    )


def _file(path: Path) -> str:
    try:
        with path.expanduser().open("r", encoding="utf-8") as file:
            return file.read(MAX_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"The join line cannot be read from {path}: {reason}.") from None
