"""Why a download stands where it stands, over real sockets, beside what it says of itself."""

import asyncio
from random import Random

import pytest
from aiohttp import web

from panal.answers import WhySource
from panal.swarm import explaining, progress
from panal.wire import bitfield
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.support.network import Network, RunningPeer, until
from tests.support.scripted_peer import ScriptedPeer, honest

pytestmark = pytest.mark.p6

CHUNKS = 12
DATA = Random(3).randbytes(CHUNKS * MIN_CHUNK_BYTES)
LAST = 1 << CHUNKS - 1


async def wrong_bytes(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    answer = await honest(peer, request, start, stop)
    assert isinstance(answer.body, bytes)
    answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
    return answer


async def half_then_nothing(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """Half of what was asked for; the rest when the test says so."""
    answer = web.StreamResponse(status=206)
    answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(peer.data)}"
    answer.content_length = stop - start
    await answer.prepare(request)
    half = start + (stop - start) // 2
    await answer.write(peer.data[start:half])
    peer.reached.set()
    await peer.release.wait()
    await answer.write(peer.data[half:stop])
    return answer


def sources(peer: RunningPeer, identity: str) -> dict[str, WhySource]:
    return {s.peer: s for content in peer.node.why(identity).contents for s in content.sources}


async def test_a_slow_source_a_liar_and_a_missing_chunk(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (progress, explaining):  # a wait is a wait at once
        monkeypatch.setattr(words, "QUIET_S", 0.0)
    getter = await network.peer("getter")
    slow = ScriptedPeer("slow", DATA, half_then_nothing)
    liar = ScriptedPeer("liar", DATA, wrong_bytes)
    slow.bits = bitfield.full(CHUNKS) & ~LAST
    at = network.tracker_address
    async with slow.running(at), liar.running(at):
        identity = getter.node.get(slow.content.hex(), "out.bin").id

        def both_are_known() -> bool:
            states = {source.peer: source.state for source in sources(getter, identity).values()}
            return states == {"slow": "sending", "liar": "banned"}

        await until(both_are_known, "one sends, one is banned")
        why = getter.node.why(identity)
        assert why.state == getter.node.download(identity).state == "waiting"
        cause, _, rest = getter.node.download(identity).reason.partition("; ")
        assert why.why == f"It waits: {cause}." == "It waits: nothing comes from slow."
        assert rest.startswith("no provider of 1 chunk is online; not used: liar sent a wrong ch")
        assert "Nobody online has 1 chunk (11)." in why.more
        assert "Only liar, who is not used any more, had them." in why.more
        assert "Or have the owner of liar run 'panal verify'" in why.advice
        (content,) = why.contents
        assert (content.path, content.chunks, content.chunks_missing) == ("", CHUNKS, CHUNKS)
        assert content.chunks_absent == [CHUNKS - 1]
        told = sources(getter, identity)
        assert told["slow"].words.startswith("has sent nothing for 0 s, is given up in 15 s")
        assert (told["slow"].chunks_asked, told["slow"].chunks_missing) == (1, CHUNKS - 1)
        assert told["slow"].evidence == ""
        assert "sent a wrong chunk" in told["liar"].evidence
        assert told["liar"].words == f"is not used any more: {told['liar'].evidence}"
        assert told["liar"].chunks_absent == 1
        slow.release.set()
        await until(lambda: getter.node.why(identity).contents[0].chunks_missing == 1, "all but 1")
        async with ScriptedPeer("good", DATA).running(at):
            await until(lambda: getter.node.download(identity).state == "done", "done")
    why = getter.node.why(identity)
    assert why.why == "It is done: 3.0 MiB, whole, verified and in its place."
    assert why.more[0].startswith("It came from slow (2.8 MiB)")
    assert why.more[1].startswith("liar sent a wrong chunk")
    assert why.contents == []


async def test_the_second_download_of_a_content_waits_for_the_first(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, half_then_nothing).running(
        network.tracker_address
    ) as slow:
        one, two = [getter.node.get(slow.content.hex(), name).id for name in ("1.bin", "2.bin")]
        words = "It waits: another download of the same content goes first."
        await until(
            lambda: [getter.node.why(i).why for i in (one, two)].count(words) == 1, "one waits"
        )
        slow.release.set()
        for identity in (one, two):
            await until(lambda i=identity: getter.node.download(i).state == "done", "done")  # type: ignore[misc]


async def test_over_the_api_the_owner_asks(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    await peer.app.downloads.pause(identity := peer.node.get("1" * 64).id)
    answer = await peer.request("GET", f"/api/v1/downloads/{identity}/why")
    assert (answer.status, answer.json()["why"]) == (200, "You paused it.")
    assert (await peer.request("GET", "/api/v1/downloads/0/why")).status == 404


async def test_a_place_in_the_queue(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    peer.node.change_settings(active_downloads=1)
    peer.node.get("1" * 64)
    queued = [peer.node.get(digit * 64).id for digit in "23"]
    words = [peer.node.why(identity).why for identity in queued]
    assert [text.partition("it is ")[2] for text in words] == [
        "number 1 of 2 in the queue.",
        "number 2 of 2 in the queue.",
    ]


async def test_a_folder_names_the_files_that_are_missing(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    (one.folder / "album").mkdir()
    for name, size in (("a.txt", 10), ("b.txt", 20), ("large.bin", 20 * MIN_CHUNK_BYTES)):
        await asyncio.to_thread((one.folder / "album" / name).write_bytes, b"x" * size)
    await until(lambda: len(one.node.files().files) == 3, "shared")
    link = (await one.node.add_folder("album")).link
    two.node.change_settings(download_limit_bytes_s=1_000)
    identity = two.node.get(link).id
    await until(lambda: two.node.download(identity).held_back, "held back")
    await until(lambda: "album/large.bin" in _paths(two, identity), "the large one is at work")
    why = two.node.why(identity)
    assert "album/large.bin" in why.missing_files
    assert why.why.startswith("Your own rate limit holds it back, and ")
    assert why.why.endswith("at most 1 KB/s (1000 B/s) from all together.")
    two.node.change_settings(download_limit_bytes_s=0)
    await until(lambda: two.node.download(identity).state == "done", "done")
    why = two.node.why(identity)
    assert (why.missing_files, why.contents) == ([], [])


def _paths(peer: RunningPeer, identity: str) -> list[str]:
    return [content.path for content in peer.node.why(identity).contents]
