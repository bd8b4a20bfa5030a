"""P2: one table of unsafe names, at every door by which a name comes in."""

import base64
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from panal.errors import IntegrityError, PanalError, UnsafeName
from panal.wire import collection, links, tracker_pb2
from panal.wire.names import safe_path
from panal.wire.tracker_catalogue import announcement_from, entry_from
from panal.wire.tracker_folders import folder_query_from
from tests.support.network import Network, until
from tests.support.raw_http import connection
from tests.wire.test_names import UNSAFE

pytestmark = pytest.mark.p2

HEX = "ab" * 32
ENCODABLE = {name: path for name, path in UNSAFE.items() if path and len(path) < 5_000}


def _list(path: str) -> object:
    line = f"{HEX} 5 f 7 {path}\n".encode("utf-8", "surrogatepass")
    return collection.decode(b"panal-collection 1\n" + line)


def _announced(path: str) -> object:
    return entry_from(tracker_pb2.Entry(path=path, content=bytes(32), size_bytes=5))


def _withdrawn(path: str) -> object:
    return announcement_from(tracker_pb2.AnnounceRequest(sequence=1, removed_paths=[path]))


def _browsed(path: str) -> object:
    return folder_query_from(tracker_pb2.ListFolderRequest(peer="one", folder=path))


PURE_DOORS: dict[str, Callable[[str], object]] = {
    "a folder's list": _list,
    "an announcement": _announced,
    "a withdrawal": _withdrawn,
    "a wish": safe_path,
    "a path in a folder": lambda path: links.parse_what(f"{HEX}/{path}"),
    "a link's name": lambda path: links.parse_link(
        f"panal:{HEX}?name={quote(path.encode('utf-8', 'surrogatepass'))}"
    ),
}


@pytest.mark.parametrize("door", PURE_DOORS)
@pytest.mark.parametrize("name", ENCODABLE)
def test_no_unsafe_name_comes_in(door: str, name: str) -> None:
    if door == "a path in a folder" and name in {"slash last", "newline last"}:
        typed = PURE_DOORS[door](ENCODABLE[name])  # as people type and paste
        assert isinstance(typed, links.Link)
        assert typed.inside == "a"
        return
    with pytest.raises((PanalError, UnicodeEncodeError)) as refused:
        PURE_DOORS[door](ENCODABLE[name])
    if isinstance(refused.value, PanalError):
        assert (
            isinstance(refused.value, UnsafeName | IntegrityError)
            or refused.value.http_status == 400
        )


async def test_none_comes_in_by_http(network: Network) -> None:
    peer = await network.peer("one", shares_folder=False)
    for path in ENCODABLE.values():
        raw = path.encode("utf-8", "surrogatepass")
        length, encoded = "Content-Length: 1", quote(raw)
        async with connection(peer.app.port) as wire:
            answer = await wire.ask("PUT", f"/upload/{encoded}", length, body=b"x")
            assert 400 <= answer.status < 500, path
        metadata = f"Upload-Metadata: path {base64.b64encode(raw).decode()}"
        async with connection(peer.app.port) as wire:
            lines = ("Tus-Resumable: 1.0.0", "Upload-Length: 1", metadata, "Content-Length: 0")
            answer = await wire.ask("POST", "/api/v1/uploads", *lines)
            assert 400 <= answer.status < 500, path
        async with connection(peer.app.port) as wire:
            assert (await wire.ask("GET", f"/files/{encoded}")).status in {400, 404}, path
    assert _beside_our_own(peer.folder) == []


async def test_none_is_shared_from_the_folder_and_each_is_counted(network: Network) -> None:
    """What the disk can hold of the table lies there; the rest of the folder is shared."""
    folder = network.place / "one"
    folder.mkdir()
    made = 0
    for path in ENCODABLE.values():
        if path.startswith(("/", ".panal", ".PANAL")) or ".." in path.split("/"):
            continue
        with contextlib.suppress(OSError, ValueError):
            raw = os.fsencode(folder) + b"/" + path.encode("utf-8", "surrogateescape")
            os.makedirs(os.path.dirname(raw), exist_ok=True)
            with open(raw, "xb") as file:
                file.write(b"x")
                made += 1
    (folder / "fine.txt").write_bytes(b"fine")
    peer = await network.peer("one")
    await until(lambda: peer.app.index.by_path("fine.txt") is not None, "the fine one is shared")
    shared = [file.path for file in peer.node.files().files]
    assert all(safe_path(path) == path for path in shared)
    status = await peer.request("GET", "/api/v1/status")
    skipped = status.json()["skipped"]
    assert made > 20
    assert sum(skipped.values()) + len(shared) - 1 >= made, skipped
    assert all(character.isprintable() for character in status.body.decode().replace("\n", ""))


def _beside_our_own(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.name != ".panal"]
