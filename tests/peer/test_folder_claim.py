"""A folder that a peer shares: gets may fetch into it meanwhile, a second peer may not share it."""

import asyncio
import errno
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from panal.cli.old_gets import remove_empty
from panal.errors import StateInUse
from panal.peer import folder_claim
from panal.peer.resumable_uploads import ResumableUploads
from panal.peer.unfinished import queue_mark
from tests.support.network import Network, RunningPeer, until

pytestmark = pytest.mark.p4
DATA = b"half" * 1000


def get_into(peer: RunningPeer) -> dict[str, Any]:
    """The settings of a get that fetches into a peer's folder."""
    return {
        "folder": peer.folder,
        "state_dir": peer.folder.parent / "get",
        "partial_dir": peer.app.settings.partials,
        "shares_folder": False,
        "asked_anew": True,
    }


@pytest.mark.parametrize("state", [None, "state"])
async def test_a_get_leaves_the_uploads_that_a_peer_is_taking(
    network: Network, state: str | None
) -> None:
    seed = await network.peer("seed")
    await seed.upload("theirs", b"theirs")
    ana = await network.peer("ana", state_dir=None if state is None else network.place / state)
    goes_on = asyncio.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield DATA
        await goes_on.wait()
        yield DATA

    upload = asyncio.create_task(ana.request("PUT", "/upload/put.bin", data=halves()))
    uploads = ana.folder / ".panal/uploads"
    await until(lambda: any(uploads.iterdir()), "the upload has begun")
    get = await network.peer("get", **get_into(ana))
    assert (await get.fetched("theirs")).state == "done"
    await network.stop_peer("get")
    remove_empty(ana.app.settings.partials)
    goes_on.set()
    assert (await upload).status == 201
    assert (ana.folder / "put.bin").read_bytes() == DATA + DATA
    remove_empty(ana.app.settings.partials)  # between two uploads
    assert uploads.is_dir()


async def test_a_get_where_no_peer_is_leaves_nothing(network: Network) -> None:
    seed = await network.peer("seed")
    await seed.upload("theirs", b"theirs")
    folder = network.place / "into"
    partials = folder / ".panal/partial"
    settings: dict[str, Any] = {
        "shares_folder": False,
        "asked_anew": True,
        "partial_dir": partials,
    }
    get = await network.peer("get", folder=folder, state_dir=network.place / "get", **settings)
    await get.fetched("theirs")
    await network.stop_peer("get")
    remove_empty(partials)
    assert [path.name for path in folder.iterdir()] == ["theirs"]


@pytest.mark.parametrize("first", [None, "first"])
async def test_a_second_peer_on_a_folder_is_refused_while_the_first_runs(
    network: Network, first: str | None
) -> None:
    state: dict[str, Any] = {} if first is None else {"state_dir": network.place / first}
    ana = await network.peer("ana", **state)
    left = ana.folder / ".panal/uploads" / ("ab" * 16)
    left.write_bytes(b"under way")
    second: dict[str, Any] = {"folder": ana.folder, "state_dir": network.place / "second"}
    with pytest.raises(StateInUse, match=r"Another Panal peer, whose state is .*, shares"):
        await network.peer("ben", **second)
    assert left.exists()
    await ana.upload("more", b"more")
    await network.stop_peer("ana")
    await network.peer("ben", **second)
    assert not left.exists()
    with pytest.raises(StateInUse):
        await network.peer("ana", **state)
    await network.stop_peer("ben")
    await network.peer("ana", **state)


def being_placed(folder: Path) -> Path:
    """A name that somebody has just taken for a file, where a file system knows no better way."""
    source = folder / ".panal/partial" / ("ab" * 16)
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(b"whole")
    note = source.with_name(f"{source.name}.placing")
    note.write_bytes(b"taken")
    note.chmod(0o600)
    (folder / "taken").touch(0o600)
    return folder / "taken"


async def test_who_is_refused_has_cleared_nothing_away(network: Network) -> None:
    ana = await network.peer("ana")
    taken = being_placed(ana.folder)
    with pytest.raises(StateInUse):
        await network.peer("ben", folder=ana.folder, state_dir=network.place / "second")
    await network.peer("get", **get_into(ana))
    assert taken.exists()
    await network.stop_peer("ana")
    await network.peer("ana")
    assert not taken.exists()


async def test_a_get_clears_away_what_an_earlier_one_has_left(network: Network) -> None:
    folder = network.place / "into"
    taken = being_placed(folder)
    await network.peer(
        "get",
        folder=folder,
        state_dir=network.place / "get",
        partial_dir=folder / ".panal/partial",
        shares_folder=False,
        asked_anew=True,
    )
    assert not taken.exists()


