"""Generate docs/cli.md, docs/api.md and docs/openapi.json from the program itself, or check them.

python scripts/gen_docs.py            write
python scripts/gen_docs.py --check    exit 1 where the committed files differ
"""

import asyncio
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import click
import msgspec

from panal.answers.meanings import meanings, nested
from panal.cli.documents import Problem
from panal.cli.main import panal
from panal.cli.schemas import every_command, structs_of
from panal.peer.config import PeerSettings
from panal.running import running_peer
from panal.web.openapi import openapi_document
from panal.web.openapi_schemas import words_of

ROOT = Path(__file__).resolve().parent.parent
NOBODY = "127.0.0.1:1"
"""A tracker that does not answer: the routes do not need one."""
ANYWHERE = {"400", "403", "421", "500"}
MADE = "Made by `scripts/gen_docs.py`; `make docs` writes it anew."


# Commands ---------------------------------------------------------------------------------


def commands_document() -> str:
    """docs/cli.md."""
    head = [
        "# Commands",
        "",
        MADE,
        "",
        "Settings come from options, else from the environment, else from",
        "`~/.config/panal/config.toml` (a table a command; what stands above the tables counts for",
        "all; what no command knows is refused), else from the defaults.",
        "`panal config` says which.",
        "",
        *_fenced("text", _help_text(panal)),
        "",
    ]
    return "\n".join([*head, *_commands(panal, "panal"), *_documents()])


def _commands(group: click.Group, above: str) -> Iterator[str]:
    for name in sorted(group.commands):
        command, called = group.commands[name], f"{above} {name}"
        context = click.Context(command, info_name=called, max_content_width=90)
        yield from (f"## {called}", "", *_fenced("text", command.get_usage(context)), "")
        yield from _described(command)
        rows = [_option_row(p) for p in command.params if isinstance(p, click.Option)]
        if rows:
            yield from ("| option | environment | default | |", "|---|---|---|---|", *rows, "")
        if structs := structs_of(command):
            yield f"`--json` prints {' or '.join(map(_named, structs))}, or a {_named(Problem)}."
            yield ""
        if isinstance(command, click.Group):
            yield from _commands(command, called)


def _documents() -> Iterator[str]:
    printed = [struct for _, command in every_command(panal) for struct in structs_of(command)]
    yield from ("## What --json prints", "")
    yield from (
        "One document on standard output, UTF-8 on one line; words for people go to standard",
        "error. `panal schema COMMAND` prints a command's JSON Schema. Where a command fails,",
        "the document is a [Problem](#problem) and the exit code is the one that it names. Where",
        "the answer itself is bad news (`verify`, `doctor`, `get --dry-run`), it is printed, and",
        "the exit code says so. A command that is interrupted prints none.",
        "",
    )
    for struct in sorted(nested([*printed, Problem]), key=lambda struct: struct.__name__):
        yield from (f"### {struct.__name__}", "", (inspect.getdoc(struct) or ""), "")
        said = meanings(struct)
        yield from ("| field | type | |", "|---|---|---|")
        for field in msgspec.structs.fields(struct):
            yield f"| `{field.name}` | {_type_words(field.type)} | {said[field.name]} |"
        yield ""


def _type_words(kind: Any) -> str:
    """A field's type as JSON knows it."""
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}
    if kind in plain:
        return plain[kind]
    given = get_args(kind)
    if get_origin(kind) is Annotated:
        return _type_words(given[0])
    if get_origin(kind) is list:
        return f"array of {_type_words(given[0])}"
    if get_origin(kind) is dict:
        return f"object of {_type_words(given[1])}"
    if given:
        words = " or ".join(_type_words(one) for one in given if one is not msgspec.UnsetType)
        return f"{words}, may be left out" if msgspec.UnsetType in given else words
    return _named(kind)


