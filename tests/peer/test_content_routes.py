"""Bytes by content id over raw sockets: every length, range and validator to the letter."""

import asyncio
import os
import struct
from pathlib import Path
from random import Random
from typing import Any

import pytest

from panal.peer import app, availability
from panal.peer.contents import Contents
from panal.store.hashing import hash_descriptor
from panal.store.partial import PartialFile
from panal.wire.have import GREETING, HEARTBEAT, HaveReader
from panal.wire.ids import ContentId, parse_content_id
from panal.wire.manifest import MIN_CHUNK_BYTES, content_id
from tests.support.network import Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.raw_http import RawAnswer, RawConnection, connection, request

pytestmark = pytest.mark.p1

SIZE = 1_000
DATA = Random(5).randbytes(SIZE)
WHOLE = (200, None, DATA)
BEYOND = (416, f"bytes */{SIZE}", None)


def part(start: int, stop: int) -> tuple[int, str, bytes]:
    return 206, f"bytes {start}-{stop - 1}/{SIZE}", DATA[start:stop]


RANGES: dict[str, tuple[int, str | None, bytes | None]] = {
    "bytes=0-0": part(0, 1),
    "bytes=0-": part(0, 1_000),
    "bytes=0-999": part(0, 1_000),
    "bytes=0-1000": part(0, 1_000),
    "bytes=999-": part(999, 1_000),
    "bytes=999-999": part(999, 1_000),
    "bytes=998-5000": part(998, 1_000),
    "bytes=500-": part(500, 1_000),
    "bytes=1000-": BEYOND,
    "bytes=1000-2000": BEYOND,
    "bytes=5000-,7000-8000": BEYOND,
    "bytes=-0": BEYOND,
    "bytes=-1": part(999, 1_000),
    "bytes=-5": part(995, 1_000),
    "bytes=-1000": part(0, 1_000),
    "bytes=-5000": part(0, 1_000),
    "bytes=5-2": WHOLE,
    "bytes=0-1,5-2": WHOLE,
    "bytes=": WHOLE,
    "bytes": WHOLE,
    "bytes=,": WHOLE,
    "bytes=-": WHOLE,
    "bytes=--5": WHOLE,
    "bytes=+0-5": WHOLE,
    "bytes=0_0-5": WHOLE,
    "bytes=0x0-5": WHOLE,
    "bytes=1.0-2": WHOLE,
    "bytes=a-b": WHOLE,
    "bytes=٠-٥": WHOLE,
    "items=0-5": WHOLE,
    "0-5": WHOLE,
    "": WHOLE,
    "bytes=0-5,": part(0, 6),
    "bytes=,0-5": part(0, 6),
    "bytes= 0-5": part(0, 6),
    "bytes=\t0-5 ": part(0, 6),
    "bytes=0 - 5": WHOLE,
    "bytes =0-5": WHOLE,
    "BYTES=0-5": part(0, 6),
    "Bytes=0-5": part(0, 6),
    "bytes=0-10,5-20": part(0, 21),
    "bytes=5-20,0-10": part(0, 21),
    "bytes=0-4,5-9": part(0, 10),
    "bytes=0-4,5000-": part(0, 5),
    "bytes=5000-,-5": part(995, 1_000),
    "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)): WHOLE,
    "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(65)): WHOLE,
    "bytes=" + "9" * 5_000 + "-": BEYOND,
    "bytes=0-" + "9" * 5_000: part(0, 1_000),
    "bytes=-" + "9" * 5_000: part(0, 1_000),
    "bytes=" + "0" * 5_000 + "5-7": part(5, 8),
}
MULTIPLE = {
    "bytes=0-1,5-6": [(0, 2), (5, 7)],
    "bytes=990-,0-3": [(990, 1_000), (0, 4)],
    "bytes=-1,0-0": [(999, 1_000), (0, 1)],
    "bytes=0-0,10-20,15-30": [(0, 1), (10, 31)],
    "bytes=0-0,5000-,2-2": [(0, 1), (2, 3)],
    "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(64)): [
        (2 * n, 2 * n + 1) for n in range(64)
    ],
}


