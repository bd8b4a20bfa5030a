"""Downloads between real peers, and from scripted ones that lie, stall and die."""

import asyncio
import hashlib
import os
from random import Random
from typing import Any

import pytest
from aiohttp import web

from panal.errors import AmbiguousName, IntegrityError, NotFound, TargetTaken, UsageError
from panal.peer import fetching, manifest_asking, sharing
from panal.peer.tracker_calls import Ask, TrackerCalls
from panal.swarm import sources
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.fsck.place import overwrite
from tests.support.network import Network, until
from tests.support.patience import PATIENCE_S
from tests.support.scripted_peer import ScriptedPeer, SendRange, honest

pytestmark = [pytest.mark.p6, pytest.mark.p7]

DATA = Random(3).randbytes(40 * MIN_CHUNK_BYTES + 123)


async def wrong_bytes(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """One bit is another."""
    answer = await honest(peer, request, start, stop)
    assert isinstance(answer.body, bytes)
    answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
    return answer


async def zeros(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    answer = await honest(peer, request, start, stop)
    answer.body = bytes(stop - start)
    return answer


async def another_chunk(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """Right bytes from another place of the same file."""
    answer = await honest(peer, request, start, stop)
    answer.body = (peer.data[stop:] + peer.data)[: stop - start]
    return answer


async def gated(
    peer: ScriptedPeer, request: web.Request, start: int, stop: int
) -> web.StreamResponse:
    """Serves three requests, then keeps the next ones until the test says so."""
    if len(peer.asked) > 3:
        peer.reached.set()
        await peer.release.wait()
    return await honest(peer, request, start, stop)


async def test_from_two_at_once_verified_and_shared_on(network: Network) -> None:
    one, two, three = [await network.peer(name) for name in ("one", "two", "three")]
    data = DATA * 7  # long enough that nobody sends it all before the other is there
    uploaded = await one.upload("data.bin", data)
    await two.upload("copy.bin", data)
    answer = await three.fetched(uploaded["link"])
    assert (answer.state, answer.error) == ("done", None)
    assert (three.folder / "data.bin").read_bytes() == data
    assert {source.peer for source in answer.sources if source.bytes} == {"one", "two"}
    assert sum(source.bytes for source in answer.sources) == len(data)
    assert answer.bytes_done == len(data)
    assert answer.bytes_resumed == 0
    # Now three is a holder too, and finds itself by SHA-256 once it has checked it.
    digest = hashlib.sha256(data).hexdigest()
    await until(lambda: three.node.files().files[0].sha256 == digest, "SHA-256 checked")
    four = await network.peer("four")
    assert (await four.fetched(f"sha256:{digest}")).state == "done"


async def test_a_tracker_is_asked_once_before_the_first_byte_of_what_has_a_name(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, getter = await network.peer("one"), await network.peer("getter")
    uploaded = await one.upload("data.bin", DATA)
    calls: list[str] = []
    first = TrackerCalls.first

    async def noted(self: TrackerCalls, ask: Ask) -> tuple[Any, str]:
        answer = await first(self, ask)
        calls.append(type(answer[0]).__name__)
        return answer

    monkeypatch.setattr("panal.swarm.asking.FIRST_LOOK_AGAIN_S", 3_600.0)
    monkeypatch.setattr(TrackerCalls, "first", noted)
    answer = await getter.fetched(uploaded["id"], "named.bin")
    assert answer.state == "done"
    assert [call for call in calls if call in {"SearchResponse", "LocateResponse"}] == [
        "LocateResponse"
    ]


@pytest.mark.parametrize("hears_news", [True, False])
async def test_a_source_that_starts_again_is_used_at_once(
    network: Network, monkeypatch: pytest.MonkeyPatch, hears_news: bool
) -> None:
    """Whatever its absence has earned; an older tracker names it when it is asked."""
    monkeypatch.setattr(sources, "FIRST_BACK_OFF_S", 3_600.0)
    monkeypatch.setattr(sources, "LONGEST_BACK_OFF_S", 3_600.0)
    longest_s = 3_600.0 if hears_news else 0.5
    monkeypatch.setattr("panal.swarm.asking.HEAR_AFTER_S", 0.0 if hears_news else 3_600.0)
    monkeypatch.setattr("panal.swarm.asking.LONGEST_PAUSE_S", longest_s)
    monkeypatch.setattr("panal.swarm.asking.ASK_AGAIN_S", 3_600.0)
    one, getter = await network.peer("one"), await network.peer("getter")
    link = (await one.upload("data.bin", DATA))["link"]
    getter.node.change_settings(download_limit_bytes_s=MIN_CHUNK_BYTES)
    identity = getter.node.get(link).id
    await until(lambda: getter.node.download(identity).bytes_done > 0, "it has begun")
    port = one.app.port
    await network.stop_peer("one")

    def state() -> str:
        return getter.node.download(identity).sources[0].state

    await until(lambda: state() == "away", "its source is away")
    (swarm,) = getter.app.downloads.get(identity).transfer.swarms()
    (source,) = swarm.state.sources.values()
    await until(lambda: hears_news or not source.is_named, "the tracker knows that")
    await until(lambda: swarm.state.asking.hears_news is hears_news, "it listens")
    await network.peer("one", port=port)
    getter.node.change_settings(download_limit_bytes_s=0)
    await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("size", [0, 1, MIN_CHUNK_BYTES - 1, MIN_CHUNK_BYTES, MIN_CHUNK_BYTES + 1])
async def test_sizes_at_the_edges(network: Network, size: int) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    uploaded = await one.upload("edge.bin", DATA[:size])
    answer = await two.fetched(uploaded["id"])
    assert (answer.state, answer.name) == ("done", "edge.bin")
    assert (two.folder / "edge.bin").read_bytes() == DATA[:size]


@pytest.mark.parametrize("lie", [wrong_bytes, zeros, another_chunk])
async def test_a_liar_is_banned_named_and_costs_one_chunk(network: Network, lie: SendRange) -> None:
    getter = await network.peer("getter")
    good, liar = ScriptedPeer("good", DATA), ScriptedPeer("liar", DATA, lie)
    async with good.running(network.tracker_address), liar.running(network.tracker_address):
        answer = await getter.fetched(good.content.hex(), "out.bin")
    assert answer.state == "done"
    assert (getter.folder / "out.bin").read_bytes() == DATA
    states = {source.peer: source.state for source in answer.sources}
    assert states["liar"] == "banned"
    assert states["good"] != "banned"
    assert len(liar.asked) == 1


async def test_only_liars_is_a_wait_that_names_them(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("liar", DATA, wrong_bytes).running(network.tracker_address) as liar:
        begun = getter.node.get(liar.content.hex(), "out.bin")
        await until(
            lambda: "liar sent a wrong chunk" in getter.node.download(begun.id).reason, "the reason"
        )
        assert getter.node.download(begun.id).state == "waiting"
        assert not (getter.folder / "out.bin").exists()
        async with ScriptedPeer("good", DATA).running(network.tracker_address):
            await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_a_source_that_dies_is_replaced(network: Network) -> None:
    getter = await network.peer("getter")

    async def cut(
        peer: ScriptedPeer, request: web.Request, start: int, stop: int
    ) -> web.StreamResponse:
        if len(peer.asked) < 3:
            return await honest(peer, request, start, stop)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    good = ScriptedPeer("good", DATA)
    async with (
        good.running(network.tracker_address),
        ScriptedPeer("dying", DATA, cut).running(network.tracker_address),
    ):
        answer = await getter.fetched(good.content.hex(), "out.bin")
    assert answer.state == "done"
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_a_source_that_stalls_in_the_middle_is_replaced(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a chunk and then nothing; the honest source comes only after that."""
    monkeypatch.setattr(sources, "STALL_S", 0.3)
    getter = await network.peer("getter")

    async def half(
        peer: ScriptedPeer, request: web.Request, start: int, stop: int
    ) -> web.StreamResponse:
        answer = web.StreamResponse(status=206)
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(DATA)}"
        answer.content_length = stop - start
        await answer.prepare(request)
        await answer.write(DATA[start : start + (stop - start) // 2])
        peer.reached.set()
        await peer.release.wait()
        return answer

    async with ScriptedPeer("stalling", DATA, half).running(network.tracker_address) as stalling:
        begun = getter.node.get(stalling.content.hex(), "out.bin")
        await stalling.reached.wait()

        def stalled() -> bool:
            return "sent nothing for" in getter.node.download(begun.id).reason

        await until(stalled, "the stall is named")
        async with ScriptedPeer("good", DATA).running(network.tracker_address):
            await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_the_tracker_may_go_in_the_middle(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(slow.content.hex(), "out.bin")
        await slow.reached.wait()
        await network.stop_tracker()
        slow.release.set()
        await until(lambda: getter.node.download(begun.id).state == "done", "done without tracker")
        assert (getter.folder / "out.bin").read_bytes() == DATA
        await network.start_tracker()


async def test_verified_chunks_are_served_meanwhile(network: Network) -> None:
    """A second getter takes from the first what it has while neither is done."""
    first, second = await network.peer("first"), await network.peer("second")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        begun = first.node.get(slow.content.hex(), "out.bin")
        await slow.reached.wait()
        assert first.node.download(begun.id).state in {"running", "waiting"}
        url = f"/content/{slow.content.hex()}"
        whole = await first.request("GET", url)
        assert (whole.status, whole.headers["retry-after"]) == (503, "2")
        start, stop = slow.asked[0]
        part = await first.request("GET", url, headers={"Range": f"bytes={start}-{stop - 1}"})
        assert (part.status, part.body) == (206, DATA[start:stop])
        beyond = await first.request("GET", url, headers={"Range": f"bytes={len(DATA)}-"})
        assert beyond.status == 416
        hits = (await second.node.search("out.bin")).hits
        assert hits == []  # a partial download is a holding, never a search hit
        also = second.node.get(slow.content.hex(), "out.bin")

        def from_first() -> int:
            sources = second.node.download(also.id).sources
            return sum(source.bytes for source in sources if source.peer == "first")

        await until(lambda: from_first() > 0, "bytes from the first getter")
        slow.release.set()
        await until(lambda: second.node.download(also.id).state == "done", "second done")
    assert (second.folder / "out.bin").read_bytes() == DATA


async def test_a_download_may_begin_before_its_source(network: Network) -> None:
    getter = await network.peer("getter")
    late = ScriptedPeer("late", DATA)
    begun = getter.node.get(late.content.hex(), "out.bin")
    await until(lambda: getter.node.download(begun.id).state == "waiting", "waiting")
    assert "nobody online" in getter.node.download(begun.id).reason
    async with late.running(network.tracker_address):
        await until(lambda: getter.node.download(begun.id).state == "done", "done")


async def test_a_source_that_comes_is_asked_for_its_manifest_at_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LOOK_AGAIN_S", 3_600.0)
    getter = await network.peer("getter")
    late = ScriptedPeer("late", DATA)
    begun = getter.node.get(late.content.hex(), "out.bin")
    await until(lambda: getter.node.download(begun.id).state == "waiting", "waiting")
    async with late.running(network.tracker_address):
        await until(lambda: getter.node.download(begun.id).state == "done", "done")


async def test_other_content_under_the_name_is_left_alone(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    uploaded = await one.upload("same.txt", b"theirs")
    (two.folder / "same.txt").write_bytes(b"mine")
    answer = await two.fetched(uploaded["id"])
    assert (answer.state, answer.error) == ("failed", TargetTaken.slug)
    assert (two.folder / "same.txt").read_bytes() == b"mine"
    assert (await two.fetched(uploaded["id"], "other.txt")).state == "done"
    asked = await two.fetched(uploaded["id"], "other.txt")
    assert (asked.state, asked.bytes_resumed) == ("done", 6)  # already there: nothing to do


async def test_an_edit_whose_time_was_set_back_is_not_what_was_there(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    uploaded = await one.upload("same.txt", b"theirs")
    assert (await two.fetched(uploaded["id"])).state == "done"
    overwrite(two.folder / "same.txt", 0, b"mine")
    answer = await two.fetched(uploaded["id"], "same.txt")
    assert (answer.state, answer.error) == ("failed", TargetTaken.slug)
    assert (two.folder / "same.txt").read_bytes() == b"miners"
    await two.app.scanning.scan()
    await until(lambda: len(two.node.files().files) == 1, "it is shared as what it has become")
    assert two.node.files().files[0].id != uploaded["id"]


async def test_an_id_is_not_looked_for_in_an_edit_whose_time_was_set_back(
    network: Network,
) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    uploaded = await one.upload("same.txt", b"theirs")
    await two.upload("my/same.txt", b"theirs")
    (two.folder / "my/same.txt").chmod(0o600)
    assert (await two.fetched(uploaded["id"])).name == "my/same.txt"
    overwrite(two.folder / "my/same.txt", 0, b"mine")
    answer = await two.fetched(uploaded["link"])
    assert (answer.state, answer.name) == ("done", "same.txt")
    assert (two.folder / "same.txt").read_bytes() == b"theirs"
    assert (two.folder / "my/same.txt").read_bytes() == b"miners"


async def test_what_was_only_touched_is_read_once_and_is_there(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    uploaded = await one.upload("same.txt", b"theirs")
    assert (await two.fetched(uploaded["id"])).state == "done"
    (two.folder / "same.txt").chmod(0o600)
    assert (await two.fetched(uploaded["id"])).state == "done"
    monkeypatch.setattr(sharing, "hash_file", None)
    assert (await two.fetched(uploaded["id"])).state == "done"


async def test_an_id_is_not_looked_for_in_a_file_that_is_another_now(network: Network) -> None:
    one = await network.peer("one", shares_folder=False)
    await one.upload("a.txt", b"same")
    file = await one.upload("z.txt", b"same")
    (one.folder / "a.txt").write_bytes(b"edited since")
    await network.stop_tracker()
    answer = await one.fetched(file["id"])
    assert (answer.state, answer.name) == ("done", "z.txt")


async def test_an_id_of_what_is_here_is_here_already_without_a_tracker(network: Network) -> None:
    one = await network.peer("one")
    file = await one.upload("a.txt", b"a")
    (one.folder / "tree").mkdir()
    (one.folder / "tree/b.txt").write_bytes(b"bb")
    folder = await one.node.add_folder("tree")
    await network.stop_tracker()
    answer = await one.fetched(file["id"])
    assert (answer.state, answer.name, answer.bytes_resumed) == ("done", "a.txt", 1)
    answer = await one.fetched(folder.id)
    assert (answer.state, answer.name, answer.bytes_resumed) == ("done", "tree", 2)
    assert {path.name for path in one.folder.iterdir()} == {".panal", "a.txt", "tree"}


async def test_what_only_this_peer_has_is_here_already_or_copied_under_another_name(
    network: Network,
) -> None:
    one = await network.peer("one")
    file = await one.upload("s2/uniq.bin", DATA)
    (one.folder / "s2/tree").mkdir()
    (one.folder / "s2/tree/b.txt").write_bytes(b"bb")
    folder = await one.node.add_folder("s2/tree")
    assert await one.app.announcer.announced(PATIENCE_S)
    for what in ("uniq.bin", file["id"], f"sha256:{hashlib.sha256(DATA).hexdigest()}"):
        answer = await one.fetched(what)
        assert (answer.state, answer.name, answer.bytes_resumed) == (
            "done", "s2/uniq.bin", len(DATA)
        )  # fmt: skip
    for what in ("tree", folder.id):
        answer = await one.fetched(what)
        assert (answer.state, answer.name) == ("done", "s2/tree")
    assert (await one.fetched(file["id"], "copy.bin")).state == "done"
    assert (await one.fetched(f"panal:{file['id']}?name=named.bin")).name == "named.bin"
    assert (one.folder / "copy.bin").read_bytes() == DATA
    assert (one.folder / "named.bin").read_bytes() == DATA


async def test_a_name_with_a_backslash_is_found_as_it_is_printed(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    (one.folder / "a\\b.txt").write_bytes(b"one")
    (one.folder / "c\\\\d.txt").write_bytes(b"two")
    await until(lambda: one.app.index.totals()[0] == 2, "shared")
    assert await one.app.announcer.announced(PATIENCE_S)
    for asked, name in (("a\\b.txt",) * 2, ("a\\\\b.txt", "a\\b.txt"), ("c\\\\d.txt",) * 2):
        assert (await two.fetched(asked)).name == name
    assert (await two.fetched("e\\\\f.txt")).error == NotFound.slug


async def test_a_rotten_copy_is_not_taken_for_what_was_asked_for(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    file = await one.upload("a.bin", DATA)
    await two.upload("b.bin", DATA)
    rotten = two.folder / "b.bin"
    times = rotten.stat()
    rotten.write_bytes(bytes(len(DATA)))
    os.utime(rotten, ns=(times.st_atime_ns, times.st_mtime_ns))
    answer = await two.fetched(file["id"], "copy.bin")
    assert (answer.state, [source.peer for source in answer.sources]) == ("done", ["one"])
    assert (two.folder / "copy.bin").read_bytes() == DATA


async def test_a_name_that_means_two_contents_lists_them(network: Network) -> None:
    one, two, three = [await network.peer(name) for name in ("one", "two", "three")]
    ids = [(await peer.upload("report.txt", peer.url.encode()))["id"] for peer in (one, two)]
    answer = await three.fetched("report.txt")
    assert (answer.state, answer.error) == ("failed", AmbiguousName.slug)
    assert all(content in answer.reason for content in ids)
    answer = await three.fetched("repor")
    assert answer.error == NotFound.slug
    with pytest.raises(UsageError):
        three.node.get("sha256:12")


async def test_a_manifest_that_lies_is_not_taken(network: Network) -> None:
    getter = await network.peer("getter")
    evil = ScriptedPeer("evil", DATA)
    async with evil.running(network.tracker_address):
        evil.manifest = ScriptedPeer("x", DATA[:-1]).manifest
        begun = getter.node.get(evil.content.hex(), "out.bin")
        await until(
            lambda: "not the manifest" in getter.node.download(begun.id).reason, "the reason"
        )
        async with ScriptedPeer("good", DATA).running(network.tracker_address):
            await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert IntegrityError.exit_code == 5


class Mute(ScriptedPeer):
    """Takes a request for its manifest, and does not answer until it is told to."""

    async def _manifest(self, request: web.Request) -> web.Response:
        await self.release.wait()
        return await super()._manifest(request)


async def test_who_says_nothing_when_asked_for_a_manifest_is_named(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_asking, "QUIET_S", 0.01)
    getter = await network.peer("getter")
    async with Mute("mute", DATA).running(network.tracker_address) as mute:
        identity = getter.node.get(mute.content.hex(), "out.bin").id
        await until(lambda: "mute was asked" in getter.node.download(identity).reason, "named")
        assert getter.node.download(identity).state == "waiting"
        mute.release.set()
        await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "out.bin").read_bytes() == DATA


async def test_what_this_peer_has_by_now_is_copied_though_a_part_came_before(
    network: Network,
) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        identity = getter.node.get(slow.content.hex(), "out.bin").id
        await slow.reached.wait()
        await getter.node.pause_download(identity)
    await getter.upload("copy.bin", DATA)
    getter.node.resume_download(identity)
    await until(lambda: getter.node.download(identity).state == "done", "done")
    assert (getter.folder / "out.bin").read_bytes() == DATA
    answer = getter.node.download(identity)
    assert answer.bytes_resumed + sum(source.bytes for source in answer.sources) == len(DATA)


async def test_cancelling_keeps_what_is_there(network: Network) -> None:
    getter = await network.peer("getter")
    async with ScriptedPeer("slow", DATA, gated).running(network.tracker_address) as slow:
        begun = getter.node.get(slow.content.hex(), "out.bin")
        await slow.reached.wait()
        await getter.node.remove_download(begun.id)
        assert getter.node.downloads() == []
        assert not (getter.folder / "out.bin").exists()
        slow.release.set()
        answer = await getter.fetched(slow.content.hex(), "out.bin")
    assert answer.state == "done"
    assert answer.bytes_resumed > 0
    assert answer.bytes_resumed + sum(source.bytes for source in answer.sources) == len(DATA)


async def test_four_at_once(network: Network) -> None:
    one, two = await network.peer("one"), await network.peer("two")
    files = {f"f{n}.bin": Random(n).randbytes(3_000_000 + n) for n in range(4)}
    for name, data in files.items():
        await one.upload(name, data)
    answers = await asyncio.gather(*(two.fetched(name) for name in files))
    assert {answer.state for answer in answers} == {"done"}
    assert {name: (two.folder / name).read_bytes() for name in files} == files
