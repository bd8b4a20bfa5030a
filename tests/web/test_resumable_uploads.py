"""Uploads by tus 1.0: broken off, gone on with, refused, and the peer killed in the middle."""

import asyncio
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from panal.errors import NoSpace, PanalError, RootOffline
from panal.peer import announcer, resumable_upload, resumable_uploads, sharing
from panal.peer.ageing import KEPT_S
from panal.peer.resumable_upload import ResumableUpload
from panal.peer.sharing import Sharing
from panal.store import space
from panal.store.hashing import ContentHasher, HashedFile, hash_descriptor, hash_file
from panal.store.roots import Root
from panal.store.upload_files import UploadFiles, UploadRecord
from panal.wire.manifest import MAX_CONTENT_BYTES, Manifest
from panal.wire.names import SafePath
from tests.fsck.place import overwrite
from tests.support.network import Answer, Network, RunningPeer, until
from tests.support.raw_http import connection, request
from tests.support.scripted_peer import manifest_of_bytes

pytestmark = pytest.mark.p4

UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
DATA = os.urandom(3_000_001)


@pytest.fixture
async def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Network]:
    monkeypatch.setattr(announcer, "GATHERED_S", 0.0)
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
async def peer(network: Network) -> RunningPeer:
    return await network.peer("one", registered=False)


def said(**values: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in values.items())


async def create(peer: RunningPeer, path: str, size: int, data: bytes = b"", **more: str) -> Answer:
    fields = {"Upload-Length": str(size), "Upload-Metadata": said(path=path, **more)}
    headers = {**(BYTES if data else TUS), **fields}
    return await peer.request("POST", UPLOADS, headers=headers, data=BytesIO(data))


async def begun(peer: RunningPeer, path: str = "a.bin", size: int = len(DATA), **more: str) -> str:
    answer = await create(peer, path, size, b"", **more)
    assert answer.status == 201, answer.body
    return answer.headers["location"]


async def patch(peer: RunningPeer, where: str, offset: int, data: Any) -> Answer:
    data = BytesIO(data) if isinstance(data, bytes) else data
    return await peer.request(
        "PATCH", where, headers={**BYTES, "Upload-Offset": str(offset)}, data=data
    )


async def head(peer: RunningPeer, where: str) -> Answer:
    return await peer.request("HEAD", where, headers=TUS)


async def offset_of(peer: RunningPeer, where: str) -> int:
    return int((await head(peer, where)).headers["upload-offset"])


async def break_off(peer: RunningPeer, where: str, offset: int, sent: bytes) -> None:
    """Announce all the rest, send some of it, and be gone."""
    async with connection(peer.app.port) as wire:
        lines = [f"{name}: {value}" for name, value in BYTES.items()]
        length = f"Content-Length: {len(DATA) - offset}"
        await wire.send(request("PATCH", where, *lines, f"Upload-Offset: {offset}", length) + sent)
        wanted = offset + len(sent) // (1 << 20) * (1 << 20)
        upload = peer.app.resumable.get(where.rpartition("/")[2])
        await until(lambda: upload.offset >= wanted and upload.is_receiving, "some has come")
    await until(lambda: not upload.is_receiving, "it has seen that the sender is gone")


# What a client does -------------------------------------------------------------------------


async def test_a_file_in_pieces(peer: RunningPeer) -> None:
    where = await begun(peer, "deep/a.bin")
    answer = await head(peer, where)
    for start in range(0, len(DATA), 1_000_000):
        assert not (peer.folder / "deep/a.bin").exists()
        part = DATA[start : start + 1_000_000]
        answer = await patch(peer, where, start, part)
        assert (answer.status, answer.headers["tus-resumable"]) == (204, "1.0.0")
        assert answer.headers["upload-offset"] == str(start + len(part))
    assert (peer.folder / "deep/a.bin").read_bytes() == DATA
    assert answer.headers["panal-path"] == "deep/a.bin"
    (file,) = peer.node.files().files
    assert (file.id, file.sha256 is not None) == (answer.headers["panal-content"], True)
    # Whoever did not hear of it is told that all is here.
    again = await head(peer, where)
    assert again.headers["upload-offset"] == again.headers["upload-length"] == str(len(DATA))
    assert again.headers["cache-control"] == "no-store"


async def test_all_at_once_and_nothing_at_all(peer: RunningPeer) -> None:
    answer = await create(peer, "a.bin", len(DATA), DATA)
    assert (answer.status, answer.headers["upload-offset"]) == (201, str(len(DATA)))
    assert (peer.folder / "a.bin").read_bytes() == DATA
    assert (await create(peer, "empty", 0)).status == 201
    assert (peer.folder / "empty").read_bytes() == b""


