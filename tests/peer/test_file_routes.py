"""Uploads by form and by PUT, and the folder as people and tools walk it."""

import asyncio
import hashlib
import os
import subprocess
import threading
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from types import SimpleNamespace
from urllib.parse import quote, urljoin

import pytest

from panal.peer import announcer, upload_routes, uploads
from panal.peer.uploads import BATCH_BYTES
from panal.store.hashing import ContentHasher
from panal.store.space import reserve_bytes
from panal.wire.links import Link, parse_what
from panal.wire.names import SafePath
from tests.support.network import Answer, Network, RunningPeer, until
from tests.support.patience import PATIENCE_S
from tests.support.raw_http import RawAnswer, connection, request


@pytest.fixture
async def peer(network: Network, monkeypatch: pytest.MonkeyPatch) -> RunningPeer:
    """A peer that scans nothing by itself and tells the tracker each change at once."""
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    return await network.peer("one", shares_folder=False)


def in_folder(peer: RunningPeer) -> dict[str, bytes]:
    """Every file of the folder but Panal's own."""
    return {
        str(file.relative_to(peer.folder)): file.read_bytes()
        for file in peer.folder.rglob("*")
        if file.is_file() and ".panal" not in file.relative_to(peer.folder).parts
    }


def temporaries(peer: RunningPeer) -> list[Path]:
    return list((peer.folder / ".panal" / "uploads").iterdir())