@pytest.fixture
def made_contents(monkeypatch: pytest.MonkeyPatch) -> list[Contents]:
    """The contents of each peer that is started."""
    made: list[Contents] = []

    class Noted(Contents):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(app, "Contents", Noted)
    return made


async def peer_with(network: Network, data: bytes = DATA) -> tuple[RunningPeer, str]:
    """A peer that scans nothing by itself, and the id of what it shares."""
    peer = await network.peer("one", shares_folder=False)
    return peer, (await peer.upload("data.bin", data))["id"]


def brief(header: str) -> str:
    return header if len(header) < 60 else f"{header[:40]}… {len(header)}"


async def test_ranges_to_the_letter(network: Network) -> None:
    peer, content = await peer_with(network)
    assert len(RANGES) + len(MULTIPLE) >= 30
    found, wanted = {}, {}
    async with connection(peer.app.port) as wire:
        for header, expected in RANGES.items():
            answer = await wire.ask("GET", f"/content/{content}", f"Range: {header}")
            body = None if answer.status == 416 else answer.body
            found[brief(header)] = (answer.status, answer.headers.get("content-range"), body)
            wanted[brief(header)] = expected
            assert await wire.is_in_step(), header
            if answer.status != 416:
                assert answer.headers["etag"] == f'"{content}"'
                assert answer.headers["accept-ranges"] == "bytes"
                assert answer.headers["content-type"] == "application/octet-stream"
            else:
                assert answer.headers["content-type"] == "application/problem+json"
    assert found == wanted


def parts_of(answer: RawAnswer) -> list[tuple[str, bytes]]:
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    first, *pieces, last = (b"\r\n" + answer.body).split(f"\r\n--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for piece in pieces:
        head, _, body = piece.partition(b"\r\n\r\n")
        _, kind, place = head.decode().split("\r\n")
        assert kind == "Content-Type: application/octet-stream"
        found.append((place.removeprefix("Content-Range: "), body))
    return found


async def test_several_ranges_parsed_back(network: Network) -> None:
    peer, content = await peer_with(network)
    async with connection(peer.app.port) as wire:
        for header, places in MULTIPLE.items():
            answer = await wire.ask("GET", f"/content/{content}", f"Range: {header}")
            assert answer.status == 206
            assert "content-range" not in answer.headers
            assert parts_of(answer) == [part(*place)[1:] for place in places]
            assert await wire.is_in_step()


async def test_two_range_headers_are_none(network: Network) -> None:
    peer, content = await peer_with(network)
    async with connection(peer.app.port) as wire:
        lines = ("Range: bytes=0-0", "Range: bytes=1-1")
        answer = await wire.ask("GET", f"/content/{content}", *lines)
        assert (answer.status, answer.body) == (200, DATA)
        assert await wire.is_in_step()


async def test_head_has_the_whole_length_and_no_body(network: Network) -> None:
    peer, content = await peer_with(network)
    async with connection(peer.app.port) as wire:
        for line in ("Range: bytes=0-5", "Range: bytes=5000-", "Accept: */*"):
            answer = await wire.ask("HEAD", f"/content/{content}", line)
            assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))
            assert "content-range" not in answer.headers
            assert await wire.is_in_step()


async def test_ranges_of_nothing(network: Network) -> None:
    peer, content = await peer_with(network, b"")
    wanted = {
        "bytes=0-": (416, "bytes */0"),
        "bytes=0-0": (416, "bytes */0"),
        "bytes=-0": (416, "bytes */0"),
        "bytes=-5": (200, None),
        "items=0-5": (200, None),
        "bytes=5-2": (200, None),
    }
    async with connection(peer.app.port) as wire:
        for header, expected in wanted.items():
            answer = await wire.ask("GET", f"/content/{content}", f"Range: {header}")
            assert (answer.status, answer.headers.get("content-range")) == expected, header
            assert await wire.is_in_step(), header
        for method in ("GET", "HEAD"):
            answer = await wire.ask(method, f"/content/{content}")
            assert (answer.status, answer.headers["content-length"]) == (200, "0")
            assert await wire.is_in_step()


