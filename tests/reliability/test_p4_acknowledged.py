"""P4: file, then name, then folder: all of it durable before anything is acknowledged."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from panal.store import durable, publish, staging
from panal.store.collection_records import CollectionRecords
from panal.store.download_records import DownloadRecords
from panal.store.index import Index
from panal.store.index_database import IndexDatabase
from panal.store.root_records import RootRecords
from panal.wire.manifest import MIN_CHUNK_BYTES
from panal.wire.names import SafePath
from tests.support.checker import assert_settled
from tests.support.network import Network, RunningPeer, until
from tests.web.test_resumable_uploads import begun, patch

pytestmark = pytest.mark.p4
DATA = Random(4).randbytes(3 * MIN_CHUNK_BYTES + 1)


class Watched:
    """What is in memory alone yet: bytes of files, and names in folders; all by inode."""

    def __init__(self, change: pytest.MonkeyPatch) -> None:
        self.bytes_of: set[int] = set()
        self.names_in: set[int] = set()
        self.too_early: list[str] = []
        for call in ("write", "pwrite"):
            change.setattr(os, call, self._writing(getattr(os, call)))
        for call in ("fsync", "fdatasync"):
            change.setattr(os, call, self._syncing(getattr(os, call)))
        change.setattr(os, "mkdir", self._making(os.mkdir))
        change.setattr(durable, "syncs_whole", lambda _: False)  # each file by itself
        naming = self._naming(publish.publish_at)
        for module in (publish, staging):
            change.setattr(module, "publish_at", naming)

    def _writing(self, real: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, *given: object) -> int:
            self.bytes_of.add(os.fstat(descriptor).st_ino)
            return real(descriptor, *given)

        return write

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            real(descriptor)
            inode = os.fstat(descriptor).st_ino
            self.bytes_of.discard(inode)
            self.names_in.discard(inode)

        return sync

    def _making(self, real: Callable[..., None]) -> Callable[..., None]:
        def mkdir(name: str, *given: int, dir_fd: int | None = None) -> None:
            real(name, *given, dir_fd=dir_fd)
            if dir_fd is not None:
                self.names_in.add(os.fstat(dir_fd).st_ino)

        return mkdir

    def _naming(self, real: Callable[..., None]) -> Callable[..., None]:
        def name(source: str, folder: int, *given: object, **named: object) -> None:
            if os.stat(source).st_ino in self.bytes_of:
                self.too_early.append(source)
            real(source, folder, *given, **named)
            self.names_in.add(os.fstat(folder).st_ino)

        return name

    def assert_durable(self, top: Path, path: str) -> None:
        """A power cut now leaves that file where it is, with all its bytes."""
        file = top / path
        assert self.too_early == [], "a name came before its bytes"
        assert file.read_bytes() == DATA
        assert file.stat().st_ino not in self.bytes_of, f"{path} has bytes in memory alone"
        while file != top:
            file = file.parent
            assert file.stat().st_ino not in self.names_in, f"{path}: a name in memory alone"


async def sent_in(peer: RunningPeer, path: str) -> None:
    assert (await peer.request("PUT", f"/upload/{path}", data=DATA)).status == 201


async def sent_in_pieces(peer: RunningPeer, path: str) -> None:
    where = await begun(peer, path, len(DATA))
    for start in range(0, len(DATA), MIN_CHUNK_BYTES):
        piece = DATA[start : start + MIN_CHUNK_BYTES]
        assert (await patch(peer, where, start, piece)).status == 204


UPLOADS = {
    "top.bin": sent_in,
    "tree/new/deep.bin": sent_in,
    "pieces.bin": sent_in_pieces,
    "tree/pieces/deep.bin": sent_in_pieces,
}


async def acknowledged(network: Network, change: pytest.MonkeyPatch) -> None:
    """By each way, at the top and in new folders; looked at as soon as it is acknowledged."""
    seed, getter = await network.peer("seed"), await network.peer("getter")
    for path, send in UPLOADS.items():
        with change.context() as patched:
            watched = Watched(patched)
            await send(seed, path)
            watched.assert_durable(seed.folder, path)
    downloads = {
        "got.bin": (await seed.node.link("top.bin")).link,
        "in/new/got.bin": (await seed.node.link("pieces.bin")).link,
        "tree": (await seed.node.add_folder("tree")).link,
    }
    for name, what in downloads.items():
        with change.context() as patched:
            watched = Watched(patched)
            assert (await getter.fetched(what, name)).state == "done"
            inside = ("/new/deep.bin", "/pieces/deep.bin") if name == "tree" else ("",)
            for path in inside:
                watched.assert_durable(getter.folder, name + path)
    for peer in ("seed", "getter"):
        await network.stop_peer(peer)
        assert_settled(network.place / peer)


async def test_p4_what_is_acknowledged_is_durable(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    await acknowledged(network, monkeypatch)


async def _written_by_another_program(
    peer: RunningPeer, path: SafePath, change: pytest.MonkeyPatch
) -> Watched:
    """The data are there and known, in two new folders, and nothing of it was synced."""
    file = peer.folder / path
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    await until(lambda: peer.app.index.by_path(path) is not None, "known")
    watched = Watched(change)
    watched.bytes_of.add(file.stat().st_ino)
    watched.names_in |= {folder.stat().st_ino for folder in list(file.parents)[:3]}
    return watched


@pytest.mark.parametrize("is_download", [False, True])
async def test_p4_what_is_here_already_is_durable_before_that_is_acknowledged(
    network: Network, monkeypatch: pytest.MonkeyPatch, is_download: bool
) -> None:
    """Though the index knows it: another program wrote it, or a try whose last sync failed."""
    seed, getter = await network.peer("seed"), await network.peer("getter")
    path = SafePath("new/deep/film.bin")
    await sent_in(seed, path)
    watched = await _written_by_another_program(getter, path, monkeypatch)
    if is_download:
        assert (await getter.fetched((await seed.node.link(path)).link, path)).state == "done"
    else:
        assert (await getter.request("PUT", f"/upload/{path}", data=DATA)).status == 200
    watched.assert_durable(getter.folder, path)


async def test_p4_what_a_folder_has_already_is_durable_before_that_is_acknowledged(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, getter = await network.peer("seed"), await network.peer("getter")
    path = SafePath("tree/deep/film.bin")
    await sent_in(seed, path)
    link = (await seed.node.add_folder("tree")).link
    watched = await _written_by_another_program(getter, path, monkeypatch)
    assert (await getter.fetched(link)).state == "done"
    watched.assert_durable(getter.folder, path)


async def test_p4_is_seen_broken_where_nothing_is_synced(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watched, "_syncing", lambda *_: lambda descriptor: None)
    with pytest.raises(AssertionError, match=r"before its bytes|in memory alone"):
        await acknowledged(network, monkeypatch)


class LeftByPowerCut:
    """Of an index what its last sync has put on the disk."""

    def __init__(self, state: Path, place: Path, change: pytest.MonkeyPatch) -> None:
        self._log = state / "index.sqlite-wal"
        self._place = place
        self._fsync = os.fsync
        change.setattr(os, "fsync", self._noting)

    def _noting(self, descriptor: int) -> None:
        self._fsync(descriptor)
        if os.fstat(descriptor).st_ino == self._log.stat().st_ino:
            self._place.mkdir(exist_ok=True)
            for path in (self._log, self._log.with_name("index.sqlite")):
                shutil.copy(path, self._place / path.name)

    def index(self) -> Index:
        """As the next start finds it."""
        return Index(self._place / "index.sqlite")


async def test_p4_what_is_ordered_outlives_a_power_cut(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await network.peer("getter")
    elsewhere = tmp_path / "music"
    elsewhere.mkdir()
    await peer.upload("tree/one.bin", b"one")
    with monkeypatch.context() as patched:
        left = LeftByPowerCut(peer.app.settings.state, tmp_path / "left", patched)
        orders = {
            "/api/v1/downloads": {"what": "ab" * 32},
            "/api/v1/files": {"paths": [str(elsewhere)]},
            "/api/v1/folders": {"path": "tree"},
        }
        for where, what in orders.items():
            answer = await peer.request("POST", where, json=what)
            assert answer.status in {201, 202}, answer.body
            index = left.index()
            found = {"/api/v1/downloads": DownloadRecords(index).all(),
                     "/api/v1/files": RootRecords(index).roots(),
                     "/api/v1/folders": CollectionRecords(index).all()}  # fmt: skip
            index.close()
            assert found[where], where


async def test_p4_is_seen_broken_where_an_order_is_not_synced(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IndexDatabase, "make_durable", lambda _: None)
    with pytest.raises(AssertionError, match="/api/v1/downloads"):
        await test_p4_what_is_ordered_outlives_a_power_cut(network, tmp_path, monkeypatch)
