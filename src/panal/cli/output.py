"""What commands print: a JSON document, or rows for people."""

import click
import msgspec

from panal.wire.names import printable


def print_json(value: object) -> None:
    """One JSON document on stdout."""
    click.echo(msgspec.json.encode(value).decode("utf-8"))


def name_words(name: str) -> str:
    """A file's name, safe for a terminal."""
    return printable(name)[1:-1]