async def test_if_range(network: Network) -> None:
    peer, content = await peer_with(network)
    yes, no = part(0, 6), WHOLE
    rows: dict[tuple[str, ...], tuple[int, str | None, bytes]] = {
        (f'"{content}"',): yes,
        (f' "{content}" ',): yes,
        (f'"{"0" * 64}"',): no,
        (f'W/"{content}"',): no,
        (content,): no,
        ("*",): no,
        ("",): no,
        ("Wed, 21 Oct 2015 07:28:00 GMT",): no,
        ("Fri, 31 Dec 9999 23:59:59 GMT",): no,
        (f'"{content}"', '"other"'): no,
    }
    async with connection(peer.app.port) as wire:
        for values, expected in rows.items():
            lines = [f"If-Range: {value}" for value in values]
            answer = await wire.ask("GET", f"/content/{content}", "Range: bytes=0-5", *lines)
            found = (answer.status, answer.headers.get("content-range"), answer.body)
            assert found == expected, values
            assert await wire.is_in_step(), values


async def test_if_none_match(network: Network) -> None:
    peer, content = await peer_with(network)
    rows = {
        f'"{content}"': 304,
        f'W/"{content}"': 304,
        f'"other", "{content}"': 304,
        "*": 304,
        '"other"': 200,
        content: 200,
        "": 200,
        f'"{content}': 200,
    }
    async with connection(peer.app.port) as wire:
        for value, status in rows.items():
            for method in ("GET", "HEAD"):
                line = f"If-None-Match: {value}"
                answer = await wire.ask(method, f"/content/{content}", line, "Range: bytes=0-5")
                wanted = 206 if status == 200 and method == "GET" else status
                assert answer.status == wanted, value
                assert answer.headers["etag"] == f'"{content}"'
                assert await wire.is_in_step(), value


async def test_digests_only_where_they_were_computed_here(network: Network) -> None:
    peer, content = await peer_with(network, b"abc")
    url = f"/content/{content}"
    vouched = await peer.request("HEAD", url)
    digest = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
    assert vouched.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert vouched.headers["digest"] == f"SHA-256={digest}"
    peer.app.index.mark_sha256(parse_content_id(content), right=False)
    unvouched = await peer.request("HEAD", url)
    assert unvouched.status == 200
    assert not {"repr-digest", "digest", "content-digest"} & unvouched.headers.keys()


async def test_no_other_file_in_the_name_of_an_encoding(network: Network) -> None:
    peer, content = await peer_with(network)
    await peer.upload("data.bin.gz", b"another file")
    for path in (f"/content/{content}", "/files/data.bin"):
        answer = await peer.request("GET", path, headers={"Accept-Encoding": "gzip, br, zstd"})
        assert (answer.status, answer.body) == (200, DATA)
        assert "content-encoding" not in answer.headers
        assert "vary" not in answer.headers


async def test_ids_that_are_none(network: Network) -> None:
    peer, content = await peer_with(network)
    unknown = "0" * 64
    rows = {
        unknown: 404,
        content[:-1]: 400,
        content + "0": 400,
        content.upper(): 400,
        "x" * 64: 400,
        "%30" * 64: 404,  # the same as `unknown`, spelled otherwise
        "..%2f..%2fetc%2fpasswd": 400,
        "%00": 400,
        "%ff": 400,
    }
    async with connection(peer.app.port) as wire:
        for text, status in rows.items():
            for tail in ("", "/manifest", "/have", "/name.bin"):
                answer = await wire.ask("GET", f"/content/{text}{tail}")
                assert answer.status == status, (text, tail)
                assert answer.headers["content-type"] == "application/problem+json"
                assert b"etc" not in answer.body
                assert await wire.is_in_step()


