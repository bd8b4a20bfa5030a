"""Folders by bundles: from peers that are honest, that lie, that break off, that lack some."""

import asyncio
import io
import os
import tarfile
from random import Random

import pytest
from aiohttp import web

from panal.store.staging import Staging
from panal.store.turn import COMPUTING
from panal.wire.bundle import MAX_IDS, encode_request
from panal.wire.collection import CollectionEntry
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.manifest import MIN_CHUNK_BYTES, Manifest
from tests.support.folder_peer import FolderPeer, SendBundle, all_of_them, line, tar, whole
from tests.support.network import Network, RunningPeer, until
from tests.support.raw_http import RawAnswer, connection, request

CHANCE = Random(8)
FILES = [CHANCE.randbytes(CHANCE.randrange(60_000)) for _ in range(120)]
LINES = [line(f"d{n % 7}/f{n:03}", data) for n, data in enumerate(FILES)]
LINES.sort(key=lambda text: text.split(" ", 4)[4].strip().encode())
WANTED = {f"d{n % 7}/f{n:03}": data for n, data in enumerate(FILES)}


def found_in(getter: RunningPeer) -> dict[str, bytes]:
    top = getter.folder / "tree"
    paths = [path for path in top.rglob("*") if path.is_file()] if top.exists() else []
    return {str(path.relative_to(top)): path.read_bytes() for path in paths}


def one_by_one(peer: FolderPeer) -> int:
    return len(peer.asked)


# What a provider answers ------------------------------------------------------------------


async def ask(peer: RunningPeer, ids: list[str], *headers: str) -> RawAnswer:
    body = encode_request(map(parse_content_id, ids))
    async with connection(peer.app.port) as raw:
        answer = await raw.ask("POST", "/api/v1/bundle", *headers, body=body)
        assert await raw.is_in_step()
        return answer


def unpacked(answer: RawAnswer) -> dict[str, bytes]:
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-tar")
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as opened:
        return {m.name: file.read() for m in opened if (file := opened.extractfile(m))}


async def sharer(network: Network, files: dict[str, bytes]) -> tuple[RunningPeer, dict[str, str]]:
    for name, data in files.items():
        path = network.place / "one" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1, 1))
    peer = await network.peer("one")
    await until(lambda: len(peer.node.files().files) == len(files), "all is shared")
    return peer, {file.path: file.id for file in peer.node.files().files}


async def test_a_bundle_has_what_is_here_and_small(network: Network) -> None:
    files = {
        "a/b/one": b"one",
        "a/two": b"",
        "full": bytes(MIN_CHUNK_BYTES),
        "large": bytes(MIN_CHUNK_BYTES + 1),
    }
    peer, ids = await sharer(network, files)
    small = {ids[name]: files[name] for name in ("a/b/one", "a/two", "full")}
    assert unpacked(await ask(peer, [*ids.values(), "00" * 32])) == small
    assert unpacked(await ask(peer, ["00" * 32])) == {}
    assert unpacked(await ask(peer, [])) == {}


async def test_no_bundle_is_longer_than_its_bound(network: Network) -> None:
    files = {f"{n:02}": bytes([n]) * MIN_CHUNK_BYTES for n in range(20)}
    peer, ids = await sharer(network, files)
    assert len(unpacked(await ask(peer, list(ids.values())))) == 15


