"""Generate docs/cli.md and docs/api.md from the program itself, or check them.

python scripts/gen_docs.py            write
python scripts/gen_docs.py --check    exit 1 where the committed files differ
"""

import asyncio
import inspect
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import click
import msgspec

from panal.cli.documents import Problem
from panal.cli.main import panal
from panal.cli.schemas import every_command, meanings, nested, structs_of
from panal.peer.access import Route
from panal.peer.config import PeerSettings
from panal.python import running_peer

ROOT = Path(__file__).resolve().parent.parent
NOBODY = "127.0.0.1:1"
"""A tracker that does not answer: the routes do not need one."""
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
        "all), else from the defaults; `panal config` says which.",
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
    if get_origin(kind) is list:
        return f"array of {_type_words(given[0])}"
    if get_origin(kind) is dict:
        return f"object of {_type_words(given[1])}"
    if given:
        return " or ".join(map(_type_words, given))
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


async def _routes() -> list[Route]:
    with tempfile.TemporaryDirectory() as made:
        settings = PeerSettings("docs", 0, Path(made), (NOBODY,), shares_folder=False)
        async with running_peer(settings) as app:
            return app.routes


def routes_document(routes: list[Route]) -> str:
    """docs/api.md."""
    lines = [
        "# The peer's HTTP interface",
        "",
        MADE,
        "",
        "What the routes mean to other programs is in",
        "[PROTOCOL.md](PROTOCOL.md#9-the-peers-http): who *public*, *member* and *owner* are, the",
        "errors, uploads and ranges. JSON is UTF-8; sizes are bytes; ids and hashes are hex.",
        "",
        "| method and path | who | | takes | gives |",
        "|---|---|---|---|---|",
    ]
    lines += [_route_row(route) for route in sorted(routes, key=lambda r: (r.path, r.method))]
    types = {
        kind
        for route in routes
        for kind in (route.takes, route.gives, route.streams)
        if kind is not None
    }
    ordered = sorted(types, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template="#/$defs/{name}")
    for name in sorted(schemas):
        text = msgspec.json.format(msgspec.json.encode(schemas[name]), indent=2).decode()
        lines += ["", f"## {name}", "", *_fenced("json", text)]
    return "\n".join(lines) + "\n"


def _route_row(route: Route) -> str:
    path = re.sub(r"\{(\w+)[^}]*\}", r"<\1>", route.path)
    query = f"?{route.query}" if route.query else ""
    said = (inspect.getdoc(route.handler) or "").partition("\n")[0]
    takes, gives = (_named(kind) for kind in (route.takes, route.gives))
    if route.streams is not None:
        gives += f"; a line each, as `application/x-ndjson`: {_named(route.streams)}"
    return f"| {route.method} `{path}{query}` | {route.role.value} | {said} | {takes} | {gives} |"


def _named(kind: type | None) -> str:
    return "" if kind is None else f"[{kind.__name__}](#{kind.__name__.lower()})"


def _fenced(language: str, text: str) -> list[str]:
    return [f"```{language}", *text.splitlines(), "```"]


def main() -> None:
    """Write the documents, or compare them."""
    fresh = {
        ROOT / "docs" / "cli.md": commands_document().rstrip("\n") + "\n",
        ROOT / "docs" / "api.md": routes_document(asyncio.run(_routes())),
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
