"""What Tab offers beyond words and options: names, paths and ids that exist now."""

import os
import re
from collections.abc import Callable, Iterable, Sequence

import click
from click.shell_completion import CompletionItem

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_ON_THE_DISK = ("/", "./", "../", "~")


def names_to_get(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """What could be fetched: names that a tracker, or the running peer of `--peer`, finds."""
    from panal.cli.completing import names_to_get as ask

    return _items(ask(begun, context.params.get("peer_url"), _trackers(context)))


def shared_paths(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """What the running peer shares; files of the disk where that is what was begun."""
    if begun.startswith(_ON_THE_DISK):
        return [CompletionItem(begun, type="file")]
    from panal.cli.completing import shared_paths as ask

    return _items(ask(begun, _peer(context)))


def download_ids(*states: str) -> Offer:
    """The ids of the running peer's downloads in these states, with their names."""

    def offer(
        context: click.Context, _parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        from panal.cli.completing import downloads as ask

        given: Sequence[str] = context.params.get("ids") or ()
        return [
            CompletionItem(download.id, help=f"{download.state} {download.name or download.what}")
            for download in ask(_peer(context))
            if download.id.startswith(begun)
            and download.state in states
            and download.id not in given
        ]

    return offer


def _peer(context: click.Context) -> str:
    return str(context.params.get("peer_url") or "")


def _trackers(context: click.Context) -> Sequence[str]:
    return tuple(context.params.get("trackers") or ())


def _items(names: Iterable[str]) -> list[CompletionItem]:
    is_bash = os.environ.get("_PANAL_COMPLETE", "").startswith("bash")
    return [CompletionItem(_for_bash(name) if is_bash else name) for name in names]


def _for_bash(name: str) -> str:
    """A name as it must stand in a line; click's script for bash takes one `\\` of each two off.

    zsh and fish quote by themselves.
    """
    quoted = re.sub(r"([^\w./,+@%:=-])", r"\\\1", name)
    return quoted.replace("\\", "\\\\")
