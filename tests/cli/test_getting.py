"""`panal get` by a running peer: what is said when that peer, or the command, is stopped."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from panal.answers import DownloadAnswer
from panal.cli import getting
from panal.errors import RootOffline
from panal.store.index import Index
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.cli.running import panal
from tests.peer.test_downloads import gated
from tests.support.network import Network, until
from tests.support.scripted_peer import ScriptedPeer

DATA = Random(5).randbytes(8 * MIN_CHUNK_BYTES)


async def test_a_peer_that_is_stopped_goes_on_with_it_and_so_it_is_said(network: Network) -> None:
    getter = await network.peer("getter")
    port, url = getter.app.port, getter.url
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        words = ("get", slow.content.hex(), "--peer", url)
        asked = asyncio.create_task(panal(*words))
        await slow.reached.wait()
        await network.stop_peer("getter")
        said = await asked
        assert said.code == 4
        assert f"The peer at {url} does not answer any more." in said.err
        assert "once it runs again it goes on by itself from what is here" in said.err
        getter = await network.peer("getter", port=port)
        slow.release.set()
        assert (await panal(*words)).code == 0
        await until(lambda: getter.node.downloads()[0].state == "done", "by itself")


async def test_a_command_that_is_stopped_says_that_the_peer_goes_on(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    getter = await network.peer("getter")

    async def interrupted(*_: object, **__: Callable[..., object]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(getting, "_watch", interrupted)
    said = await panal("get", "0" * 64, "--peer", getter.url)
    (download,) = getter.node.downloads()
    assert said.code == 130
    assert f"The peer at {getter.url} goes on with it; " in said.err
    assert f"'panal downloads cancel {download.id}' ends it." in said.err


@pytest.mark.parametrize(("done", "kept"), [(0, False), (5, True)])
async def test_what_a_disk_that_went_away_has_is_said_to_be_kept(done: int, kept: bool) -> None:
    answer = DownloadAnswer(
        id="1", what="x", content=None, name="x", state="failed", size=9, priority=0,
        bytes_done=done, bytes_resumed=0, rate_bytes_s=0.0, eta_s=None, transfer_s=0.0,
        reason="The folder is not there now.", error=RootOffline.slug, sources=[],
    )  # fmt: skip

    async def current() -> DownloadAnswer:
        return answer

    with pytest.raises(RootOffline, match="is not there now") as raised:
        await getting._watch(current, asyncio.sleep, quiet=True)
    assert ("What has come is kept" in str(raised.value)) is kept


async def test_what_is_here_already_is_said_to_be(network: Network) -> None:
    getter = await network.peer("getter")
    file = await getter.upload("a.txt", b"a")
    await network.stop_tracker()
    said = await panal("get", file["id"], "--peer", getter.url)
    assert (said.code, said.err) == (0, "a.txt  1 B, is here already, verified.\n")


async def test_the_same_get_a_second_time_meanwhile_is_told_of_the_first(
    network: Network, tmp_path: Path
) -> None:
    file = await (await network.peer("one")).upload("a.txt", b"a")
    into, at = tmp_path / "into", ("--tracker", network.tracker_address)
    first = getting.get_settings(file["id"], into, [network.tracker_address], [], is_open=False)
    first.state.mkdir(parents=True)

    async def get() -> tuple[int | None, str]:
        words = ("-m", "panal", "get", file["id"], "--into", str(into), *at)
        program = await asyncio.create_subprocess_exec(sys.executable, *words, stderr=PIPE)
        _, err = await program.communicate()
        return program.returncode, err.decode()

    with contextlib.closing(Index(first.state / "index.sqlite")):
        code, err = await get()
    assert (code, f"Another 'panal get' of this into {into} runs" in err) == (1, True), err
    assert (await get())[0] == 0
    assert (into / "a.txt").read_bytes() == b"a"