async def test_what_this_peer_can_do(peer: RunningPeer) -> None:
    answer = await peer.request("OPTIONS", UPLOADS)
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert "creation-with-upload" in answer.headers["tus-extension"].split(",")
    assert int(answer.headers["tus-max-size"]) == MAX_CONTENT_BYTES


async def test_what_came_before_a_break_stays(peer: RunningPeer) -> None:
    where = await begun(peer)
    await break_off(peer, where, 0, DATA[:1_500_000])
    here = await offset_of(peer, where)
    assert here == 1_500_000
    assert not (peer.folder / "a.bin").exists()
    assert (await patch(peer, where, here, DATA[here:])).status == 204
    assert (peer.folder / "a.bin").read_bytes() == DATA


async def test_it_goes_on_after_a_restart(network: Network, peer: RunningPeer) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_234_567])
    await network.stop_peer("one")
    again = await network.peer("one", registered=False)
    assert await offset_of(again, where) == 1_234_567
    (listed,) = (await again.request("GET", UPLOADS)).json()["uploads"]
    assert (listed["path"], listed["offset"], listed["state"]) == ("a.bin", 1_234_567, "waiting")
    assert (await patch(again, where, 1_234_567, DATA[1_234_567:])).status == 204
    assert (again.folder / "a.bin").read_bytes() == DATA
    before = (await network.peer("two", registered=False)).node
    assert before.files().files == []
    await network.stop_peer("one")
    third = await network.peer("one", registered=False)
    assert await offset_of(third, where) == len(DATA)
    assert (await third.request("GET", UPLOADS)).json() == {"uploads": []}


async def test_after_the_machine_went_down_only_what_was_synced_counts(
    network: Network, peer: RunningPeer
) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_000_000])
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    await network.stop_peer("one")
    with upload.files.data.open("ab") as file:
        file.write(bytes(500_000))  # as a file system may show what it has not written
    mark = upload.files._durable
    mark.write_text("another-boot " + mark.read_text().split()[1] + "\n")
    again = await network.peer("one", registered=False)
    assert await offset_of(again, where) == 1_000_000
    assert (await patch(again, where, 1_000_000, DATA[1_000_000:])).status == 204
    assert (again.folder / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize("has_hashed", [True, False])
@pytest.mark.parametrize("size", [0, 500_000, 2_000_000])
async def test_what_another_program_has_cut_or_added_is_noticed(
    peer: RunningPeer, size: int, has_hashed: bool
) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_000_000])
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    if not has_hashed:
        upload.stop_hashing()
    os.truncate(upload.files.data, size)
    answer = await patch(peer, where, 1_000_000, DATA[1_000_000:])
    if size < 1_000_000:
        assert answer.status == 409
        assert f"{size} bytes are left" in answer.json()["detail"]
        assert await offset_of(peer, where) == size
        answer = await patch(peer, where, size, DATA[size:])
    assert answer.status == 204
    assert (peer.folder / "a.bin").read_bytes() == DATA


async def test_what_another_program_has_cut_at_the_end_is_never_put_in_place(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    sync = UploadFiles.sync

    def cut(files: UploadFiles, descriptor: int, offset: int) -> None:
        sync(files, descriptor, offset)
        os.truncate(descriptor, 7)

    monkeypatch.setattr(UploadFiles, "sync", cut)
    assert (await patch(peer, where, 0, DATA)).status == 409
    assert not (peer.folder / "a.bin").exists()
    monkeypatch.undo()
    assert upload.offset == 7
    assert (await patch(peer, where, 7, DATA[7:])).status == 204
    assert (peer.folder / "a.bin").read_bytes() == DATA


async def test_what_found_no_place_and_was_cut_since_is_never_put_in_place(
    peer: RunningPeer,
) -> None:
    where = await begun(peer, "d/a.bin")
    (peer.folder / "d").write_bytes(b"in the way")
    assert (await patch(peer, where, 0, DATA)).status == 403
    (bytes_here,) = peer.folder.rglob("*.data")
    os.truncate(bytes_here, 1000)
    (peer.folder / "d").unlink()
    assert (await head(peer, where)).status != 200
    assert not (peer.folder / "d").exists()


async def test_what_was_removed_before_it_went_on_is_to_be_sent_anew(peer: RunningPeer) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_000_000])
    peer.app.resumable.get(where.rpartition("/")[2]).files.data.unlink()
    for offset in (1_000_000, 0):
        assert (await patch(peer, where, offset, DATA[offset:])).status == 404


