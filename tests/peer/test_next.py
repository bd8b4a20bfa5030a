"""`POST /content/<id>/next`: chunks of the provider's choice, at the door and from the source."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from panal.peer.http_source import HttpSource
from panal.store.partial import PartialFile
from panal.swarm.chunk_source import SourceFailure
from panal.swarm.messages import Failure
from panal.wire import bitfield
from panal.wire.catalogue import Provider
from panal.wire.ids import PeerName
from panal.wire.manifest import MIN_CHUNK_BYTES
from tests.peer.test_http_source import NO_LIMIT, saying, says_why, serving
from tests.support.network import Network
from tests.support.raw_http import RawAnswer, connection, request
from tests.support.scripted_peer import manifest_of_bytes

pytestmark = pytest.mark.p7

CHUNKS = 20
DATA = Random(8).randbytes(CHUNKS * MIN_CHUNK_BYTES - 5)
MANIFEST, CONTENT = manifest_of_bytes(DATA)
ALL = bitfield.full(CHUNKS)


def asking(among: int, most: str = "3") -> bytes:
    body = bitfield.to_bytes(among, CHUNKS)
    return request("POST", f"/content/{CONTENT.hex()}/next?max={most}", body=body)


async def answers(network: Network, questions: Sequence[bytes]) -> list[RawAnswer]:
    """What one seed answers, one question after the other on one connection."""
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("data.bin", DATA)
    async with connection(peer.app.port) as wire:
        said = []
        for question in questions:
            await wire.send(question)
            said.append(await wire.answer())
        return said


async def test_each_chunk_comes_once_named_and_right(network: Network) -> None:
    said = await answers(network, [asking(ALL)] * (CHUNKS + 1))
    seen: list[int] = []
    for answer in said:
        if answer.status == 204:
            continue
        first, last = map(int, answer.headers["panal-chunks"].split("-"))
        assert answer.body == DATA[first * MIN_CHUNK_BYTES : (last + 1) * MIN_CHUNK_BYTES]
        assert last - first < 3
        seen += range(first, last + 1)
    assert sorted(seen) == list(range(CHUNKS))
    assert said[-1].status == 204


async def test_what_was_fetched_by_range_is_not_sent_as_new(network: Network) -> None:
    path = f"/content/{CONTENT.hex()}"
    ranged = f"Range: bytes=0-{19 * MIN_CHUNK_BYTES - 1}"
    by_peer = request("GET", path, ranged, "Panal-Protocol: 1")
    said = await answers(network, [asking(1), by_peer, asking(ALL, "20")])
    assert [answer.status for answer in said] == [200, 206, 200]
    assert said[2].headers["panal-chunks"] == "19-19"


async def test_what_a_browser_fetched_is_new_to_the_swarm(network: Network) -> None:
    path = f"/content/{CONTENT.hex()}"
    said = await answers(network, [asking(1), request("GET", path), asking(ALL, "20")])
    assert said[2].status == 200


@pytest.mark.parametrize(
    ("question", "status"),
    [
        (asking(ALL, "0"), 400),
        (asking(ALL, "-1"), 400),
        (asking(ALL, "12345678"), 400),
        (request("POST", f"/content/{CONTENT.hex()}/next", body=b"\xff"), 400),
        (request("POST", f"/content/{CONTENT.hex()}/next", body=b"\xff" * 5), 400),
        (request("POST", f"/content/{CONTENT.hex()}/next", body=b"\xff" * 3), 400),
        (request("POST", f"/content/{'0' * 64}/next", body=b"\x01"), 404),
        (request("GET", f"/content/{CONTENT.hex()}/next"), 200),
    ],
)
async def test_what_makes_no_sense_is_refused(
    network: Network, question: bytes, status: int
) -> None:
    """A GET of that path is the content under the name `next`, as any other name."""
    (answer,) = await answers(network, [question])
    assert answer.status == status


# The other end ----------------------------------------------------------------------------------

LENGTH = f"Content-Length: {MIN_CHUNK_BYTES}\r\n".encode()
GOOD = (
    b"HTTP/1.1 200 OK\r\nPanal-Chunks: 7-7\r\n"
    + LENGTH
    + b"\r\n"
    + DATA[7 * MIN_CHUNK_BYTES : 8 * MIN_CHUNK_BYTES]
)


async def choice(
    folder: Path, answer: bytes, among: int = ALL, most: int = 1
) -> tuple[Failure | None, list[tuple[int, int]], int]:
    """How a source ended, what it was granted and which chunks are written."""
    partial = PartialFile(folder, CONTENT, MANIFEST)
    partial.compare_some()
    granted: list[tuple[int, int]] = []
    failed: SourceFailure | None = None
    async with serving(saying(answer)) as provider:
        source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)

        def fetch() -> None:
            source.fetch_any(
                among, most, partial, lambda *which: granted.append(which), lambda index: None
            )

        try:
            await asyncio.to_thread(fetch)
        except SourceFailure as error:
            failed = error
        finally:
            source.cancel()
    written = partial.written
    partial.close()
    assert failed is None or says_why(failed)
    return None if failed is None else failed.failure, granted, written


async def test_a_chosen_chunk_is_taken(tmp_path: Path) -> None:
    assert await choice(tmp_path, GOOD) == (None, [(7, 1)], 1 << 7)


async def test_a_chunk_that_is_there_is_not_taken_and_nobody_blamed(tmp_path: Path) -> None:
    await choice(tmp_path, GOOD)
    failure, granted, written = await choice(tmp_path, GOOD)
    assert (failure, granted, written) == (Failure.TAKEN, [(7, 1)], 1 << 7)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Failure.NOTHING_UNSENT),
        (b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}", Failure.NOTHING_UNSENT),
        (b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", Failure.NOTHING_UNSENT),
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Failure.NOT_HERE_YET),
        (b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", Failure.NOT_HERE_YET),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Failure.BROKEN),
        (GOOD.replace(b"7-7", b"7"), Failure.MISBEHAVED),
        (GOOD.replace(b"7-7", b"8-7"), Failure.MISBEHAVED),
        (GOOD.replace(b"7-7", b"7-8"), Failure.MISBEHAVED),  # more than was asked for
        (GOOD.replace(b"7-7", b"20-20"), Failure.MISBEHAVED),
        (GOOD.replace(b"7-7", b"9999999-9999999"), Failure.MISBEHAVED),
        (GOOD.replace(b"200 OK", b"206 OK"), Failure.MISBEHAVED),
        (GOOD.replace(LENGTH, b"Content-Length: 5\r\n"), Failure.MISBEHAVED),
        (GOOD.replace(b"Panal-Chunks: 7-7\r\n", b""), Failure.MISBEHAVED),
    ],
)
async def test_every_other_answer_counts_nothing(
    tmp_path: Path, answer: bytes, failure: Failure
) -> None:
    assert await choice(tmp_path, answer) == (failure, [], 0)


async def test_a_choice_among_others_than_were_asked_for_is_refused(tmp_path: Path) -> None:
    assert await choice(tmp_path, GOOD, among=0b11) == (Failure.MISBEHAVED, [], 0)


async def test_a_cancelled_small_request_does_not_end_the_large_one_after_it(
    network: Network, tmp_path: Path
) -> None:
    """A large one goes over two connections, of which the small one used the first."""
    peer = await network.peer("one", shares_folder=False)
    await peer.upload("data.bin", DATA)
    partial = PartialFile(tmp_path / "got", CONTENT, MANIFEST)
    provider = Provider(PeerName("one"), "127.0.0.1", peer.app.port, complete=True)
    source = HttpSource(provider, CONTENT, MANIFEST, NO_LIMIT)
    source.cancel()
    with pytest.raises(SourceFailure):
        await asyncio.to_thread(source.fetch, 0, 1, partial, lambda index: None)
    await asyncio.to_thread(source.fetch, 0, CHUNKS, partial, lambda index: None)
    assert partial.is_whole
    source.cancel()
    partial.close()
