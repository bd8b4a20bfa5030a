"""P10: a flood takes no more than its share, and honest work goes on beside it."""

from contextlib import AsyncExitStack
from random import Random

import pytest

from panal.peer import visitors
from panal.peer.connections import Connections
from panal.peer.limits import CONNECTIONS_PER_ADDRESS, OWNER_PART
from panal.peer.local_user import LocalUser
from panal.peer.socket_diag import Endpoint
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_settled
from tests.support.network import NOT_EXPECTED, Network
from tests.support.raw_http import connection, request

pytestmark = pytest.mark.p10
DATA = Random(10).randbytes(8 * MIN_CHUNK_BYTES + 1)
FLOODERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
EACH = 2 * CONNECTIONS_PER_ADDRESS
SAID = [
    b"",
    b"GET /content/",
    b"PUT /upload/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n",
    request("GET", "/healthz"),
]
"""Nothing, half a head, a head without its body, and one request before more silence."""


def user_at(client: Endpoint, server: Endpoint) -> LocalUser:
    """On loopback who connects counts, not from where: here each address is another user."""
    return LocalUser(60_000 + int(client[0].rpartition(".")[2]))


async def flooded(network: Network, change: pytest.MonkeyPatch, most: int) -> None:
    """Three that hold as many connections as they get, while somebody fetches a file."""
    seed = await network.peer("seed", open=True)
    getter = await network.peer("getter")
    uploaded = await seed.upload("data.bin", DATA)
    change.setattr(visitors, "user_at", user_at)
    held = seed.app.connections
    held.most = most
    before = len(held)  # the owner's, who has sent the file in
    bound = min(most - most // OWNER_PART, CONNECTIONS_PER_ADDRESS * len(FLOODERS))
    async with AsyncExitStack() as stack:
        for number in range(EACH * len(FLOODERS)):
            source = FLOODERS[number % len(FLOODERS)]
            wire = await stack.enter_async_context(connection(seed.app.port, source=source))
            await wire.send(SAID[number % len(SAID)])
            assert len(held) <= before + bound, "there is no bound"
        assert len(held) > bound // 2
        answer = await getter.fetched(uploaded["id"])
        assert (answer.state, answer.bytes_done) == ("done", len(DATA))
        assert len(held) <= before + bound + CONNECTIONS_PER_ADDRESS, "there is no bound"
    for name in ("seed", "getter"):
        await network.stop_peer(name)
        assert_settled(network.place / name, whole={"data.bin": DATA})


@pytest.mark.parametrize("most", [1_024, 96])
async def test_p10_a_flood_takes_its_share_and_honest_work_goes_on(
    network: Network, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    await flooded(network, monkeypatch, most)


async def test_p10_is_seen_broken_where_everybody_is_let_in(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connections, "_has_room", lambda *_: True)
    with pytest.raises(AssertionError, match="there is no bound"):
        await flooded(network, monkeypatch, 96)


async def test_p10_is_seen_broken_where_the_bound_keeps_everybody_out(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bound can be what denies service: nobody makes room for whoever has none."""
    monkeypatch.setattr(Connections, "_end_one_for", lambda *_: False)
    monkeypatch.setitem(NOT_EXPECTED, "end of", 2.0)
    with pytest.raises(AssertionError, match="never happened: end of"):
        await flooded(network, monkeypatch, 96)