async def test_names_in_the_address_are_only_for_saving(network: Network) -> None:
    peer, content = await peer_with(network)
    rows = {
        "plain.txt": (200, "plain.txt"),
        "a%20b.txt": (200, "a%20b.txt"),
        "%22%3Bx%3D%22.txt": (200, "%22%3Bx%3D%22.txt"),
        "%C3%B1and%C3%BA%F0%9F%98%80": (200, "%C3%B1and%C3%BA%F0%9F%98%80"),
        "100%25": (200, "100%25"),
        "%252e%252e": (200, "%252e%252e"),
        "it's*(1)": (200, "it%27s%2A%281%29"),
        "%3Cimg%20onerror%3E": (200, "%3Cimg%20onerror%3E"),
        "-rf": (200, "-rf"),
        "dir%2Fname.txt": (200, "name.txt"),
        "..": (400, None),
        "%2e%2e": (400, None),
        "..%2f..%2fx": (400, None),
        "%2Fetc": (400, None),
        "a%0D%0ASet-Cookie:%20x": (400, None),
        "a%00b": (400, None),
        "%E2%80%AEtxt.exe": (400, None),
        ".panal": (400, None),
        "a" * 256: (400, None),
    }
    async with connection(peer.app.port) as wire:
        for name, (status, saved) in rows.items():
            answer = await wire.ask("GET", f"/content/{content}/{name}")
            assert answer.status == status, name
            if saved is not None:
                disposition = f"attachment; filename*=UTF-8''{saved}"
                assert answer.headers["content-disposition"] == disposition
                assert answer.body == DATA
            assert await wire.is_in_step(), name
        plain = await wire.ask("GET", f"/content/{content}")
        assert plain.headers["content-disposition"] == "attachment"
        assert plain.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert plain.headers["x-content-type-options"] == "nosniff"


async def test_bytes_by_id_never_change_and_bytes_by_path_may(network: Network) -> None:
    peer, content = await peer_with(network)
    by_id = await peer.request("GET", f"/content/{content}")
    by_path = await peer.request("GET", "/files/data.bin")
    assert "immutable" in by_id.headers["cache-control"]
    assert by_path.headers["cache-control"] == "no-cache"
    assert by_path.headers["etag"] == by_id.headers["etag"]


async def test_a_thousand_pipelined_requests_are_answered_one_by_one(network: Network) -> None:
    peer = await network.peer("one")
    async with connection(peer.app.port) as wire:
        await wire.send(b"".join(request("GET", f"/nowhere/{n}") for n in range(999)))
        await wire.send(request("GET", "/healthz"))
        for _ in range(999):
            assert (await wire.answer()).status == 404
        assert (await wire.answer()).body == b"ok\n"
        assert await wire.is_in_step()


async def test_pipelined_requests_are_answered_in_order(network: Network) -> None:
    peer, content = await peer_with(network)
    asked = [(3 * n, 3 * n + 7) for n in range(100)]
    async with connection(peer.app.port) as wire:
        lines = [f"Range: bytes={start}-{stop - 1}" for start, stop in asked]
        url = f"/content/{content}"
        await wire.send(b"".join(request("GET", url, line) for line in lines))
        for start, stop in asked:
            answer = await wire.answer()
            assert (answer.status, answer.body) == (206, DATA[start:stop])
        assert await wire.is_in_step()


async def test_absolute_form_is_the_same_request(network: Network) -> None:
    peer, content = await peer_with(network)
    here = f"http://127.0.0.1:{peer.app.port}"
    async with connection(peer.app.port) as wire:
        for path in (f"/content/{content}", "/files/data.bin"):
            answer = await wire.ask("GET", here + path)
            assert (answer.status, answer.body) == (200, DATA), path
        answer = await wire.ask("PUT", here + "/upload/new.txt?replace=true", body=b"new")
        assert answer.status == 201
    assert (peer.folder / "new.txt").read_bytes() == b"new"


