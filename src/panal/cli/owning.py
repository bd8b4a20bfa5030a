"""What one's own running peer shares: listed, added to, withdrawn, verified."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import click

from panal.answers import (
    AddedAnswer,
    FileAnswer,
    FolderAnswer,
    StatusAnswer,
    VerifyAnswer,
)
from panal.cli.documents import AddDocument, LsDocument, UnshareDocument
from panal.cli.output import name_words, print_json
from panal.cli.progress import VerifyLine
from panal.cli.remote import RemotePeer
from panal.errors import IntegrityError, NotFound, UsageError
from panal.wire.amounts import left_out_words, size_words


def ask(peer_url: str, work: Callable[[RemotePeer], Awaitable[None]]) -> None:
    """Do some work with a running peer."""

    async def run() -> None:
        async with RemotePeer(peer_url) as remote:
            await work(remote)

    asyncio.run(run())


# Files ------------------------------------------------------------------------------------


def ls(peer_url: str, *, as_json: bool) -> None:
    """Print what the peer shares."""

    async def work(remote: RemotePeer) -> None:
        files: list[FileAnswer] = []
        is_empty = True
        async for page in remote.file_pages():
            if as_json:
                files += page
            elif page:
                is_empty = False
                click.echo("\n".join(map(_file_words, page)))
        status = await remote.status()
        if as_json:
            print_json(LsDocument(files, status.skipped, status.skipped_folders))
            return
        for place in status.offline:
            click.echo(
                f"Not there: {name_words(place)}. What it shares is offline until it is back, as "
                "by mounting its disk again.",
                err=True,
            )
        if is_empty and not status.offline:
            click.echo(_nothing_words(status), err=True)
        _print_left_out(status.skipped, status.skipped_folders)
        for path, changed in sorted(status.withdrawn.items()):
            click.echo(
                f"Withdrawn: the folder {name_words(path)} is not what was shared any more (see "
                f"{name_words(changed)}). To share it as it is now: 'panal add' it again.",
                err=True,
            )
        for path, problem in sorted(status.damaged.items()):
            click.echo(f"Withdrawn: {name_words(path)} has {problem}.", err=True)

    ask(peer_url, work)


def _nothing_words(status: StatusAnswer) -> str:
    """Why no file is shared; what is withdrawn follows, each with its reason."""
    if new := status.to_hash + status.unsettled:
        files = "1 file is" if new == 1 else f"{new} files are"
        return f"Nothing is shared at this moment: {files} new or edited, and shared once read."
    if status.damaged:
        return "Nothing is shared: what was is withdrawn."
    return "Nothing is shared yet."


def _file_words(file: FileAnswer) -> str:
    away = "  (offline)" if file.offline else ""
    return f"{name_words(file.path)}  {size_words(file.size)}  {file.id}{away}"


def add(paths: Sequence[Path], peer_url: str, *, copy: bool, quiet: bool, as_json: bool) -> None:
    """Share paths, and print what came of it."""

    async def work(remote: RemotePeer) -> None:
        status = await remote.status()
        folder = Path(status.folder)
        inside = [] if copy else [path for path in paths if _is_folder_of(folder, path)]
        elsewhere = [str(_whole(path)) for path in paths if path not in inside]
        folders = [await remote.add_folder(_below(folder, path) or "") for path in inside]
        added = AddedAnswer([], [], [])
        if elsewhere:
            added = await remote.add(elsewhere, copy=copy)
        if as_json:
            print_json(AddDocument(added.roots, added.again, added.files, folders))
        elif not quiet:
            _print_added(folders, added, {root.name: root.place for root in status.roots})

    ask(peer_url, work)


def _print_added(
    folders: Sequence[FolderAnswer], added: AddedAnswer, places: Mapping[str, str]
) -> None:
    """`places` are the roots that were shared before, by name."""
    for folder in folders:
        files = "1 file" if folder.files == 1 else f"{folder.files} files"
        click.echo(
            f"{name_words(folder.path)}/  {files}, {size_words(folder.bytes)}  {folder.link}"
        )
        _print_left_out(folder.skipped, folder.skipped_folders)
    for root in added.roots:
        click.echo(f"{name_words(root.name)}  in place, from {name_words(root.place)}")
    for path in added.again:
        click.echo(f"{name_words(path)}  {_again_words(path, places)}")
    for file in added.files:
        click.echo(f"{name_words(file.path)}  {size_words(file.size)}  {file.link}")


def _again_words(path: str, places: Mapping[str, str]) -> str:
    root, _, below = path.partition("/")
    if root not in places:
        return "shared, as it is in the folder"
    place = name_words(places[root])
    return f"shared, as it is in {place}" if below else f"shared already, in place, from {place}"


def _print_left_out(skipped: Mapping[str, int], folders: Mapping[str, int]) -> None:
    for reason, count in sorted(skipped.items()):
        words = left_out_words(count, folders.get(reason, 0), reason)
        click.echo(f"Left out: {words}", err=True)


def unshare(paths: Sequence[str], peer_url: str, *, quiet: bool, as_json: bool) -> None:
    """Share paths no more."""
    on_disk = {path for path in paths if Path(path).exists()}

    async def work(remote: RemotePeer) -> None:
        folder = Path((await remote.status()).folder)
        named = [shared_path(folder, path) for path in paths]
        for at, (path, given) in enumerate(zip(named, paths, strict=True)):
            try:
                await remote.unshare(path)
            except NotFound:  # a relative path on the disk, to what was added from outside
                if Path(path) != Path(given) or given not in on_disk:
                    raise
                named[at] = str(_whole(Path(given)))
                await remote.unshare(named[at])
        if as_json:
            print_json(UnshareDocument(named))
        elif not quiet:
            for path in named:
                click.echo(f"No longer shared: {name_words(path)}")

    ask(peer_url, work)


def verify(
    paths: Sequence[str], peer_url: str, *, repair: bool, quiet: bool, as_json: bool
) -> None:
    """Have files read again, and damaged ones repaired; the exit code is 5 where any differs."""

    async def work(remote: RemotePeer) -> None:
        folder = Path((await remote.status()).folder)
        named = [_below(folder, Path(path)) or path for path in paths]
        with VerifyLine(enabled=not quiet) as line:
            answer = await remote.verify(named, line.show, repair=repair)
        if as_json:
            print_json(answer)
        elif not quiet:
            for path in answer.repaired:
                click.echo(f"{name_words(path)}: repaired")
            for path, problem in answer.differing.items():
                click.echo(f"{name_words(path)}: {problem}")
            click.echo(_verified_words(answer, repair=repair))
        if answer.differing:
            sys.exit(IntegrityError.exit_code)

    ask(peer_url, work)


def _verified_words(answer: VerifyAnswer, *, repair: bool) -> str:
    """What it came to, and what to do next where something remains."""
    files = "1 file" if answer.files == 1 else f"{answer.files} files"
    away = f", {answer.offline} not there now" if answer.offline else ""
    left = len(answer.differing)
    came = f"{files}, {size_words(answer.bytes)} read, "
    if not repair:
        return f"{came}{left} differ{away}."
    next_step = ": the reasons are above" if left else ""
    return f"{came}{len(answer.repaired)} repaired, {left} not{away}{next_step}."


def shared_path(folder: Path, given: str) -> str:
    """What the peer calls it: a path on the disk, or one as `ls` shows it; UsageError."""
    if not given:
        raise UsageError("An empty path names nothing; write it as 'panal ls' shows it.")
    below = _below(folder, Path(given))
    is_on_disk = given.startswith(("/", "./", "../"))
    return below or (str(_whole(Path(given))) if is_on_disk else given.removesuffix("/") or given)


def _is_folder_of(folder: Path, path: Path) -> bool:
    """Whether a path is the peer's own folder, or a folder in it."""
    return path.is_dir() and (_whole(path) == folder.resolve() or _below(folder, path) is not None)


def _below(folder: Path, path: Path) -> str | None:
    """A path on the disk as the peer shares it; None where it is not inside the folder."""
    here, root = _whole(path), folder.resolve()
    return here.relative_to(root).as_posix() if root in here.parents else None


def _whole(path: Path) -> Path:
    """From the root of the disk, a link at its end not followed."""
    return path.resolve() if path.name in {"", ".."} else path.parent.resolve() / path.name
