"""The owner's token, where the connection does not prove whose a command is.

It comes from a file or a pipe, never as a word of the command: every user of a machine can
read the words of every command.
"""

import sys
from ipaddress import ip_address
from pathlib import Path

import click
from yarl import URL

from panal.errors import Refused, UsageError

MOST_CHARACTERS = 1_000


def given_token() -> str | None:
    """The token of `--token-file`, if one was given; UsageError."""
    context = click.get_current_context(silent=True)
    named: Path | None = None if context is None else context.find_root().params.get("token_file")
    if named is None:
        return None
    try:
        text = sys.stdin.readline() if str(named) == "-" else named.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The token in {named} cannot be read: is it your peer's?") from None
    token = text.strip()
    if not token or len(token) > MOST_CHARACTERS or not token.isprintable():
        raise UsageError(f"There is no token in {named}.")
    return token


def check_stays_here(url: str) -> None:
    """Refused where a token would go over a wire: whoever listens would be the owner."""
    host = URL(url).host or ""
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        raise Refused(
            f"The token is not sent to {host}: the way there can be listened to. Make a tunnel, "
            f"as with 'ssh -L 5000:127.0.0.1:5000 {host}', and ask http://127.0.0.1:5000."
        )
