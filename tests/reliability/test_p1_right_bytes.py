"""P1: what is seen under its name, and what is served under an id, are the right bytes or none."""

import asyncio
from random import Random

import pytest

from panal.store.chunk_writer import ChunkWriter
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_only, assert_settled
from tests.support.lying_peers import LIES, among_liars
from tests.support.network import Network, RunningPeer
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.p1
CHUNKS = 12


async def looked_at(getter: RunningPeer, content: str, data: bytes, chunk: int) -> int:
    """What a user and another peer see now; the status of the answer."""
    assert_only(getter.folder, {"out.bin": data})
    start = chunk * MIN_CHUNK_BYTES
    stop = min(start + MIN_CHUNK_BYTES, len(data))
    asked = {"Range": f"bytes={start}-{stop - 1}"}
    answer = await getter.request("GET", f"/content/{content}", headers=asked)
    assert answer.status in {206, 404, 503}
    assert answer.status != 206 or answer.body == data[start:stop], "wrong bytes were served"
    return answer.status


async def fetched_among_liars(network: Network, seed: int) -> None:
    """A download of which somebody looks at the name and at the chunks all the time."""
    chance = Random(seed)
    data = chance.randbytes(CHUNKS * MIN_CHUNK_BYTES - seed)
    getter = await network.peer("getter")
    async with among_liars(network.tracker_address, data, list(LIES.values())) as (good, _):
        content = good.content.hex()
        begun = getter.node.get(content, "out.bin")
        async with asyncio.timeout(PATIENCE_S):
            while getter.node.download(begun.id).state != "done":
                await looked_at(getter, content, data, chance.randrange(CHUNKS))
        for chunk in range(CHUNKS):
            assert await looked_at(getter, content, data, chunk) == 206
    await network.stop_peer("getter")
    assert (getter.folder / "out.bin").read_bytes() == data
    assert_settled(getter.folder, whole={"out.bin": data})


@pytest.mark.parametrize("seed", range(8))
async def test_p1_no_wrong_byte_is_seen_or_served(network: Network, seed: int) -> None:
    await fetched_among_liars(network, seed)


async def test_p1_is_seen_broken_where_chunks_are_not_compared(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    def believing(writer: ChunkWriter) -> bool:
        writer._end(written=True)
        return True

    monkeypatch.setattr(ChunkWriter, "finish", believing)
    with pytest.raises(AssertionError, match=r"is not whole|wrong bytes were served"):
        await fetched_among_liars(network, 0)