async def test_what_is_no_longer_what_was_shared_is_left_out_and_withdrawn(
    network: Network,
) -> None:
    names = ("changed", "gone", "link", "pipe", "a/moved", "stays")
    peer, ids = await sharer(network, {name: name.encode() for name in names})
    outside = network.place / "secret"
    outside.write_bytes(b"link")
    os.utime(outside, (1, 1))
    for name in ("changed", "gone", "link", "pipe"):
        (peer.folder / name).unlink()
    (peer.folder / "changed").write_bytes(b"CHANGED")
    (peer.folder / "link").symlink_to(outside)
    os.mkfifo(peer.folder / "pipe")
    (peer.folder / "a").rename(network.place / "a")
    (peer.folder / "a").symlink_to(network.place / "a")
    assert unpacked(await ask(peer, list(ids.values()))) == {ids["stays"]: b"stays"}
    await until(lambda: [f.path for f in peer.node.files().files] == ["stays"], "withdrawn")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b'{"ids":["x"]}', 400),
        (b'{"ids":["\xff"]}', 400),
        (encode_request(ContentId(n.to_bytes(32, "big")) for n in range(MAX_IDS + 1)), 400),
        (b" " * 600_000, 413),
    ],
)
async def test_a_wrong_request_is_refused(network: Network, body: bytes, status: int) -> None:
    peer, _ = await sharer(network, {"one": b"one"})
    async with connection(peer.app.port) as raw:
        assert (await raw.ask("POST", "/api/v1/bundle", body=body)).status == status


async def test_another_sites_page_gets_none(network: Network) -> None:
    peer, ids = await sharer(network, {"one": b"one"})
    body = encode_request(map(parse_content_id, ids.values()))
    async with connection(peer.app.port) as raw:
        answer = await raw.ask("POST", "/api/v1/bundle", "Origin: http://evil.example", body=body)
        assert answer.status == 403


async def test_a_receiver_that_dies_in_the_middle_harms_nobody(network: Network) -> None:
    files = {f"{n:02}": bytes([n]) * MIN_CHUNK_BYTES for n in range(15)}
    peer, ids = await sharer(network, files)
    body = encode_request(map(parse_content_id, ids.values()))
    for _ in range(20):  # more than there are threads and slots
        async with connection(peer.app.port) as raw:
            await raw.send(request("POST", "/api/v1/bundle", "Panal-Protocol: 1", body=body))
            assert (await raw.head()).status == 200
    assert len(unpacked(await ask(peer, list(ids.values())))) == 15


# What a getter does -----------------------------------------------------------------------


async def test_a_folder_comes_in_bundles(network: Network) -> None:
    getter = await network.peer("getter")
    good = FolderPeer("good", LINES, FILES, bundle=all_of_them)
    async with good.running(network.tracker_address):
        answer = await getter.fetched(good.content.hex(), "tree")
    assert (answer.state, answer.files_done) == ("done", 120)
    assert found_in(getter) == WANTED
    assert one_by_one(good) == 0
    asked = [content for bundle in good.bundles for content in bundle]
    assert len(asked) == len(set(asked)) == 120
    total = sum(map(len, FILES))
    assert (answer.bytes_done, sum(source.bytes for source in answer.sources)) == (total, total)
    assert not any((getter.folder / ".panal/partial").iterdir())


