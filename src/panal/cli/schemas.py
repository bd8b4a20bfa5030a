"""`panal schema`: what each command prints with `--json`, as JSON Schema."""

from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from panal import answers
from panal.answers.meanings import meanings, nested
from panal.cli import documents
from panal.cli.documents import Problem
from panal.cli.words.options import JsonOption
from panal.errors import UsageError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def every_command(
    group: click.Group, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    """Each command below a group with its words, as `downloads pause`."""
    for name in sorted(group.commands):
        command, words = group.commands[name], (*above, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from every_command(command, words)


def structs_of(command: click.Command) -> list[type[msgspec.Struct]]:
    """The structs of which a command's document is one; none where it has no `--json`."""
    options = (option for option in command.params if isinstance(option, JsonOption))
    return [_struct(name) for option in options for name in option.gives]


def _struct(name: str) -> type[msgspec.Struct]:
    found: type[msgspec.Struct] = getattr(documents, name, None) or getattr(answers, name)
    return found


def schema_of(structs: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """The JSON Schema of a document that is one of these, or the problem of a failure."""
    ordered: list[type[msgspec.Struct]] = [*structs, Problem]
    wanted, found = msgspec.json.schema_components(ordered, ref_template="#/$defs/{name}")
    for struct in nested(ordered):
        for field, meaning in meanings(struct).items():
            found[struct.__name__]["properties"][field]["description"] = meaning
    return {"$schema": DIALECT, "anyOf": list(wanted), "$defs": found}


def show(root: click.Command, words: tuple[str, ...]) -> None:
    """Print the schema of one command, or of all by command."""
    assert isinstance(root, click.Group)  # noqa: S101 (the root is `panal`)
    known = {name: structs for name, c in every_command(root) if (structs := structs_of(c))}
    asked = " ".join(words)
    if asked and asked not in known:
        raise UsageError(f"{asked!r} is no command with --json. These are: {', '.join(known)}.")
    made: Any = {name: schema_of(structs) for name, structs in known.items()}
    text = msgspec.json.encode(made[asked] if asked else made)
    click.echo(msgspec.json.format(text, indent=2).decode("utf-8"))
