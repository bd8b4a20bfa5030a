"""P7: whoever sends a wrong chunk is found by that chunk, and nobody else is blamed."""

from random import Random

import pytest
from aiohttp import web

from panal.swarm.messages import Failure
from panal.swarm.partings import Partings
from panal.swarm.sources import Source
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_settled
from tests.support.lying_peers import LIES, among_liars
from tests.support.network import Network
from tests.support.scripted_peer import ScriptedPeer

pytestmark = pytest.mark.p7
LIARS = 7


async def clumsy(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """No liar: its connection breaks."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def seven_of_eight_lie(network: Network, lie: str, seed: int) -> None:
    data = Random(seed).randbytes(16 * MIN_CHUNK_BYTES + seed)
    getter = await network.peer("getter")
    async with (
        among_liars(network.tracker_address, data, [LIES[lie]] * LIARS) as (good, liars),
        ScriptedPeer("clumsy", data, clumsy).running(network.tracker_address),
    ):
        answer = await getter.fetched(good.content.hex(), "out.bin")
    states = {source.peer: source.state for source in answer.sources}
    for liar in liars:
        assert states[liar.name] == "banned", f"{liar.name} was not found"
        assert len(liar.asked) == 1, f"{liar.name} was asked again"
        assert liar.asked[0][1] - liar.asked[0][0] <= MIN_CHUNK_BYTES
    assert "banned" not in {states["good"], states["clumsy"]}, "an honest peer was blamed"
    assert sum(source.bytes for source in answer.sources if source.peer == "good") == len(data)
    await network.stop_peer("getter")
    assert (getter.folder / "out.bin").read_bytes() == data
    assert_settled(getter.folder, whole={"out.bin": data})


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("lie", LIES)
async def test_p7_each_liar_costs_one_chunk(network: Network, lie: str, seed: int) -> None:
    await seven_of_eight_lie(network, lie, seed)


async def test_p7_is_seen_broken_where_a_liar_is_believed_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Partings, "ban", lambda *_: [])
    with pytest.raises(AssertionError, match=r"was not found|was asked again"):
        await seven_of_eight_lie(network, "the first bit", 0)


async def test_p7_is_seen_broken_where_a_broken_connection_is_a_lie(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Partings.judge

    def harsh(partings: Partings, source: Source, *given: object) -> object:
        if given[1] is Failure.BROKEN:
            return partings.ban(source, None, "it broke", 0.0)
        return judge(partings, source, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Partings, "judge", harsh)
    with pytest.raises(AssertionError, match="an honest peer was blamed"):
        await seven_of_eight_lie(network, "the first bit", 0)