async def test_what_bundles_bring_is_stored_one_bundle_at_a_time(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: set[bool] = set()
    real_write = Staging.write

    def write(
        batch: Staging, data: bytes | memoryview, entry: CollectionEntry, manifest: Manifest
    ) -> None:
        stored.add(COMPUTING.locked())
        real_write(batch, data, entry, manifest)

    monkeypatch.setattr(Staging, "write", write)
    getter = await network.peer("getter")
    good = FolderPeer("good", LINES, FILES, bundle=all_of_them)
    async with good.running(network.tracker_address):
        answer = await getter.fetched(good.content.hex(), "tree")
    assert (answer.state, stored) == ("done", {True})
    assert not COMPUTING.locked()


async def test_several_providers_share_the_work(network: Network) -> None:
    both = asyncio.Barrier(2)

    async def together(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        if len(peer.bundles) == 1:
            await both.wait()  # neither is finished before the other has begun
        return await all_of_them(peer, request, wanted)

    getter = await network.peer("getter")
    one = FolderPeer("one", LINES, FILES, bundle=together)
    two = FolderPeer("two", LINES, FILES, bundle=together)
    async with one.running(network.tracker_address), two.running(network.tracker_address, "t2"):
        assert (await getter.fetched(one.content.hex(), "tree")).state == "done"
    assert found_in(getter) == WANTED
    asked = [content for peer in (one, two) for bundle in peer.bundles for content in bundle]
    assert len(asked) == len(set(asked)) == 120


def evil(change: str) -> SendBundle:
    """A bundle that is wrong in one way, behind some members that are right."""

    async def send(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        first = next(iter(wanted))
        rest = {content: data for content, data in wanted.items() if content != first}
        body = tar(wanted)
        if change == "bytes":
            body = tar({**rest, first: bytes(len(wanted[first]))})
        elif change == "size":
            body = tar({**rest, first: wanted[first] + b"x"})
        elif change == "extra":
            body = tar({**rest, peer.content: peer.text})
        elif change == "twice":
            body = tar(wanted)[:-1024] + tar({first: wanted[first]})
        elif change == "cut":
            body = tar(wanted)[:-1500]
        elif change == "path":
            info = tarfile.TarInfo("../../evil")
            info.size = 4
            body = tar(rest)[:-1024] + info.tobuf(tarfile.USTAR_FORMAT) + b"evil".ljust(1536, b"\0")
        elif change == "endless":
            answer = web.StreamResponse()
            answer.content_length = 1 << 40
            await answer.prepare(request)
            return answer
        return web.Response(body=body)

    return send


@pytest.mark.parametrize("change", ["bytes", "size", "extra", "twice", "cut", "path", "endless"])
async def test_who_lies_in_a_bundle_is_asked_no_more(network: Network, change: str) -> None:
    getter = await network.peer("getter")
    liar = FolderPeer("liar", LINES, FILES, bundle=evil(change))
    good = FolderPeer("good", LINES, FILES, bundle=all_of_them)
    async with liar.running(network.tracker_address):
        begun = getter.node.get(liar.content.hex(), "tree")

        def is_banned() -> bool:
            sources = getter.node.download(begun.id).sources
            return any(source.state == "banned" for source in sources)

        await until(is_banned, "the liar is banned")
        if change not in {"endless", "twice"}:  # those are too long, and not read at all
            await until(lambda: len(found_in(getter)) > 20, "what was right is in place")
        assert found_in(getter).items() <= WANTED.items()
        async with good.running(network.tracker_address):
            await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert found_in(getter) == WANTED
    assert len(liar.bundles) <= 2  # those that were under way at once
    assert one_by_one(liar) == 0
    assert [path.name for path in network.place.iterdir() if path.name == "evil"] == []


async def test_a_list_that_is_wrong_blames_nobody(network: Network) -> None:
    wrong = [line("a", b"right"), line("b", b"longer than it says", size=3)]

    async def send(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        return await all_of_them(peer, request, wanted)

    getter = await network.peer("getter")
    peer = FolderPeer("peer", wrong, [b"right", b"longer than it says"], bundle=send)
    async with peer.running(network.tracker_address):
        answer = await getter.fetched(peer.content.hex(), "tree")
    assert (answer.state, answer.error) == ("failed", "integrity")
    assert "list is wrong about 'tree/b'" in answer.reason
    assert all(source.state != "banned" for source in answer.sources)


async def test_a_provider_that_dies_in_the_middle_is_replaced(network: Network) -> None:
    async def cut(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        answer = web.StreamResponse()
        body = tar(wanted)
        answer.content_length = len(body)
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        peer.reached.set()
        assert request.transport is not None
        request.transport.close()  # what was written still goes out
        return answer

    async def never(peer: FolderPeer, request: web.Request, data: bytes) -> web.StreamResponse:
        raise web.HTTPServiceUnavailable

    getter = await network.peer("getter")
    dying = FolderPeer("dying", LINES, FILES, never, bundle=cut)
    good = FolderPeer("good", LINES, FILES, bundle=all_of_them)
    async with dying.running(network.tracker_address):
        begun = getter.node.get(dying.content.hex(), "tree")
        await until(lambda: getter.node.download(begun.id).state == "waiting", "a wait")
        kept = found_in(getter)
        assert 0 < len(kept) < 120
    async with good.running(network.tracker_address):
        await until(lambda: getter.node.download(begun.id).state == "done", "done by good")
    assert found_in(getter) == WANTED
    asked = {content for bundle in good.bundles for content in bundle}
    assert 0 < len(asked) == 120 - len(kept) - one_by_one(good)
    states = {source.peer: source.state for source in getter.node.download(begun.id).sources}
    assert "banned" not in states.values()


async def test_what_one_lacks_is_asked_elsewhere(network: Network) -> None:
    async def half(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        mine = [c for c in wanted if (c[0] < 128) == (peer.name == "low")]
        return web.Response(body=tar({content: wanted[content] for content in mine}))

    getter = await network.peer("getter")
    low, high = (FolderPeer(name, LINES, FILES, bundle=half) for name in ("low", "high"))
    async with low.running(network.tracker_address), high.running(network.tracker_address, "t2"):
        assert (await getter.fetched(low.content.hex(), "tree")).state == "done"
    assert found_in(getter) == WANTED
    for peer in (low, high):
        asked = [content for bundle in peer.bundles for content in bundle]
        assert len(asked) == len(set(asked))  # nothing twice of the same peer


async def test_a_provider_without_bundles_is_asked_one_by_one(network: Network) -> None:
    getter = await network.peer("getter")
    old = FolderPeer("old", LINES, FILES)
    async with old.running(network.tracker_address):
        assert (await getter.fetched(old.content.hex(), "tree")).state == "done"
    assert found_in(getter) == WANTED
    assert one_by_one(old) == 120


async def test_a_stop_in_the_middle_of_a_bundle_is_safe(network: Network) -> None:
    async def gated(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        if len(peer.bundles) < 6:
            return await all_of_them(peer, request, wanted)
        answer = web.StreamResponse()
        body = tar(wanted)
        answer.content_length = len(body)
        await answer.prepare(request)
        await answer.write(body[: len(body) // 2])
        peer.reached.set()
        await peer.release.wait()
        await answer.write(body[len(body) // 2 :])
        return answer

    getter = await network.peer("getter")
    async with FolderPeer("slow", LINES, FILES, whole, gated).running(
        network.tracker_address
    ) as slow:
        begun = getter.node.get(slow.content.hex(), "tree")
        await slow.reached.wait()
        await getter.node.pause_download(begun.id)
        before = found_in(getter)
        assert before.items() <= WANTED.items()
        asked = len(slow.bundles)
        slow.release.set()
        getter.node.resume_download(begun.id)
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert found_in(getter) == WANTED
    again = {content for bundle in slow.bundles[asked:] for content in bundle}
    assert len(again) <= 120 - len(before)
    assert not any((getter.folder / ".panal/partial").iterdir())


async def test_a_bundle_waits_for_the_limit_and_can_be_stopped_while_it_does(
    network: Network,
) -> None:
    getter = await network.peer("getter")

    async def limited(
        peer: FolderPeer, request: web.Request, wanted: dict[ContentId, bytes]
    ) -> web.StreamResponse:
        if len(peer.bundles) == 1:
            getter.app.download_limit.change(1_000, 0)  # a minute for each 60 kB
        return await all_of_them(peer, request, wanted)

    good = FolderPeer("good", LINES, FILES, bundle=limited)
    async with good.running(network.tracker_address):
        begun = getter.node.get(good.content.hex(), "tree")
        await until(lambda: len(good.bundles) > 0, "a bundle is asked for")
        await getter.node.pause_download(begun.id)
        assert len(found_in(getter)) < 120
        getter.app.download_limit.change(0, 0)
        getter.node.resume_download(begun.id)
        await until(lambda: getter.node.download(begun.id).state == "done", "done")
    assert found_in(getter) == WANTED