BOUNDARY = "xyz"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def form(*parts: tuple[bytes, bytes]) -> bytes:
    """A form's body from each part's Content-Disposition and bytes."""
    body = b"".join(
        b"--xyz\r\nContent-Disposition: " + head + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return body + b"--xyz--\r\n"


def named(name: str | bytes) -> bytes:
    raw = name if isinstance(name, bytes) else name.encode()
    return b'form-data; name="file"; filename="' + raw + b'"'


async def post(peer: RunningPeer, body: bytes, *lines: str, path: str = "/upload") -> RawAnswer:
    """A form, raw; the connection must be in step afterwards."""
    async with connection(peer.app.port) as wire:
        answer = await wire.ask("POST", path, *(lines or (FORM,)), body=body)
        assert await wire.is_in_step()
        return answer


async def put(peer: RunningPeer, path: str, body: bytes = b"x", *lines: str) -> RawAnswer:
    async with connection(peer.app.port) as wire:
        length = f"Content-Length: {len(body)}"
        answer = await wire.ask("PUT", f"/upload/{path}", length, *lines, body=body)
        assert await wire.is_in_step()
        return answer


def answer_of(raw: RawAnswer) -> Answer:
    return Answer(raw.status, raw.headers, raw.body)


# Names ------------------------------------------------------------------------------------

DISPOSITIONS: dict[bytes, tuple[int, str | None]] = {
    # Fine, and never altered.
    named("plain.txt"): (201, "plain.txt"),
    named("folder/in/folder.txt"): (201, "folder/in/folder.txt"),
    named("a b.txt"): (201, "a b.txt"),
    named("a;b.txt"): (201, "a;b.txt"),
    named("a;b;c=d;e.txt"): (201, "a;b;c=d;e.txt"),
    named("-rf"): (201, "-rf"),
    named("~"): (201, "~"),
    named("ñandú 😀.txt"): (201, "ñandú 😀.txt"),
    named("%2e%2e%2fx"): (201, "%2e%2e%2fx"),
    named("100%"): (201, "100%"),
    named("%22as curl%22 %0A.txt"): (201, '"as curl" %0A.txt'),
    named(r"say \"hi\".txt"): (201, 'say "hi".txt'),
    named(r"C:\x"): (201, r"C:\x"),
    named(r"two\\backs"): (201, r"two\backs"),
    named(r"\"/x"): (201, '"/x'),
    named("it's.txt"): (201, "it's.txt"),
    named("a" * 255): (201, "a" * 255),
    b'form-data; filename="before.txt"; name="file"': (201, "before.txt"),
    b'FORM-DATA; NAME="file"; FILENAME="shout.txt"': (201, "shout.txt"),
    b'form-data;name="file";filename="tight.txt"': (201, "tight.txt"),
    b"form-data; name=file; filename=bare.txt": (201, "bare.txt"),
    b"form-data; name=\"file\"; filename*=UTF-8''%C3%B1.txt": (201, "ñ.txt"),
    b'form-data; name="file"; filename="n.txt"; filename*=utf-8\'es\'%C3%B1and%C3%BA': (
        201,
        "ñandú",
    ),
    b'form-data; name="file"; filename="more.txt"; size=5; read-date="x"': (201, "more.txt"),
    # Refused, never repaired.
    named("/etc/x"): (400, None),
    named("//etc/x"): (400, None),
    named(r"\/etc/x"): (400, None),
    named(r"\x"): (400, None),
    named(r"\\x"): (400, None),
    named(r"\\server\share"): (400, None),
    named("../x"): (400, None),
    named("a/../x"): (400, None),
    named(".."): (400, None),
    named("."): (400, None),
    named("./x"): (400, None),
    named("a//x"): (400, None),
    named("a/"): (400, None),
    named(""): (400, None),
    named("a\0b"): (400, None),
    named("a\x1b[31m"): (400, None),
    named("a\x7fb"): (400, None),
    named("\u202etxt.exe"): (400, None),
    named(".panal/x"): (400, None),
    named(".PANAL/x"): (400, None),
    named("a/.panal/x"): (400, None),
    named(".hidden"): (400, None),
    named("a/.hidden/x"): (400, None),
    named(b"\xff\xfe"): (400, None),
    named(b"\xed\xa0\x80"): (400, None),
    named("a" * 256): (400, None),
    named("ñ" * 128): (400, None),
    named("/".join("d" * 33)): (400, None),
    b'form-data; name="file"; filename = "/etc/x"': (400, None),
    b'form-data; name="file"; filename=\t"/etc/x"': (400, None),
    b'form-data; name="file"; FileName="/etc/x"': (400, None),
    b'form-data; name="file"; filename=/etc/x': (400, None),
    b'form-data; name="file"; filename=\\x': (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''%2Fetc%2Fx": (400, None),
    b"form-data; name=\"file\"; filename*=utf-8'en'/etc/x": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''..%2Fx": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''%5Cx": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''a%00": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''a%0Ab": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-8''%FF": (400, None),
    b"form-data; name=\"file\"; filename*=ISO-8859-1''%2Fetc%2Fx": (400, None),
    b"form-data; name=\"file\"; filename*=UTF-7''+AC8-etc": (400, None),
    b'form-data; name="file"; filename*="UTF-8\'\'%2Fetc"': (400, None),
    b'form-data; name="file"; filename="ok"; filename*=UTF-8\'\'%2Fetc%2Fx': (400, None),
    b'form-data; name="file"; filename="/etc/x"; filename*=UTF-8\'\'ok': (400, None),
    b'form-data; name="file"; filename*0="/etc"; filename*1="/x"': (400, None),
    b"form-data; name=\"file\"; filename*0*=UTF-8''%2Fetc; filename*1=x": (400, None),
    b'form-data; name="file"; filename="ok"; filename="/etc/x"': (400, None),
    b'form-data; name="file"; filename="/etc/x"; filename="ok"': (400, None),
    b'form-data; name="file"; filename="ok"; filename*0="/etc/x"': (400, None),
    b'form-data; name="file"; filename="ok"; filename*0*=x': (400, None),
    b'form-data; name="file"; filename="ok"x': (400, None),
    b'form-data; name="file"; filename="open': (400, None),
    b'form-data; name="file"; filename="back\\"': (400, None),
    b'form-data; name="file"': (400, None),
    b'form-data; name="file"; filename': (400, None),
    b'form-data; name="file"; filename="ok"\r\nContent-Disposition: form-data; name="file"; '
    b'filename="/etc/x"': (400, None),
    # No file at all.
    b'form-data; name="other"; filename="x"': (400, None),
    b'form-data; name="FILE"; filename="x"': (400, None),
    b'attachment; name="file"; filename="x"': (400, None),
    b'form-data; filename="x"': (400, None),
    b"form-data": (400, None),
    b"": (400, None),
    b";;;": (400, None),
}


@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader")
@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionParam")
async def test_names_in_forms_are_taken_as_they_are_or_refused(peer: RunningPeer) -> None:
    found, wanted, stored = {}, {}, {}
    for number, (head, expected) in enumerate(DISPOSITIONS.items()):
        data = str(number).encode()
        answer = answer_of(await post(peer, form((head, data))))
        path = answer.json()["files"][0]["path"] if answer.status == 201 else None
        found[head], wanted[head] = (answer.status, path), expected
        if expected[1] is not None:
            stored[expected[1]] = data
    assert found == wanted
    assert in_folder(peer) == stored
    assert temporaries(peer) == []
    assert not (peer.folder.parent / "x").exists()


PUT_PATHS: dict[str, tuple[int, str | None]] = {
    "plain.txt": (201, "plain.txt"),
    "dir/in/dir.txt": (201, "dir/in/dir.txt"),
    "enc%2Foded.txt": (201, "enc/oded.txt"),
    "a%20b.txt": (201, "a b.txt"),
    "a+b.txt": (201, "a+b.txt"),
    "%252e%252e%252fx": (201, "%2e%2e%2fx"),
    "%25": (201, "%25".replace("%25", "%")),
    "100%": (201, "100%"),
    "%zz": (201, "%zz"),
    "%C3%B1.txt": (201, "ñ.txt"),
    "q%3Fq%23.txt": (201, "q?q#.txt"),
    "upload/upload/x": (201, "upload/upload/x"),
    "a:b": (201, "a:b"),
    "back%5Cslash": (201, "back\\slash"),
    "a" * 255: (201, "a" * 255),
    "%2e%2e%2fx": (400, None),
    "..%2f..%2fx": (400, None),
    "../x": (400, None),
    "a/../x": (400, None),
    "%2e%2e/x": (400, None),
    "./x": (400, None),
    "a/%2e/x": (400, None),
    "/etc/x": (400, None),
    "%2Fetc%2Fx": (400, None),
    "a//x": (400, None),
    "a/": (400, None),
    "a%2F": (400, None),
    "a%00b": (400, None),
    "a%0Ab": (400, None),
    "a%0D%0Ab": (400, None),
    "%1B%5B31m": (400, None),
    "%E2%80%AEx": (400, None),
    "%FF%FE": (400, None),
    "%ED%A0%80": (400, None),
    "%C3": (400, None),
    ".panal/x": (400, None),
    "%2epanal/x": (400, None),
    ".Panal/index.sqlite": (400, None),
    ".hidden": (400, None),
    "a/.hidden": (400, None),
    "a" * 256: (400, None),
    "/".join("d" * 33): (400, None),
    "": (404, None),
}


async def test_paths_in_put_are_decoded_once_or_refused(peer: RunningPeer) -> None:
    found, stored = {}, {}
    for number, (path, (_, name)) in enumerate(PUT_PATHS.items()):
        data = str(number).encode()
        answer = answer_of(await put(peer, path, data))
        shown = answer.json()["files"][0]["path"] if answer.status == 201 else None
        found[path] = (answer.status, shown)
        if name is not None:
            stored[name] = data
    assert found == PUT_PATHS
    assert in_folder(peer) == stored
    assert temporaries(peer) == []


async def test_a_refusal_names_its_rule_and_shows_no_control_character(
    peer: RunningPeer,
) -> None:
    answer = answer_of(await post(peer, form((named("\u202e<img onerror>"), b"x"))))
    failed = answer.json()["failed"][0]
    assert answer.json()["type"] == failed["type"] == "urn:panal:error:unsafe-name"
    assert "reading direction" in failed["detail"]
    assert "\u202e" not in failed["detail"]


# What an upload answers -------------------------------------------------------------------


async def test_the_answer_names_what_was_stored_and_it_can_be_found(peer: RunningPeer) -> None:
    data = Random(1).randbytes(3_000)
    for answer in (
        answer_of(await post(peer, form((named("form.bin"), data)))),
        answer_of(await put(peer, "put.bin", data)),
    ):
        assert answer.status == 201
        body = answer.json()
        (file,) = body["files"]
        assert body["announced"] is True
        assert (file["size"], file["sha256"]) == (3_000, hashlib.sha256(data).hexdigest())
        link = parse_what(file["link"])
        assert isinstance(link, Link)
        assert (link.content.hex(), link.name, link.size_bytes) == (
            file["id"],
            file["path"],
            3_000,
        )
        hits = (await peer.node.search(file["path"])).hits  # at once: it was announced before
        assert [hit.id for hit in hits] == [file["id"]]
        assert (await peer.request("GET", f"/content/{file['id']}")).body == data


@pytest.mark.parametrize(
    "size", [0, 1, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1, 3 * BATCH_BYTES + 7]
)
async def test_every_size_arrives_whole(peer: RunningPeer, size: int) -> None:
    data = Random(size).randbytes(size)
    assert (await put(peer, "put.bin", data)).status == 201
    assert (await post(peer, form((named("form.bin"), data)))).status == 201
    assert in_folder(peer) == {"put.bin": data, "form.bin": data}
    one, two = peer.node.files().files
    assert one.id == two.id


async def test_bytes_that_look_like_a_boundary_are_bytes(peer: RunningPeer) -> None:
    for number, data in enumerate(
        (b"x--xyz", b"\r\n--xy", b"\n--xyz--\r\n", b"\r\n\r\n", b"\r\n", b"\r", b"-" * 300_000)
    ):
        assert (await post(peer, form((named(f"{number}.bin"), data)))).status == 201
        assert (peer.folder / f"{number}.bin").read_bytes() == data


async def test_a_tracker_that_is_down_only_delays_the_announcement(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_routes, "ANNOUNCED_WITHIN_S", 0.05)
    await network.stop_tracker()
    answer = answer_of(await put(peer, "a.txt", b"a"))
    assert answer.status == 201
    assert answer.json()["announced"] is False
    assert (await peer.request("GET", "/files/a.txt")).body == b"a"
    await network.start_tracker()
    await until(lambda: peer.app.lease.problem == "", "registered again")
    assert await peer.app.announcer.announced(PATIENCE_S)
    assert len((await peer.node.search("a.txt")).hits) == 1


async def test_the_same_again_is_fine_and_other_content_is_left(peer: RunningPeer) -> None:
    first = answer_of(await put(peer, "a.txt", b"one"))
    again = answer_of(await put(peer, "a.txt", b"one"))
    assert (first.status, again.status) == (201, 200)
    assert again.json()["files"] == first.json()["files"]
    inode = (peer.folder / "a.txt").stat().st_ino
    for path in ("a.txt", "a.txt?replace=false", "a.txt?replacing=true"):
        other = answer_of(await put(peer, path, b"two"))
        assert other.status == 409
        assert other.json()["type"] == "urn:panal:error:target-taken"
    for query in ("replace=", "replace=yes", "replace=1", "replace=true&replace=true"):
        assert (await put(peer, f"a.txt?{query}", b"two")).status == 400
    assert (peer.folder / "a.txt").read_bytes() == b"one"
    assert (peer.folder / "a.txt").stat().st_ino == inode
    assert (await put(peer, "a.txt?replace=true", b"two")).status == 201
    assert in_folder(peer) == {"a.txt": b"two"}
    assert (await peer.request("GET", f"/content/{first.json()['files'][0]['id']}")).status == 404
    form_again = form((named("a.txt"), b"three"))
    assert (await post(peer, form_again)).status == 409
    assert (await post(peer, form_again, path="/upload?replace=true")).status == 201
    assert in_folder(peer) == {"a.txt": b"three"}
    assert temporaries(peer) == []


async def test_a_file_that_lies_there_unshared_counts_too(peer: RunningPeer) -> None:
    (peer.folder / "mine.txt").write_bytes(b"mine")
    assert (await put(peer, "mine.txt", b"theirs")).status == 409
    assert (peer.folder / "mine.txt").read_bytes() == b"mine"
    assert (await put(peer, "mine.txt", b"mine")).status in {200, 201}
    assert [file.path for file in peer.node.files().files] == ["mine.txt"]


async def test_several_files_have_one_status_each(peer: RunningPeer) -> None:
    body = form(
        (named("good.txt"), b"good"),
        (b'form-data; name="comment"', b"not a file"),
        (named("../bad.txt"), b"bad"),
        (named("fine.txt"), b"fine"),
    )
    answer = answer_of(await post(peer, body))
    assert answer.status == 207
    assert [file["path"] for file in answer.json()["files"]] == ["good.txt", "fine.txt"]
    (failed,) = answer.json()["failed"]
    assert (failed["path"], failed["status"]) == ("../bad.txt", 400)
    assert failed["type"] == "urn:panal:error:unsafe-name"
    assert in_folder(peer) == {"good.txt": b"good", "fine.txt": b"fine"}
    (peer.folder / "good.txt").write_bytes(b"changed")
    answer = answer_of(await post(peer, body))
    assert answer.status == 207
    assert [failed["status"] for failed in answer.json()["failed"]] == [409, 400]


async def test_nothing_to_store_is_said(peer: RunningPeer) -> None:
    rows = [
        (form((b'form-data; name="other"', b"x")), FORM),
        (b"--xyz--\r\n", FORM),
        (b"x", "Content-Type: application/x-www-form-urlencoded"),
        (b"x", "Content-Type: text/plain"),
        (b"x", "Accept: */*"),
        (form((named("x"), b"x")), "Content-Type: multipart/mixed; boundary=xyz"),
        (form((named("x"), b"x")), "Content-Type: multipart/form-data"),
        (form((named("x"), b"x")), 'Content-Type: multipart/form-data; boundary=""'),
        (form((named("x"), b"x")), f"Content-Type: multipart/form-data; boundary={'b' * 71}"),
    ]
    for body, kind in rows:
        answer = answer_of(await post(peer, body, kind))
        assert answer.status == 400, (body, kind)
        assert answer.json()["type"] == "urn:panal:error:bad-request"
    assert in_folder(peer) == {}


@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader")
async def test_forms_that_are_none_store_nothing(peer: RunningPeer) -> None:
    whole = form((named("x.txt"), b"data"))
    rows = [
        b"",
        b"garbage",
        b"\r\n" * 1_000,
        b"--xyz",
        b"--xyz\r\n",
        whole.replace(b"\r\n--xyz--\r\n", b""),
        whole.replace(b"\r\n--xyz--\r\n", b"\r\n--xy"),
        whole.replace(b"\r\n\r\n", b"\r\n"),
        whole.replace(b"Content-Disposition:", b"Content-Disposition"),
        whole.replace(b"Content-Disposition:", b"C" * 9_000 + b":"),
        whole.replace(b"Content-Disposition:", b"X: y\r\n" * 200 + b"Content-Disposition:"),
        whole.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/mixed\r\n\r\n"),
        whole.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/x; boundary=z\r\n\r\n"),
        form((b'form-data; name="_charset_"', b"x" * 40), (named("x.txt"), b"data")),
        form((b'form-data; name="_charset_"', b"\xff"), (named("x.txt"), b"data")),
    ]
    for row in rows:
        async with connection(peer.app.port) as wire:
            length = f"Content-Length: {len(row)}"
            answer = await wire.ask("POST", "/upload", FORM, length, body=row)
            assert answer.status == 400, (row[:200], answer.body)
            assert b"Traceback" not in answer.body
            assert await wire.is_in_step()
    assert in_folder(peer) == {}
    assert temporaries(peer) == []


async def test_what_came_whole_before_a_form_breaks_is_told(peer: RunningPeer) -> None:
    body = form((named("a.txt"), b"a")).replace(b"--xyz--\r\n", b"--xyz\r\nbroken")
    answer = answer_of(await post(peer, body))
    assert answer.status == 207
    assert [file["path"] for file in answer.json()["files"]] == ["a.txt"]
    assert [failed["status"] for failed in answer.json()["failed"]] == [400]
    assert in_folder(peer) == {"a.txt": b"a"}


@pytest.mark.parametrize("way", ["put", "chunked put", "form"])
async def test_what_breaks_off_leaves_nothing(
    peer: RunningPeer, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = b"x" * (2 * BATCH_BYTES)
    async with connection(peer.app.port) as wire:
        if way == "put":
            head = request("PUT", "/upload/x.bin", f"Content-Length: {len(data) + 1}")
            await wire.send(head + data)
        elif way == "chunked put":
            head = request("PUT", "/upload/x.bin", "Transfer-Encoding: chunked")
            await wire.send(head + f"{len(data):x}\r\n".encode() + data + b"\r\n")
        else:
            body = form((named("x.bin"), data))[: -len(b"\r\n--xyz--\r\n")]
            head = request("POST", "/upload", FORM, f"Content-Length: {len(body) + 100}")
            await wire.send(head + body)
        await until(lambda: any(t.stat().st_size for t in temporaries(peer)), "bytes came in")
        assert in_folder(peer) == {}
    await until(lambda: temporaries(peer) == [], "temporary gone")
    assert in_folder(peer) == {}
    assert (await put(peer, "next.txt")).status == 201
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_descriptor_is_not_closed_under_a_thread_that_writes_however_it_ends(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    wrote: list[int] = []

    def slow(hasher: ContentHasher, descriptor: int, batch: bytes) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)
        wrote.append(os.write(descriptor, batch))

    async def blocks() -> AsyncIterator[bytes]:
        yield b"u" * BATCH_BYTES
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        raise ConnectionResetError("gone")

    monkeypatch.setattr(uploads, "_hash_and_write", slow)
    storing = asyncio.create_task(
        peer.app.uploads.store(SafePath("x"), blocks(), None, exact=False, replace=False)
    )
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    for _ in range(10):  # what broke off waits for the thread by then
        await asyncio.sleep(0)
    storing.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not storing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert wrote == [BATCH_BYTES]


async def test_ten_said_and_nine_sent(peer: RunningPeer) -> None:
    async with connection(peer.app.port) as wire:
        await wire.send(request("PUT", "/upload/x", "Content-Length: 10") + b"123456789")
        await until(lambda: temporaries(peer) != [], "begun")
        wire.writer.write_eof()
        assert b"HTTP/1.1 2" not in await wire.rest()
    await until(lambda: temporaries(peer) == [], "temporary gone")
    assert in_folder(peer) == {}
    async with connection(peer.app.port) as wire:  # what is too much begins another request
        await wire.send(request("PUT", "/upload/x", "Content-Length: 3") + b"1234")
        answers = await wire.rest()
        assert answers.count(b"HTTP/1.") == answers.count(b"HTTP/1.1 201") + 1
    assert in_folder(peer) in ({}, {"x": b"123"})


async def test_a_piece_or_an_encoding_is_not_taken_for_the_file(peer: RunningPeer) -> None:
    """`curl -C - -T` sends the rest of a file: that is not the file."""
    for line, status in (
        ("Content-Range: bytes 5-9/10", {400}),
        ("Content-Range: bytes */10", {400}),
        ("Content-Encoding: gzip", {415}),
        ("Content-Encoding: br", {400, 415}),  # whether aiohttp can read it depends on the machine
    ):
        async with connection(peer.app.port) as wire:
            answer = await wire.ask("PUT", "/upload/x", line, body=b"12345")
            assert answer.status in status, line
    assert in_folder(peer) == {}
    assert (await put(peer, "x", b"12345", "Content-Encoding: identity")).status == 201
    async with connection(peer.app.port) as wire:
        lines = (FORM, "Content-Encoding: deflate")
        answer = await wire.ask("POST", "/upload", *lines, body=form((named("y"), b"y")))
        assert answer.status == 415


# Space and limits -------------------------------------------------------------------------


def has_free(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    """Makes the disk a small one, of which that much may still be used."""
    total = 100 * BATCH_BYTES
    free = free_bytes + reserve_bytes(total)
    status = SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=total, f_files=0)
    monkeypatch.setattr(os, "statvfs", lambda _: status)


async def test_what_does_not_fit_is_refused_before_it_is_sent(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_free(monkeypatch, 1_000)
    async with connection(peer.app.port) as wire:
        await wire.send(request("PUT", "/upload/x", "Content-Length: 1001"))
        answer = await wire.answer()
    assert answer.status == 507
    assert b"urn:panal:error:no-space" in answer.body
    # A form is read on for its other files.
    assert (await post(peer, form((named("x"), b"x" * 2_000)))).status == 507
    assert temporaries(peer) == []
    assert (await put(peer, "x", b"x" * 1_000)).status == 201


async def test_what_comes_without_a_length_stops_at_the_reserve(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def shrinking(_: object) -> SimpleNamespace:
        free = 3 * BATCH_BYTES - sum(file.stat().st_size for file in temporaries(peer))
        written.append(free)
        return SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=0, f_files=0)

    monkeypatch.setattr(os, "statvfs", shrinking)
    async with connection(peer.app.port) as wire:
        await wire.send(request("PUT", "/upload/x", "Transfer-Encoding: chunked"))
        block = f"{BATCH_BYTES:x}\r\n".encode() + b"x" * BATCH_BYTES + b"\r\n"
        for _ in range(20):
            wire.writer.write(block)
        answer = await wire.answer()
    assert answer.status == 507
    assert min(written) >= -2 * BATCH_BYTES
    assert temporaries(peer) == []
    assert in_folder(peer) == {}


async def test_over_the_limit(peer: RunningPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_CONTENT_BYTES", BATCH_BYTES)
    async with connection(peer.app.port) as wire:
        line = f"Content-Length: {BATCH_BYTES + 1}"
        await wire.send(request("PUT", "/upload/x", line))
        assert (await wire.answer()).status == 413

    async def too_much() -> AsyncIterator[bytes]:
        yield b"x" * BATCH_BYTES
        yield b"x"

    assert (await peer.request("PUT", "/upload/x", data=too_much())).status == 413
    assert temporaries(peer) == []
    assert in_folder(peer) == {}
    assert (await put(peer, "x", b"x" * BATCH_BYTES)).status == 201


# What stands in the way -------------------------------------------------------------------


async def test_a_file_is_no_folder_and_a_link_no_way_out(
    network: Network, peer: RunningPeer
) -> None:
    outside = network.place / "outside"
    outside.mkdir()
    (peer.folder / "out").symlink_to(outside)
    (peer.folder / "link.txt").symlink_to(outside / "target")
    (peer.folder / "sub").mkdir()
    os.mkfifo(peer.folder / "fifo")
    assert (await put(peer, "a.txt", b"a")).status == 201
    for replace in ("", "?replace=true"):
        for path in ("a.txt/b", "out/x", "out/sub/x", "link.txt", "sub", "fifo", "fifo/x"):
            answer = await put(peer, path + replace, b"evil")
            assert answer.status in {403, 409}, path
    assert list(outside.iterdir()) == []
    files = [entry for entry in peer.folder.iterdir() if entry.is_file() and not entry.is_symlink()]
    assert [(file.name, file.read_bytes()) for file in files] == [("a.txt", b"a")]
    assert temporaries(peer) == []


async def test_of_several_to_one_name_one_wins(peer: RunningPeer) -> None:
    for round_number in range(5):
        name = f"round{round_number}"
        data = [str(n).encode() * 1_000 for n in range(6)]
        answers = await asyncio.gather(*(put(peer, name, each) for each in data))
        statuses = [answer.status for answer in answers]
        assert sorted(statuses) == [201, 409, 409, 409, 409, 409]
        winner = data[statuses.index(201)]
        assert (peer.folder / name).read_bytes() == winner
        assert (await peer.request("GET", f"/files/{name}")).body == winner
    assert temporaries(peer) == []


async def test_the_same_to_one_name_at_once_is_fine(peer: RunningPeer) -> None:
    for round_number in range(5):
        name = f"round{round_number}"
        answers = await asyncio.gather(*(put(peer, name, b"same" * 1_000) for _ in range(6)))
        assert sorted(answer.status for answer in answers) == [200] * 5 + [201]


async def test_upload_is_never_get(peer: RunningPeer) -> None:
    for path in ("/upload", "/upload/x"):
        answer = await peer.request("GET", path)
        assert answer.status == 405
        assert answer.headers["allow"] == ("POST" if path == "/upload" else "PUT")


async def test_expect_100_continue(peer: RunningPeer) -> None:
    async with connection(peer.app.port) as wire:
        lines = ("Expect: 100-continue", "Content-Length: 3")
        await wire.send(request("PUT", "/upload/x", *lines))
        assert await wire.reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await wire.send(b"abc")
        assert (await wire.answer()).status == 201
        await wire.send(request("PUT", "/upload/y", "Expect: nonsense", "Content-Length: 3"))
        assert (await wire.answer()).status == 417
    assert in_folder(peer) == {"x": b"abc"}


async def test_curl_as_people_call_it(peer: RunningPeer, tmp_path: Path) -> None:
    source = tmp_path / 'odd "name"; ñ.bin'
    source.write_bytes(Random(9).randbytes(2 * BATCH_BYTES + 3))

    async def curl(*arguments: str) -> str:
        command = ("curl", "-sS", "--noproxy", "*", "-w", "%{http_code}", "-o", "/dev/null")
        done = await asyncio.to_thread(
            subprocess.run,
            (*command, *arguments),
            capture_output=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return done.stdout.decode()

    try:
        await curl("--version")
    except FileNotFoundError:
        pytest.skip("curl is not installed")
    data = source.read_bytes()
    assert await curl("-T", str(source), f"{peer.url}/upload/put.bin") == "201"
    expecting = ("-H", "Expect: 100-continue")
    assert await curl("-T", str(source), *expecting, f"{peer.url}/upload/put2.bin") == "201"
    plain = tmp_path / "plain; name.bin"
    plain.write_bytes(data)
    field = f'file=@"{plain}"'
    assert await curl("-F", field, f"{peer.url}/upload") == "201"
    assert await curl("-F", field, *expecting, f"{peer.url}/upload") == "200"
    assert in_folder(peer) == {"put.bin": data, "put2.bin": data, "plain; name.bin": data}


# The folder -------------------------------------------------------------------------------


class Links(HTMLParser):
    """The links of a page and what else stands in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "a":
            ((name, value),) = attributes
            assert (name, value is not None) == ("href", True)
            self.hrefs.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


ODD_NAMES = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)<",
    "a'b\"c&amp;d",
    "q?x=1",
    "#fragment",
    "100%25",
    "%2e%2e",
    "two  spaces",
    "javascript:alert(1)",
    ":first",
    "http:",
    "~tilde",
    "-rf",
    "ñandú 😀",
    "back\\slash",
    "semi;colon,comma",
    "sub folder/<b>/in it?",
]


async def test_listings_can_be_walked_like_a_browser_does(peer: RunningPeer) -> None:
    for name in ODD_NAMES:
        await peer.upload(quote(name), name.encode())
    found: dict[str, bytes] = {}
    pending, seen = [peer.url + "/files/"], set()
    while pending:
        here = pending.pop()
        seen.add(here)
        answer = await peer.request("GET", here.removeprefix(peer.url))
        assert answer.status == 200, here
        page = Links(answer.body.decode())
        assert page.tags <= {"html", "meta", "title", "h1", "ul", "li", "a"}
        assert "script" not in answer.headers["content-security-policy"]
        for href in page.hrefs:
            there = urljoin(here, href).partition("#")[0]
            assert there.startswith(peer.url + "/files/"), href
            if there.endswith("/"):
                if there not in seen:
                    pending.append(there)
            else:
                fetched = await peer.request("GET", there.removeprefix(peer.url))
                assert fetched.status == 200, there
                found[fetched.body.decode()] = fetched.body
    assert sorted(found) == sorted(ODD_NAMES)
    shown = "".join(Links((await peer.request("GET", "/files/")).body.decode()).words)
    assert all(name.partition("/")[0] in shown for name in ODD_NAMES)


async def test_listings_as_json(peer: RunningPeer) -> None:
    top = await peer.upload("top.txt", b"top")
    below = await peer.upload("sub/a/below.txt", b"below")
    await peer.upload("sub.txt", b"")
    json = {"Accept": "application/json"}
    root = await peer.request("GET", "/files/", headers=json)
    assert root.headers["content-type"] == "application/json"
    assert root.json()["path"] == ""
    assert sorted(root.json()["files"], key=lambda file: str(file["name"])) == [
        {"name": "sub.txt", "id": below["id"], "size": 0}
        | {"id": peer.app.index.by_path("sub.txt").content.hex()},  # type: ignore[union-attr]
        {"name": "sub/"},
        {"name": "top.txt", "id": top["id"], "size": 3},
    ]
    inner = await peer.request("GET", "/files/sub/a/", headers=json)
    assert inner.json() == {
        "path": "sub/a/",
        "files": [{"name": "below.txt", "id": below["id"], "size": 5}],
    }


async def test_an_empty_folder_has_a_listing(peer: RunningPeer) -> None:
    answer = await peer.request("GET", "/files/")
    assert answer.status == 200
    assert Links(answer.body.decode()).hrefs == []
    head = await peer.request("HEAD", "/files/")
    assert (head.status, head.body) == (200, b"")


async def test_only_what_is_shared_is_under_files(network: Network, peer: RunningPeer) -> None:
    await peer.upload("sub/a.txt", b"a")
    (peer.folder / "unshared.txt").write_bytes(b"not indexed")
    (peer.folder / "link").symlink_to(network.place)
    rows = {
        "nothing.txt": 404,
        "unshared.txt": 404,
        "nothing/": 404,
        "su/": 404,
        "sub/a.txt/": 404,
        "link/": 404,
        "sub": 404,
        "a.txt": 404,
        ".panal/index.sqlite": 400,
        ".panal/": 400,
        "%2e%2e%2f": 400,
        "../": 400,
        "..": 400,
        "%2Fetc%2Fpasswd": 400,
        "/": 400,
        "sub//a.txt": 400,
        "sub/a.txt%00": 400,
        "%FF": 400,
        "sub%2Fa.txt": 200,
        "sub/a.txt?x=1": 200,
        "sub/": 200,
    }
    for path, status in rows.items():
        assert (await peer.request("GET", f"/files/{path}")).status == status, path


@pytest.mark.parametrize("name", ["server.pem", "keys/server.pem", "notes/draft.txt", "notes.tmp"])
async def test_what_the_folder_leaves_out_is_not_taken_in(peer: RunningPeer, name: str) -> None:
    (peer.folder / ".panalignore").write_text("*.tmp\nnotes/\n")
    await peer.app.scanning.scan()
    answer = await put(peer, name, b"secret")
    assert answer.status == 403
    assert b"would not be shared here" in answer.body
    assert not (peer.folder / name).exists()
    assert (await put(peer, "keys/readme.txt", b"fine")).status == 201
