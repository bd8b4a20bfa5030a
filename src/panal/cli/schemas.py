"""`panal schema`: what each command prints with `--json`, as JSON Schema."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click
import msgspec

from panal import answers
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


def meanings(struct: type[msgspec.Struct]) -> dict[str, str]:
    """What each field means: the text below it in the struct's source."""
    found: dict[str, str] = {}
    for owner in reversed(struct.__mro__):
        if owner is msgspec.Struct or not issubclass(owner, msgspec.Struct):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        assert isinstance(body, ast.ClassDef)  # noqa: S101 (it is a class's source)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[field.target.id] = " ".join(text.value.split())
    return found


def schema_of(structs: Sequence[type[msgspec.Struct]]) -> dict[str, Any]:
    """The JSON Schema of a document that is one of these, or the problem of a failure."""
    ordered: list[type[msgspec.Struct]] = [*structs, Problem]
    wanted, found = msgspec.json.schema_components(ordered, ref_template="#/$defs/{name}")
    for struct in nested(ordered):
        for field, meaning in meanings(struct).items():
            found[struct.__name__]["properties"][field]["description"] = meaning
    return {"$schema": DIALECT, "anyOf": list(wanted), "$defs": found}


def nested(structs: Sequence[type[msgspec.Struct]]) -> list[type[msgspec.Struct]]:
    """These structs and all that their fields are made of, each once."""
    found: dict[type[msgspec.Struct], None] = {}

    def walk(kind: msgspec.inspect.Type) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls not in found:
                found[kind.cls] = None
                for field in kind.fields:
                    walk(field.type)
        elif isinstance(kind, msgspec.inspect.ListType):
            walk(kind.item_type)
        elif isinstance(kind, msgspec.inspect.DictType):
            walk(kind.value_type)
        elif isinstance(kind, msgspec.inspect.UnionType):
            for each in kind.types:
                walk(each)

    for struct in structs:
        walk(msgspec.inspect.type_info(struct))
    return list(found)


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