async def test_what_another_program_has_removed_is_to_be_sent_anew(peer: RunningPeer) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_000_000])
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    removed = asyncio.Event()

    async def halves() -> AsyncIterator[bytes]:
        yield DATA[1_000_000:1_500_000]
        await removed.wait()
        yield DATA[1_500_000:]

    going_on = asyncio.create_task(patch(peer, where, 1_000_000, halves()))
    await until(lambda: upload.is_receiving, "it goes on")
    upload.files.data.unlink()
    removed.set()
    assert (await going_on).status in {404, 409}
    assert (await patch(peer, where, 0, DATA)).status == 404
    assert not (peer.folder / "a.bin").exists()


async def test_what_was_whole_when_the_peer_ended_is_stored_at_the_next_start(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    monkeypatch.setattr(peer.app.resumable, "store", lambda upload: asyncio.sleep(0))
    await patch(peer, where, 0, DATA)
    assert not (peer.folder / "a.bin").exists()
    await network.stop_peer("one")
    again = await network.peer("one", registered=False)
    await until((again.folder / "a.bin").exists, "it is stored")
    assert (again.folder / "a.bin").read_bytes() == DATA


async def test_who_is_told_that_all_is_here_may_rely_on_it(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    with monkeypatch.context() as ending:
        ending.setattr(peer.app.resumable, "store", lambda upload: asyncio.sleep(0))
        await patch(peer, where, 0, DATA)
    assert not (peer.folder / "a.bin").exists()
    assert await offset_of(peer, where) == len(DATA)
    assert (peer.folder / "a.bin").read_bytes() == DATA


async def test_hashing_that_failed_on_the_way_is_done_anew(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    with monkeypatch.context() as failing:
        update = ContentHasher.update

        def fail(hasher: ContentHasher, block: memoryview) -> None:
            update(hasher, block[:1_000])
            raise MemoryError

        failing.setattr(ContentHasher, "update", fail)
        assert (await patch(peer, where, 0, DATA[:1_000_000])).status == 500
    here = await offset_of(peer, where)
    answer = await patch(peer, where, here, DATA[here:])
    assert (peer.folder / "a.bin").read_bytes() == DATA
    assert answer.headers["panal-content"] == manifest_of_bytes(DATA)[1].hex()


async def stored_but_not_noted(peer: RunningPeer) -> tuple[str, ResumableUpload]:
    """One that has its name, as a kill just then would leave it."""
    where = await begun(peer)
    await patch(peer, where, 0, DATA)
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    upload.record.stored_as = ""
    upload.files.write_record(upload.record)
    return where, upload


async def test_a_name_that_it_got_before_that_was_noted_is_found(
    network: Network, peer: RunningPeer
) -> None:
    where, _ = await stored_but_not_noted(peer)
    await network.stop_peer("one")
    again = await network.peer("one", registered=False)
    assert (await head(again, where)).headers["panal-path"] == "a.bin"


@pytest.mark.parametrize("edited", [b"", b"shorter", DATA + b"more"])
async def test_a_kill_between_its_two_names_leaves_the_file_to_its_owner(
    network: Network, peer: RunningPeer, edited: bytes
) -> None:
    where, upload = await stored_but_not_noted(peer)
    await network.stop_peer("one")
    os.link(peer.folder / "a.bin", upload.files.data)  # where nothing renames without replacing
    if edited:
        (peer.folder / "a.bin").write_bytes(edited)
    again = await network.peer("one", registered=False)
    assert not upload.files.data.exists()
    assert edited or (await head(again, where)).headers["panal-path"] == "a.bin"
    assert (again.folder / "a.bin").read_bytes() == (edited or DATA)
    assert (again.folder / "a.bin").stat().st_nlink == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"content": "zz"},
        {"content": "zz", "stored_as": "a.bin"},
        {"content": "00"},
        {"conflict": "eat"},
        {"path": "../a"},
        {"stored_as": "/etc/passwd"},
        {"size_bytes": 999_999},
        {"size_bytes": -1},
        {"size_bytes": -1, "stored_as": "a.bin"},
        {"size_bytes": "many"},
        b'{"path":"\xff"}',
        b"",
        None,
    ],
)
async def test_a_damaged_record_keeps_no_peer_from_starting(
    network: Network,
    peer: RunningPeer,
    damage: dict[str, Any] | bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole, damaged = await begun(peer, "whole"), await begun(peer)
    await patch(peer, damaged, 0, DATA[:1_000_000])
    files = peer.app.resumable.get(damaged.rpartition("/")[2]).files
    await network.stop_peer("one")
    if damage is None:
        files.data.unlink()
    elif isinstance(damage, bytes):
        files._record.write_bytes(damage)
    else:
        record = msgspec.json.decode(files._record.read_bytes())
        files._record.write_bytes(msgspec.json.encode({**record, **damage}))
    again = await network.peer("one", registered=False)
    assert (await head(again, damaged)).status == 404
    assert await offset_of(again, whole) == 0
    assert not any(path.name.startswith(files.id) for path in files.folder.iterdir())
    assert "record is damaged" in caplog.text


# Refusals -----------------------------------------------------------------------------------


async def test_two_at_once_and_a_wrong_offset(peer: RunningPeer) -> None:
    where = await begun(peer)
    release = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield DATA[:2_000_000]
        await release.wait()
        yield DATA[2_000_000:]

    first = asyncio.ensure_future(patch(peer, where, 0, slowly()))
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    await until(lambda: upload.is_receiving, "the first one sends")
    assert (await patch(peer, where, 0, b"x")).status == 423
    release.set()
    assert (await first).status == 204
    assert (peer.folder / "a.bin").read_bytes() == DATA
    other = await begun(peer, "b.bin")
    for offset in (1, len(DATA)):
        answer = await patch(peer, other, offset, b"x")
        assert (answer.status, answer.json()["type"]) == (409, "urn:panal:error:offset-differs")
    assert await offset_of(peer, other) == 0


async def test_what_is_no_tus(peer: RunningPeer) -> None:
    where = await begun(peer)
    for method, path in (("POST", UPLOADS), ("PATCH", where), ("HEAD", where), ("DELETE", where)):
        answer = await peer.request(method, path, headers={"Tus-Resumable": "0.2.2"})
        assert (answer.status, answer.headers["tus-version"]) == (412, "1.0.0")
    fields = {**TUS, "Upload-Offset": "0", "Content-Type": "text/plain"}
    assert (await peer.request("PATCH", where, headers=fields, data=b"x")).status == 415
    assert (await head(peer, UPLOADS + "/" + "0" * 32)).status == 404
    for offset in ("", "-1", "x", "1" * 30):
        assert (await patch(peer, where, offset, b"x")).status == 400  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length", "about", "status"),
    [
        ("", said(path="a"), 400),
        ("-1", said(path="a"), 400),
        ("x", said(path="a"), 400),
        (str(MAX_CONTENT_BYTES + 1), said(path="a"), 413),
        ("1", "", 400),
        ("1", "path ?", 400),
        ("1", "path /w==", 400),
        ("1", said(path="a") + "," + said(path="b"), 400),
        ("1", said(path="../a"), 400),
        ("1", said(path="/etc/x"), 400),
        ("1", said(path=".hidden"), 400),
        ("1", said(path="a/.panal/b"), 400),
        ("1", said(path="a", conflict="eat"), 400),
    ],
)
async def test_a_beginning_that_is_refused(
    peer: RunningPeer, length: str, about: str, status: int
) -> None:
    fields = {**TUS, "Upload-Length": length, "Upload-Metadata": about}
    assert (await peer.request("POST", UPLOADS, headers=fields)).status == status
    assert (await peer.request("GET", UPLOADS)).json() == {"uploads": []}
    assert not any((peer.app.settings.partials.parent / "resumable").iterdir())


