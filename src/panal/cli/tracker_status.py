"""`panal tracker status`: how a tracker stands, asked as its owner where this user is that."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec import UNSET

from panal.answers import TrackerDetailsAnswer, TrackerStatusAnswer
from panal.cli.finding import tracker_of
from panal.cli.network import default_state
from panal.cli.output import name_words, print_json
from panal.errors import NotFound, PanalError, Refused
from panal.peer.network_owner import NetworkOwner
from panal.trust.owner_files import OwnerAccess, read_access
from panal.views.standing import tracker_status_answer
from panal.wire.join_line import JoinLine

_ACCESS = {
    "loopback": "for this machine",
    "open": "open to whoever reaches it",
    "network": "for a network's members",
    "": "of a kind that this version does not know",
}


def show(
    trackers: Sequence[str], join: JoinLine | None, state: Path | None, *, as_json: bool
) -> None:
    """Print how a tracker stands, and exit as a failure where it is not ready.

    Unreachable where it is not there.
    """
    answer = asyncio.run(_ask(trackers, join, _access(trackers, state)))
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    if not answer.ready:
        sys.exit(PanalError.exit_code)


def _print(answer: TrackerStatusAnswer) -> None:
    click.echo(f"{answer.tracker}  {_ready_words(answer)}  {_ACCESS[answer.access]}")
    if answer.ready:
        click.echo(
            f"peers {answer.peers}, {answer.peers_reachable} of them reachable; "
            f"entries {answer.entries}; further holdings {answer.holdings}"
        )
    if answer.details is None:
        click.echo("Its owner is told more, on its machine.", err=True)
        return
    for line in _detail_lines(answer.details, answer.lease_s):
        click.echo(line)


async def _ask(
    trackers: Sequence[str], join: JoinLine | None, access: OwnerAccess | None
) -> TrackerStatusAnswer:
    if access is None:
        async with tracker_of(trackers, join) as tracker:
            return await tracker.status()
    async with NetworkOwner(access) as owner:
        return tracker_status_answer(await owner.status(), access.address)


def _access(trackers: Sequence[str], state: Path | None) -> OwnerAccess | None:
    """What makes this user the owner of the tracker that is asked; None where nothing does."""
    try:
        access = read_access(state or default_state())
    except (NotFound, Refused):
        if state is not None:
            raise
        return None
    return access if state is not None or access.address in trackers else None


def _ready_words(answer: TrackerStatusAnswer) -> str:
    return "ready" if answer.ready else f"NOT READY: {name_words(answer.problem)}"


def _detail_lines(details: TrackerDetailsAnswer, lease_s: float) -> list[str]:
    lag, took_s = details.search_lag_entries, details.store_answer_s
    counted = "" if took_s is UNSET else f", counted in {1_000 * took_s:.1f} ms"
    return [
        f"Panal {name_words(details.version)}, up {_time_words(details.up_s)}",
        f"records {name_words(details.store)}{counted}, "
        f"{details.store_waiting} questions waiting"
        + (f", {lag} entries not searchable yet" if lag else ""),
        f"leases of {lease_s:g} s, {details.leases_ended} ended without a word",
        f"calls {details.calls}, {details.calls_failed} failed, {details.calls_under_way} under "
        f"way, {details.calls_per_s:.1f} a second over the last minute",
    ]


def _time_words(seconds: float) -> str:
    minutes, hours, days = seconds / 60, seconds / 3_600, seconds / 86_400
    if minutes < 2:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes:.0f} min"
    return f"{hours:.0f} h" if days < 2 else f"{days:.0f} days"
