"""`panal doctor`: each thing that can be wrong is looked at, and told with what to do."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from panal.cli.checks import check_machine
from panal.cli.documents import DoctorDocument, Finding
from panal.cli.network_checks import check_downloads, check_network, running_status
from panal.cli.output import print_json
from panal.wire.ids import parse_peer_name
from panal.wire.join_line import JoinLine

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at."""

    folder: Path | None
    name: str | None
    peer_url: str
    trackers: Sequence[str]
    is_default_tracker: bool
    """Nobody named it, so a running peer's own is looked at."""
    hosts: Sequence[str]
    is_open: bool
    join: JoinLine | None = None


def examine(subject: Subject, *, as_json: bool) -> None:
    """Look at everything and print it; exit code 1 where anything fails."""
    if subject.name is not None:
        parse_peer_name(subject.name)
    findings = asyncio.run(_examine(subject))
    if as_json:
        print_json(DoctorDocument(findings))
    else:
        for finding in findings:
            _print(finding)
    if any(finding.verdict == "fail" for finding in findings):
        sys.exit(1)


async def _examine(subject: Subject) -> list[Finding]:
    status = await running_status(subject.peer_url)
    folder = subject.folder or (Path() if status is None else Path(status.folder))
    trackers = subject.trackers
    if subject.is_default_tracker and status is not None and status.tracker:
        trackers = [status.tracker]
    return [
        *await check_network(
            trackers,
            subject.peer_url,
            status,
            subject.name,
            subject.hosts,
            subject.join,
            is_open=subject.is_open,
        ),
        *([] if status is None else await check_downloads(subject.peer_url)),
        *await asyncio.to_thread(lambda: list(check_machine(folder.absolute()))),
    ]


def _print(finding: Finding) -> None:
    mark = click.style(f"{finding.verdict:4}", fg=_COLOURS[finding.verdict])
    click.echo(f"{mark}  {finding.check}: {finding.found}")
    if finding.advice:
        click.echo(f"      {finding.advice}")
