"""What is hashed together, and what does not wait for what."""

import asyncio
import threading
from typing import Any

import pytest

from panal.peer import scanning
from panal.peer.comparing import Comparing, Difference
from panal.peer.scanning import BATCH_BYTES, BATCH_FILES, batches
from panal.store.fingerprints import Fingerprint
from panal.store.hashing import HashedFile, hash_file
from panal.wire.names import SafePath
from tests.peer.test_watching import sees, write
from tests.support.network import Network, until
from tests.support.patience import PATIENCE_S


def sized(*sizes: int) -> list[tuple[SafePath, Fingerprint]]:
    return [(SafePath(str(at)), Fingerprint(0, at, size, 1)) for at, size in enumerate(sizes)]


def test_batches_hold_everything_once_and_none_is_too_large() -> None:
    sizes = [1] * (2 * BATCH_FILES + 1) + [BATCH_BYTES, BATCH_BYTES, 5, 7]
    found = list(batches(sized(*sizes)))
    assert [path for batch in found for path in batch] == [str(at) for at in range(len(sizes))]
    assert [len(batch) for batch in found] == [BATCH_FILES, BATCH_FILES, 2, 1, 2]
    assert list(batches([])) == []


async def test_small_files_do_not_wait_for_large_ones(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "BATCH_BYTES", 100)
    released = threading.Event()
    real = hash_file

    def slow(root: Any, path: Any, progress: Any = None) -> HashedFile:
        if path.startswith("large"):
            released.wait(20)
        return real(root, path, progress)

    monkeypatch.setattr(scanning, "hash_file", slow)
    peer = await network.peer("one")
    try:
        for number in range(20):
            write(peer.folder / f"large{number}", b"x" * (101 + number))
        await until(lambda: peer.node.status().to_hash == 20, "the large ones are found")
        write(peer.folder / "small", b"x")
        await until(lambda: peer.app.index.by_path("small") is not None, "the small one")
        assert peer.node.status().to_hash == 20
    finally:
        released.set()
    await until(lambda: peer.app.index.totals()[0] == 21, "all")


async def test_a_file_that_changes_while_it_is_hashed_is_read_again(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = hash_file
    edits = iter([b"second", b"third!"])

    def edited_meanwhile(root: Any, path: Any, progress: Any = None) -> HashedFile:
        hashed = real(root, path, progress)
        if (data := next(edits, None)) is not None:
            (root.path / path).write_bytes(data)
        return hashed

    monkeypatch.setattr(scanning, "hash_file", edited_meanwhile)
    peer = await network.peer("one")
    write(peer.folder / "a", b"first.")
    await sees(peer, "a")
    assert (await peer.request("GET", "/files/a")).body == b"third!"


async def test_what_is_left_out_is_logged_once_a_reason(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "panal")
    peer = await network.peer("one")
    for name in ("a.pem", "b.pem"):
        write(peer.folder / name, b"x")
    for _ in range(3):
        await peer.app.scanning.scan()
    write(peer.folder / "c.pem", b"x")
    (peer.folder / "link").symlink_to("a.pem")
    await peer.app.scanning.scan()
    told = [text for text in caplog.messages if text.startswith("Left out")]
    assert told == [
        "Left out: 2 files (a secret by its name), as 'a.pem', 'b.pem'.",
        "Left out: 1 file (symbolic link), as 'link'.",
    ]


async def test_what_was_hashed_and_not_taken_in_is_still_new_to_who_looks_meanwhile(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_now, looking, look_on = threading.Event(), threading.Event(), threading.Event()
    real_hash, real_some = hash_file, Comparing.some

    def gated_hash(root: Any, path: Any, progress: Any = None) -> HashedFile:
        hash_now.wait(20)
        return real_hash(root, path, progress)

    def gated_some(comparing: Comparing, *given: Any) -> Difference:
        looking.set()
        look_on.wait(20)
        return real_some(comparing, *given)

    monkeypatch.setattr(scanning, "hash_file", gated_hash)
    peer = await network.peer("one")
    write(peer.folder / "a", b"a")
    await until(lambda: peer.node.status().to_hash == 1, "it is found")
    peer.app.sharing.busy.add(SafePath("a"))
    monkeypatch.setattr(Comparing, "some", gated_some)
    second_look = asyncio.create_task(peer.app.scanning.look(["a"]))
    try:
        await until(looking.is_set, "the second look")
        hash_now.set()
        await until(lambda: peer.node.status().to_hash == 0, "hashed, and not taken in")
    finally:
        hash_now.set()
        look_on.set()
    assert [path for path, _ in (await second_look).fresh] == ["a"]


async def test_two_looks_at_once_hash_a_file_once(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths: list[str] = []
    real = hash_file

    def counting(root: Any, path: Any, progress: Any = None) -> HashedFile:
        paths.append(path)
        return real(root, path, progress)

    monkeypatch.setattr(scanning, "hash_file", counting)
    peer = await network.peer("one")
    write(peer.folder / "a", b"a")
    async with asyncio.timeout(PATIENCE_S):
        while not paths:
            scans = [peer.app.scanning.scan() for _ in range(5)]
            await asyncio.gather(*scans)
    await sees(peer, "a")
    assert paths == ["a"]