# Files that change ------------------------------------------------------------------------


async def test_an_edited_file_is_gone_and_withdrawn(network: Network) -> None:
    peer, content = await peer_with(network)
    assert len((await peer.node.search("data.bin")).hits) == 1
    file = peer.folder / "data.bin"
    before = file.stat()
    file.write_bytes(DATA[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert file.stat().st_size == before.st_size
    answer = await peer.request("GET", f"/content/{content}")
    assert answer.status == 410
    assert answer.json()["type"] == "urn:panal:error:content-changed"
    assert (await peer.request("GET", f"/content/{content}")).status == 404
    assert (await peer.request("GET", "/files/data.bin")).status == 404
    assert await peer.app.announcer.announced(PATIENCE_S)
    assert (await peer.node.search("data.bin")).hits == []


def _as_link(file: Path, secret: Path) -> None:
    file.symlink_to(secret)


def _as_fifo(file: Path, _: Path) -> None:
    os.mkfifo(file)


def _as_folder(file: Path, _: Path) -> None:
    file.mkdir()


def _as_nothing(file: Path, _: Path) -> None:
    pass


def _as_other_file(file: Path, _: Path) -> None:
    file.write_bytes(DATA)  # the same bytes, another inode


@pytest.mark.parametrize("become", [_as_link, _as_fifo, _as_folder, _as_nothing, _as_other_file])
async def test_what_takes_a_files_place_is_not_served(network: Network, become) -> None:
    peer, content = await peer_with(network)
    secret = network.place / "secret"
    secret.write_bytes(DATA)
    (peer.folder / "data.bin").unlink()
    become(peer.folder / "data.bin", secret)
    answers = [await peer.request("GET", f"/content/{content}") for _ in range(2)]
    assert [answer.status for answer in answers] == [410, 404]


async def test_another_copy_stands_in(network: Network) -> None:
    peer, content = await peer_with(network)
    await peer.upload("copy.bin", DATA)
    (peer.folder / "copy.bin").unlink()
    assert (await peer.request("GET", f"/content/{content}")).body == DATA
    assert (await peer.request("GET", "/files/copy.bin")).status in {404, 410}


BIG = 32 * 1024 * 1024
"""More than the system buffers for a reader that reads nothing."""


async def big_file(peer: RunningPeer) -> ContentId:
    return parse_content_id((await peer.upload("big.bin", bytes(BIG)))["id"])


async def begun(wire: RawConnection, content: ContentId) -> int:
    """Ask, twice, for a big body, and read no more than the first head; its length."""
    await wire.send(request("GET", f"/content/{content.hex()}") + request("GET", "/healthz"))
    head = await wire.head()
    assert head.status == 200
    return int(head.headers["content-length"])


@pytest.fixture
def fell_behind(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a sending thread gives a receiver up as too slow for now."""
    from panal.peer import sending

    event = asyncio.Event()
    wait = sending._until_writable

    async def noting(descriptor: int) -> None:
        event.set()
        await wait(descriptor)

    monkeypatch.setattr(sending, "_until_writable", noting)
    return event


@pytest.mark.parametrize("change", ["cut", "edit"])
async def test_a_change_in_the_middle_breaks_the_connection(
    network: Network, fell_behind: asyncio.Event, change: str
) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = await big_file(peer)
    async with connection(peer.app.port) as wire:
        length = await begun(wire, content)
        await fell_behind.wait()  # the sender is mid-way: buffers are full, most is unsent
        file = peer.folder / "big.bin"
        if change == "cut":
            os.truncate(file, BIG // 2)
        else:
            with file.open("r+b") as opened:
                opened.write(b"x")
        body = await wire.rest()
    assert len(body) < length
    assert body.count(b"\0") == len(body)  # nothing of the next answer, and no mixed bytes


@pytest.mark.parametrize("lines", [[], ["Range: bytes=0-49999,60000-99999"]])
@pytest.mark.parametrize("by_path", [False, True])
async def test_an_edit_does_not_reach_a_body_that_is_on_its_way(
    network: Network, monkeypatch: pytest.MonkeyPatch, lines: list[str], by_path: bool
) -> None:
    """Who does not verify chunks, as no browser does, gets one version or a body cut off."""
    from panal.peer.content_answers import ContentAnswers

    written = asyncio.Event()
    write = ContentAnswers.write

    async def noting(*args: Any) -> Any:
        answer = await write(*args)
        written.set()
        return answer

    monkeypatch.setattr(ContentAnswers, "write", noting)
    peer = await network.peer("one", shares_folder=False)
    content = (await peer.upload("file.bin", bytes(100_000)))["id"]
    target = "/files/file.bin" if by_path else f"/content/{content}"
    async with connection(peer.app.port) as wire, asyncio.timeout(PATIENCE_S):
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(request("GET", target, *lines))
        await written.wait()  # the body fits the sockets' buffers
        with (peer.folder / "file.bin").open("r+b") as file:
            file.write(b"\xff" * 100_000)
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        body = (await wire.answer()).body
    assert b"\xff" not in body
    assert body.count(b"\0") >= 90_000


async def test_a_failing_disk_breaks_the_connection(
    network: Network, fell_behind: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = await big_file(peer)
    async with connection(peer.app.port) as wire:
        length = await begun(wire, content)
        await fell_behind.wait()

        def fails(*_: object) -> int:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "preadv", fails)
        body = await wire.rest()
    assert len(body) < length
    assert body.count(b"\0") == len(body)


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


async def test_readers_that_leave_leave_nothing_open(
    network: Network, fell_behind: asyncio.Event
) -> None:
    peer = await network.peer("one", shares_folder=False)
    content = await big_file(peer)
    assert (await peer.request("GET", "/healthz")).status == 200
    before = len(open_descriptors())
    for _ in range(3):
        async with connection(peer.app.port) as wire:
            await begun(wire, content)
            await fell_behind.wait()
            assert len(open_descriptors()) > before
        fell_behind.clear()
        await until(lambda: len(open_descriptors()) <= before, "descriptors closed")


# The availability stream ------------------------------------------------------------------


async def test_have_tells_all_and_beats(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "HEARTBEAT_S", 0.01)
    peer, content = await peer_with(network, Random(2).randbytes(3 * MIN_CHUNK_BYTES + 1))
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content}/have"))
        assert (await wire.head()).status == 200
        stream = Chunked(wire)
        opening = await stream.exactly(len(GREETING) + 4 + 1)
        assert opening == GREETING + struct.pack("<I", 1) + b"\x0f"
        for _ in range(3):
            assert await stream.exactly(4) == struct.pack("<I", HEARTBEAT)


class Chunked:
    """Reads a chunked body as the bytes that it means; b"" once it has ended well."""

    def __init__(self, wire: RawConnection) -> None:
        self._reader = wire.reader
        self._buffer = b""

    async def some(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            size = int(await self._reader.readline(), 16)
            data = await self._reader.readexactly(size)
            assert await self._reader.readexactly(2) == b"\r\n"
        return data

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = await self.some()
            assert data, "the stream ended"
            self._buffer += data
        wanted, self._buffer = self._buffer[:count], self._buffer[count:]
        return wanted


async def test_a_download_that_got_its_name_is_the_users_also_for_who_has_it_open(
    network: Network, made_contents: list[Contents]
) -> None:
    """An answer may be on its way when the download ends, and an edit follow at once."""
    await network.peer("one", shares_folder=False)
    (contents,) = made_contents
    source = network.place / "source"
    source.write_bytes(DATA)
    with source.open("rb") as file:
        manifest = hash_descriptor(file.fileno(), SIZE)
    content = content_id(manifest.encode())
    partial = PartialFile(network.place / "partials", content, manifest)
    writer = partial.begin_chunk(0)
    writer.write(memoryview(DATA))
    assert writer.finish()
    contents.begin_partial(content, partial, lambda follower: None)
    opened = contents.open(content)
    partial.make_publishable(mtime_ns=1_700_000_000_000_000_000)
    placed = partial.path.rename(network.place / "placed")
    assert opened.is_unchanged()
    with placed.open("r+b") as file:
        file.write(b"x")
    assert not opened.is_unchanged()
    opened.close()
    partial.close()


async def test_have_follows_a_partial_file_until_it_is_taken_back(
    network: Network, made_contents: list[Contents]
) -> None:
    peer = await network.peer("one", shares_folder=False)
    (contents,) = made_contents
    data = Random(4).randbytes(9 * MIN_CHUNK_BYTES + 7)
    source = network.place / "source"
    source.write_bytes(data)
    descriptor = os.open(source, os.O_RDONLY)
    manifest = hash_descriptor(descriptor, len(data))
    os.close(descriptor)
    content = content_id(manifest.encode())
    partials = network.place / "partials"
    partials.mkdir()
    partial = PartialFile(partials, content, manifest)

    def write(index: int) -> None:
        start = index * manifest.chunk_bytes
        writer = partial.begin_chunk(index)
        writer.write(memoryview(data)[start : start + manifest.chunk_bytes])
        assert writer.finish()

    write(3)
    contents.begin_partial(content, partial, lambda follower: None)
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content.hex()}/have"))
        assert (await wire.head()).status == 200
        stream, reader = Chunked(wire), HaveReader(manifest.chunk_count)
        bits, _ = reader.feed(await stream.some())
        assert bits == 1 << 3
        for index in (9, 0, 5):
            await asyncio.to_thread(write, index)  # from a thread, as the engine does
            _, further = reader.feed(await stream.some())
            assert further == [index]
        contents.end_partial(content)
        assert await stream.some() == b""  # a good end: ask anew
        assert await wire.is_in_step()
    partial.close()


async def test_have_ends_when_the_file_is_withdrawn(network: Network) -> None:
    peer, content = await peer_with(network)
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content}/have"))
        assert (await wire.head()).status == 200
        stream = Chunked(wire)
        assert await stream.some()
        (peer.folder / "data.bin").unlink()
        assert (await peer.request("GET", f"/content/{content}")).status == 410
        assert await stream.some() == b""
        assert (await wire.ask("GET", f"/content/{content}/have")).status == 404


async def test_a_follower_that_leaves_is_forgotten(
    network: Network, monkeypatch: pytest.MonkeyPatch, made_contents: list[Contents]
) -> None:
    monkeypatch.setattr(availability, "HEARTBEAT_S", 0.01)
    peer, content = await peer_with(network)
    followers = made_contents[0]._followers
    async with connection(peer.app.port) as wire:
        await wire.send(request("GET", f"/content/{content}/have"))
        assert (await wire.head()).status == 200
        assert list(followers) == [bytes.fromhex(content)]
    await until(lambda: followers == {}, "forgotten")


async def test_the_manifest_goes_with_the_file(network: Network) -> None:
    peer, content = await peer_with(network)
    answer = await peer.request("GET", f"/content/{content}/manifest")
    assert answer.status == 200
    assert content_id(answer.body).hex() == content
    (peer.folder / "data.bin").unlink()
    assert (await peer.request("GET", f"/content/{content}")).status == 410
    assert (await peer.request("GET", f"/content/{content}/manifest")).status == 404


async def test_the_dial_back_takes_nonces_only(network: Network) -> None:
    peer, _ = await peer_with(network)
    proof = await peer.request("GET", f"/dialback/{'ab' * 16}")
    assert (proof.status, len(proof.body)) == (200, 64)
    for nonce in ("ab" * 15, "ab" * 17, "zz" * 16, "a" * 31, "%20".join(["ab"] * 16), "%ff" * 16):
        answer = await peer.request("GET", f"/dialback/{nonce}")
        assert answer.status == 400, nonce
