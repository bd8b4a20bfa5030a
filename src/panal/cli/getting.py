"""`panal get`: by a peer of its own, or by one that runs."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import click
from blake3 import blake3
from platformdirs import user_state_path

from panal.answers import DownloadAnswer, PlanAnswer
from panal.api import Node
from panal.cli.documents import GetDocument, GetSource
from panal.cli.finding import tracker_of
from panal.cli.log_lines import log_to_stderr
from panal.cli.old_gets import keep_known_folder, remember_where, remove_empty, remove_old_gets
from panal.cli.output import name_words, print_json
from panal.cli.programs import SELDOM_COLLECTIONS, collect_after, run_until_stopped
from panal.cli.progress import ProgressLine
from panal.clock import SystemClock
from panal.errors import (
    NoSpace,
    PanalError,
    RootOffline,
    StateInUse,
    Unreachable,
    UsageError,
    by_slug,
)
from panal.peer.config import PeerSettings
from panal.peer.user_identity import as_member, get_name
from panal.running import running_peer
from panal.wire.amounts import size_words
from panal.wire.join_line import JoinLine
from panal.wire.links import Link, parse_what
from panal.wire.names import STATE_DIRECTORY

POLL_S = 0.1


def dry_run(
    what: str,
    into: Path,
    trackers: Sequence[str],
    join: JoinLine | None = None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Print what a get would do; nothing is written. The exit code is what it would end with."""
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is not a folder.")
    destination = into.absolute()

    async def run() -> PlanAnswer:
        async with tracker_of(trackers, join) as tracker:
            return await tracker.plan(what, destination)

    _tell_plan(asyncio.run(run()), waits_for_room=wait, as_json=as_json)


def dry_run_at_peer(what: str, peer_url: str, *, as_json: bool) -> None:
    """Print what a running peer's download would do; nothing is written."""
    from panal.cli.remote import RemotePeer

    async def run() -> PlanAnswer:
        async with RemotePeer(peer_url) as remote:
            return await remote.plan(what)

    _tell_plan(asyncio.run(run()), waits_for_room=True, as_json=as_json)


def _tell_plan(plan: PlanAnswer, *, waits_for_room: bool, as_json: bool) -> None:
    problem = None if plan.error is None else by_slug(plan.error, plan.reason)
    would_wait = waits_for_room and isinstance(problem, NoSpace)
    if would_wait:
        problem = None
    if as_json:
        print_json(plan)
        sys.exit(0 if problem is None else problem.exit_code)
    size = "size not known" if plan.size is None else size_words(plan.size)
    click.echo(f"{name_words(plan.path)}  {size}  {plan.id}")
    nobody = (
        "nobody who is here: it would be waited for" if plan.files != 0 else "nobody: it is here"
    )
    click.echo(f"from {', '.join(plan.providers) or nobody}")
    there = f"; {_files(plan.files_there)} there already" if plan.files_there else ""
    if plan.files is not None:
        click.echo(f"{_files(plan.files)} to fetch, {size_words(plan.bytes or 0)}{there}")
    click.echo(f"{size_words(plan.free)} are free")
    if would_wait:
        click.echo(f"It would wait for room: {plan.reason}", err=True)
    if problem is not None:
        raise problem


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def get_settings(
    what: str,
    into: Path,
    trackers: Sequence[str],
    hosts: Sequence[str],
    *,
    is_open: bool,
    zone: str = "",
) -> PeerSettings:
    """A peer for one download: one state directory, and so one lock, a destination and content."""
    asked = parse_what(what)
    if isinstance(asked, Link) and asked.tracker is not None and asked.tracker not in trackers:
        click.echo(
            f"The link names the tracker {asked.tracker}, which is not configured; asking "
            f"{', '.join(trackers)}. To use it: --tracker {asked.tracker}",
            err=True,
        )
    if into.exists() and not into.is_dir():
        raise UsageError(f"{into} is not a folder.")
    destination = into.absolute()
    key = blake3(f"{destination}\0{what}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return PeerSettings(
        name=get_name(),
        port=0,
        folder=destination,
        trackers=tuple(trackers),
        hosts=tuple(hosts),
        open=is_open,
        zone=zone,
        state_dir=user_state_path("panal") / "get" / key,
        partial_dir=destination / STATE_DIRECTORY / "partial",
        shares_folder=False,
        asked_anew=True,
    )


