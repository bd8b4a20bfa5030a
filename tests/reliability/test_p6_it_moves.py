"""P6: one honest holder of each chunk is enough, and what cannot move says why."""

from contextlib import AsyncExitStack
from random import Random

import pytest
from aiohttp import web

from panal.answers import DownloadAnswer
from panal.swarm import sources
from panal.swarm.sources import RunningFetch
from panal.swarm.takeover import TakeOvers
from panal.wire.bitfield import from_indices
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_settled
from tests.support.network import NOT_EXPECTED, Network, until
from tests.support.scripted_peer import ScriptedPeer, honest

pytestmark = pytest.mark.p6
CHUNKS = 12
HOLDERS = 3


async def half_a_chunk(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """It says that it has all, begins, and sends no more."""
    answer = web.StreamResponse(status=206)
    answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(peer.data)}"
    answer.content_length = stop - start
    await answer.prepare(request)
    await answer.write(peer.data[start : (start + stop) // 2])
    peer.reached.set()
    await peer.release.wait()
    return answer


async def scattered(network: Network, seed: int) -> None:
    """Each chunk but one is with one holder alone, and one who says it has all stalls."""
    chance = Random(seed)
    data = chance.randbytes(CHUNKS * MIN_CHUNK_BYTES)
    stalling = ScriptedPeer("stalling", data, half_a_chunk)

    async def after_it(
        peer: ScriptedPeer, request: web.Request, start: int, stop: int
    ) -> web.StreamResponse:
        await stalling.reached.wait()
        return await honest(peer, request, start, stop)

    absent, *others = chance.sample(range(CHUNKS), CHUNKS)
    holders = [ScriptedPeer(f"holder-{number}", data, after_it) for number in range(HOLDERS)]
    for number, holder in enumerate(holders):
        holder.bits = from_indices(others[number::HOLDERS])
    last = ScriptedPeer("last", data)
    last.bits = from_indices([absent])
    getter = await network.peer("getter")
    async with AsyncExitStack() as stack:
        for peer in (stalling, *holders):
            await stack.enter_async_context(peer.running(network.tracker_address))
        identity = getter.node.get(stalling.content.hex(), "out.bin").id

        def now() -> DownloadAnswer:
            return getter.node.download(identity)

        there_bytes = len(data) - MIN_CHUNK_BYTES
        await until(lambda: now().bytes_done == there_bytes, "all that anybody sends is here")
        await until(lambda: (now().state, bool(now().reason)) == ("waiting", True), "it says why")
        await stack.enter_async_context(last.running(network.tracker_address))
        await until(lambda: now().state == "done", "done")
    await network.stop_peer("getter")
    assert_settled(getter.folder, whole={"out.bin": data})
    assert (getter.folder / "out.bin").read_bytes() == data


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "STALL_S", 0.3)


@pytest.mark.parametrize("seed", range(6))
async def test_p6_one_honest_holder_of_each_chunk_is_enough(network: Network, seed: int) -> None:
    await scattered(network, seed)


async def test_p6_is_seen_broken_where_a_stall_is_waited_for(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunningFetch, "impatience", lambda *_, **__: "")
    monkeypatch.setattr(TakeOvers, "may", lambda *_: False)
    # It waits for the last chunk alone where by chance that is what is asked of who stalls.
    for never in "all that anybody sends", "done":
        monkeypatch.setitem(NOT_EXPECTED, never, 2.0)
    with pytest.raises(AssertionError, match=r"never happened: (all that anybody sends|done)"):
        await scattered(network, 0)