@pytest.mark.parametrize(
    ("path", "conflict", "status"),
    [
        ("shelf/a", "ask", 403),
        ("shelf/a", "keep_both", 403),
        ("shelf", "replace", 403),
        ("file/a", "ask", 403),
        ("link/a", "ask", 403),
        ("folder", "replace", 409),
        ("folder/link", "replace", 409),
        ("shelf", "keep_both", 201),
        ("folder", "keep_both", 201),
        ("folder/new/a", "replace", 201),
        ("file", "replace", 201),
    ],
)
async def test_what_finds_no_place_is_refused_before_its_bytes_come(
    peer: RunningPeer, tmp_path: Path, path: str, conflict: str, status: int
) -> None:
    (tmp_path / "shelf").mkdir()
    await peer.node.add([str(tmp_path / "shelf")])
    (peer.folder / "folder").mkdir()
    (peer.folder / "file").write_bytes(b"file")
    (peer.folder / "link").symlink_to("folder")
    (peer.folder / "folder/link").symlink_to("../file")
    answer = await create(peer, path, len(DATA), conflict=conflict)
    assert answer.status == status
    assert not (peer.folder / "folder/new").exists()
    if status == 201:
        assert (await patch(peer, answer.headers["location"], 0, DATA)).status == 204
    assert (await peer.request("GET", UPLOADS)).json() == {"uploads": []}


