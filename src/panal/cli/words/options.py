"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from panal.errors import UsageError
from panal.peer.rates import parse_rate
from panal.wire.amounts import parse_bytes
from panal.wire.ids import parse_zone

DEFAULT_PEER = "http://127.0.0.1:5000"


def _rate(context: click.Context, option: click.Parameter, value: object) -> int | None:
    """Bytes a second; the file may have them as a number."""
    try:
        return None if value is None else parse_rate(str(value))
    except UsageError as error:
        raise click.BadParameter(str(error), context, option) from None


def size(text: str) -> int:
    """A number of bytes, in units as those of rates."""
    try:
        return parse_bytes(text)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration(context: click.Context, option: click.Parameter, value: str) -> int:
    """Seconds of a time such as 24h."""
    number, unit = value[:-1], value[-1:]
    if not (number.isascii() and number.isdigit() and len(number) <= 9 and unit in _SECONDS):
        raise click.BadParameter("write a number and s, m, h or d, as 24h.", context, option)
    return int(number) * _SECONDS[unit]


def _join(context: click.Context, option: click.Parameter, value: str | None) -> object:
    if value is None or context.resilient_parsing:
        return value
    from panal.cli.joining import read_join

    return read_join(context, option, value)


def _host_and_port(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    if value is None:
        return None
    from panal.peer.config import parse_tracker

    try:
        return parse_tracker(value)
    except UsageError:
        raise click.BadParameter("write host:port, as 127.0.0.1:9464.", context, option) from None


def _zone(context: click.Context, option: click.Parameter, value: object) -> str:
    try:
        return parse_zone("" if value is None else str(value))
    except UsageError as error:
        raise click.BadParameter(str(error), context, option) from None


class JsonOption(click.Option):
    """`--json`, which knows what its command prints by the names of its structs."""

    def __init__(self, *args: Any, gives: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gives = gives


def json_option(*gives: str) -> Callable[[Any], Any]:
    """`--json` for a command whose document is one of these structs of `cli/documents.py`.

    Named, not given: structs load only when something is printed.
    """
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        cls=JsonOption,
        gives=gives,
        help="One JSON document on stdout; 'panal schema' describes it.",
    )


class _ListOption(click.Option):
    """One that may be repeated, and takes several in one word with commas between them.

    So they fit into a variable of the environment, and the file may have a string or a list.
    """

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        given = [value] if isinstance(value, str) else value or ()
        words = [part.strip() for each in given for part in str(each).split(",")]
        return super().type_cast_value(ctx, [word for word in words if word])


tracker_option = click.option(
    "--tracker",
    "trackers",
    cls=_ListOption,
    multiple=True,
    metavar="HOST:PORT",
    envvar="PANAL_TRACKER",
    default=["127.0.0.1:50051"],
    show_default=True,
    help="The tracker to ask; may be repeated: whoever answers is used.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Say nothing but errors.")
host_option = click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="ADDRESS",
    envvar="PANAL_HOST",
    help="Listen on this outer address too; 0.0.0.0 for all. Needs --join or --open.",
)
open_option = click.option(
    "--open",
    "is_open",
    is_flag=True,
    envvar="PANAL_OPEN",
    help="Whoever reaches the outer address may come in: for a network you trust.",
)
join_option = click.option(
    "--join",
    metavar="@FILE|-",
    envvar="PANAL_JOIN",
    is_flag=False,
    flag_value="?",
    callback=_join,
    help="Become a member of a network by its join line, read from a file, or from '-'.",
)
zone_option = click.option(
    "--zone",
    metavar="LABEL",
    envvar="PANAL_ZONE",
    callback=_zone,
    help="What is near, as a rack or a site: fetched from there first. Case does not count.",
)
state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PANAL_STATE",
    help="Where state is kept. A peer's default is FOLDER/.panal.",
)
peer_option = click.option(
    "--peer",
    "peer_url",
    metavar="URL",
    envvar="PANAL_PEER",
    default=DEFAULT_PEER,
    show_default=True,
    help="The running peer that is asked.",
)
limit_up_option = click.option(
    "--limit-up",
    callback=_rate,
    metavar="RATE",
    envvar="PANAL_LIMIT_UP",
    help="Send at most so much a second, as 5M or 500K, in this run; 0 for no limit.",
)
limit_down_option = click.option(
    "--limit-down",
    callback=_rate,
    metavar="RATE",
    envvar="PANAL_LIMIT_DOWN",
    help="Receive at most so much a second, as 5M or 500K, in this run; 0 for no limit.",
)
metrics_option = click.option(
    "--metrics",
    callback=_host_and_port,
    metavar="HOST:PORT",
    envvar="PANAL_METRICS",
    help="Tell /metrics, /healthz and /readyz here, to whoever asks: numbers, never names.",
)
log_format_option = click.option(
    "--log-format",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    envvar="PANAL_LOG_FORMAT",
    help="How the log is written; auto: text on a terminal, JSON lines elsewhere.",
)
