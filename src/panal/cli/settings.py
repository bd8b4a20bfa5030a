"""`panal config`: every setting, its value, and where that comes from."""

import os

import click
import msgspec
from click.core import ParameterSource

from panal.cli.output import print_json
from panal.cli.settings_file import settings_path
from panal.errors import UsageError

_NOT_SETTINGS = {"as_json", "help", "quiet", "dry_run"}
_SECRET_WORDS = ("secret", "token", "password", "join", "key")


class Setting(msgspec.Struct):
    """One option of one command."""

    command: str
    setting: str
    value: object
    origin: str
    """flag, environment, file or default."""
    where: str
    """The variable or the file, where it comes from one."""


def show(context: click.Context, words: tuple[str, ...], *, as_json: bool) -> None:
    """Print the settings of all commands, or of one as these words would run it."""
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)  # noqa: S101 (the root is `panal`)
    if words and words[0] not in group.commands:
        raise UsageError(f"There is no command {words[0]!r}; see 'panal --help'.")
    file = str(settings_path(root.params.get("config")))
    found = _of(root, "panal", file)
    for name in words[:1] or sorted(group.commands):
        command = group.commands[name]
        made = command.make_context(
            name, list(words[1:]), parent=root, resilient_parsing=not words[1:]
        )
        found += _of(made, name, file)
    if as_json:
        print_json({"settings": found})
        return
    for setting in found:
        where = f" {setting.where}" if setting.where else ""
        value = msgspec.json.encode(setting.value).decode()
        click.echo(f"{setting.command} --{setting.setting} = {value}  ({setting.origin}{where})")


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


def _shown(name: str, value: object) -> object:
    if value is not None and any(word in name for word in _SECRET_WORDS):
        return "(set, not shown)"
    if isinstance(value, list | tuple):
        return [_shown("", item) for item in value]
    return value if isinstance(value, bool | int | float) or value is None else str(value)