async def test_what_finds_no_place_at_the_end_is_read_once_and_can_be_gone_on_with(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(resumable_uploads, "MOST_HASHING", 0)

    def hash_and_note(*arguments: Any) -> Manifest:
        read.append(arguments)
        return hash_descriptor(*arguments)

    monkeypatch.setattr(resumable_upload, "hash_descriptor", hash_and_note)
    refuse = Sharing.refuse_unplaceable

    async def file_comes(sharing: Sharing, path: SafePath, source: Path, *, replace: bool) -> None:
        await refuse(sharing, path, source, replace=replace)
        (peer.folder / "deep").write_bytes(b"")

    monkeypatch.setattr(Sharing, "refuse_unplaceable", file_comes)
    answer = await create(peer, "deep/a.bin", len(DATA), DATA)
    assert (answer.status, answer.headers["tus-resumable"]) == (403, "1.0.0")
    where = answer.headers["location"]
    assert (await head(peer, where)).status == 403
    (peer.folder / "deep").unlink()
    assert await offset_of(peer, where) == len(DATA)
    assert (peer.folder / "deep/a.bin").read_bytes() == DATA
    assert len(read) == 1


async def test_more_than_was_said_is_refused(peer: RunningPeer) -> None:
    where = await begun(peer, size=10)
    assert (await patch(peer, where, 0, b"x" * 11)).status == 413
    assert await offset_of(peer, where) == 0
    assert (await patch(peer, where, 0, b"x" * 10)).status == 204


async def test_what_is_in_place_takes_nothing_more(peer: RunningPeer) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA)
    answer = await patch(peer, where, len(DATA), b"")
    assert (answer.status, answer.headers["panal-path"]) == (204, "a.bin")
    answer = await patch(peer, where, len(DATA), b"x")
    assert (answer.status, answer.json()["type"]) == (409, "urn:panal:error:offset-differs")
    assert (peer.folder / "a.bin").read_bytes() == DATA


async def test_room_is_asked_for_first(peer: RunningPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "room_at", lambda folder: space.Room(1 << 40, 1 << 30))
    answer = await create(peer, "a.bin", 1 << 40)
    assert (answer.status, answer.json()["type"]) == (507, "urn:panal:error:no-space")


