"""What commands print: a JSON document, or words for people."""

import click
import msgspec

from panal.wire.names import printable


def print_json(document: msgspec.Struct) -> None:
    """One JSON document on stdout: every `--json` ends here, so each has a schema."""
    click.echo(msgspec.json.encode(document).decode("utf-8"))


def name_words(name: str) -> str:
    """A file's name, safe for a terminal."""
    return printable(name)[1:-1]
