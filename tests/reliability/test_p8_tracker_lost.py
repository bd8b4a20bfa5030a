"""P8: without its tracker a transfer goes on, and an empty one is whole again after one renewal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random

import pytest

from panal.errors import NameTaken, Refused
from panal.peer.announcer import Announcer
from panal.peer.lease import Lease
from panal.peer.tracker_client import TrackerClient
from panal.tracker import registry
from panal.wire.catalogue import DIGEST_BYTES, Announcement, Caller, Registration
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.checker import assert_settled
from tests.support.network import NOT_EXPECTED, Network, RunningPeer, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.p8
DATA = Random(8).randbytes(12 * MIN_CHUNK_BYTES + 1)


async def providers(asker: RunningPeer) -> dict[str, int]:
    return {hit.name: hit.providers for hit in (await asker.node.search("")).hits}


def _came_back(lease: Lease, before: int) -> bool:
    return lease.registrations > before


async def found_in_time(asker: RunningPeer, wanted: dict[str, int]) -> dict[str, int]:
    """What the tracker knows, as soon as it is that: a registration is answered before the rest
    is told."""
    found: dict[str, int] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(NOT_EXPECTED.get("known again", PATIENCE_S)):
            while found != wanted:
                found = await providers(asker)
    return found


async def lost_in_mid_transfer(network: Network) -> None:
    """It goes while bytes move, and is back with nothing in it."""
    seed, getter = await network.peer("seed"), await network.peer("getter")
    uploaded = await seed.upload("data.bin", DATA)
    await seed.upload("other.txt", b"other")
    getter.app.download_limit.change(MIN_CHUNK_BYTES, 0)
    identity = getter.node.get(uploaded["id"]).id
    await until(lambda: getter.node.download(identity).bytes_done > 0, "under way")
    before = max(peer.app.lease.registrations for peer in (seed, getter))
    await network.stop_tracker()
    getter.app.download_limit.change(0, 0)
    await until(lambda: getter.node.download(identity).state == "done", "done without it")
    await network.start_tracker()
    for app in (seed.app, getter.app):
        await until(partial(_came_back, app.lease, before), "registered again")
        assert await app.announcer.announced(PATIENCE_S)
    wanted = {"data.bin": 2, "other.txt": 1}
    assert await found_in_time(getter, wanted) == wanted
    for name in ("seed", "getter"):
        await network.stop_peer(name)
        assert_settled(network.place / name)


async def attacked(network: Network) -> None:
    """A stranger takes the name, withdraws a file, renews, and says good-bye for its owner."""
    owner = await network.peer("owner")
    await owner.upload("data.bin", b"data")
    mine = owner.app.lease._registration
    stranger = Caller(mine.caller.name, b"s" * 32, mine.caller.epoch)
    client = TrackerClient([network.tracker_address])

    async def said() -> AsyncIterator[Announcement]:
        yield Announcement(1 << 40, removed_paths=("data.bin",))

    attacks: list[Callable[[], Awaitable[object]]] = [
        lambda: client.announce(stranger, said()),
        lambda: client.register(Registration(stranger, mine.port, mine.bound)),
        lambda: client.renew(stranger, bytes(DIGEST_BYTES)),
        lambda: client.leave(stranger, 10.0),
    ]
    for number, attack in enumerate(attacks):
        try:
            await attack()
        except (Refused, NameTaken):
            continue
        raise AssertionError(f"a stranger may do attack {number} in another's name")
    await client.close()
    assert await providers(owner) == {"data.bin": 1}


async def test_p8_a_lost_tracker_stops_no_transfer_and_is_whole_again(network: Network) -> None:
    await lost_in_mid_transfer(network)


async def test_p8_nobody_changes_the_records_of_another(network: Network) -> None:
    await attacked(network)


async def test_p8_is_seen_broken_where_a_peer_does_not_tell_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It registers with an emptied tracker, and takes it to know the rest."""

    async def believing(announcer: Announcer) -> None:
        await announcer._changes_reached(announcer._changes)

    monkeypatch.setattr(Announcer, "tell_everything", believing)
    monkeypatch.setitem(NOT_EXPECTED, "known again", 2.0)
    with pytest.raises(AssertionError, match=r"data\.bin"):
        await lost_in_mid_transfer(network)


async def test_p8_is_seen_broken_where_the_secret_is_not_compared(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_is_owner", lambda *_: True)
    with pytest.raises(AssertionError, match="a stranger may"):
        await attacked(network)
