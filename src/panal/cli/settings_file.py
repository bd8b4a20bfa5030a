"""The settings file: TOML, a table a command, what stands above the tables for all of them.

What no command knows is refused: a word that is spelt wrong must not mean the default.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from panal.errors import UsageError


def settings_path(named: Path | None) -> Path:
    """Which file is read: the named one, or the user's."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return named or Path(base) / "panal" / "config.toml"


def settings_for(group: click.Group, named: Path | None) -> dict[str, Any]:
    """The file's settings by command, under the parameters' own names; UsageError."""
    path = settings_path(named)
    if named is None and not path.exists():
        return {}
    import tomllib  # most people have no such file

    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"The settings file {path} cannot be read: {error}.") from None
    try:
        _refuse_unknown(group, table, _keys_below(group), "")
        return _by_command(group, table, {})
    except UsageError as error:
        raise UsageError(f"The settings file {path}: {error}") from None


def _by_command(group: click.Group, table: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    everywhere = above | {key: value for key, value in table.items() if not _is_table(value)}
    for name, command in group.commands.items():
        own_table = (table.get(name) if _is_table(table.get(name)) else None) or {}
        own = everywhere | {k: v for k, v in own_table.items() if not _is_table(v)}
        settings[name] = {
            parameter.name: _as_typed(parameter, own[key], f"[{name}] " * (key in own_table) + key)
            for key, parameter in _parameters(command).items()
            if key in own
        }
        if isinstance(command, click.Group):
            settings[name] |= _by_command(command, own_table, everywhere)
    return settings


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _parameters(command: click.Command) -> dict[str, click.Parameter]:
    return {option.lstrip("-"): p for p in command.params for option in p.opts}


def _keys_below(command: click.Command) -> set[str]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return {key for one in below for key in (*_parameters(one), *_keys_below(one))}


def _refuse_unknown(
    command: click.Command, table: dict[str, Any], known: set[str], named: str
) -> None:
    commands = command.commands if isinstance(command, click.Group) else {}
    for key, value in table.items():
        below = commands.get(key) if _is_table(value) else None
        if below is not None:
            keys = {*_parameters(below), *_keys_below(below)}
            _refuse_unknown(below, value, keys, f"{named}.{key}" if named else key)
        elif _is_table(value):
            raise _unknown(f"[{named}.{key}]" if named else f"[{key}]", key, commands)
        elif key not in known:
            raise _unknown(f"[{named}] {key}" if named else key, key, known)


def _unknown(shown: str, key: str, known: Iterable[str]) -> UsageError:
    import difflib  # seldom needed

    near = difflib.get_close_matches(key, known, 1)
    perhaps = f" Is {near[0]!r} meant?" if near else ""
    return UsageError(f"{shown} is not known.{perhaps} 'panal COMMAND --help' lists what is.")


def _as_typed(parameter: click.Parameter, value: object, key: str) -> object:
    """A value as the command line would give it; UsageError where it is of another type."""
    if getattr(parameter, "multiple", False) or parameter.nargs == -1:
        several = value if isinstance(value, list) else [value]
        return [_one_as_typed(parameter, one, key) for one in several]
    return _one_as_typed(parameter, value, key)


def _one_as_typed(parameter: click.Parameter, value: object, key: str) -> object:
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise UsageError(f"{key} is true or false, without quotes.")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, str) and (isinstance(parameter.type, click.Path) or not is_number):
        raise UsageError(f"{key} is one text: write it in quotes.")
    return str(value)
