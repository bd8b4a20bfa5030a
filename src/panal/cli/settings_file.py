"""The settings file: TOML, a table a command, what stands above the tables for all of them."""

import os
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
    return _by_command(group, table, {})


def _by_command(group: click.Group, table: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    everywhere = above | {key: value for key, value in table.items() if not _is_table(value)}
    for name, command in group.commands.items():
        own_table = table.get(name) if _is_table(table.get(name)) else {}
        own = everywhere | {k: v for k, v in (own_table or {}).items() if not _is_table(v)}
        known = {option.lstrip("-"): p.name for p in command.params for option in p.opts}
        settings[name] = {known[key]: own[key] for key in own if key in known}
        if isinstance(command, click.Group):
            settings[name] |= _by_command(command, own_table or {}, everywhere)
    return settings


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