def get(
    what: str,
    settings: PeerSettings,
    share_for_s: float,
    join: JoinLine | None = None,
    *,
    wait: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Fetch one content as a peer of its own."""
    collect_after(SELDOM_COLLECTIONS)
    log_to_stderr(logging.CRITICAL)
    remove_old_gets(settings.state.parent, settings.state, SystemClock().wall_s())
    remember_where(settings)

    async def run() -> None:
        async with (
            as_member(settings, join, SystemClock().wall_s()) as own,
            running_peer(own) as app,
        ):
            node = Node(app)
            await node.search("", page_size=1)  # the tracker must be there to begin with
            download_id = node.get(what, wait=wait).id

            async def current() -> DownloadAnswer:
                return node.download(download_id)

            async def pause(most_s: float) -> None:
                await node.wait(download_id, most_s)

            answer = await _watch(current, pause, quiet=quiet)
            _report(
                answer, str(settings.folder / (answer.name or "")), quiet=quiet, as_json=as_json
            )
            await asyncio.sleep(share_for_s)

    try:
        run_until_stopped(run())
    except StateInUse:
        raise StateInUse(
            f"Another 'panal get' of this into {settings.folder} runs, or goes on serving it; "
            "wait for it, or end it with Ctrl-C."
        ) from None
    except KeyboardInterrupt:
        if settings.partials.exists():
            click.echo("Stopped; what is here is kept: the same command goes on.", err=True)
        raise
    finally:
        _tidy(settings)


def _tidy(settings: PeerSettings) -> None:
    """What is left of a get's own state; partial files stay for the next time, or a day."""
    keep_known_folder(settings.state)
    remove_empty(settings.partials)
    if settings.partials.exists():
        remember_where(settings)


def get_at_peer(what: str, peer_url: str, *, wait: bool, quiet: bool, as_json: bool) -> None:
    """Let a running peer fetch, and show how it goes."""
    from panal.cli.remote import RemotePeer

    begun: DownloadAnswer | None = None

    async def run() -> None:
        nonlocal begun
        async with RemotePeer(peer_url) as remote:
            begun = download = await remote.begin(what, wait=wait)

            async def current() -> DownloadAnswer:
                try:
                    return await remote.download(download.id)
                except Unreachable:
                    raise Unreachable(_left_alone_words(peer_url)) from None

            answer = await _watch(current, asyncio.sleep, quiet=quiet)
            _report(answer, answer.name or "", quiet=quiet, as_json=as_json)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        if begun is not None:
            click.echo(
                f"The peer at {peer_url} goes on with it; 'panal downloads cancel {begun.id}' ends "
                "it.",
                err=True,
            )
        raise


def _left_alone_words(peer_url: str) -> str:
    return (
        f"The peer at {peer_url} does not answer any more. The download is its own: once it runs "
        "again it goes on by itself from what is here. 'panal downloads' shows it; the same "
        "command follows it again."
    )


async def _watch(
    current: Callable[[], Awaitable[DownloadAnswer]],
    pause: Callable[[float], Awaitable[None]],
    *,
    quiet: bool,
) -> DownloadAnswer:
    with ProgressLine(SystemClock(), enabled=not quiet) as line:
        async for answer in _until_ended(current, pause):
            line.show(answer)
    if answer.state != "done":
        raise by_slug(answer.error or PanalError.slug, _failed_words(answer))
    return answer


def _failed_words(answer: DownloadAnswer) -> str:
    """Why it failed, and where only the disk is to blame, that nothing is lost."""
    if answer.bytes_done and answer.error in {NoSpace.slug, RootOffline.slug}:
        return f"{answer.reason} What has come is kept: the same command goes on with it."
    return answer.reason


async def _until_ended(
    current: Callable[[], Awaitable[DownloadAnswer]],
    pause: Callable[[float], Awaitable[None]],
) -> AsyncIterator[DownloadAnswer]:
    while True:
        answer = await current()
        yield answer
        if answer.state in {"done", "failed"}:
            return
        await pause(POLL_S)


def _report(answer: DownloadAnswer, path: str, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            GetDocument(
                id=answer.content or "",
                path=path,
                size=answer.size,
                bytes_resumed=answer.bytes_resumed,
                bytes_copied=answer.bytes_copied,
                transfer_s=round(answer.transfer_s, 3),
                sources=[GetSource(s.peer, s.bytes) for s in answer.sources if s.bytes],
            )
        )
        return
    if quiet:
        return
    served = ", ".join(f"{s.peer} {size_words(s.bytes)}" for s in answer.sources if s.bytes)
    fetched = sum(source.bytes for source in answer.sources)
    rate = fetched / max(answer.transfer_s, 1e-3)
    how = f" in {answer.transfer_s:.1f} s, {size_words(rate)}/s, from {served}" if served else ""
    copied = (
        f", {size_words(answer.bytes_copied)} copied here from files of the same content"
        if answer.bytes_copied
        else ""
    )
    resumed = f", {size_words(answer.bytes_resumed)} were here" if answer.bytes_resumed else ""
    if 0 < answer.size <= answer.bytes_resumed:
        resumed = ", is here already"
    size = size_words(answer.size)
    click.echo(f"{name_words(path)}  {size}{how}{copied}{resumed}, verified.", err=True)
    sys.stderr.flush()