def _described(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield from _fenced("sh", paragraph.removeprefix("\b\n"))
        else:
            yield paragraph.replace("<", "&lt;")
        yield ""


def _help_text(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "")


def _option_row(option: click.Option) -> str:
    info = option.to_info_dict()
    metavar = "" if option.is_flag else f" {option.metavar or _kind(info)}"
    default = info["default"]
    shown = ""
    if default not in (None, False, (), []):
        values = default if isinstance(default, list | tuple) else [default]
        shown = ", ".join(f"`{value}`" for value in values)
    environment = f"`{option.envvar}`" if isinstance(option.envvar, str) else ""
    many = " (repeatable)" if option.multiple else ""
    return f"| `{option.opts[-1]}{metavar}`{many} | {environment} | {shown} | {option.help} |"


def _kind(info: dict[str, Any]) -> str:
    return {"Path": "PATH", "IntRange": "N", "FloatRange": "N"}.get(
        info["type"]["param_type"], "TEXT"
    )


# Routes -----------------------------------------------------------------------------------


async def _document() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        settings = PeerSettings("docs", 0, Path(made), (NOBODY,), shares_folder=False, guest_port=0)
        async with running_peer(settings) as app:
            return openapi_document([*app.routes, *app.guest_routes])


def routes_document(document: dict[str, Any]) -> str:
    """docs/api.md, which is docs/openapi.json for people."""
    lines = [
        "# The peer's HTTP interface",
        "",
        MADE,
        "",
        "The same for programs is [openapi.json](openapi.json), which a running peer serves at",
        "`/openapi.json`. What the routes mean to other programs is in",
        "[PROTOCOL.md](PROTOCOL.md#9-the-peers-http): who *public*, *member* and *owner* are, the",
        "errors, uploads and ranges. JSON is UTF-8; sizes are bytes; ids and hashes are hex.",
        "Behind every answer stand the statuses of problems that it may be instead; 400, 403, 421",
        "and 500 may come from anywhere.",
        "",
        "| method and path | who | | takes | gives | problems |",
        "|---|---|---|---|---|---|",
    ]
    operations = [
        (path, method.upper(), operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "servers"
    ]
    lines += [_route_row(*each) for each in operations]
    with_parameters = [
        (f"{method} {path}", [p for p in operation.get("parameters", ()) if p["in"] == "query"])
        for path, method, operation in operations
    ]
    lines += ["", "## Queries", "", "| route | parameter | type | |", "|---|---|---|---|"]
    for route, parameters in with_parameters:
        for one in parameters:
            said = one.get("description", "")
            lines.append(f"| {route} | `{one['name']}` | {_schema_words(one['schema'])} | {said} |")
    for name, schema in document["components"]["schemas"].items():
        lines += ["", f"## {name}", "", schema.get("description", ""), ""]
        lines += ["| field | type | |", "|---|---|---|"]
        for field, of_field in schema["properties"].items():
            optional = "" if field in schema["required"] else ", may be left out"
            said = of_field.get("description", "")
            lines.append(f"| `{field}` | {_schema_words(of_field)}{optional} | {said} |")
    return "\n".join(lines) + "\n"


def _route_row(path: str, method: str, operation: dict[str, Any]) -> str:
    shown = re.sub(r"\{(\w+)\}", r"<\1>", path)
    takes = _content_words(operation.get("requestBody", {}))
    good = {s: a for s, a in operation["responses"].items() if "$ref" not in a}
    gives = "; ".join(
        f"{status} {_content_words(answer)}".strip() for status, answer in good.items()
    )
    problems = ", ".join(sorted(operation["responses"].keys() - good.keys() - ANYWHERE))
    return (
        f"| {method} `{shown}` | {operation['x-panal-role']} | {operation['summary']} "
        f"| {takes} | {gives} | {problems} |"
    )


def _content_words(said: dict[str, Any]) -> str:
    words = []
    for kind, content in said.get("content", {}).items():
        schema = content.get("x-panal-events") or content.get("schema", {})
        struct = _schema_words(schema) if "$ref" in schema else ""
        if kind == "application/json" and struct:
            words.append(struct)
        elif struct:
            words.append(f"{struct} as `{kind}`")
        else:
            words.append(f"`{kind}`")
    return " or ".join(words)


def _schema_words(schema: dict[str, Any]) -> str:
    return words_of(schema, lambda name: f"[{name}](#{name.lower()})", lambda word: f"`{word}`")


def _named(kind: type) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def _fenced(language: str, text: str) -> list[str]:
    return [f"```{language}", *text.splitlines(), "```"]


def main() -> None:
    """Write the documents, or compare them."""
    document = asyncio.run(_document())
    fresh = {
        ROOT / "docs" / "cli.md": commands_document().rstrip("\n") + "\n",
        ROOT / "docs" / "api.md": routes_document(document),
        ROOT / "docs" / "openapi.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
    }
    if "--check" not in sys.argv:
        for path, text in fresh.items():
            path.write_text(text, "utf-8")
        return
    stale = [p.name for p, t in fresh.items() if not p.exists() or p.read_text("utf-8") != t]
    if stale:
        raise SystemExit(f"Stale: {', '.join(stale)}. Run python scripts/gen_docs.py.")


if __name__ == "__main__":
    main()
