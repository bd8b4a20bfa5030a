"""P2: nothing of the user's is overwritten, and nothing is written outside the folder."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import sharing
from panal.store import entering, publish
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.names import STATE_DIRECTORY
from tests.support.checker import assert_sound
from tests.support.folder_peer import FolderPeer, line
from tests.support.network import Network, RunningPeer, until
from tests.support.scripted_peer import ScriptedPeer

pytestmark = pytest.mark.p2
DATA = Random(2).randbytes(3 * MIN_CHUNK_BYTES + 1)
ENDED = {"done", "failed"}


def standing(place: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that a user has there: mode, time and bytes by name, links as where they lead."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        status = path.lstat()
        if name.startswith(STATE_DIRECTORY) or stat.S_ISDIR(status.st_mode):
            continue
        is_link = stat.S_ISLNK(status.st_mode)
        held = os.fsencode(os.readlink(path)) if is_link else path.read_bytes()
        found[name] = status.st_mode, status.st_mtime_ns, held
    return found


@contextmanager
def quicker_at_the_last_moment(file: Path) -> Iterator[None]:
    """The user puts a file there when all has been looked at, and the name is the next thing."""
    real = publish.publish

    def publishing(*given: Any, **named: Any) -> Any:
        file.write_bytes(b"mine, and quicker")
        return real(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "publish", publishing)
        yield


async def ended(peer: RunningPeer, what: str, name: str) -> str:
    """How a download of that content under that name comes out."""
    identity = peer.node.get(what, name).id
    await until(
        lambda: (
            peer.node.download(identity).state in ENDED or bool(peer.node.download(identity).reason)
        ),
        f"{name} ends or waits",
    )
    return peer.node.download(identity).state


async def tried_at_every_door(network: Network) -> None:
    """Names that are taken, a link that leads out, and lists that do, at each way in."""
    mine, outside = network.place / "getter", network.place / "outside"
    for folder in (mine, outside):
        folder.mkdir()
        (folder / "diary.txt").write_bytes(b"mine alone")
    (mine / "link").symlink_to(outside)
    (mine / "tree").mkdir()
    (mine / "tree" / "link").symlink_to(outside)
    before = standing(mine), standing(outside)
    getter = await network.peer("getter")
    await getter.node.add([str(outside)])
    evil = [line("a/../../outside/new.txt", b"evil")], [line("link/new.txt", b"evil")]
    async with (
        ScriptedPeer("one", DATA).running(network.tracker_address) as one,
        FolderPeer("up", evil[0], [b"evil"]).running(network.tracker_address) as up,
        FolderPeer("by", evil[1], [b"evil"]).running(network.tracker_address, "by") as by,
    ):
        with quicker_at_the_last_moment(mine / "late.bin"):
            await getter.fetched(one.content.hex(), "late.bin")
        for name in ("diary.txt", "link/new.txt", "link/diary.txt", "outside/diary.txt"):
            assert await ended(getter, one.content.hex(), name) != "done", name
            answer = await getter.request("PUT", f"/upload/{name}", data=b"theirs")
            assert answer.status >= 400, name
        for name in ("%2e%2e/outside/new.txt", "a/%2e%2e/%2e%2e/outside/new.txt"):
            assert (await getter.request("PUT", f"/upload/{name}", data=b"x")).status == 400
        assert await ended(getter, up.content.hex(), "tree") != "done"
        assert await ended(getter, by.content.hex(), "tree") != "done"
    assert (mine / "late.bin").read_bytes() == b"mine, and quicker", "a file was overwritten"
    (mine / "late.bin").unlink()
    await network.stop_peer("getter")
    assert standing(outside) == before[1], "something outside the folder was touched"
    assert standing(mine) == before[0], "a file was overwritten"
    assert_sound(mine)


async def test_p2_no_door_leads_to_what_is_the_users(network: Network) -> None:
    await tried_at_every_door(network)


async def test_p2_is_seen_broken_where_a_name_is_taken_over(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replacing(source: str, folder: int, name: str) -> None:
        os.rename(source, name, dst_dir_fd=folder)

    monkeypatch.setattr(publish, "rename_noreplace", replacing)
    with pytest.raises(AssertionError, match=r"was overwritten|diary"):
        await tried_at_every_door(network)


async def test_p2_is_seen_broken_where_links_are_followed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entering, "_FOLDER_FLAGS", entering._FOLDER_FLAGS & ~os.O_NOFOLLOW)
    with pytest.raises(AssertionError, match=r"link|outside"):
        await tried_at_every_door(network)
