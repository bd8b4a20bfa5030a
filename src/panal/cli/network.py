"""`panal network`: asked of the tracker that runs on this machine, as its network's owner."""

import asyncio
import contextlib
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

import click
from platformdirs import user_state_path

from panal.cli.documents import (
    JoinLineDocument,
    MemberDocument,
    NetworkDocument,
    OpenLineDocument,
    RemovedDocument,
    RevokedLineDocument,
)
from panal.cli.output import print_json
from panal.errors import NotFound, TargetTaken, UsageError
from panal.peer.network_owner import Member, NetworkOwner, OpenLine
from panal.store.disk_errors import disk_error
from panal.trust.files import new_private
from panal.trust.owner_files import FOLDER, read_access
from panal.wire.amounts import counted
from panal.wire.join_line import JoinLine
from panal.wire.links import is_host_and_port
from panal.wire.names import printable

_Result = TypeVar("_Result")
DEFAULT_STATE = "tracker-50051"


def show(state: Path | None, *, as_json: bool) -> None:
    """Print the members and the join lines that still count."""
    members, lines = _ask(state, lambda owner: owner.members())
    if as_json:
        print_json(NetworkDocument([_member(m) for m in members], [_line(line) for line in lines]))
        return
    for member in members:
        here = "here" if member.here else "not here"
        since, until = _day(member.enrolled_at_s), _day(member.certified_until_s)
        click.echo(
            f"{member.name}  {here}  since {since} by {member.enrolled_by}, certified until {until}"
        )
    if not members:
        click.echo("Nobody has joined yet.", err=True)
    for line in lines:
        click.echo(
            f"join line {line.id}  lets in {line.uses_left} more of {line.uses}, "
            f"until {_moment(line.until_s)}",
            err=True,
        )


def mint(
    valid_s: int,
    uses: int,
    addresses: tuple[str, ...],
    to: Path | None,
    state: Path | None,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Print a new join line, or write it to a file that is this user's alone."""
    for address in addresses:
        if not is_host_and_port(address):
            raise UsageError(f"{address!r} is no address; write host:port.")
    with _new_file(to) as file:
        line, kept = _ask(state, lambda owner: owner.mint(valid_s, uses, addresses))
        if file is not None:
            file.write(f"{line}\n")
    if as_json:
        print_json(JoinLineDocument(str(line) if to is None else None, _line(kept)))
        return
    if to is None:
        print_join_line(line)
    if not quiet:
        until = _moment(kept.until_s)
        click.echo(f"Join line {kept.id}: {counted(uses, 'use')}, until {until}.", err=True)


@contextlib.contextmanager
def _new_file(to: Path | None) -> Iterator[IO[str] | None]:
    """The file that is named, made now: no line is made that could not be kept."""
    if to is None:
        yield None
        return
    try:
        with new_private(to) as file:
            yield file
    except FileExistsError:
        raise TargetTaken(f"{printable(str(to))} is there already; it was left as it is.") from None
    except OSError as error:
        raise disk_error(error, f"write {to}") from None


def print_join_line(line: JoinLine) -> None:
    """The line, and on a terminal as a QR code too."""
    click.echo(str(line))
    if sys.stdout.isatty():
        import segno

        segno.make(str(line), micro=False).terminal(compact=True)


def revoke(line: str, state: Path | None, *, quiet: bool, as_json: bool) -> None:
    """Let nobody in with a join line any more."""
    _ask(state, lambda owner: owner.revoke(line))
    if as_json:
        print_json(RevokedLineDocument(line))
        return
    if not quiet:
        click.echo(f"Join line {line} lets nobody in any more.", err=True)


def remove(name: str, state: Path | None, *, quiet: bool, as_json: bool) -> None:
    """End a membership."""
    line = _ask(state, lambda owner: owner.remove(name))
    if as_json:
        print_json(RemovedDocument(name, line.id if line is not None else None))
        return
    if quiet:
        return
    click.echo(
        f"{name} is no member any more. Peers hear of it at their next renewal, within half a "
        "minute, and end its connections.",
        err=True,
    )
    if line is not None:
        click.echo(
            f"It came by join line {line.id}, which lets in {line.uses_left} more until "
            f"{_moment(line.until_s)}: whoever has that can come again. Revoke it with: "
            f"{typed(f'panal network revoke {line.id}', state)}",
            err=True,
        )


def typed(command: str, state: Path | None) -> str:
    """A command as it is typed where the tracker was started with such a state directory."""
    return command if state is None else f"{command} --state {shlex.quote(str(state))}"


def _ask(state: Path | None, ask: Callable[[NetworkOwner], Awaitable[_Result]]) -> _Result:
    access = read_access(state or default_state())

    async def run() -> _Result:
        async with NetworkOwner(access) as owner:
            try:
                return await ask(owner)
            except NotFound as error:
                raise NotFound(f"{error} '{typed('panal network', state)}' lists them.") from None

    return asyncio.run(run())


def default_state() -> Path:
    """Where the one tracker with a network keeps it, or where one on the usual port would."""
    base = user_state_path("panal")
    found = [folder.parent for folder in sorted(base.glob(f"tracker-*/{FOLDER}"))]
    return found[0] if len(found) == 1 else base / DEFAULT_STATE


def _member(member: Member) -> MemberDocument:
    return MemberDocument(
        member.name,
        member.here,
        _moment(member.enrolled_at_s),
        _moment(member.certified_until_s),
        member.enrolled_by,
    )


def _line(line: OpenLine) -> OpenLineDocument:
    return OpenLineDocument(line.id, line.uses, line.uses_left, _moment(line.until_s))


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(seconds: int) -> str:
    return _moment(seconds)[:10]