async def test_a_disk_that_fails_keeps_what_is_durable(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA[:1_000_000])

    def fail(files: UploadFiles, descriptor: int, offset: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(UploadFiles, "sync", fail)
        assert (await patch(peer, where, 1_000_000, DATA[1_000_000:2_000_000])).status >= 500
    assert await offset_of(peer, where) == 1_000_000
    assert (await patch(peer, where, 1_000_000, DATA[1_000_000:])).status == 204
    assert (peer.folder / "a.bin").read_bytes() == DATA


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


@pytest.mark.parametrize("beneath", ["", ".panal/resumable"])
@pytest.mark.parametrize("files", [0, 2])
async def test_nothing_goes_beneath_a_disk_that_has_gone(
    network: Network, disk: Path, files: int, beneath: str
) -> None:
    peer = await network.peer("one", folder=disk, registered=False)
    for number in range(files):
        await peer.upload(f"{number}", b"%d" % number)
    where = await begun(peer)
    before = await peer.app.presence.check()
    assert (before, peer.node.status().offline) == (set(), [])
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    (disk / beneath).mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        for answer in (
            await create(peer, "b.bin", 1, b"x"),
            await create(peer, "empty", 0),
            await patch(peer, where, 0, b"x"),
            await peer.request("PUT", "/upload/c.bin", data=b"x"),
        ):
            assert (answer.status, answer.json()["type"]) == (404, "urn:panal:error:root-offline")
            assert str(disk) in answer.json()["detail"]
        await peer.app.presence.check()
        assert peer.node.status().offline == [str(disk)]
    assert not any(path.is_file() for path in (disk / ".panal/resumable").rglob("*"))
    assert [path.name for path in disk.iterdir() if path.name != ".panal"] == []
    assert [file.offline for file in peer.node.files().files] == [True] * files
    await peer.app.resumable._remove_old()
    assert len(peer.app.resumable.unfinished()) == 1


def test_the_folders_above_are_never_made(tmp_path: Path) -> None:
    files = UploadFiles(tmp_path / "gone" / "resumable", "0" * 32)
    with pytest.raises(RootOffline, match="gone"):
        files.create(UploadRecord("a", 1, "ask"))
    assert list(tmp_path.iterdir()) == []


# Conflicts ----------------------------------------------------------------------------------


async def test_who_asks_is_told_what_is_there(peer: RunningPeer) -> None:
    file = await peer.upload("a.bin", b"there")
    for conflict in ("ask", "skip"):
        answer = await create(peer, "a.bin", 5, conflict=conflict)
        assert (answer.status, answer.json()["type"]) == (409, "urn:panal:error:target-taken")
        there = answer.json()["there"]
        assert (there["size"], there["id"]) == (5, file["id"])
    assert (peer.folder / "a.bin").read_bytes() == b"there"


@pytest.mark.parametrize(
    ("conflict", "names"),
    [
        ("replace", {"a.bin": DATA}),
        ("keep_both", {"a.bin": b"there", "a (2).bin": DATA}),
    ],
)
async def test_conflicts(peer: RunningPeer, conflict: str, names: dict[str, bytes]) -> None:
    await peer.upload("a.bin", b"there")
    where = await begun(peer, conflict=conflict)
    assert (await patch(peer, where, 0, DATA)).status == 204
    found = {p.name: p.read_bytes() for p in peer.folder.iterdir() if p.name[0] != "."}
    assert found == names


async def test_both_are_kept_whatever_the_extension(peer: RunningPeer) -> None:
    for name in ("a." + "x" * 253, "a" * 153 + ".ñ" + "x" * 99, "b" * 250 + ".xyz"):
        (peer.folder / name).write_bytes(b"there")
        where = await begun(peer, name, 3, conflict="keep_both")
        assert (await patch(peer, where, 0, b"new")).status == 204
    found = {p.name for p in peer.folder.iterdir() if " (2)" in p.name}
    assert found == {
        "a." + "x" * 249 + " (2)",
        "a" * 153 + ".ñ" + "x" * 95 + " (2)",
        "b" * 247 + " (2).xyz",
    }


async def test_where_no_other_name_would_fit_is_said_first(peer: RunningPeer) -> None:
    deep = "/".join([*["d" * 255] * 15, "d" * 100])
    path = f"{deep}/{'a' * (4096 - len(deep) - 1)}"
    assert (await create(peer, path, 1, conflict="keep_both")).status == 201
    await peer.upload(path, b"there")
    for conflict, status in (("keep_both", 400), ("replace", 201)):
        assert (await create(peer, path, 1, conflict=conflict)).status == status


@pytest.mark.parametrize("conflict", ["ask", "skip"])
async def test_what_comes_under_the_name_meanwhile_is_left_alone(
    peer: RunningPeer, conflict: str
) -> None:
    where = await begun(peer, conflict=conflict)
    await peer.upload("a.bin", b"meanwhile")
    answer = await patch(peer, where, 0, DATA)
    assert answer.status == 204
    assert (peer.folder / "a.bin").read_bytes() == b"meanwhile"
    assert (peer.folder / "a (2).bin").exists() is (conflict == "ask")
    assert await offset_of(peer, where) == len(DATA)
    assert not (peer.app.resumable.get(where.rpartition("/")[2]).files.data).exists()


async def test_what_came_under_the_name_after_the_beginning_is_never_replaced(
    peer: RunningPeer,
) -> None:
    for before in (b"there", b""):
        if before:
            await peer.upload("a.bin", before)
        where = await begun(peer, conflict="replace")
        newer = peer.folder / "newer"
        newer.write_bytes(b"newer")
        newer.replace(peer.folder / "a.bin")
        answer = await patch(peer, where, 0, DATA)
        assert (answer.status, answer.headers["panal-path"]) == (204, "a%20%282%29.bin")
        assert (peer.folder / "a.bin").read_bytes() == b"newer"
        assert (peer.folder / "a (2).bin").read_bytes() == DATA
        for path in peer.folder.glob("a*.bin"):
            path.unlink()


async def test_an_edit_of_the_same_size_and_time_is_never_replaced(peer: RunningPeer) -> None:
    await peer.upload("a.bin", b"there")
    where = await begun(peer, conflict="replace")
    overwrite(peer.folder / "a.bin", 0, b"edits")
    assert (await patch(peer, where, 0, DATA)).headers["panal-path"] == "a%20%282%29.bin"
    assert (peer.folder / "a.bin").read_bytes() == b"edits"


async def test_a_folder_that_came_under_the_name_is_left_alone(peer: RunningPeer) -> None:
    where = await begun(peer, conflict="replace")
    (peer.folder / "a.bin").mkdir()
    assert (await patch(peer, where, 0, DATA)).headers["panal-path"] == "a%20%282%29.bin"
    assert (peer.folder / "a (2).bin").read_bytes() == DATA


async def test_what_comes_while_the_old_one_is_read_is_never_replaced(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (peer.folder / "a.bin").write_bytes(b"there")
    where = await begun(peer, conflict="replace")

    def read_and_write(root: Root, path: SafePath, *more: Any) -> HashedFile:
        hashed = hash_file(root, path, *more)
        if path == "a.bin":
            (peer.folder / "a.bin").write_bytes(b"newer")
        return hashed

    monkeypatch.setattr(sharing, "hash_file", read_and_write)
    assert (await patch(peer, where, 0, DATA)).headers["panal-path"] == "a%20%282%29.bin"
    assert (peer.folder / "a.bin").read_bytes() == b"newer"


async def refuse_to_place(*_: object, **__: object) -> None:
    raise NoSpace("the disk is full")


async def test_what_was_told_as_failed_is_not_stored_unasked_at_the_next_start(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer, conflict="replace")
    with monkeypatch.context() as full:
        full.setattr(Sharing, "put_in_place", refuse_to_place)
        assert (await patch(peer, where, 0, DATA)).status == 507
    await network.stop_peer("one")
    again = await network.peer("one", registered=False)
    (listed,) = (await again.request("GET", UPLOADS)).json()["uploads"]
    assert (listed["offset"], listed["state"]) == (len(DATA), "waiting")
    assert not again.app.resumable.get(listed["id"]).storing
    await again.upload("a.bin", b"newer")
    assert (await head(again, where)).headers["panal-path"] == "a%20%282%29.bin"
    assert (again.folder / "a.bin").read_bytes() == b"newer"
    assert (again.folder / "a (2).bin").read_bytes() == DATA


async def test_a_stop_while_it_is_read_is_no_refusal(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await begun(peer)
    upload = peer.app.resumable.get(where.rpartition("/")[2])

    async def stopped(*_: object, **__: object) -> None:
        peer.app.resumable._stopping.set()
        raise PanalError("The peer is stopping.")

    monkeypatch.setattr(Sharing, "put_in_place", stopped)
    assert (await patch(peer, where, 0, DATA)).status >= 400
    assert not upload.files.read_record().is_refused


@pytest.mark.parametrize("is_old", [True, False])
async def test_one_of_an_earlier_version_replaces_nothing(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    """It does not say what stood there when it began."""
    await peer.upload("a.bin", b"there")
    where = await begun(peer, conflict="replace")
    monkeypatch.setattr(peer.app.resumable, "store", lambda upload: asyncio.sleep(0))
    await patch(peer, where, 0, DATA)
    files = peer.app.resumable.get(where.rpartition("/")[2]).files
    await network.stop_peer("one")
    record = msgspec.json.decode(files._record.read_bytes())
    if is_old:
        for name in ("stood", "is_refused"):
            record.pop(name, None)
    files._record.write_bytes(msgspec.json.encode(record))
    again = await network.peer("one", registered=False)
    stored = again.folder / ("a (2).bin" if is_old else "a.bin")
    await until(lambda: not again.app.resumable.unfinished(), "it is stored")
    assert stored.read_bytes() == DATA
    assert (again.folder / "a.bin").read_bytes() == (b"there" if is_old else DATA)


# The end ------------------------------------------------------------------------------------


async def test_one_is_ended_also_while_it_is_sent(peer: RunningPeer) -> None:
    where = await begun(peer)
    release = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield DATA[:2_000_000]
        await release.wait()
        yield DATA[2_000_000:]

    sending = asyncio.ensure_future(patch(peer, where, 0, slowly()))
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    await until(lambda: upload.is_receiving, "it is being sent")
    assert (await peer.request("DELETE", where, headers=TUS)).status == 204
    release.set()
    assert (await sending).status == 404
    assert (await head(peer, where)).status == 404
    assert not any((peer.app.settings.partials.parent / "resumable").iterdir())
    assert not (peer.folder / "a.bin").exists()


async def test_what_nobody_goes_on_with_is_removed_after_a_day(peer: RunningPeer) -> None:
    where = await begun(peer)
    upload = peer.app.resumable.get(where.rpartition("/")[2])
    await patch(peer, where, 0, DATA[:1_000_000])
    assert peer.node.status().unfinished == 1
    assert peer.node.status().unfinished_bytes >= 1_000_000
    assert (await head(peer, where)).headers["upload-expires"].endswith("GMT")
    await peer.app.resumable._remove_old()
    assert await offset_of(peer, where) == 1_000_000
    for path in upload.files.folder.iterdir():
        old = path.stat().st_mtime - KEPT_S
        os.utime(path, (old, old))
    await peer.app.resumable._remove_old()
    assert (await head(peer, where)).status == 404
    assert not any(upload.files.folder.iterdir())


async def test_what_goes_on_while_old_ones_are_looked_for_stays(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheres = [await begun(peer, name, 1) for name in ("a", "b", "c")]
    uploads = [peer.app.resumable.get(where.rpartition("/")[2]) for where in wheres]
    threads = []
    modified_s = UploadFiles.modified_s

    def long_ago(files: UploadFiles) -> float:
        threads.append(threading.current_thread())
        uploads[1].is_receiving = files is uploads[2].files
        return modified_s(files) - KEPT_S

    monkeypatch.setattr(UploadFiles, "modified_s", long_ago)
    removed = []
    remove = UploadFiles.remove

    def note(files: UploadFiles) -> None:
        removed.append(threading.current_thread())
        remove(files)

    monkeypatch.setattr(UploadFiles, "remove", note)
    peer.app.resumable._uploads = LoopOnly(peer.app.resumable._uploads)
    await peer.app.resumable._remove_old()
    assert peer.app.resumable.unfinished() == [uploads[1]]
    assert threading.main_thread() not in {*threads, *removed}
    uploads[1].is_receiving = False


class LoopOnly(dict[str, ResumableUpload]):
    """Only the loop's thread may change it."""

    def pop(self, *arguments: Any) -> Any:
        assert threading.current_thread() is threading.main_thread()
        return super().pop(*arguments)


async def test_what_was_stored_and_removed_is_to_be_sent_anew(peer: RunningPeer) -> None:
    where = await begun(peer)
    await patch(peer, where, 0, DATA)
    (peer.folder / "a.bin").rename(peer.folder / "renamed.bin")

    def paths() -> list[str]:
        return [file.path for file in peer.node.files().files]

    await until(lambda: paths() == ["renamed.bin"], "it is seen under its new name")
    assert await offset_of(peer, where) == len(DATA)
    (peer.folder / "renamed.bin").unlink()
    await until(lambda: paths() == [], "it is seen to be gone")
    assert (await head(peer, where)).status == 404
    assert await offset_of(peer, await begun(peer)) == 0


async def test_only_unfinished_ones_count(
    peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_uploads, "MOST_UNFINISHED", 2)
    for number in range(5):
        assert (await create(peer, f"stored {number}", 3, b"%3d" % number)).status == 201
    for name in ("a", "b"):
        await begun(peer, name)
    assert (await create(peer, "c", 1)).status == 503


async def test_of_the_stored_ones_those_stored_first_are_forgotten(
    network: Network, peer: RunningPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_uploads, "MOST_STORED", 2)
    late = await begun(peer, "late", 1)
    places = [await begun(peer, name, 1) for name in ("a", "b", "c")]
    for where in (*places, late):
        assert (await patch(peer, where, 0, where[-1:].encode())).status == 204
    for where, status in zip((*places, late), (404, 404, 200, 200), strict=True):
        assert (await head(peer, where)).status == status
    folder = peer.app.settings.partials.parent / "resumable"
    assert {path.stem for path in folder.iterdir()} == {w[-32:] for w in (places[2], late)}


# A peer that is killed ----------------------------------------------------------------------

PEER = """
import asyncio, sys
from pathlib import Path
from panal.peer.config import PeerSettings
from panal.running import running_peer
async def main():
    settings = PeerSettings("one", 0, Path(sys.argv[1]), ("127.0.0.1:1",))
    async with running_peer(settings) as app:
        print(app.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_killed_just_after_it_got_its_name_it_is_known_to_be_done(
    network: Network, peer: RunningPeer
) -> None:
    """The index does not know of the file yet; its sender is not told that the name is taken."""

    async def killed(*_: object) -> None:
        raise PanalError("killed here")

    where = await begun(peer)
    with pytest.MonkeyPatch.context() as context:
        context.setattr(Sharing, "remember", killed)
        assert (await patch(peer, where, 0, DATA)).status >= 400
        await network.stop_peer("one")
    assert (peer.folder / "a.bin").read_bytes() == DATA
    peer = await network.peer("one", registered=False)
    assert await offset_of(peer, where) == len(DATA)


@pytest.mark.slow
async def test_killed_in_the_middle_it_goes_on(tmp_path: Path) -> None:
    async def started() -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", PEER, str(tmp_path / "folder")],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        return process, int(await asyncio.to_thread(process.stdout.readline))

    lines = [f"{name}: {value}" for name, value in BYTES.items()]
    process, port = await started()
    try:
        async with connection(port) as wire:
            about = f"Upload-Metadata: {said(path='a.bin')}"
            length = f"Upload-Length: {len(DATA)}"
            made = await wire.ask("POST", UPLOADS, "Tus-Resumable: 1.0.0", about, length)
            where = made.headers["location"]
            rest = f"Content-Length: {len(DATA)}"
            await wire.send(request("PATCH", where, *lines, "Upload-Offset: 0", rest))
            await wire.send(DATA[:2_500_000])
            async with connection(port) as other:
                while True:
                    seen = await other.ask("HEAD", where, "Tus-Resumable: 1.0.0")
                    if int(seen.headers["upload-offset"]) >= 2 << 20:
                        break
            process.kill()
            process.wait()
    finally:
        process.kill()
        process.wait()
    process, port = await started()
    try:
        async with connection(port) as wire:
            seen = await wire.ask("HEAD", where, "Tus-Resumable: 1.0.0")
            here = int(seen.headers["upload-offset"])
            assert here >= 2 << 20
            offset = f"Upload-Offset: {here}"
            done = await wire.ask("PATCH", where, *lines, offset, body=DATA[here:])
            assert done.status == 204
        assert (tmp_path / "folder" / "a.bin").read_bytes() == DATA
    finally:
        process.terminate()
        process.wait()
