"""A running peer's settings: shown and changed."""

from collections.abc import Sequence

import click
import msgspec

from panal.answers import (
    SettingsAnswer,
)
from panal.cli.output import print_json
from panal.cli.owning import ask
from panal.cli.remote import RemotePeer
from panal.errors import UsageError
from panal.peer.rates import parse_rate, rate_words

_RATE = "_bytes_s"
"""What the names of rates end with in the API; here each value has its unit."""


def settings(changes: Sequence[str], peer_url: str, *, quiet: bool, as_json: bool) -> None:
    """Change settings, if any are given, and print how all stand."""
    wanted = dict(_setting(change) for change in changes)

    async def work(remote: RemotePeer) -> None:
        answer = await (remote.change_settings(wanted) if wanted else remote.settings())
        if as_json:
            print_json(answer)
            return
        if quiet and wanted:
            return
        for name, value in msgspec.structs.asdict(answer).items():
            shown = rate_words(value) if name.endswith(_RATE) else value
            click.echo(f"{name.removesuffix(_RATE)} = {shown}")

    ask(peer_url, work)


def _setting(change: str) -> tuple[str, int]:
    """What NAME=VALUE means, the name as the API has it; UsageError."""
    name, equals, value = change.partition("=")
    known = {known.removesuffix(_RATE): known for known in SettingsAnswer.__struct_fields__}
    whole = known.get(name.removesuffix(_RATE))
    if not equals or whole is None:
        wrong = f"There is no setting {name!r}" if equals else f"{change!r} is not NAME=VALUE"
        raise UsageError(f"{wrong}; the names are {', '.join(known)}.")
    if whole.endswith(_RATE):
        return whole, parse_rate(value)
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise UsageError(f"{name} is a number, not {value!r}.")
    return whole, int(value)