@pytest.mark.parametrize(
    "said", [b"", b"\0" * 9, b"relative", b"/nowhere", b"\xff/\n", b"/" * 5000]
)
async def test_a_mark_that_names_no_state_is_made_anew(network: Network, said: bytes) -> None:
    ana = await network.peer("ana")
    await network.stop_peer("ana")
    mark = queue_mark(ana.app.settings.partials)
    mark.write_bytes(said)
    ana = await network.peer("ana")
    assert mark.read_bytes().startswith(b".\0")
    await network.stop_peer("ana")
    assert mark.read_bytes() == b""


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on paths mean another file tree: another host or container."""
    return lambda: monkeypatch.setattr(folder_claim, "_file_tree", lambda: "another")


async def seen_nowhere(network: Network) -> tuple[RunningPeer, Path]:
    """A peer that runs, and whose state cannot be seen any more where its path leads."""
    state = network.place / "state"
    ana = await network.peer("ana", state_dir=state)
    return ana, state.rename(network.place / "away")


@pytest.mark.parametrize("is_same_path", [True, False])
async def test_a_peer_of_another_host_is_refused_until_the_first_has_stopped(
    network: Network, elsewhere: Callable[[], None], is_same_path: bool
) -> None:
    ana, away = await seen_nowhere(network)
    left = ana.folder / ".panal/uploads" / ("ab" * 16)
    left.write_bytes(b"under way")
    mark = queue_mark(ana.app.settings.partials)
    said = mark.read_bytes()
    elsewhere()
    second: dict[str, Any] = {
        "folder": ana.folder,
        "state_dir": network.place / ("state" if is_same_path else "second"),
    }
    words = rf"on the host .* with the state .*/state', shares .* remove '{re.escape(str(mark))}'"
    with pytest.raises(StateInUse, match=words):
        await network.peer("ben", **second)
    assert left.exists()
    assert mark.read_bytes() == said
    mark.unlink()  # as the words advise where the first is gone
    await network.peer("ben", **second)
    assert not left.exists()
    await network.stop_peer("ben")
    mark.write_bytes(said)
    with pytest.raises(StateInUse):
        await network.peer("ben", **second)
    away.rename(network.place / "first")  # seen again, by another path: it has its id
    with pytest.raises(StateInUse):
        await network.peer("ben", **second)
    await network.stop_peer("ana")


async def test_a_peer_that_stops_says_so_to_every_host(
    network: Network, elsewhere: Callable[[], None]
) -> None:
    ana = await network.peer("ana", state_dir=network.place / "state")
    await network.stop_peer("ana")
    shutil.rmtree(network.place / "state")
    elsewhere()
    await network.peer("ben", folder=ana.folder, state_dir=network.place / "second")


async def test_a_peer_that_stops_leaves_another_ones_mark(network: Network) -> None:
    ana = await network.peer("ana")
    mark = queue_mark(ana.app.settings.partials)
    mark.write_bytes(b"/others\0" + b"1" * 32)
    await network.stop_peer("ana")
    assert mark.read_bytes() == b"/others\0" + b"1" * 32


@pytest.mark.parametrize("is_elsewhere", [True, False])
async def test_a_killed_peer_starts_again(
    network: Network, elsewhere: Callable[[], None], is_elsewhere: bool
) -> None:
    """In a new container with its old state, and where its state was moved."""
    state = network.place / "state"
    ana = await network.peer("ana", state_dir=state)
    mark = queue_mark(ana.app.settings.partials)
    said = mark.read_bytes()
    await network.stop_peer("ana")
    for place in (state, network.place / "moved"):
        if place != state:
            state.rename(place)
        mark.write_bytes(said)
        if is_elsewhere:
            elsewhere()
        await network.peer("ana", state_dir=place)
        await network.stop_peer("ana")


async def test_a_state_that_was_removed_holds_nobody_up(network: Network) -> None:
    ana = await network.peer("ana", state_dir=network.place / "state")
    mark = queue_mark(ana.app.settings.partials)
    said = mark.read_bytes()
    await network.stop_peer("ana")
    mark.write_bytes(said)
    shutil.rmtree(network.place / "state")
    await network.peer("ben", folder=ana.folder, state_dir=network.place / "second")


@pytest.mark.parametrize("is_earlier", [False, True])
async def test_a_folder_that_was_moved_or_copied_is_shared_by_another(
    network: Network, is_earlier: bool
) -> None:
    ana = await network.peer("ana")
    if is_earlier:  # what an earlier version has written
        queue_mark(ana.app.settings.partials).write_bytes(bytes(ana.app.settings.state))
    copied = network.place / "copied"
    shutil.copytree(ana.folder, copied)
    await network.peer("ben", folder=copied, state_dir=network.place / "second")
    for name in ("ana", "ben"):
        await network.stop_peer(name)
    moved = ana.folder.rename(network.place / "old")
    queue_mark(moved / ".panal/partial").write_bytes(
        bytes(ana.app.settings.state) if is_earlier else b"."
    )
    await network.peer("ana")
    await network.peer("ben", folder=moved)


async def test_what_could_not_be_claimed_is_not_cleared(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await network.peer("ana")
    await network.stop_peer("ana")
    left = ana.folder / ".panal/uploads" / ("ab" * 16)
    left.write_bytes(b"under way")
    cleared: list[object] = []
    monkeypatch.setattr(folder_claim, "_own", fail)
    monkeypatch.setattr(ResumableUploads, "restore", cleared.append)
    ana = await network.peer("ana")
    assert left.exists()
    assert not cleared
    await ana.upload("more", b"more")


def fail(*_: object) -> None:
    raise OSError(errno.EIO, "it fails")
