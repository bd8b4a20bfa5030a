"""`panal config`: every setting, its value, and where that comes from."""

import copy
import os
from collections.abc import Sequence

import click
import msgspec
from click.core import ParameterSource

from panal.cli.documents import ConfigDocument, Setting, Value
from panal.cli.output import print_json
from panal.cli.settings_file import settings_path
from panal.errors import UsageError
from panal.tracker.store_url import shown_store

_NOT_SETTINGS = {"as_json", "help", "quiet", "dry_run"}
_SECRET_WORDS = ("secret", "token", "password", "join", "key")


def show(context: click.Context, words: tuple[str, ...], *, as_json: bool) -> None:
    """Print the settings of all commands, or of one as these words would run it."""
    root = context.find_root()
    file = str(settings_path(root.params.get("config")))
    found = _of(root, "panal", file)
    if words:
        above, command, rest = _meant(root, words)
        found += _below(above, command, rest, file)
    else:
        group = _group(root)
        for name in sorted(group.commands):
            found += _below(root, group.commands[name], [], file)
    if as_json:
        print_json(ConfigDocument(found))
        return
    for setting in found:
        where = f" {setting.where}" if setting.where else ""
        value = msgspec.json.encode(setting.value).decode()
        click.echo(f"{setting.command} --{setting.setting} = {value}  ({setting.origin}{where})")


def _group(context: click.Context) -> click.Group:
    assert isinstance(context.command, click.Group)  # noqa: S101 (`panal`, or a group in it)
    return context.command


def _meant(
    above: click.Context, words: Sequence[str]
) -> tuple[click.Context, click.Command, list[str]]:
    """The command that these words name, the context it stands in, and its own words."""
    command = _group(above).commands.get(words[0])
    if command is None:
        raise UsageError(f"There is no command {words[0]!r}; see 'panal --help'.")
    rest = list(words[1:])
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        return _meant(_made(above, command, []), rest)
    return above, command, rest


def _made(above: click.Context, command: click.Command, words: list[str]) -> click.Context:
    """A command's context with those options; what it is called with is not asked for."""
    bare = copy.copy(command)
    bare.params = [_optional(parameter) for parameter in command.params]
    return bare.make_context(command.name, list(words), parent=above, resilient_parsing=not words)


def _optional(parameter: click.Parameter) -> click.Parameter:
    if isinstance(parameter, click.Argument):
        parameter = copy.copy(parameter)
        parameter.required = False
    return parameter


def _below(
    above: click.Context, command: click.Command, words: list[str], file: str
) -> list[Setting]:
    """The settings of a command, and of those in it where it is a group."""
    context = _made(above, command, words)
    found = _of(context, context.command_path.removeprefix("panal "), file)
    if isinstance(command, click.Group) and not words:
        for name in sorted(command.commands):
            found += _below(context, command.commands[name], [], file)
    return found


def _of(context: click.Context, command: str, file: str) -> list[Setting]:
    found = []
    for parameter in context.command.params:
        name = parameter.name or ""
        if not isinstance(parameter, click.Option) or name in _NOT_SETTINGS:
            continue
        source = context.get_parameter_source(name)
        value = context.params.get(name)
        if value is None:
            value = parameter.to_info_dict()["default"]
        origin, where = _origin(source, parameter, file)
        setting = parameter.opts[-1].lstrip("-")
        found.append(Setting(command, setting, _shown(name, value), origin, where))
    return found


def _origin(source: ParameterSource | None, parameter: click.Option, file: str) -> tuple[str, str]:
    if source is ParameterSource.COMMANDLINE:
        return "flag", ""
    if source is ParameterSource.ENVIRONMENT:
        named = parameter.envvar if isinstance(parameter.envvar, str) else ""
        return "environment", named if named in os.environ else ""
    if source is ParameterSource.DEFAULT_MAP:
        return "file", file
    return "default", ""


def _shown(name: str, value: object) -> Value:
    if value is not None and any(word in name for word in _SECRET_WORDS):
        return "(set, not shown)"
    if name == "store" and value is not None:
        return shown_store(str(value))
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return value if isinstance(value, bool | int | float) or value is None else str(value)
