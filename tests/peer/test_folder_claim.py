"""A folder that a peer shares: gets may fetch into it meanwhile, a second peer may not share it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from panal.cli.old_gets import remove_empty
from panal.errors import StateInUse
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


@pytest.mark.parametrize(
    "said", [b"", b"\0" * 9, b"relative", b"/nowhere", b"\xff/\n", b"/" * 5000]
)
async def test_a_mark_that_names_no_state_is_made_anew(network: Network, said: bytes) -> None:
    ana = await network.peer("ana")
    await network.stop_peer("ana")
    mark = queue_mark(ana.app.settings.partials)
    mark.write_bytes(said)
    await network.peer("ana")
    assert mark.read_bytes() == bytes(ana.folder.resolve() / ".panal")
